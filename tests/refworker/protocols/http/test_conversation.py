from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import Close
from refworker.protocols.http import Chunk, HttpServer, Limits, Request, Response, ServerSentEvents
from refworker.protocols.http.conversation import UPGRADE
from refworker.protocols.http.heads import read_head
from refworker.protocols.http.intake import CONTINUE, WAIT
from refworker.protocols.websocket import WebSocketServer
from tests.refworker.protocols.http.hosts import DATE, GET, FakeHost, chunked, maker, post, refusal, status
from tests.refworker.protocols.whole import assert_invariant, assert_reads, positions, read


def request(head: bytes, body: bytes = b"", trailers: Any = ()) -> Request:
    return Request(read_head(head, Limits()), body, trailers)


STREAM = {"Content-Type": "a/b", "Transfer-Encoding": "chunked"}


def ask(server: HttpServer, data: bytes = GET) -> Request:
    """Read one request that is not answered yet."""
    item = next(iter(server.feed(data)))
    assert isinstance(item, Request)
    return item


# -- reading -------------------------------------------------------------------------------------------


def test_requests_in_order() -> None:
    expected = [request(GET), WAIT]
    assert_reads(maker(), GET, expected, rest=b"GE")
    assert_reads(maker(), b"\r\n" + GET, expected, rest=b"\r\n")
    assert_reads(maker(), GET + GET, expected + expected, rest=GET[:-1])


def test_a_head_that_is_repeated_is_shared() -> None:
    other = GET.replace(b"Host: a", b"Host: b")
    requests = [each for each in read(maker()(), [GET + GET, GET + other + GET]) if each != WAIT]
    assert [each.head.host for each in requests] == ["a", "a", "a", "b", "a"]
    _, second, third, *_ = (each.head for each in requests)
    assert second is third


def test_bodies() -> None:
    head = post(b"", b"Content-Length: 5")
    assert_reads(maker(), head + b"hello" + GET, [request(head, b"hello"), WAIT, request(GET), WAIT])
    head = chunked(b"")
    data = head + b"5\r\nhello\r\n0\r\nHost: evil\r\n\r\n"
    expected = [request(head, b"hello", (("host", "evil"),)), WAIT]
    assert_reads(maker(), data + GET, [*expected, request(GET), WAIT], rest=b"\r")
    assert request(head, b"hello", (("host", "evil"),)).host() == "a"


def test_bodies_are_framed_whatever_the_method() -> None:
    for method in (b"GET", b"HEAD", b"OPTIONS", b"FOO"):
        head = post(b"", b"Content-Length: %d" % len(GET)).replace(b"POST", method)
        assert_reads(maker(), head + GET, [request(head, GET), WAIT])


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_who_waits_for_a_100_gets_it(framing: bytes) -> None:
    head = post(b"", framing, b"Expect: 100-continue")
    body = b"hello" if framing.startswith(b"C") else b"5\r\nhello\r\n0\r\n\r\n"
    assert_reads(maker(), head + body, [CONTINUE, request(head, b"hello"), WAIT])
    assert CONTINUE.reply == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_who_does_not_need_a_100_gets_none() -> None:
    for head in (
        GET.replace(b"Host", b"Expect: 100-continue\r\nHost"),
        post(b"", b"Content-Length: 5", b"Expect: 100-continue").replace(b"1.1", b"1.0"),
    ):
        assert CONTINUE not in read(maker()(), [head, b"hello"])
    large = post(b"", b"Content-Length: 1001", b"Expect: 100-continue")
    assert [status(item) for item in read(maker()(), [large])] == [413]


REFUSED = {
    400: [GET.replace(b"Host: a\r\n", b""), chunked(b"x"), b"\x16\x03"],
    413: [
        post(b"", b"Content-Length: 1001"),
        chunked(b"3e9\r\n"),
        post(b"", b"Content-Length: 1" + b"0" * 30),
    ],
    414: [b"GET /" + b"a" * 20000],
    417: [post(b"", b"Content-Length: 5", b"Expect: x")],
    431: [GET[:-2] + b"a: " + b"b" * 70000, chunked(b"1;" + b"a" * 2000)],
    501: [b"TRACE" + GET[3:], post(b"", b"Transfer-Encoding: gzip, chunked")],
    505: [b"GET / HTTP/2.0\r\n"],
}


