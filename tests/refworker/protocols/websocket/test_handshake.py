from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import Close, Event
from refworker.protocols.websocket import Request, Response, WebSocketClient, WebSocketServer
from refworker.protocols.websocket.frames import TEXT, frame
from refworker.protocols.websocket.handshake import HEAD_LIMIT, ClientHandshake, accept_value
from tests.refworker.protocols.websocket.peers import ANSWER, KEY, REQUEST, known_bytes, new_client
from tests.refworker.protocols.whole import assert_invariant, assert_reads, cut, positions, read

HELLO = frame(TEXT, b"Hello", KEY)


def refusal(request: bytes) -> Close:
    (item,) = read(WebSocketServer(), [request])
    assert isinstance(item, Close)
    assert_reads(WebSocketServer, request, [item])
    return item


def changed(old: bytes, new: bytes, head: bytes = REQUEST) -> bytes:
    assert old in head
    return head.replace(old, new)


# -- the server's side ---------------------------------------------------------------------------------


def test_the_example_of_the_rfc() -> None:
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    request = Request(
        (
            ("host", "server.example.com"),
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ),
        "GET",
        "/chat?room=1",
    )
    expected: list[Any] = [
        Event("on_websocket_connect", (request,)),
        Event("on_websocket_connected", (request,), opening=True),
    ]
    assert_reads(WebSocketServer, REQUEST, expected, rest=HELLO[:-1])
    assert_reads(WebSocketServer, b"\r\n" + REQUEST, expected)
    assert_reads(WebSocketServer, REQUEST + HELLO, [*expected, "Hello"], rest=b"\x81")


