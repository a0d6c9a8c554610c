"""Bodies that are taken while they come, on real connections."""

import asyncio
import logging
import math
import sys
from typing import Any

import pytest

from refworker.connection import TcpConnection
from refworker.protocols.http import Chunk, Limits, Request, Response, Streamed
from refworker.protocols.http.grammar import Refused
from refworker.sessions import MemoryStore, Sessions
from refworker.status import statistics
from tests.refworker.asking import answer, ask
from tests.refworker.peers import DEADLINE, run, until
from tests.refworker.posting import MIB, head, living, met


async def collected(request: Streamed) -> bytes:
    return b"".join([piece async for piece in request.stream()])


async def echo(connection: TcpConnection, request: Streamed) -> bytes:
    return await collected(request)


# -- piece by piece ------------------------------------------------------------------------------------


def test_a_body_in_pieces_and_what_stands_behind_it() -> None:
    async def program() -> None:
        async with met(echo) as (_, peer):
            for _ in range(2):
                stream = head("Content-Length: 5") + b"hello" + head("Transfer-Encoding: chunked")
                stream += b"3\r\nabc\r\n0\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
                peer.send(stream)
                assert [(await answer(peer))[2] for _ in range(3)] == [b"hello", b"abc", b"whole"]
            for at in range(len(stream)):
                peer.send(stream[at : at + 1])
                await asyncio.sleep(0)
            assert [(await answer(peer))[2] for _ in range(3)] == [b"hello", b"abc", b"whole"]

    run(program)


def test_some_are_collected_as_usual() -> None:
    def choose(connection: TcpConnection, request: Streamed) -> Any:
        return "chosen" if request.path == "/chosen" else None

    async def program() -> None:
        async with met(choose) as (_, peer):
            for path in ("/", "/chosen"):
                ask(peer, path, body=b"abc", method="POST")
            assert [(await answer(peer))[2] for _ in range(2)] == [b"abc", b"chosen"]

    run(program)


def test_an_answer_without_a_look_at_the_body() -> None:
    async def program() -> None:
        async with met(lambda connection, request: Response(403, {}, "no")) as (_, peer):
            for _ in range(2):
                ask(peer, body=b"abc", method="POST")
                status, fields, _ = await answer(peer)
                assert (status, "connection" in fields) == (403, False)
            peer.send(head(f"Content-Length: {TcpConnection.default_max_package_size + 1}"))
            last = await peer.rest()
            assert last.startswith(b"HTTP/1.1 403 ")
            assert b"\r\nConnection: close\r\n" in last

    run(program)


def test_requests_are_counted() -> None:
    async def program() -> None:
        before = statistics.messages
        async with met(echo) as (_, peer):
            ask(peer, body=b"abc", method="POST")
            await answer(peer)
            assert statistics.messages == before + 1

    run(program)


def test_who_asks_for_nothing_gets_nothing() -> None:
    go_on, seen = asyncio.Event(), []

    async def slow(connection: TcpConnection, request: Streamed) -> int:
        await go_on.wait()
        seen.extend([len(piece) async for piece in request.stream()])
        return sum(seen)

    async def program() -> None:
        async with met(slow) as (worker, peer):
            peer.send(head(f"Content-Length: {8 * MIB}"))
            peer.send(bytes(8 * MIB))
            (connection,) = await living(worker)
            await until(lambda: connection.bytes_read > 200)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert connection.bytes_read < MIB
            go_on.set()
            assert (await answer(peer))[2] == str(8 * MIB).encode()
            assert max(seen) < MIB

    run(program)


def test_a_limit_of_its_own() -> None:
    async def count(request: Streamed) -> int:
        return sum([len(piece) async for piece in request.stream()])

    def choose(connection: TcpConnection, request: Streamed) -> Any:
        request.max_body_size = math.inf if request.path == "/any" else 2
        return count(request)

    async def program() -> None:
        async with met(choose) as (_, peer):
            size = 12 * MIB
            assert size > TcpConnection.default_max_package_size
            peer.send(head(f"Content-Length: {size}", path="/any"))
            peer.send(bytes(size))
            assert (await answer(peer))[2] == str(size).encode()
            ask(peer, body=b"abc", method="POST")
            assert (await answer(peer))[0] == 413

    run(program)


