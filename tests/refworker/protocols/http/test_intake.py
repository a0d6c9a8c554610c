from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import Close
from refworker.protocols.http import Chunk, HttpServer, Limits, Request, Response, Streamed
from refworker.protocols.http.grammar import Fields, Refused
from refworker.protocols.http.heads import Head, read_head
from refworker.protocols.http.intake import CONTINUE, DRAINED, WAIT
from tests.refworker.protocols.http.hosts import GET, FakeHost, chunked, post, status
from tests.refworker.protocols.whole import cut, positions

SIZED = b"Content-Length: 5"
CHUNKS = b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX-T: 1\r\n\r\n"
LIMITS = Limits(header_timeout=2, body_timeout=3, keepalive_timeout=4, min_body_rate=10)


class Taker:
    """Takes notes."""

    limit: float = 1000

    def __init__(self, request: Streamed | None = None, head: Head | None = None) -> None:
        self.request, self.head = request, head
        self.notes: list[Any] = []
        self.body, self.trailers = b"", None  # type: ignore[var-annotated]

    def begin(self) -> None:
        self.notes.append("begin")

    def write(self, data: bytes) -> None:
        assert data
        self.body += data
        self.notes.append(data)

    def finish(self, trailers: Fields) -> Request | None:
        self.trailers = trailers
        self.notes.append(trailers)
        return Request(self.head, b"", trailers) if self.head else None

    def abandon(self) -> None:
        self.notes.append("abandon")


class Line:
    """What a connection does: it gives what comes, and nothing behind a `WAIT` before it is told to."""

    def __init__(self, early: bool = True, limit: float = 1000) -> None:
        self.host, self.items = FakeHost(), []  # type: ignore[var-annotated]
        self.host.taker = self.choose
        self.early, self.limit = early, limit
        self.server = HttpServer(self.host, 1000, LIMITS)
        self.takers: list[Taker] = []
        self.waiting: Iterator[Any] | None = None
        self.backlog: list[bytes] = []
        self.told = 0

    def choose(self, head: Head) -> Taker:
        self.takers.append(Taker(Streamed(head), None) if self.early else Taker(None, head))
        self.takers[-1].limit = self.limit
        return self.takers[-1]

    @property
    def taker(self) -> Taker:
        return self.takers[-1]

    def feed(self, *pieces: bytes) -> None:
        self.backlog += pieces
        self.go_on()

    def go_on(self) -> None:
        if self.host.answers > self.told and self.waiting:
            assert self.host.answers == self.told + 1
            self.told += 1
            self.handle(self.waiting)
        while self.backlog and not self.waiting:
            self.handle(self.server.feed(self.backlog.pop(0)))

    def handle(self, items: Iterable[Any]) -> None:
        self.waiting = None
        for item in (items := iter(items)):
            if item is WAIT:
                self.waiting = items
                return
            self.items.append(item)
            if isinstance(item, Close):
                self.backlog.clear()

    def pull(self) -> None:
        self.server.pull()
        self.go_on()

    def answer(self, message: Any = "done") -> bytes:
        data = self.server.encode(message)
        self.go_on()
        return data


def read(pieces: list[bytes], early: bool) -> tuple[bytes, Any]:
    """The body and the trailers, however they come; GET stands behind them, and is read."""
    line = Line(early)
    line.feed(*pieces)
    taker = line.taker
    while early and taker.trailers is None:
        line.pull()
    answered = line.answer()
    assert b"Connection" not in answered
    assert line.items[-1] == Request(read_head(GET, Limits()))
    assert taker.notes[-1] == "abandon"
    return taker.body, taker.trailers


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("data", "trailers"), [(post(b"hello", SIZED), ()), (chunked(CHUNKS), (("x-t", "1"),))]
)
def test_every_cut_of_a_body_means_the_same(early: bool, data: bytes, trailers: Fields) -> None:
    stream = data + GET
    assert read([stream], early) == (b"hello", trailers)
    assert read(cut(stream, range(len(stream))), early) == (b"hello", trailers)
    for at in range(1, len(stream)):
        assert read([stream[:at], stream[at:]], early) == (b"hello", trailers)


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.booleans(), positions)
def test_any_body_in_any_pieces(chunks: list[bytes], early: bool, where: list[int]) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert read(cut(chunked(body) + GET, where), early) == (b"".join(chunks), ())


