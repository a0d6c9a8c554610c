import pytest

from refworker.protocols.http import Limits
from refworker.protocols.http.grammar import Refused
from refworker.protocols.http.heads import Head, read_head
from tests.refworker.protocols.http.hosts import GET, HOST

BROWSER = (
    b"GET /search?q=a%20b&c HTTP/1.1\r\nHost: example.org:8080\r\nUser-Agent: Mozilla/5.0\r\n"
    b"ACCEPT:text/html\r\nX-Empty:\r\nX-Twice: 1\r\nx-twice:\t2 \r\nCookie: a=\xe9\r\n\r\n"
)


def head(raw: bytes, **limits: int) -> Head:
    return read_head(raw, Limits(**limits))


def refused(raw: bytes, **limits: int) -> int:
    with pytest.raises(Refused) as refusal:
        head(raw, **limits)
    return refusal.value.status


def test_what_a_browser_says() -> None:
    read = head(BROWSER)
    assert (read.method, read.target, read.path) == ("GET", "/search?q=a%20b&c", "/search")
    assert (read.query_string, read.host, read.manner.version) == ("q=a%20b&c", "example.org:8080", "1.1")
    assert read.fields == (
        ("host", "example.org:8080"),
        ("user-agent", "Mozilla/5.0"),
        ("accept", "text/html"),
        ("x-empty", ""),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("cookie", "a=\xe9"),
    )
    assert read.get("X-TWICE") == "1,2"
    assert read.get("x-none", "?") == "?"
    assert repr(read) == "<Head GET /search?q=a%20b&c>"


def test_a_head_is_known_by_its_bytes() -> None:
    assert head(GET) == head(bytes(bytearray(GET)))
    assert len({head(GET), head(GET)}) == 1
    assert head(GET) != head(GET.replace(b"/ ", b"/b "))
    assert head(GET) != GET


@pytest.mark.parametrize(
    ("target", "method", "path", "query", "host"),
    [
        (b"//x/hello", b"GET", "//x/hello", "", "a"),
        (b"/?", b"GET", "/", "", "a"),
        (b"/a?b?c", b"GET", "/a", "b?c", "a"),
        (b"http://good.example/abs?q=1", b"GET", "/abs", "q=1", "good.example"),
        (b"HTTPS://[::1]:80", b"GET", "/", "", "[::1]:80"),
        (b"http://b?q", b"GET", "/", "q", "b"),
        (b"http://b", b"OPTIONS", "*", "", "b"),
        (b"*", b"OPTIONS", "*", "", "a"),
        (b"/{a}|b", b"FOO", "/{a}|b", "", "a"),
    ],
)
def test_targets(target: bytes, method: bytes, path: str, query: str, host: str) -> None:
    read = head(method + b" " + target + b" HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n")
    assert (read.path, read.query_string, read.host) == (path, query, host)
    assert read.fields == (("x", "y"), ("host", host))
    assert read.target == target.decode()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET * HTTP/1.1", 400),
        (b"GET foo HTTP/1.1", 400),
        (b"GET ftp://a/ HTTP/1.1", 400),
        (b"GET http:///a HTTP/1.1", 400),
        (b"GET http://u@a/ HTTP/1.1", 400),
        (b"GET /#a HTTP/1.1", 400),
        (b"GET /\x7f HTTP/1.1", 400),
        (b"GET /\xc3\xa9 HTTP/1.1", 400),
        (b"GET / a HTTP/1.1", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET\t/ HTTP/1.1", 400),
        (b"GET /\rHTTP/1.1", 400),
        (b"G(T / HTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/1.10", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"GET /", 400),
        (b"GET / HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/0.9", 505),
        (b"CONNECT a HTTP/1.1", 400),
        (b"CONNECT a: HTTP/1.1", 400),
        (b"CONNECT /a:443 HTTP/1.1", 400),
        (b"CONNECT a:443 HTTP/1.1", 501),
        (b"TRACE / HTTP/1.1", 501),
    ],
)
def test_request_lines_that_are_refused(line: bytes, status: int) -> None:
    assert refused(line + b"\r\n" + HOST + b"\r\n") == status


@pytest.mark.parametrize(
    "field",
    [
        b"nocolon",
        b": v",
        b"X-A : b",
        b"X-A\t: b",
        b" X-A: b",
        b"X-A: a\r\n b",
        b"X[y]: b",
        b"X\xef: b",
        b"X-A: a\x00b",
        b"X-A: a\x07b",
        b"X-A: a\x7fb",
        b"X-A: a\rb",
        b"X-A: a\nb",
        b"Transfer-Encoding\n: chunked",
    ],
)
def test_fields_that_are_refused(field: bytes) -> None:
    assert refused(b"GET / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n") == 400
    assert refused(b"GET / HTTP/1.1\r\n" + field + b"\r\nHost: a\r\n\r\n") == 400


def test_limits() -> None:
    line = b"GET /%b HTTP/1.1" % (b"a" * 50)
    whole = line + b"\r\n" + HOST + b"\r\n"
    assert head(whole, max_request_line=len(line)).path == "/" + "a" * 50
    assert refused(whole, max_request_line=len(line) - 1) == 414
    section = len(HOST) + 2
    assert head(whole, max_header_size=section)
    assert refused(whole, max_header_size=section - 1) == 431
    many = line + b"\r\n" + HOST + b"a: b\r\n" * 9 + b"\r\n"
    assert head(many, max_header_count=10)
    assert refused(many, max_header_count=9) == 431
