"""Responses are read whole, one by one and strictly; what is none is a violation with a name."""

import socket

import pytest

from conformance.outcomes import Violation
from conformance.wire.http_responses import Response, read, read_one
from tests.conformance.servers import Handler, Impatient, answer_first, peer, serving

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=1\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: t\r\n\r\n"
)
TO_THE_END = b"HTTP/1.1 200 \r\nConnection: foo, Close\r\n\r\nhello"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def first(handler: Handler, method: str = "GET") -> Response:
    with serving(handler) as address, peer(address, calibration=Impatient()) as one:
        one.send(b"?")
        return read(one, method)


@pytest.mark.parametrize(
    ("answer", "framing"), [(HELLO, "length"), (CHUNKED, "chunked"), (TO_THE_END, "close")]
)
def test_bodies(answer: bytes, framing: str) -> None:
    response = first(answer_first(answer))
    assert (response.status, response.body, response.framing) == (200, b"hello", framing)
    assert response.raw == answer
    assert response.closes is (framing == "close")


def test_trailers_are_no_fields() -> None:
    response = first(answer_first(CHUNKED))
    assert response.trailers == ((b"x-t", b"t"),)
    assert response.get(b"x-t") is None


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", HELLO[:-5]),
        ("GET", NO_CONTENT),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: any\r\nConnection: upgrade\r\n\r\n"),
        ("CONNECT", b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
)
def test_responses_without_content(method: str, head: bytes) -> None:
    with serving(answer_first(head + b"behind")) as address, peer(address) as one:
        one.send(b"?")
        response = read(one, method)
        assert (response.body, response.framing) == (b"", "none")
        assert one.rest() == b"behind"


def test_several_in_one_segment() -> None:
    with serving(answer_first(CHUNKED + NO_CONTENT + HELLO)) as address, peer(address) as one:
        one.send(b"?")
        assert [read(one).status for _ in range(3)] == [200, 204, 200]
        assert one.ending() == "fin"


def test_interim_responses() -> None:
    response = first(answer_first(CONTINUE + CONTINUE + HELLO))
    assert [each.status for each in response.interim] == [100, 100]
    assert (response.status, response.raw) == (200, CONTINUE + CONTINUE + HELLO)


def test_one_interim_response_alone() -> None:
    with serving(answer_first(CONTINUE + HELLO)) as address, peer(address) as one:
        one.send(b"?")
        assert [read_one(one).status, read_one(one).status] == [100, 200]


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        HELLO.replace(b"HTTP/1.1 200 OK", b"http/1.1 200 OK"),
        HELLO.replace(b" 200 OK", b" 200"),
        HELLO.replace(b" 200 OK", b"  200 OK"),
        HELLO.replace(b": 5", b": +5"),
        HELLO.replace(b": 5", b": 5\r\nContent-Length: 5"),
        HELLO.replace(b"Content-Type:", b"Content-Type :"),
        HELLO.replace(b"text/plain", b"text\r\n /plain"),
        HELLO.replace(b"text/plain", b"text\nplain"),
        HELLO.replace(b"Content-Length: 5", b"nonsense"),
        CHUNKED.replace(b"chunked", b"gzip, chunked"),
        CHUNKED.replace(b"chunked", b"chunked\r\nContent-Length: 5"),
        CHUNKED.replace(b"2;a=1", b"0x2"),
        CHUNKED.replace(b"he\r\n", b"he--"),
    ],
)
def test_no_responses(answer: bytes) -> None:
    with pytest.raises(Violation) as seen:
        first(answer_first(answer))
    assert seen.value.outcome == "wrong-answer"


def silent(client: socket.socket) -> None:
    while client.recv(65536):
        pass


def unending(client: socket.socket) -> None:
    client.sendall(TO_THE_END)
    silent(client)


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (answer_first(HELLO[:-1]), "fin"),
        (answer_first(b""), "fin"),
        (answer_first(CHUNKED[:-2]), "fin"),
        (silent, "no-answer"),
        (unending, "no-answer"),
    ],
)
def test_half_responses(handler: Handler, outcome: str) -> None:
    with pytest.raises(Violation) as seen:
        first(handler)
    assert seen.value.outcome == outcome


def test_lists_and_json() -> None:
    fields = ((b"connection", b"a, ,B"), (b"connection", b"close"))
    response = Response(b"HTTP/1.1", 200, b"OK", fields, b'{"a": 1}')
    assert (response.items(b"connection"), response.closes) == ([b"a", b"b", b"close"], True)
    assert response.json == {"a": 1}
    with pytest.raises(Violation, match="2 times"):
        response.get(b"connection")
    with pytest.raises(Violation, match="JSON was due"):
        Response(b"HTTP/1.1", 200, b"OK", (), b"{").json  # noqa: B018  reading it is the test