# -- takers that give the request at the end -----------------------------------------------------------


def test_a_taker_makes_the_request() -> None:
    line = Line(early=False)
    line.feed(post(b"he", SIZED, b"Expect: 100-continue"))
    assert (line.items, line.taker.notes, line.server.owes) == ([CONTINUE], [b"he"], None)
    line.feed(b"llo")
    assert line.taker.notes == [b"he", b"llo", ()]
    assert line.items[-1] is line.server.request
    assert line.server.owes == line.taker.head
    line.answer()
    assert line.taker.notes[-1] == "abandon"


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("data", "code", "body"),
    [
        (post(b"", b"Content-Length: 1001"), 413, b""),
        (chunked(b"3\r\nabc\r\nzz\r\n"), 400, b"abc"),
        (chunked(b"3\r\nabc\r\n3e6\r\n"), 413, b"abc"),
    ],
)
def test_what_is_refused_is_abandoned(early: bool, data: bytes, code: int, body: bytes) -> None:
    for pieces in ([data], cut(data, range(len(data)))):
        line = Line(early)
        line.feed(*pieces)
        while early and not line.items:
            line.pull()
        assert [status(item) for item in line.items] == [code]
        assert line.taker.notes[-1] == "abandon"
        assert body.startswith(line.taker.body)


@pytest.mark.parametrize("early", [False, True])
def test_the_limit_is_the_takers(early: bool) -> None:
    line = Line(early, limit=4)
    line.feed(post(b"", SIZED))
    assert [status(item) for item in line.items] == [413]
    line = Line(early, limit=10**6)
    line.feed(post(b"", b"Content-Length: 100000"))
    assert line.items == []


@pytest.mark.parametrize("early", [False, True])
def test_who_is_late_is_abandoned(early: bool) -> None:
    line = Line(early)
    line.feed(post(b"he", SIZED))
    if early:
        line.pull()
    line.host.now = 3 + 2 / 10
    late = line.server.overdue()
    assert late
    assert status(late) == 408
    assert line.taker.notes[-1] == "abandon"


@pytest.mark.parametrize("early", [False, True])
def test_who_goes_is_abandoned(early: bool) -> None:
    line = Line(early)
    line.feed(post(b"he", SIZED))
    line.server.release()
    assert line.taker.notes[-1] == "abandon"


def test_a_host_may_refuse() -> None:
    def refuse(head: Head) -> Any:
        raise Refused(403, "not you")

    line = Line()
    line.host.taker = refuse
    line.feed(post(b"hello", SIZED))
    assert [status(item) for item in line.items] == [403]


# -- takers that answer --------------------------------------------------------------------------------


def test_nothing_is_read_before_it_is_wanted() -> None:
    line = Line()
    line.feed(post(b"", b"Content-Length: 100"), b"abc", b"de")
    assert (line.taker.notes, line.server.request) == (["begin"], line.taker.request)
    line.pull()
    assert line.taker.notes == ["begin", b"abc"]
    line.pull()
    assert line.taker.notes == ["begin", b"abc", b"de"]
    line.pull()
    assert line.waiting is None
    line.feed(b"f")
    assert line.taker.body == b"abcdef"


def test_what_came_with_the_head_is_there_before_it_begins() -> None:
    line = Line()
    line.feed(post(b"hello", SIZED))
    assert line.taker.notes == [b"hello", (), "begin"]


def test_a_100_is_said_when_the_body_is_wanted() -> None:
    line = Line()
    line.feed(post(b"", SIZED, b"Expect: 100-continue"))
    assert (line.host.said, line.items) == ([], [])
    line.pull()
    assert line.host.said == [CONTINUE.reply]
    line.feed(b"he")
    line.pull()
    assert line.host.said == [CONTINUE.reply]


