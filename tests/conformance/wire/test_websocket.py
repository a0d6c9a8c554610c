"""The WebSocket client: encodes what it is told, reads only what a server may send (RFC 6455)."""

import socket

import h11
import pytest

from conformance.outcomes import Violation
from conformance.wire import websocket
from conformance.wire.deflate import Agreement, Deflate
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


PING, ANSWER = (websocket.encode(kind, b"there?", key=None) for kind in (Opcode.PING, Opcode.TEXT))


def asking(connection: socket.socket) -> None:
    """Ask twice whether the client is there, and say what came of it."""
    connection.recv(1)
    connection.sendall(PING * 2 + ANSWER)
    connection.sendall(websocket.encode(Opcode.BINARY, connection.recv(12) + connection.recv(12), key=None))


def test_a_server_may_ask_whether_we_are_there() -> None:
    with serving(asking) as address, peer(address) as client:
        client.send(b"?")
        assert websocket.read(client).opcode is Opcode.TEXT
        pongs = websocket.read(client).payload
        assert [websocket.mask(each[6:], each[2:6]) for each in (pongs[:12], pongs[12:])] == [b"there?"] * 2
        assert {pongs[0], pongs[12]} == {0x80 | Opcode.PONG}


def test_pings_that_are_waited_for_or_never_end_are_shown() -> None:
    assert read(PING * websocket.UNASKED + PING).opcode is Opcode.PING
    with serving(answer_first(PING)) as address, peer(address) as client:
        client.send(b"?")
        websocket.expect(client, Opcode.PING, b"there?")


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


HELLO = bytes.fromhex("f248cdc9c90700")


def test_marked_frames_are_messages_only_where_that_was_agreed_on() -> None:
    frames = encode_marked(Opcode.TEXT, HELLO[:3], fin=False) + websocket.encode(0, HELLO[3:], key=None)
    with serving(answer_first(frames)) as address, peer(address) as client:
        client.deflate = Deflate(Agreement())
        client.send(b"?")
        websocket.expect(client, Opcode.TEXT, b"Hello")


@pytest.mark.parametrize("opcode", [Opcode.CONTINUATION, Opcode.PING, Opcode.CLOSE])
def test_the_mark_stands_on_the_first_frame_of_a_message_only(opcode: Opcode) -> None:
    with serving(answer_first(encode_marked(opcode, b""))) as address, peer(address) as client:
        client.deflate = Deflate(Agreement())
        client.send(b"?")
        with pytest.raises(Violation, match=r"5\.2"):
            websocket.read(client)


def encode_marked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    return websocket.encode(opcode, payload, fin=fin, rsv=websocket.RSV1, key=None)


def test_what_an_answer_agrees_to_is_kept_with_the_connection() -> None:
    response = h11.InformationalResponse(
        status_code=101,
        headers=[("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=9")],
    )
    with serving(answer_first(b"")) as address, peer(address) as client:
        websocket.extend(client, ["permessage-deflate"], response)
        assert client.deflate
        assert client.deflate.agreement.server_max_window_bits == 9
        with pytest.raises(Violation, match="answers no offer"):
            websocket.extend(client, ["permessage-deflate; server_max_window_bits=8"], response)


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
