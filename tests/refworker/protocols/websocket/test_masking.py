import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.websocket.masking import LANES_FROM, in_python, mask
from tests.refworker.protocols.websocket.peers import KEY

both = pytest.mark.parametrize("how", [in_python, mask], ids=["in Python", "as it is"])


def slowly(payload: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


@both
@pytest.mark.parametrize(
    "length", [*range(10), 124, 125, 126, *range(LANES_FROM - 2, LANES_FROM + 6), 5 * LANES_FROM + 3]
)
def test_masking_is_xor_and_undoes_itself(how: type[mask], length: int) -> None:
    payload = bytes(index * 7 % 256 for index in range(length))
    assert how(payload, KEY) == slowly(payload, KEY)
    assert how(how(payload, KEY), KEY) == payload


@both
@given(st.binary(max_size=2 * LANES_FROM), st.binary(min_size=4, max_size=4))
def test_any_payload_under_any_key(how: type[mask], payload: bytes, key: bytes) -> None:
    assert how(payload, key) == slowly(payload, key)


def test_everything_works_without_the_compiled_one() -> None:
    program = """
import sys
sys.modules["websockets.speedups"] = None
from refworker.protocols.websocket import masking
from refworker.protocols.websocket.frames import TEXT, frame, read_short
assert masking.compiled is None and masking.mask is masking.in_python
items = []
read_short(frame(TEXT, b"Hello", b"mask") * 2, 0, 125, True, items)
assert items == ["Hello"] * 2
"""
    subprocess.run([sys.executable, "-c", program], check=True)
