"""wsproto as second judge: right frames pass, wrong ones do not, whatever our own reader thinks of them."""

import pytest

from conformance.outcomes import Violation
from conformance.wire import second_opinion
from conformance.wire.websocket import Opcode, encode, may_close
from tests.conformance.servers import answer_first, peer, serving

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def examine(frames: bytes) -> None:
    with serving(answer_first(HEAD + frames)) as address, peer(address) as client:
        client.send(b"?")
        client.rest()
        second_opinion.examine(client)


def test_right_frames() -> None:
    examine(encode(Opcode.TEXT, "größer".encode(), key=None) + encode(Opcode.CLOSE, b"\x03\xe8bye", key=None))


def test_frames_of_a_client() -> None:
    masked, unmasked = encode(Opcode.TEXT, b"x"), encode(Opcode.TEXT, b"x", key=None)
    with serving(answer_first(HEAD + masked)) as address, peer(address) as client:
        client.send(b"?")
        client.rest()
        second_opinion.examine(client, by_client=True)
    with serving(answer_first(HEAD + unmasked)) as address, peer(address) as client:
        client.send(b"?")
        client.rest()
        with pytest.raises(Violation, match="wsproto refuses"):
            second_opinion.examine(client, by_client=True)


def test_part_of_a_frame() -> None:
    examine(encode(Opcode.BINARY, bytes(200), key=None)[:50])


@pytest.mark.parametrize(
    "frames",
    [
        encode(Opcode.TEXT, b"masked"),
        encode(Opcode.TEXT, b"\xff", key=None),
        encode(Opcode.CONTINUATION, b"of nothing", key=None),
        encode(Opcode.PING, b"split", fin=False, key=None),
        encode(Opcode.CLOSE, b"\x03\xed", key=None),
    ],
)
def test_wrong_frames(frames: bytes) -> None:
    with pytest.raises(Violation, match="wsproto refuses"):
        examine(frames)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8", b"\x13\x87", b"\x03\xf6"])
def test_close_payloads_that_may_be(payload: bytes) -> None:
    assert may_close(payload)


@pytest.mark.parametrize(
    "payload", [b"\x03", b"\x03\xed", b"\x03\xf7", b"\0\0", b"\x13\x88", b"\x03\xe8\xff"]
)
def test_close_payloads_that_may_not_be(payload: bytes) -> None:
    assert not may_close(payload)
