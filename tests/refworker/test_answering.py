"""HTTP on real sockets: what a handler answers, in which order, how fast, and how it ends."""

import asyncio
import re
from typing import Any

import pytest

from refworker import Chunk, Limits, Request, Response, ServerSentEvents
from refworker.answering import Clock
from refworker.connection import TcpConnection
from refworker.protocols.websocket.frames import CLOSE, TEXT, close_payload, frame
from refworker.status import statistics
from refworker.worker import Worker
from tests.refworker.peers import UPGRADE, Peer, connected, run, until

HOST = "127.0.0.1"
KEY = b"\x01\x02\x03\x04"


def get(path: str = "/", *fields: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: a", *fields]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def serving(handler: Any, **options: Any) -> Worker:
    return Worker(f"http://{HOST}:0", on_message=handler, **options)


def path(connection: TcpConnection, request: Request) -> str:
    return request.path


async def bodies(peer: Peer, count: int) -> list[bytes]:
    """The bodies of so many answers, each of a known length."""
    found: list[bytes] = []
    while len(found) < count:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length, head
        found.append(await peer.reader.readexactly(int(length[1])))
    return found


# -- what a handler answers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ("text", b"text"),
        (b"bytes", b"bytes"),
        ({"a": 1}, b'{"a":1}'),
        ([1], b"[1]"),
        (7, b"7"),
        (Response(body="r"), b"r"),
    ],
)
def test_what_a_handler_returns_is_the_answer(given: Any, body: bytes) -> None:
    async def later(connection: TcpConnection, request: Request) -> Any:
        await asyncio.sleep(0)
        return given

    def sent(connection: TcpConnection, request: Request) -> None:
        connection.send(given)

    async def program() -> None:
        for handler in (lambda connection, request: given, later, sent):
            async with serving(handler) as worker, connected(worker) as peer:
                peer.send(get() + get())
                assert await bodies(peer, 2) == [body, body]

    run(program)


def test_a_failing_handler_is_a_500_and_nobody_else_notices(caplog: pytest.LogCaptureFixture) -> None:
    def throw(connection: TcpConnection, request: Request) -> str:
        if request.path == "/":
            raise RuntimeError("on purpose")
        return request.path

    async def late(connection: TcpConnection, request: Request) -> str:
        await asyncio.sleep(0)
        return throw(connection, request)

    async def program() -> None:
        for handler in (throw, late):
            async with serving(handler) as worker, connected(worker) as other, connected(worker) as peer:
                peer.send(get() + get("/a") + get() + get("/b"))
                mistake = b"the service made a mistake\n"
                assert await bodies(peer, 4) == [mistake, b"/a", mistake, b"/b"]
                other.send(get("/c"))
                assert await bodies(other, 1) == [b"/c"]

    run(program)
    assert caplog.text.count("RuntimeError: on purpose") == 4


def test_what_cannot_be_sent_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        async with serving(lambda connection, request: object()) as worker, connected(worker) as peer:
            peer.send(get())
            assert await bodies(peer, 1) == [b"the service made a mistake\n"]

    run(program)
    assert "cannot send object" in caplog.text


def test_half_an_answer_does_not_look_whole(caplog: pytest.LogCaptureFixture) -> None:
    def half(connection: TcpConnection, request: Request) -> None:
        connection.send(Response(200, {"Transfer-Encoding": "chunked"}))
        connection.send(Chunk("half"))
        raise RuntimeError("on purpose")

    async def program() -> None:
        async with serving(half) as worker, connected(worker) as peer:
            peer.send(get())
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await peer.reader.readuntil(b"0\r\n\r\n")

    run(program)
    assert "on purpose" in caplog.text


# -- in which order ------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_requests() -> None:
    calls: list[str] = []

    async def slow(connection: TcpConnection, request: Request) -> str:
        calls.append(request.path)
        await asyncio.sleep(0.02 if request.path == "/0" else 0)
        return request.path

    def by_timer(connection: TcpConnection, request: Request) -> None:
        asyncio.get_running_loop().call_later(0.001, connection.send, request.path)

    async def program() -> None:
        expected = [b"/%d" % number for number in range(20)]
        for handler in (slow, by_timer, path):
            async with serving(handler) as worker, connected(worker) as peer:
                peer.send(b"".join(get(f"/{number}") for number in range(20)))
                assert await bodies(peer, 20) == expected

    run(program)
    assert calls == [f"/{number}" for number in range(20)]


