"""Whole requests are served by a loop of its own: what comes of them is what comes of the same octets one by
one, whatever handlers do in between.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refworker import Limits, Request, Response, TcpConnection
from refworker.protocols.base import LARGE, MANY
from refworker.protocols.registry import server_codec
from refworker.status import statistics
from refworker.worker import Worker
from tests.refworker.peers import connected

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
LIMITS = Limits(max_header_size=256)
TYPED = {"Content-Type": "text/plain"}


class Transport(asyncio.Transport):
    """Takes everything; counts writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_over = False
        self._sock, self._peer = socket.socketpair()

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._sock if name == "socket" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_over

    def is_reading(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def write_eof(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    close = abort

    def end(self) -> None:
        self._sock.close()
        self._peer.close()


def handle(connection: TcpConnection, request: Request) -> Any:
    """One of everything that handlers do."""
    deed = DEEDS.get(request.path.split("/")[1])
    return deed(connection, request) if deed else Response(404, TYPED, request.raw_body or b"?")


def text(body: str | bytes) -> Response:
    return Response(200, TYPED, body)


def late(connection: TcpConnection, request: Request) -> None:
    asyncio.get_running_loop().call_soon(connection.send, text("late"))


def fail(connection: TcpConnection, request: Request) -> None:
    raise ValueError("a mistake of the handler")


def pause(connection: TcpConnection, request: Request) -> Response:
    connection.pause_recv()
    asyncio.get_running_loop().call_soon(connection.resume_recv)
    return text("pause")


def leave(connection: TcpConnection, request: Request) -> Response:
    connection.leave()
    return text("leave")


def other(connection: TcpConnection, request: Request) -> Response:
    connection.on_message = lambda connection, request: text("another handler")
    return text("other")


async def at_once(request: Request) -> Any:
    return text(request.header("host"))


async def soon(connection: TcpConnection, request: Request) -> Any:
    await asyncio.sleep(0)
    return text("soon")


async def silent(connection: TcpConnection, request: Request) -> None:
    connection.send(text("silent"))
    await asyncio.sleep(0)


DEEDS: dict[str, Callable[[TcpConnection, Request], Any]] = {
    "typed": lambda connection, request: text(request.path.encode()),
    "str": lambda connection, request: text("täxt"),
    "bare": lambda connection, request: Response(body=b"bare"),
    "cookie": lambda connection, request: text("cookie").cookie("a", "b"),
    "text": lambda connection, request: request.query_string or "text",
    "large": lambda connection, request: text("x" * LARGE),
    "now": lambda connection, request: at_once(request),
    "soon": soon,
    "sent": lambda connection, request: connection.send(text("sent")),
    "late": late,
    "fail": fail,
    "pause": pause,
    "last": lambda connection, request: text("last").header("Connection", "close"),
    "quit": lambda connection, request: connection.close(text("quit")),
    "leave": leave,
    "other": other,
    "both": lambda connection, request: (connection.send(text("both")), text("typed"))[1],
    "head": lambda connection, request: text(request.header("x-n", "none")),
    "silent": silent,
}


def begun(limits: Limits = LIMITS) -> tuple[TcpConnection, Transport]:
    """A connection that stands."""
    connection, transport = TcpConnection(server_codec("http", limits=limits)), Transport()
    connection.date = lambda: DATE  # type: ignore[misc]
    connection.on_message, connection.on_body = handle, None
    connection.connection_made(transport)
    return connection, transport


async def turns(count: int) -> None:
    """Let the loop go round so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def talk(pieces: Sequence[bytes], patient: bool = True) -> tuple[list[bytes], bool, int]:
    """What a connection writes when these pieces come, whether that ends it, and how many requests it has
    handled.
    """
    before = statistics.messages
    connection, transport = begun()
    for piece in pieces:
        connection.data_received(piece)
        await turns(5 if patient else 0)
    await turns(400)
    result = transport.written, transport.is_over, statistics.messages - before
    connection.destroy()
    transport.end()
    return result


async def assert_same(pieces: Sequence[bytes], patient: bool) -> None:
    """Fail unless these pieces are answered as their octets are."""
    stream = b"".join(pieces)
    written, *rest = await talk(pieces, patient)
    expected, *others = await talk([stream[at : at + 1] for at in range(len(stream))], False)
    assert b"".join(written) == b"".join(expected)
    assert rest == others


def get(path: str, method: str = "GET", version: str = "1.1", host: str = "a", more: str = "") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: {host}\r\n{more}\r\n".encode()


USUAL = [get(f"/{deed}") for deed in DEEDS if deed != "leave"] + [get("/text?q"), get("/nowhere")]
POST = get("/body", "POST", more="Content-Length: 4\r\n") + b"body"
UNUSUAL = [
    get("/typed", "HEAD"),
    get("/typed", "FOO"),
    get("/typed", version="1.0", more="Connection: keep-alive\r\n"),
    get("/typed", version="1.0"),
    get("/typed", more="Connection: keep-alive\r\nX-Other: 1\r\n"),
    get("/typed", more="Connection: close\r\n"),
    get("/typed", host="b"),
    get("/head", more="X-N: 1\r\n"),
    get("/head", more="X-N: 2\r\n") * 2,
    get("/typed", more=f"X-N: {300 * 'n'}\r\n"),
    get("/typed", host="not a host"),
    get("http://c/typed"),
    POST,
    get("/body", "PUT", more="Transfer-Encoding: chunked\r\n") + b"4\r\nbody\r\n0\r\n\r\n",
    get("/typed", more="X: \x01\r\n"),
    b"\r\n" + get("/typed"),
    b"GET  / HTTP/1.1\r\n\r\n",
]

ALL = USUAL + UNUSUAL


@pytest.mark.parametrize("request_", ALL)
def test_every_request_among_usual_ones(request_: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    usual = get("/typed")

    async def program() -> None:
        await talk([usual, usual])
        for together in ([usual, request_], [usual, request_, usual], [request_, request_, usual]):
            await assert_same([b"".join(together)], True)
            await assert_same(together, True)
            await assert_same(together, False)

    asyncio.run(program())


streams = st.lists(st.one_of(st.sampled_from(USUAL[:1]), st.sampled_from(ALL)), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(streams, st.lists(st.integers(0, 600), max_size=3), st.booleans())
def test_a_chunk_is_served_as_its_octets(
    caplog: pytest.LogCaptureFixture, requests: list[bytes], cuts: list[int], patient: bool
) -> None:
    caplog.set_level(logging.CRITICAL)
    stream = b"".join(requests)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    asyncio.run(assert_same([stream[a:b] for a, b in pairwise(edges)], patient))


def writes(*requests: bytes) -> list[bytes]:
    """What leaves when all of them come at once, once the usual ones are known."""

    async def program() -> list[bytes]:
        await talk([get("/typed"), get("/typed")])
        return (await talk([b"".join(requests)]))[0]

    return asyncio.run(program())


OTHERS = [get("/typed", "HEAD"), get("/bare"), get("/text"), get("/sent"), POST]


@pytest.mark.parametrize("other", OTHERS)
def test_what_one_chunk_asks_leaves_in_one_write(other: bytes) -> None:
    usual = get("/typed")
    (together,) = writes(usual, usual, other, usual)
    assert together.count(b"HTTP/1.1 ") == 4
    assert together.endswith(b"/typed")


def test_much_leaves_at_once() -> None:
    assert len(writes(*[get("/large")] * 3)) == 3
    first, second = writes(*[get("/typed")] * (MANY + 1))
    assert (first.count(b"/typed"), second.count(b"/typed")) == (MANY, 1)


def test_a_connection_that_is_to_end_says_so_in_its_next_answer() -> None:
    answers = writes(get("/typed"), get("/typed"), get("/leave"), get("/typed"))
    *before, last = b"".join(answers).split(b"HTTP/1.1 ")[1:]
    assert [b"Connection: close" in each for each in before] == [False, False]
    assert b"Connection: close\r\n" in last
    assert last.endswith(b"leave")


@asynccontextmanager
async def standing(limits: Limits = LIMITS) -> AsyncIterator[tuple[TcpConnection, Transport]]:
    """A connection that has answered `/typed` twice."""
    connection, transport = begun(limits)
    connection.data_received(get("/typed"))
    connection.data_received(get("/typed"))
    transport.written.clear()
    yield connection, transport
    connection.destroy()
    transport.end()


def test_so_does_one_that_was_told_before() -> None:
    async def program() -> None:
        async with standing() as (connection, transport):
            connection.leave()
            connection.data_received(get("/typed"))
            assert b"Connection: close" in transport.written[0]

    asyncio.run(program())


def test_what_falls_silent_is_told_that_nothing_can_be_sent() -> None:
    async def program() -> None:
        async with standing() as (connection, transport):
            told: list[Any] = []
            connection.on_message = lambda connection, request: told.append(connection.send(text("typed")))
            connection.end_sending()
            connection.data_received(get("/typed"))
            assert told == [False]
            assert transport.written == []

    asyncio.run(program())


def test_nothing_is_asked_during_a_pause() -> None:
    async def program() -> None:
        async with standing() as (connection, transport):
            connection.data_received(get("/pause") + get("/typed"))
            assert len(transport.written) == 1
            assert transport.written[0].endswith(b"pause")
            await turns(5)
            assert transport.written[1].endswith(b"/typed")

    asyncio.run(program())


def test_a_client_that_has_asked_has_more_time_than_one_that_has_not() -> None:
    async def program() -> None:
        async with standing(Limits(header_timeout=10, keepalive_timeout=1000)) as (connection, _):
            assert (connection.due() or 0) - monotonic() > 10

    asyncio.run(program())


def test_a_new_session_has_its_cookie_among_usual_answers() -> None:
    def count(connection: TcpConnection, request: Request) -> Response:
        if request.path == "/count":
            request.session().set("n", 1)
        return text("n")

    async def program() -> bytes:
        async with Worker("http://127.0.0.1:0", on_message=count) as worker, connected(worker) as peer:
            peer.send(get("/typed"))
            await peer.reader.readuntil(b"\r\n\r\nn")
            peer.send(get("/typed") + get("/count") + get("/typed", more="Connection: close\r\n"))
            return await peer.rest()

    answers = asyncio.run(program()).split(b"HTTP/1.1 ")[1:]
    assert [b"Set-Cookie" in answer for answer in answers] == [False, True, False]
