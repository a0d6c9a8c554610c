import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.websocket.masking import LANES_FROM, Mask, in_python, mask, speed_up
from tests.refworker.protocols.websocket.peers import KEY

speed_up()

both = pytest.mark.parametrize("how", [in_python, mask], ids=["in Python", "as it is"])


def slowly(payload: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


@both
@pytest.mark.parametrize(
    "length", [*range(10), 124, 125, 126, *range(LANES_FROM - 2, LANES_FROM + 6), 5 * LANES_FROM + 3]
)
def test_masking_is_xor_and_undoes_itself(how: Mask, length: int) -> None:
    payload = bytes(index * 7 % 256 for index in range(length))
    assert how(payload, KEY) == slowly(payload, KEY)
    assert how(how(payload, KEY), KEY) == payload


@both
@given(st.binary(max_size=2 * LANES_FROM), st.binary(min_size=4, max_size=4))
def test_any_payload_under_any_key(how: Mask, payload: bytes, key: bytes) -> None:
    assert how(payload, key) == slowly(payload, key)


@pytest.mark.parametrize("here", [True, False], ids=["compiled", "not installed"])
def test_it_is_fetched_when_it_is_wanted_and_missed_by_nobody(here: bool) -> None:
    program = f"""
import sys
if not {here}:
    sys.modules["websockets.speedups"] = None
from refworker.protocols.registry import server_codec
from refworker.protocols.websocket import masking
from refworker.protocols.websocket.frames import TEXT, frame, read_short
server_codec("text")
assert masking.compiled is None
server_codec("websocket")
assert (masking.compiled is not None) is {here}
items = []
read_short(frame(TEXT, b"Hello", b"mask") * 2, 0, True, items)
assert items == ["Hello"] * 2
"""
    subprocess.run([sys.executable, "-c", program], check=True)
