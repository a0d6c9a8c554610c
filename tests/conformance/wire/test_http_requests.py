"""Requests come out octet by octet as they were asked for, and right ones are right for h11."""

import h11

from conformance.wire.http_requests import CHUNKED, CLOSE, chunk, chunks, cuts, head, octets, request


def events(data: bytes) -> list[object]:
    """What h11, as the server, makes of a request."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    seen: list[object] = []
    while not isinstance(seen[-1] if seen else None, h11.EndOfMessage):
        seen.append(server.next_event())
    return seen


def test_a_plain_request() -> None:
    assert request() == b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_everything_as_given() -> None:
    built = request("get", b"/\xff", "X : \x85", host=None, version="HTTP/9")
    assert built == b"get /\xff HTTP/9\r\nX : \x85\r\n\r\n"


def test_a_body_has_its_length() -> None:
    start, data, _ = events(request("POST", "/echo", CLOSE, body=b"hello"))
    assert isinstance(start, h11.Request)
    assert (b"content-length", b"5") in list(start.headers)
    assert isinstance(data, h11.Data)
    assert data.data == b"hello"


def test_chunks() -> None:
    body = chunks(b"hello", b"x" * 16, trailers=["X-T: 1"])
    assert body == b"5\r\nhello\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\nX-T: 1\r\n\r\n"
    *_, end = events(request("POST", "/", CHUNKED) + body)
    assert isinstance(end, h11.EndOfMessage)
    assert list(end.headers) == [(b"x-t", b"1")]


def test_an_extension_is_put_behind_the_size() -> None:
    assert chunk(b"ab", ";a=1") == b"2;a=1\r\nab\r\n"


def test_text_stands_for_octets() -> None:
    assert (octets("\x85"), octets(b"\x85")) == (b"\x85", b"\x85")
    assert head("A", "B") == b"A\r\nB\r\n\r\n"


def test_cuts() -> None:
    assert cuts(b"abc") == [(b"a", b"bc"), (b"ab", b"c")]
    assert cuts(b"abcd", 2) == [(b"a", b"bcd"), (b"abc", b"d")]