@pytest.mark.parametrize(("code", "data"), [(code, data) for code, all_ in REFUSED.items() for data in all_])
def test_refusals(code: int, data: bytes) -> None:
    close = refusal(data)
    assert status(close) == code
    assert close.error
    assert close.error.startswith(f"http: {code}: ")
    if len(data) < 1000:
        assert_reads(maker(), data, [close], rest=GET)
        assert_reads(maker(), GET + data, [request(GET), WAIT, close], rest=GET)


def test_a_refusal_of_a_head_request_has_no_body() -> None:
    close = refusal(post(b"", b"Content-Length: 1001").replace(b"POST", b"HEAD"))
    assert close.reply.endswith(b"\r\n\r\n")


PARTS = st.sampled_from(
    [
        GET,
        GET[:10],
        b"\r\n",
        chunked(b""),
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        post(b"", b"Content-Length: 5"),
        b"x",
        b"\n",
    ]
)


@given(st.lists(PARTS, max_size=8), positions)
def test_streams_of_any_sort_mean_the_same_in_every_cut(parts: list[bytes], where: list[int]) -> None:
    assert_invariant(maker(), b"".join(parts), where)


@pytest.mark.parametrize("one", [b"\r\n" + GET, chunked(b"0\r\n\r\n"), chunked(b"0\r\na: b\r\n\r\n")])
def test_a_request_costs_the_same_however_many_stand_behind_it(one: bytes) -> None:
    def cost(count: int) -> float:
        server, data = maker()(), one * count
        began = process_time()
        assert sum(isinstance(item, Request) for item in server.feed(data)) == count
        return (process_time() - began) / count

    assert min(cost(5000) for _ in range(2)) < 4 * min(cost(100) for _ in range(9))


def test_what_is_under_way_is_counted() -> None:
    server = maker()()
    assert server.unfinished() == 0
    list(server.feed(b"GET"))
    assert server.unfinished() == 3
    list(server.feed(GET[3:] + post(b"", b"Content-Length: 5")))
    assert server.unfinished() == 1
    list(server.feed(b"hell"))
    assert server.unfinished() == 4
    list(server.feed(b"o"))
    assert server.unfinished() == 0


def test_bytes_behind_a_request_can_be_taken_back() -> None:
    server = maker()()
    items = server.feed(GET + b"rest")
    next(iter(items))
    assert server.unread([], 0, b"") == b"rest"


# -- time ----------------------------------------------------------------------------------------------


def timed() -> tuple[HttpServer, FakeHost]:
    host = FakeHost()
    limits = Limits(header_timeout=2, body_timeout=3, keepalive_timeout=4, min_body_rate=10)
    return HttpServer(host, 1000, limits), host


def test_who_says_nothing_is_left_without_a_word() -> None:
    server, host = timed()
    assert server.due() == 2
    assert server.overdue() is None
    host.now = 2
    assert server.overdue() == Close()
    list(server.feed(GET))
    assert server.due() == 6
    host.now = 6
    assert server.overdue() == Close()


def test_who_begins_has_to_go_on() -> None:
    server, host = timed()
    host.now = 1
    list(server.feed(b"GET"))
    host.now = 2.5
    list(server.feed(b" /"))
    assert (server.due(), server.overdue()) == (3, None)
    host.now = 3
    late = server.overdue()
    assert late
    assert status(late) == 408


def test_a_body_has_time_as_long_as_it_comes() -> None:
    server, host = timed()
    host.now = 1
    list(server.feed(GET + post(b"", b"Content-Length: 100")))
    assert server.due() == 4
    list(server.feed(b"x" * 20))
    assert server.due() == 6


# -- writing -------------------------------------------------------------------------------------------


def test_answers_and_who_is_waited_for() -> None:
    server = maker()()
    items = iter(server.feed(GET + GET))
    assert next(items) == request(GET)
    assert server.owes
    server.encode("one")
    assert not server.owes
    assert next(items) == request(GET)
    assert next(items) is WAIT
    host = server._host
    assert isinstance(host, FakeHost)
    assert host.answers == 0
    server.encode("two")
    assert host.answers == 1
    assert list(items) == []
    with pytest.raises(ValueError, match="nothing was asked"):
        server.encode("three")


