"""The server's side of WebSocket: requests, responses, and masked frames read strictly (RFC 6455)."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.outcomes import Violation
from conformance.wire import websocket, websocket_server
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, encode
from conformance.wire.websocket_server import Masked, Request, frame, response
from tests.conformance.servers import answer_first, peer, serving

KEY = b"\x37\xfa\x21\x3d"
GOOD = [
    "GET /chat?a=b HTTP/1.1",
    "Host: h:1",
    "Upgrade: WebSocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


@contextmanager
def saying(data: bytes) -> Iterator[Peer]:
    """A peer from which these bytes come; which side has dialled does not matter."""
    with serving(answer_first(data)) as address, peer(address) as other:
        other.send(b"?")
        yield other


def request(*lines: str) -> Request:
    with saying("\r\n".join([*lines, "", ""]).encode()) as other:
        return websocket_server.read_request(other)


def read(data: bytes, *, strict: bool = True, rsv: int = 0) -> Masked:
    with saying(data) as other:
        return websocket_server.read(other, strict=strict, rsv=rsv)


def test_a_request_is_taken_as_it_is() -> None:
    asked = request(*GOOD, "X:  two ", "x:one")
    assert (asked.line, asked.target) == (GOOD[0], "/chat?a=b")
    assert asked.values("x") == ["two", "one"]
    assert asked.tokens("connection") == ["keep-alive", "upgrade"]
    assert asked.key == "dGhlIHNhbXBsZSBub25jZQ=="
    assert (request("nonsense").target, request("nonsense").key) == ("", "")


def test_h11_judges_requests() -> None:
    websocket_server.is_http(request(*GOOD))


@pytest.mark.parametrize("line", ["Host: twice", "Bad Name: x", "Content-Length: 5"])
def test_h11_refuses_requests(line: str) -> None:
    with pytest.raises(Violation, match="wrong-answer"):
        websocket_server.is_http(request(*GOOD, line))


def test_the_response_of_section_1_3_right_and_wrong() -> None:
    asked = request(*GOOD)
    right = response(asked, "X: y").decode().split("\r\n")
    assert right == [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "X: y",
        "",
        "",
    ]
    changes = {"Upgrade": None, "Connection": "close"}
    assert response(asked, start="HTTP/1.1 200 OK", changes=changes).decode().split("\r\n") == [
        "HTTP/1.1 200 OK",
        "Connection: close",
        *right[3:4],
        "",
        "",
    ]


def test_frames_of_a_server_have_no_mask() -> None:
    assert frame(Opcode.TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frame(Opcode.TEXT, b"Hello", key=KEY) == bytes.fromhex("818537fa213d7f9f4d5158")


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536])
def test_read_every_length(length: int) -> None:
    seen = read(encode(2, bytes(length), key=KEY))
    assert seen == Masked(Opcode.BINARY, bytes(length), True, key=KEY)


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (encode(1, b"x", key=None), "unmasked"),
        (encode(1, b"x", rsv=4), "wrong-answer"),
        (encode(3, b"x"), "wrong-answer"),
        (encode(9, bytes(126)), "wrong-answer"),
        (encode(9, b"x", fin=False), "wrong-answer"),
        (encode(1, b"x", length_bytes=2), "wrong-answer"),
        (encode(1, bytes(130), length_bytes=8), "wrong-answer"),
        (encode(8, websocket.close_payload(1005)), "wrong-answer"),
    ],
)
def test_what_a_client_must_not_send(data: bytes, outcome: str) -> None:
    with pytest.raises(Violation) as seen:
        read(data)
    assert seen.value.outcome == outcome
    read(data, strict=False)


def test_an_extension_may_allow_a_bit() -> None:
    assert read(encode(1, b"x", rsv=4), rsv=4).rsv == 4


@pytest.mark.parametrize("data", [encode(1, b"a", fin=False) + encode(0, b"b"), encode(1, b"ab")])
def test_expect(data: bytes) -> None:
    with saying(data) as other:
        websocket_server.expect(other, Opcode.TEXT, b"ab")


@pytest.mark.parametrize(
    "data",
    [
        encode(2, b"ab"),
        encode(1, b"a"),
        encode(0, b"ab"),
        encode(1, b"a", fin=False) + encode(1, b"b"),
    ],
)
def test_expect_something_else(data: bytes) -> None:
    with saying(data) as other, pytest.raises(Violation, match="wrong-answer"):
        websocket_server.expect(other, Opcode.TEXT, b"ab")
