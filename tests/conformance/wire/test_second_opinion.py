"""wsproto as second judge: right frames pass, wrong ones do not, whatever our own reader thinks of them."""

import pytest

from conformance.outcomes import Violation
from conformance.wire import second_opinion
from conformance.wire.deflate import Agreement, Deflate
from conformance.wire.websocket import RSV1, Opcode, encode, may_close
from tests.conformance.servers import answer_first, peer, serving

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def examine(frames: bytes, agreement: Agreement | None = None) -> None:
    with serving(answer_first(HEAD + frames)) as address, peer(address) as client:
        client.deflate = Deflate(agreement) if agreement else None
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


HELLO = bytes.fromhex("f248cdc9c90700")
SPLIT = encode(Opcode.TEXT, HELLO[:3], fin=False, rsv=RSV1, key=None)
REST = encode(Opcode.CONTINUATION, HELLO[3:], key=None)
PING = encode(Opcode.PING, b"between", key=None)
AGAIN = encode(Opcode.TEXT, bytes.fromhex("f200110000"), rsv=RSV1, key=None)


def test_compressed_messages_with_pings_between() -> None:
    examine(PING + SPLIT + PING + REST + PING + AGAIN, Agreement(server_max_window_bits=8))


@pytest.mark.parametrize(
    ("frames", "agreement"),
    [
        (SPLIT + REST, None),
        (AGAIN, Agreement()),
        (SPLIT + REST + AGAIN, Agreement(server_no_context_takeover=True)),
        (encode(Opcode.PING, b"", rsv=RSV1, key=None), Agreement()),
        (encode(Opcode.TEXT, b"\x02\x08\x00", rsv=RSV1, key=None) + b"\xc1\x03\xff\xff\xff", Agreement()),
    ],
)
def test_wrong_compressed_messages(frames: bytes, agreement: Agreement | None) -> None:
    with pytest.raises(Violation, match="wsproto refuses"):
        examine(frames, agreement)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8", b"\x13\x87", b"\x03\xf6"])
def test_close_payloads_that_may_be(payload: bytes) -> None:
    assert may_close(payload)


@pytest.mark.parametrize(
    "payload", [b"\x03", b"\x03\xed", b"\x03\xf7", b"\0\0", b"\x13\x88", b"\x03\xe8\xff"]
)
def test_close_payloads_that_may_not_be(payload: bytes) -> None:
    assert not may_close(payload)