def test_the_end_comes_behind_the_answer() -> None:
    for closing in (GET.replace(b"Host", b"Connection: close\r\nHost"), GET.replace(b"1.1", b"1.0")):
        server = maker()()
        items = iter(server.feed(closing + GET))
        next(items)
        assert b"\r\nConnection: close\r\n" in server.encode("bye")
        assert list(items) == [Close()]


def test_a_connection_that_is_to_end_says_so() -> None:
    server = maker()()
    items = iter(server.feed(GET + GET))
    next(items)
    server._host.draining = True
    assert b"\r\nConnection: close\r\n" in server.encode("bye")
    assert list(items) == [Close()]


def test_a_stream_of_chunks() -> None:
    server = maker()()
    ask(server)
    head = server.encode(Response(200, STREAM, "begin"))
    assert head.endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n")
    assert server.encode(Chunk("x" * 16)) == b"10\r\n" + b"x" * 16 + b"\r\n"
    assert server.encode("") == b""
    with pytest.raises(ValueError, match="under way"):
        server.encode(Response())
    assert server.owes
    assert server.encode(Chunk()) == b"0\r\n\r\n"
    assert not server.owes


def test_a_stream_to_a_client_that_knows_no_chunks() -> None:
    server = maker()()
    items = iter(server.feed(GET.replace(b"1.1", b"1.0").replace(b"Host", b"Connection: keep-alive\r\nHost")))
    next(items)
    head = server.encode(Response(200, {"transfer-encoding": "chunked"}))
    assert b"Transfer-Encoding" not in head
    assert b"\r\nConnection: close\r\n" in head
    assert server.encode(Chunk("abc")) == b"abc"
    assert server.encode(Chunk()) == b""
    assert list(items) == [Close()]


def test_a_stream_that_nobody_wants_to_see() -> None:
    server = maker()()
    ask(server, GET.replace(b"GET", b"HEAD"))
    assert server.encode(Response(200, STREAM, "x")).endswith(b"chunked\r\n\r\n")
    assert server.encode(Chunk("abc")) == b""
    assert server.encode(Chunk()) == b""
    assert not server.owes


def test_events_end_with_the_connection() -> None:
    server = maker()()
    ask(server)
    head = server.encode(Response(200, {"Content-Type": "text/event-stream"}, "ignored"))
    assert head.endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert server.encode(ServerSentEvents({"data": 1})) == b"9\r\ndata: 1\n\n\r\n"
    assert server.final(ServerSentEvents({"id": 2})) == b"7\r\nid: 2\n\n\r\n0\r\n\r\n"


def test_the_last_answer() -> None:
    server = maker()()
    ask(server)
    assert b"\r\nConnection: close\r\n" in server.final("bye")
    assert maker()().final() == b""
    assert maker()().farewell() == b""


def test_an_apology() -> None:
    server = maker()()
    assert server.apology() is None
    ask(server)
    words = server.apology()
    assert words
    assert words.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert not server.owes
    ask(server)
    server.encode(Response(200, {"Transfer-Encoding": "chunked"}))
    assert server.apology() is None
    assert server.owes


def test_an_interim_response_is_no_answer() -> None:
    server = maker()()
    ask(server)
    assert server.encode(Response(103, {"Link": "</a>"})) == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert server.owes
    assert DATE in server.encode("x")


# -- another protocol ----------------------------------------------------------------------------------

UPGRADING = GET.replace(b"Host", b"Upgrade: websocket\r\nConnection: Upgrade\r\nHost")


def test_a_websocket_only_where_it_is_spoken() -> None:
    assert_reads(maker(), UPGRADING, [request(UPGRADING), WAIT])

    def speaking() -> HttpServer:
        server = HttpServer(FakeHost(), 10, Limits(), WebSocketServer)
        server._host.upgrades = True  # type: ignore[misc]
        return server

    assert_reads(speaking, UPGRADING, [UPGRADE])
    posting = UPGRADING.replace(b"GET", b"POST")
    assert_reads(speaking, posting, [request(posting), WAIT])
    server = speaking()
    assert list(server.feed(GET + UPGRADING[:9])) == [request(GET), WAIT]
    assert list(server.feed(UPGRADING[9:] + b"frames")) == [UPGRADE]
    assert server.unread([], 0, b"") == UPGRADING + b"frames"
    codec = server.upgraded()
    assert isinstance(codec, WebSocketServer)
    assert codec.max_package_size == 10
