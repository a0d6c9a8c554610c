from refworker.protocols.http import HttpServer, Limits, Request
from refworker.protocols.http.heads import read_head
from refworker.protocols.http.request import Bare
from tests.refworker.protocols.http.hosts import FakeHost

HEAD = b"POST /a%20b?x=1 HTTP/1.1\r\nHost: example.org:80\r\nX-A: 1\r\nx-a: 2\r\n\r\n"


def made(raw: bytes = HEAD, body: bytes = b"body") -> Request:
    return Request(read_head(raw, Limits()), body, (("x-t", "1"), ("x-t", "2")))


def test_the_names_of_the_manual() -> None:
    request = made()
    assert (request.method, request.uri, request.target) == ("POST", "/a%20b?x=1", "/a%20b?x=1")
    assert (request.path, request.query_string) == ("/a%20b", "x=1")
    assert (request.protocol_version, request.version, request.keep_alive) == ("1.1", "1.1", True)
    assert (request.raw_body, request.body, request.raw_head) == (b"body", b"body", HEAD)
    assert request.headers == (("host", "example.org:80"), ("x-a", "1"), ("x-a", "2"))
    assert request.header("X-A") == "1,2"
    assert request.header("X-B", "none") == "none"
    assert request.trailer("X-T") == "1,2"
    assert request.trailer("X-A") is None
    assert request.header() == {"host": "example.org:80", "x-a": "1,2"}
    assert request.trailer() == {"x-t": "1,2"}
    assert (request.host(), request.host(without_port=True)) == ("example.org:80", "example.org")
    assert repr(request) == "<Request POST /a%20b?x=1, 4 bytes>"


def test_hosts_without_their_port() -> None:
    for host, bare in ((b"a", "a"), (b"a:", "a"), (b"[::1]", "[::1]"), (b"[::1]:80", "[::1]")):
        assert made(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").host(without_port=True) == bare
    assert made(b"GET / HTTP/1.0\r\n\r\n").host(without_port=True) == ""


def test_requests_are_equal_by_what_they_say() -> None:
    assert made() == made()
    assert made() != made(body=b"other")
    assert made() != "POST"


def test_a_request_without_a_body_says_the_same_without_its_head() -> None:
    raw = b"GET /a?b=1 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n"
    whole = Request(read_head(raw, Limits()))
    head = whole.head
    bare = Bare((raw, head.method, head.target, head.manner), HttpServer(FakeHost()))
    assert bare == whole
    assert bare.head is bare.head
    for name in (
        "method",
        "uri",
        "target",
        "path",
        "query_string",
        "headers",
        "raw_head",
        "raw_body",
        "trailers",
    ):
        assert getattr(bare, name) == getattr(whole, name)
    assert bare.header("x-a") == whole.header("x-a") == "1"
    assert repr(bare) == repr(whole)
