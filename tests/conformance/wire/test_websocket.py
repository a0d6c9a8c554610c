"""The WebSocket client: encodes what it is told, reads only what a server may send (RFC 6455)."""

import pytest

from conformance.outcomes import Violation
from conformance.wire import websocket
from conformance.wire.websocket import Opcode
from tests.conformance.servers import answer_first, peer, serving

KEY = b"\x37\xfa\x21\x3d"


def test_encode_the_examples_of_section_5_7() -> None:
    assert websocket.encode(1, b"Hello", key=None) == bytes.fromhex("810548656c6c6f")
    assert websocket.encode(1, b"Hello", key=KEY) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert websocket.encode(1, b"Hel", fin=False, key=None) == bytes.fromhex("010348656c")
    assert websocket.encode(2, bytes(256), key=None)[:4] == bytes.fromhex("827e0100")
    assert websocket.encode(2, bytes(65536), key=None)[:10] == bytes.fromhex("827f0000000000010000")


def test_encode_does_what_is_wrong_too() -> None:
    assert websocket.encode(1, b"x", rsv=4, key=None)[0] == 0xC1
    assert websocket.encode(1, b"x", key=None, length_bytes=8) == bytes.fromhex("817f000000000000000178")


def test_accept_value_of_section_1_3() -> None:
    assert websocket.accept_value("dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def read(data: bytes) -> websocket.Frame:
    with serving(answer_first(data)) as address, peer(address) as client:
        client.send(b"?")
        return websocket.read(client)


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_read_every_length(length: int) -> None:
    assert read(websocket.encode(2, bytes(length), key=None)) == websocket.Frame(Opcode.BINARY, bytes(length))


@pytest.mark.parametrize(
    "data",
    [
        websocket.encode(1, b"x", rsv=4, key=None),
        websocket.encode(3, b"x", key=None),
        websocket.encode(1, b"x", key=KEY),
        websocket.encode(9, bytes(126), key=None),
        websocket.encode(9, b"x", fin=False, key=None),
        websocket.encode(1, b"x", key=None, length_bytes=2),
        websocket.encode(1, bytes(126), key=None, length_bytes=8),
    ],
)
def test_read_refuses(data: bytes) -> None:
    with pytest.raises(Violation, match="5\\."):
        read(data)


def test_expect_joins_fragments() -> None:
    data = websocket.encode(1, b"a", fin=False, key=None) + websocket.encode(0, b"b", key=None)
    with serving(answer_first(data)) as address, peer(address) as client:
        client.send(b"?")
        websocket.expect(client, Opcode.TEXT, b"ab")


def test_close_frame() -> None:
    assert websocket.Frame(Opcode.CLOSE, websocket.close_payload(1000, b"bye")).close_code == 1000
    assert websocket.Frame(Opcode.CLOSE, b"").close_code is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"nonsense\r\n\r\n", b"\r\n\r\n"])
def test_upgrade_refuses(answer: bytes) -> None:
    refused = pytest.raises(Violation, match="wrong-answer")
    with serving(answer_first(answer)) as address, peer(address) as client, refused:
        websocket.upgrade(client)