def test_chunks_may_come_at_any_time_and_the_next_answer_comes_behind_them() -> None:
    def stream(connection: TcpConnection, request: Request) -> None:
        if request.path != "/stream":
            connection.send("next")
            return
        loop = asyncio.get_running_loop()
        connection.send(Response(200, {"Transfer-Encoding": "chunked"}))
        for place, piece in enumerate((Chunk("ab"), Chunk("c"), Chunk())):
            loop.call_later(0.002 * (place + 1), connection.send, piece)

    async def program() -> None:
        async with serving(stream) as worker, connected(worker) as peer:
            peer.send(get("/stream") + get())
            assert (await peer.reader.readuntil(b"\r\n\r\n")).endswith(b"Transfer-Encoding: chunked\r\n\r\n")
            await peer.expect(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
            assert await bodies(peer, 1) == [b"next"]

    run(program)


def test_events_end_with_the_connection() -> None:
    async def events(connection: TcpConnection, request: Request) -> None:
        connection.send(Response(200, {"Content-Type": "text/event-stream"}))
        connection.send(ServerSentEvents({"data": 1}))
        await connection.drain()
        connection.close()

    async def program() -> None:
        async with serving(events) as worker, connected(worker) as peer:
            peer.send(get())
            await peer.reader.readuntil(b"\r\n\r\n")
            await peer.expect(b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")
            assert await peer.reader.read() == b""

    run(program)


def test_the_end_comes_behind_the_answer_that_says_so() -> None:
    seen: list[str] = []

    def note(connection: TcpConnection, request: Request) -> str:
        seen.append(request.path)
        return "bye"

    async def program() -> None:
        async with serving(note) as worker, connected(worker) as peer:
            peer.send(get("/a", "Connection: x, CLOSE") + get("/b"))
            assert b"\r\nConnection: close\r\n" in await peer.reader.readuntil(b"\r\n\r\n")
            assert await peer.reader.read() == b"bye"

    run(program)
    assert seen == ["/a"]


def test_a_refusal_comes_behind_the_answers_and_can_be_read(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        async with serving(path) as worker, connected(worker) as peer:
            peer.send(get("/a") + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % 2**30)
            peer.send(b"x" * 2**21)
            assert await bodies(peer, 1) == [b"/a"]
            answer = await peer.reader.read()
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"\r\nConnection: close\r\n" in answer

    run(program)
    assert "http: 413" in caplog.text


def test_a_client_that_says_no_more_is_answered() -> None:
    async def slow(connection: TcpConnection, request: Request) -> str:
        await asyncio.sleep(0.01)
        return "late"

    async def program() -> None:
        async with serving(slow) as worker, connected(worker) as peer:
            peer.send(get() + get())
            peer.writer.write_eof()
            assert await bodies(peer, 2) == [b"late", b"late"]
            assert await peer.reader.read() == b""

    run(program)


def test_half_a_request_is_none() -> None:
    async def program() -> None:
        async with serving(path) as worker:
            for half in (b"GET / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell"):
                async with connected(worker) as peer:
                    peer.send(half)
                    peer.writer.write_eof()
                    assert await peer.reader.read() == b""

    run(program)


# -- how fast ------------------------------------------------------------------------------------------


def test_nothing_is_read_while_the_client_does_not_read_and_nothing_is_lost() -> None:
    served = 0

    def large(connection: TcpConnection, request: Request) -> bytes:
        nonlocal served
        served += 1
        return b"%d" % served * 16384

    async def program() -> None:
        async with serving(large) as worker, connected(worker, limit=2**10, receive_buffer=8192) as peer:
            requests = 300
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            peer.send(get() * requests)
            await until(lambda: worker.connections)
            (connection,) = worker.connections.values()
            await until(connection.is_busy)
            assert served < requests
            assert connection.get_send_buffer_queue_size() < 2**20
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            found = await bodies(peer, requests)
            assert found == [b"%d" % number * 16384 for number in range(1, requests + 1)]

    fails = statistics.send_fail
    run(program)
    assert statistics.send_fail == fails


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"", b""),
        (b"GET", b"408"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", b"408"),
        (get(), b"200"),
    ],
)
def test_clients_that_are_too_slow_are_closed(said: bytes, answer: bytes) -> None:
    async def program() -> None:
        limits = Limits(header_timeout=0.05, body_timeout=0.05, keepalive_timeout=0.05)
        async with serving(path, limits=limits) as worker, connected(worker) as peer:
            peer.send(said)
            assert (await peer.reader.read())[9:12] == answer

    run(program)


def test_time_stands_still_while_it_is_the_service_that_is_waited_for() -> None:
    async def slow(connection: TcpConnection, request: Request) -> str:
        await asyncio.sleep(0.15)
        return "late"

    async def program() -> None:
        limits = Limits(header_timeout=0.05, body_timeout=0.05, keepalive_timeout=0.05)
        async with serving(slow, limits=limits) as worker, connected(worker) as peer:
            peer.send(get())
            assert await bodies(peer, 1) == [b"late"]

    run(program)


def test_the_clock_is_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 784111777.5
    monkeypatch.setattr("refworker.answering.time", lambda: now)
    clock = Clock()
    assert clock() == b"Sun, 06 Nov 1994 08:49:37 GMT"
    first = clock()
    now += 0.4
    assert clock() is first
    now += 0.1
    assert clock() == b"Sun, 06 Nov 1994 08:49:38 GMT"
    now -= 60
    assert clock() == b"Sun, 06 Nov 1994 08:48:38 GMT"


# -- how it ends ---------------------------------------------------------------------------------------


def test_a_stop_lets_requests_finish_and_closes_who_is_idle() -> None:
    async def slow(connection: TcpConnection, request: Request) -> str:
        if request.path == "/slow":
            await asyncio.sleep(0.1)
        return "done"

    async def program() -> None:
        worker = serving(slow, stop_timeout=5.0)
        async with worker, connected(worker) as idle, connected(worker) as busy:
            idle.send(get())
            assert await bodies(idle, 1) == [b"done"]
            busy.send(get("/slow"))
            await until(lambda: any(each.is_busy() for each in worker.connections.values()))
            stopping = asyncio.create_task(worker.stop())
            assert await idle.reader.read() == b""
            assert b"\r\nConnection: close\r\n" in await busy.reader.readuntil(b"\r\n\r\n")
            assert await busy.reader.read() == b"done"
            await stopping

    run(program)


# -- another protocol on the same port -----------------------------------------------------------------


def test_a_page_and_its_websocket_share_a_port() -> None:
    closed: list[int] = []

    def chat(connection: TcpConnection, message: str) -> None:
        connection.send(message.upper())

    def visit(connection: TcpConnection, request: Any) -> None:
        if request.path != "/":
            connection.refuse(404, "no chat here")

    async def program() -> None:
        worker = serving(path, on_websocket_message=chat, on_websocket_connect=visit)
        worker.on_websocket_close = lambda connection, code, reason: closed.append(code)
        async with worker, connected(worker) as peer, connected(worker) as other:
            peer.send(get("/page") + UPGRADE + frame(TEXT, b"hello", KEY))
            assert await bodies(peer, 1) == [b"/page"]
            assert (await peer.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            await peer.expect(frame(TEXT, b"HELLO"))
            peer.send(frame(CLOSE, close_payload(1000), KEY))
            await peer.expect(frame(CLOSE, close_payload(1000)))
            other.send(UPGRADE.replace(b"GET / ", b"GET /other "))
            assert (await other.reader.read()).startswith(b"HTTP/1.1 404 ")

    run(program)
    assert closed == [1000]


def test_where_no_websocket_is_spoken_the_wish_is_ignored() -> None:
    async def program() -> None:
        async with serving(path) as worker, connected(worker) as peer:
            peer.send(UPGRADE)
            assert await bodies(peer, 1) == [b"/"]

    run(program)


def test_a_handler_may_change_the_protocol() -> None:
    def switch(connection: TcpConnection, request: Any) -> None:
        if isinstance(request, Request):
            connection.protocol = "text"
        connection.send("hello" if isinstance(request, Request) else request)

    async def program() -> None:
        async with serving(switch) as worker, connected(worker) as peer:
            peer.send(get() + b"line\n")
            await peer.expect(b"hello\nline\n")

    run(program)