def test_no_100_where_the_body_is_there() -> None:
    line = Line()
    line.feed(post(b"he", SIZED, b"Expect: 100-continue"))
    line.pull()
    assert line.host.said == []


LITTLE, MUCH = post(b"", b"Content-Length: %d" % DRAINED), post(b"", b"Content-Length: %d" % (DRAINED + 1))


@pytest.mark.parametrize("pulled", [False, True])
def test_little_that_is_missing_behind_an_answer_is_thrown_away(pulled: bool) -> None:
    line = Line(limit=10**6)
    line.feed(LITTLE)
    if pulled:
        line.pull()
    assert b"Connection" not in line.answer()
    assert line.taker.notes == ["begin", "abandon"]
    line.feed(b"x" * 10, b"x" * (DRAINED - 10))
    assert (line.server.unfinished(), line.server.due()) == (0, 4)
    line.feed(GET + GET)
    assert line.items == [Request(read_head(GET, Limits()))]
    line.answer()
    line.answer()
    assert line.items == [Request(read_head(GET, Limits()))] * 2
    assert (line.host.said, line.waiting) == ([], None)


ENDING: dict[str, Callable[[Line], None]] = {
    "too much of it": lambda line: line.feed(MUCH),
    "nobody knows how much": lambda line: line.feed(chunked(b"1\r\na\r\n")),
    "its client waits for a 100": lambda line: line.feed(post(b"", SIZED, b"Expect: 100-continue")),
}


@pytest.mark.parametrize("why", ENDING)
@pytest.mark.parametrize("pulled", [False, True])
def test_an_answer_before_the_rest_ends_the_connection(why: str, pulled: bool) -> None:
    line = Line(limit=10**6)
    ENDING[why](line)
    if pulled and "100" not in why:
        line.pull()
    assert b"\r\nConnection: close\r\n" in line.answer()
    assert line.host.said == [b""]
    assert line.items == ([] if pulled and "100" not in why else [Close()])


def test_an_answer_that_begins_before_the_rest() -> None:
    line = Line(limit=10**6)
    line.feed(MUCH)
    assert b"\r\nConnection: close\r\n" in line.answer(Response(200, {"Transfer-Encoding": "chunked"}))
    line.pull()
    line.feed(b"x" * (DRAINED + 1) + GET)
    assert line.taker.notes[-1] == ()
    assert line.answer(Chunk("abc")) == b"3\r\nabc\r\n"
    assert line.items == []
    assert line.answer(Chunk()) == b"0\r\n\r\n"
    assert line.items == [Close()]


def test_it_goes_on_behind_what_was_read_before_the_answer_began() -> None:
    line = Line(limit=10**6)
    line.feed(MUCH)
    line.pull()
    line.feed(b"x", b"x" * DRAINED + GET)
    assert b"Connection" not in line.answer(Response(200, {"Transfer-Encoding": "chunked"}))
    line.pull()
    line.answer(Chunk())
    assert line.items == [Request(read_head(GET, Limits()))]


def test_nothing_is_refused_into_an_answer() -> None:
    line = Line()
    line.feed(chunked(b""))
    line.answer(Response(200, {"Transfer-Encoding": "chunked"}))
    line.pull()
    line.feed(b"zz\r\n")
    assert line.items == [Close(b"", "http: 400: a chunk's size line is malformed")]


def test_nothing_is_refused_behind_an_answer() -> None:
    line = Line()
    line.feed(post(b"", b"Content-Length: 10"))
    line.answer()
    line.host.now = 100
    assert line.server.overdue() == Close(b"", "http: 408: it took too long")


def test_time_stands_still_while_nobody_asks() -> None:
    line = Line()
    line.feed(post(b"", b"Content-Length: 100"))
    line.host.now = 100
    line.pull()
    assert line.server.due() == 103
    line.host.now = 102
    line.feed(b"x" * 10)
    line.host.now = 200
    line.pull()
    assert line.server.due() == 202  # one second is left of three, and one more is for ten bytes
    line.answer()
    assert line.server.due() == 204