@pytest.mark.parametrize(
    "request_head",
    [
        REQUEST.lower()
        .replace(b"get /chat?room=1 http", b"GET / HTTP")
        .replace(b"dghlihnhbx", b"dGhlIHNhbX"),
        changed(b"HTTP/1.1", b"HTTP/1.2"),
        b"\r\n" + REQUEST,
        changed(b"keep-alive, Upgrade", b"UPGRADE"),
        changed(b"Upgrade: websocket", b"Upgrade: h2c\r\nUpgrade: WebSocket"),
        changed(b"Key: dGhlIHNhbXBsZSBub25jZQ==", b"Key:\t dGhlIHNhbXBsZSBub25jZQ== \t"),
        changed(b"/chat?room=1", b"http://server.example.com/chat"),
        changed(b"Host: ", b"X-Byte: \xff\r\nContent-Length: 0\r\nHost: "),
        changed(b"Host: ", b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\nHost: "),
    ],
)
def test_other_requests_that_are_good(request_head: bytes) -> None:
    codec = WebSocketServer()
    assert [type(item) for item in read(codec, [request_head])] == [Event, Event]
    answer = codec.open()
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Protocol:" not in answer
    assert b"Extensions:" not in answer


BAD_REQUESTS = {
    "method": (405, changed(b"GET ", b"POST ")),
    "method that begins alike": (405, changed(b"GET ", b"GETX ")),
    "no HTTP at all": (400, HELLO),
    "TLS": (400, b"\x16\x03\x01"),
    "version 1.0": (400, changed(b"HTTP/1.1", b"HTTP/1.0")),
    "version 2": (400, changed(b"HTTP/1.1", b"HTTP/2.0")),
    "target": (400, changed(b"/chat", b"chat")),
    "fragment": (400, changed(b"room=1", b"room#1")),
    "blank in the target": (400, changed(b"/chat", b"/ch at")),
    "two blanks": (400, changed(b"GET ", b"GET  ")),
    "bare line feed": (400, changed(b"\r\nHost", b"\nHost")),
    "blank before the colon": (400, changed(b"Host:", b"Host :")),
    "folded line": (400, changed(b"\r\nHost", b"\r\n Host")),
    "nameless field": (400, changed(b"Host:", b": x\r\nHost:")),
    "control character": (400, changed(b"Host: ", b"Host: \0")),
    "no host": (400, changed(b"Host: server.example.com\r\n", b"")),
    "two hosts": (400, changed(b"Host:", b"Host: x\r\nHost:")),
    "body": (400, changed(b"Host:", b"Content-Length: 5\r\nHost:")),
    "chunked body": (400, changed(b"Host:", b"Transfer-Encoding: chunked\r\nHost:")),
    "no upgrade": (426, changed(b"Upgrade: websocket\r\n", b"")),
    "other upgrade": (426, changed(b"Upgrade: websocket", b"Upgrade: h2c")),
    "no connection": (426, changed(b"Connection: keep-alive, Upgrade\r\n", b"")),
    "other connection": (426, changed(b"keep-alive, Upgrade", b"keep-alive")),
    "no version": (426, changed(b"Sec-WebSocket-Version: 13\r\n", b"")),
    "older version": (426, changed(b"Version: 13", b"Version: 8")),
    "two versions": (426, changed(b"Version: 13", b"Version: 13\r\nSec-WebSocket-Version: 8")),
    "no key": (400, changed(b"Sec-WebSocket-Key", b"X: Sec-WebSocket-Key")),
    "short key": (400, changed(b"dGhlIHNhbXBsZSBub25jZQ==", b"abc")),
    "long key": (400, changed(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZSE=")),
    "malformed extensions": (400, changed(b"Host:", b"Sec-WebSocket-Extensions: a;=\r\nHost:")),
    "two keys": (400, changed(b"Host:", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost:")),
}


@pytest.mark.parametrize(("status", "request_head"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_request_that_is_refused(status: int, request_head: bytes) -> None:
    close = refusal(request_head + HELLO)
    head, _, body = close.reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head + b"\r\n"
    assert b"\r\nConnection: close" in head
    assert close.error is not None
    assert close.error.startswith("websocket: handshake failed: ")
    assert close.error.endswith("(RFC 6455 section 4.2.1)")
    assert (b"\r\nSec-WebSocket-Version: 13" in head) is (status == 426)
    assert (b"\r\nAllow: GET" in head) is (status == 405)


@pytest.mark.parametrize(
    ("beginning", "wrong"), [(b"", b"\x81"), (b"G", b"\0"), (b"GET", b"\t"), (b"", b"P")]
)
def test_garbage_is_refused_at_its_first_byte(beginning: bytes, wrong: bytes) -> None:
    codec = WebSocketServer()
    if beginning:
        assert codec.feed(beginning) == []
    assert isinstance(codec.feed(wrong)[0], Close)


def padded(size: int) -> bytes:
    return changed(b"Host:", b"X: %s\r\nHost:" % (b"a" * (size - len(REQUEST) - 5)))


def test_the_longest_head_and_one_byte_more() -> None:
    assert len(padded(HEAD_LIMIT)) == HEAD_LIMIT
    assert [type(item) for item in read(WebSocketServer(), [padded(HEAD_LIMIT)])] == [Event, Event]
    too_long = padded(HEAD_LIMIT + 1)
    for pieces in ([too_long], cut(too_long, range(len(too_long))), cut(too_long, [HEAD_LIMIT])):
        (close,) = read(WebSocketServer(), pieces)
        assert isinstance(close, Close)
        assert close.reply.startswith(b"HTTP/1.1 431 ")


def test_an_endless_head_is_refused_at_the_limit() -> None:
    codec = WebSocketServer()
    assert codec.feed(b"GET /" + b"a" * (HEAD_LIMIT - 6)) == []
    assert codec.feed(b"a")[0].reply.startswith(b"HTTP/1.1 431 ")


@given(
    st.lists(st.sampled_from([*REQUEST.split(b"\n"), b"\r", b"\n", b"X: y\r\n", b"\0"]), max_size=9),
    positions,
)
def test_segmentation_changes_nothing(parts: list[bytes], where: list[int]) -> None:
    assert_invariant(WebSocketServer, b"\n".join(parts), where)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/p/a?x=1&y[]=2?", "/p/a", "x=1&y[]=2?"),
        ("/%20", "/%20", ""),
        ("http://a.example/b/c?d", "/b/c", "d"),
        ("https://a.example", "/", ""),
        ("https://a.example?q", "/", "q"),
    ],
)
def test_path_and_query(target: str, path: str, query: str) -> None:
    request = Request((), "GET", target)
    assert (request.path, request.query) == (path, query)


def test_fields_are_found_whatever_their_case_and_joined() -> None:
    request = Request((("via", "a"), ("x", "1"), ("via", "B, c")), "GET", "/")
    assert request.get("Via") == "a, B, c"
    assert request.values("VIA") == ["a", "B, c"]
    assert request.tokens("via") == {"a", "b", "c"}
    assert request.get("none") is None
    assert request.get("none", "other") == "other"


# -- the client's side ---------------------------------------------------------------------------------


def test_what_a_client_asks() -> None:
    assert new_client().opening == (
        b"GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )


def test_the_answer_opens_the_conversation() -> None:
    response = Response(
        (
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ),
        101,
        "Switching Protocols",
    )
    expected = [Event("on_websocket_connect", (response,), opening=True), "Hello"]
    assert_reads(new_client, ANSWER + frame(TEXT, b"Hello"), expected, rest=b"\x81")


@pytest.mark.parametrize(
    "answer",
    [
        changed(b"101 Switching Protocols", b"101", ANSWER),
        changed(b"Switching Protocols", b"", ANSWER),
        changed(b"Upgrade: websocket", b"upgrade:WebSocket", ANSWER),
        changed(b"Connection: Upgrade", b"Connection: x, upgrade", ANSWER),
    ],
)
def test_other_answers_that_are_good(answer: bytes) -> None:
    assert isinstance(read(new_client(), [answer])[0], Event)


BAD_ANSWERS = {
    "status 200": ("the server answered 200 OK", changed(b"101 Switching Protocols", b"200 OK", ANSWER)),
    "status 404": ("the server answered 404 ", b"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"),
    "version 1.0": ("does not begin with 'HTTP/1.1 '", changed(b"HTTP/1.1", b"HTTP/1.0", ANSWER)),
    "another protocol": ("does not begin with", b"220 mail.example.com\r\n"),
    "no upgrade": ("Upgrade: websocket is", changed(b"Upgrade: websocket\r\n", b"", ANSWER)),
    "other upgrade": ("Upgrade: websocket is", changed(b"Upgrade: websocket", b"Upgrade: h2c", ANSWER)),
    "no connection": ("Connection: Upgrade is", changed(b"Connection: Upgrade\r\n", b"", ANSWER)),
    "wrong accept": ("Accept does not fit", changed(b"s3pP", b"S3pP", ANSWER)),
    "no accept": ("Accept does not fit", changed(b"Sec-WebSocket-Accept", b"X", ANSWER)),
    "two accepts": (
        "Accept does not fit",
        changed(b"\r\n\r\n", b"\r\nSec-WebSocket-Accept: x\r\n\r\n", ANSWER),
    ),
    "extension": ("an extension", changed(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x\r\n\r\n", ANSWER)),
    "subprotocol": ("a subprotocol", changed(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: x\r\n\r\n", ANSWER)),
    "malformed extension": (
        "is no extension",
        changed(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: ;\r\n\r\n", ANSWER),
    ),
    "folded line": ("not that of an HTTP/1.1", changed(b"\r\nUpgrade", b"\r\n Upgrade", ANSWER)),
    "endless": ("longer than 16384 bytes", b"HTTP/1.1 101 " + b"a" * HEAD_LIMIT),
}


@pytest.mark.parametrize(("problem", "answer"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_is_refused(problem: str, answer: bytes) -> None:
    (close,) = read(new_client(), [answer])
    assert isinstance(close, Close)
    assert close.reply == b""
    assert close.error is not None
    assert problem in close.error
    assert close.error.endswith("(RFC 6455 section 4.1)")
    assert read(new_client(), cut(answer, range(0, len(answer), 7))) == [close]


@given(st.lists(st.sampled_from([*ANSWER.split(b"\n"), b"\r", b"\n", b"X: y\r\n"]), max_size=9), positions)
def test_segmentation_changes_nothing_for_a_client(parts: list[bytes], where: list[int]) -> None:
    assert_invariant(new_client, b"\n".join(parts), where)


def asked(headers: Any) -> list[bytes]:
    client = WebSocketClient("a.example:8080", "/", known_bytes, headers=headers, deflate=None)
    return client.opening.split(b"\r\n")[1:]


def test_an_applications_fields_go_with_the_request() -> None:
    lines = asked([("Cookie", "a=1"), ("Origin", "http://x")])
    assert lines[:3] == [b"Host: a.example:8080", b"Cookie: a=1", b"Origin: http://x"]
    assert asked([("host", "other.example")])[0] == b"host: other.example"


@pytest.mark.parametrize(
    "header",
    [
        ("X", "1\r\nY: 2"),
        ("X", "1\n"),
        ("X:Y", "1"),
        ("X\r\nY", "1"),
        ("", "1"),
        ("Sec-WebSocket-Key", "mine"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("connection", "close"),
    ],
)
def test_a_field_that_would_break_the_handshake_is_dropped(header: tuple[str, str]) -> None:
    assert asked([header]) == asked([])


def test_a_subprotocol_that_was_offered_is_accepted() -> None:
    headers = [("Sec-WebSocket-Protocol", "superchat, chat")]
    client = WebSocketClient("a", "/", known_bytes, headers=headers)
    answer = changed(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n", ANSWER)
    (event,) = client.feed(answer)
    assert event.args[0].get("sec-websocket-protocol") == "chat"


@pytest.mark.parametrize(
    ("host", "path"),
    [("a", ""), ("a", "chat"), ("a", "/a b"), ("a", "/\r\n"), ("a", "/ü"), ("a b", "/"), ("", "/")],
)
def test_an_address_that_cannot_be_meant(host: str, path: str) -> None:
    with pytest.raises(ValueError, match="only visible ASCII"):
        ClientHandshake(host, path, bytes(16))