@pytest.mark.parametrize(
    ("problem", "status"), [(Refused(401, "who are you?"), 401), (ZeroDivisionError(), 500)]
)
def test_a_refusal_before_the_body(problem: Exception, status: int) -> None:
    def refuse(connection: TcpConnection, request: Streamed) -> Any:
        raise problem

    async def program() -> None:
        async with met(refuse) as (_, peer):
            peer.send(head("Content-Length: 5", "Expect: 100-continue"))
            assert (await peer.rest()).startswith(f"HTTP/1.1 {status} ".encode())

    run(program)


def test_a_client_that_waits_for_a_100() -> None:
    go_on = asyncio.Event()

    async def slow(connection: TcpConnection, request: Streamed) -> bytes:
        await go_on.wait()
        return await collected(request)

    async def program() -> None:
        async with met(slow) as (_, peer):
            peer.send(head("Content-Length: 5", "Expect: 100-continue"))
            peer.send(b"")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await peer.reader.readexactly(1)
            go_on.set()
            await peer.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.send(b"hello")
            assert (await answer(peer))[2] == b"hello"

    run(program)


@pytest.mark.parametrize("way", ["reset", "fin", "malformed"])
def test_a_client_that_goes_in_the_middle(way: str) -> None:
    told: list[Any] = []

    async def handler(connection: TcpConnection, request: Streamed) -> None:
        try:
            async for piece in request.stream():
                told.append(piece)  # noqa: PERF401  while they come
        except ConnectionResetError:
            told.append("gone")

    async def program() -> None:
        async with met(handler) as (_, peer):
            peer.send(head("Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
            await until(lambda: told)
            if way == "reset":
                peer.writer.transport.abort()
            elif way == "fin":
                peer.finish()
            else:
                peer.send(b"zz\r\n")
                assert (await answer(peer))[0] == 400
            await until(lambda: told == [b"abc", "gone"])

    run(program)


def test_a_handler_that_does_not_care_is_told_by_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        async with met(echo) as (worker, peer):
            peer.send(head("Content-Length: 5") + b"abc")
            await living(worker)
            peer.writer.transport.abort()
            await until(lambda: not worker.connections)
            await asyncio.sleep(0)
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

    run(program)


@pytest.mark.parametrize("when", ["before", "in the middle", "behind"])
def test_a_handler_that_fails(when: str, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(connection: TcpConnection, request: Streamed) -> None:
        if when == "in the middle":
            connection.send(Response(200, {"Transfer-Encoding": "chunked"}, "half"))
        if when == "behind":
            connection.send("done")
        raise ZeroDivisionError

    async def program() -> None:
        async with met(fail) as (_, peer):
            ask(peer, body=b"abc", method="POST")
            if when == "in the middle":
                assert b"half" in (said := await peer.rest())
                assert not said.endswith(b"0\r\n\r\n")
            else:
                assert (await answer(peer))[0] == (500 if when == "before" else 200)
                ask(peer)
                assert (await answer(peer))[2] == b"whole"
        assert "ZeroDivisionError" in caplog.text

    run(program)


def test_what_is_returned_behind_an_answer_answers_nothing() -> None:
    done = asyncio.Event()

    async def twice(connection: TcpConnection, request: Streamed) -> str:
        connection.send("first")
        await done.wait()
        return "second"

    async def later(connection: TcpConnection, request: Request) -> str:
        done.set()
        for _ in range(5):
            await asyncio.sleep(0)
        return "third"

    async def program() -> None:
        async with met(twice, on_message=later) as (_, peer):
            ask(peer, body=b"abc", method="POST")
            ask(peer)
            assert [(await answer(peer))[2] for _ in range(2)] == [b"first", b"third"]

    run(program)


def test_a_talk_both_ways() -> None:
    async def back(connection: TcpConnection, request: Streamed) -> None:
        connection.send(Response(200, {"Transfer-Encoding": "chunked"}))
        async for piece in request.stream():
            connection.send(Chunk(piece))
        connection.send(Chunk())

    async def program() -> None:
        async with met(back) as (_, peer):
            peer.send(head("Content-Length: 6"))
            assert b"Connection" not in await peer.reader.readuntil(b"\r\n\r\n")
            for piece in (b"abc", b"def"):
                peer.send(piece)
                await peer.expect(b"3\r\n" + piece + b"\r\n")
            await peer.expect(b"0\r\n\r\n")
            ask(peer)
            assert (await answer(peer))[2] == b"whole"

    run(program)


def test_what_has_come_can_be_read_behind_the_answer() -> None:
    seen: list[bytes] = []

    async def handler(connection: TcpConnection, request: Streamed) -> None:
        connection.send("at once")
        seen.append(await collected(request))

    async def program() -> None:
        async with met(handler) as (_, peer):
            ask(peer, body=b"abc", method="POST")
            assert (await answer(peer))[2] == b"at once"
            await until(lambda: seen == [b"abc"])

    run(program)


def test_tasks_that_begin_at_once_find_everything_in_place() -> None:
    def eager(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        return asyncio.Task(coroutine, loop=loop, eager_start=True, **options)  # type: ignore[call-arg]

    async def program() -> None:
        async with met(echo) as (_, peer):
            if sys.version_info >= (3, 12):
                asyncio.get_running_loop().set_task_factory(eager)
            for _ in range(2):
                peer.send(head("Content-Length: 5", "Expect: 100-continue"))
                await peer.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
                peer.send(b"hello")
                assert (await answer(peer))[2] == b"hello"

    run(program)


def test_two_who_ask_at_once_and_one_who_gives_up() -> None:
    async def handler(connection: TcpConnection, request: Streamed) -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await request.taker.next()
        connection.send(Response(103))
        pieces = await asyncio.gather(*[request.taker.next() for _ in range(3)])
        return ",".join(sorted(piece.decode() for piece in pieces))

    async def program() -> None:
        async with met(handler) as (_, peer):
            peer.send(head("Content-Length: 2"))
            await peer.reader.readuntil(b"\r\n\r\n")
            for piece in (b"a", b"b"):
                peer.send(piece)
                await asyncio.sleep(0)
            assert (await answer(peer))[2] in (b",a,b", b",,ab")

    run(program)


def test_a_session_is_kept_there_too() -> None:
    async def visit(connection: TcpConnection, request: Streamed) -> str:
        body = await collected(request)
        request.session().set("body", body.decode())
        return "kept"

    def tell(connection: TcpConnection, request: Request) -> str:
        return str(request.session().get("body"))

    async def program() -> None:
        async with met(visit, on_message=tell, sessions=Sessions(MemoryStore())) as (_, peer):
            ask(peer, body=b"abc", method="POST")
            cookie = (await answer(peer))[1]["set-cookie"].partition(";")[0]
            ask(peer, "/", f"Cookie: {cookie}")
            assert (await answer(peer))[2] == b"abc"

    run(program)


@pytest.mark.parametrize("asks", [False, True])
def test_only_a_client_that_is_waited_for_is_late(asks: bool) -> None:
    go_on = asyncio.Event()

    async def handler(connection: TcpConnection, request: Streamed) -> bytes:
        if not asks:
            await go_on.wait()
        return await collected(request)

    async def program() -> None:
        limits = Limits(body_timeout=0.05, header_timeout=9, keepalive_timeout=9)
        async with met(handler, limits=limits) as (_, peer):
            peer.send(head("Content-Length: 5"))
            if asks:
                assert (await answer(peer))[0] == 408
                return
            await asyncio.sleep(0.2)
            peer.send(b"hello")
            go_on.set()
            assert (await answer(peer))[2] == b"hello"

    run(program)


def test_a_stop_does_not_wait_for_a_handler_whose_client_is_gone() -> None:
    async def forget(connection: TcpConnection, request: Streamed) -> None:
        await asyncio.Event().wait()

    async def program() -> None:
        async with met(forget, sessions=Sessions(MemoryStore())) as (worker, peer):
            peer.send(head("Content-Length: 5"))
            (connection,) = await living(worker)
            await until(connection.is_busy)
            async with asyncio.timeout(DEADLINE):
                await worker.stop(timeout=0.01)

    run(program)
