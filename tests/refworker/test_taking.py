"""Bodies that are taken while they come, on real connections."""

import asyncio
import logging
import math
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from refworker.connection import TcpConnection
from refworker.protocols.http import Chunk, Limits, Request, Response, Streamed
from refworker.protocols.http.grammar import Refused
from refworker.sessions import MemoryStore, Sessions
from refworker.status import statistics
from refworker.uploads import PREFIX, Uploads
from refworker.worker import Worker
from tests.refworker.peers import Peer, connected, run, until
from tests.refworker.test_serving import answer, ask

MIB = 2**20
PIECE = bytes(range(256)) * 256


@asynccontextmanager
async def met(
    on_body: Callable[..., Any] | None = None, **options: Any
) -> AsyncIterator[tuple[Worker, Peer]]:
    options.setdefault("on_message", lambda connection, request: request.raw_body or "whole")
    async with Worker("http://127.0.0.1:0", on_body=on_body, **options) as worker, connected(worker) as peer:
        yield worker, peer


def head(*fields: str, path: str = "/") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *fields, "\r\n"]).encode()


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


async def living(worker: Worker) -> list[TcpConnection]:
    await until(lambda: worker.connections)
    return list(worker.connections.values())


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


# -- forms ---------------------------------------------------------------------------------------------

FORM = "Content-Type: multipart/form-data; boundary=b"
OPENING = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
CLOSING = b"\r\n--b--\r\n"


def sizes(connection: TcpConnection, request: Request) -> str:
    return ",".join(str(part.size) for part in request.parts)


def files(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.glob(f"{PREFIX}*")]


def test_a_large_form_goes_to_files_while_it_comes(tmp_path: Path) -> None:
    def listing(connection: TcpConnection, request: Request) -> str:
        with pytest.raises(RuntimeError, match="at_once"):
            request.raw_body  # noqa: B018
        (name,) = tmp_path.iterdir()
        return f"{sizes(connection, request)} {request.file('f').tmp_name == str(name)}"

    async def program() -> None:
        async with met(on_message=listing, uploads=Uploads(tmp_path, at_once=1000)) as (_, peer):
            for framing in (True, False):
                body = OPENING + PIECE + CLOSING
                if framing:
                    peer.send(head(FORM, f"Content-Length: {len(body)}"))
                    peer.send(body[:5000])
                    await until(lambda: sum(files(tmp_path)) > 4000)
                    peer.send(body[5000:])
                else:
                    peer.send(head(FORM, "Transfer-Encoding: chunked"))
                    peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
                assert (await answer(peer))[2] == f"{len(PIECE)} True".encode()
                assert not files(tmp_path)

    run(program)


def test_its_memory_is_bounded(tmp_path: Path) -> None:
    size = 32 * MIB

    async def program() -> None:
        async with met(on_message=sizes, uploads=Uploads(tmp_path)) as (worker, peer):
            (connection,) = await living(worker)
            connection.max_package_size = 2 * size
            tracemalloc.start()
            try:
                peer.send(head(FORM, f"Content-Length: {len(OPENING) + size + len(CLOSING)}") + OPENING)
                for _ in range(size // len(PIECE)):
                    peer.send(PIECE)
                    await peer.writer.drain()
                peer.send(CLOSING)
                assert (await answer(peer))[2] == str(size).encode()
                assert tracemalloc.get_traced_memory()[1] < 4 * MIB
            finally:
                tracemalloc.stop()

    run(program)


@pytest.mark.parametrize("way", ["reset", "fin", "malformed", "too large", "late", "destroyed"])
def test_nothing_is_left_of_a_form_that_is_never_whole(way: str, tmp_path: Path) -> None:
    async def program() -> None:
        limits = Limits(body_timeout=0.3, min_body_rate=10**6) if way == "late" else None
        async with met(on_message=sizes, uploads=Uploads(tmp_path, at_once=1000), limits=limits) as (
            worker,
            peer,
        ):
            (connection,) = await living(worker)
            connection.max_package_size = 5000
            peer.send(
                head(FORM, "Transfer-Encoding: chunked") + b"bb8\r\n" + (OPENING + PIECE)[:3000] + b"\r\n"
            )
            await until(lambda: files(tmp_path))
            if way == "reset":
                peer.writer.transport.abort()
            elif way == "fin":
                peer.finish()
            elif way == "destroyed":
                connection.destroy()
            elif way != "late":
                peer.send(b"zz\r\n" if way == "malformed" else b"bb8\r\n")
            await until(lambda: not files(tmp_path))

    run(program)


def test_a_form_that_is_wrong_is_answered_when_it_is_whole(tmp_path: Path) -> None:
    for broken in (OPENING + PIECE, PIECE, b"--b\r\nX: y\r\n\r\n" + PIECE + CLOSING):

        async def program(broken: bytes = broken) -> None:
            async with met(on_message=sizes, uploads=Uploads(tmp_path, at_once=1000)) as (_, peer):
                for _ in range(2):
                    ask(peer, "/", FORM, body=broken, method="POST")
                    assert (await answer(peer))[0] == 400
                assert not files(tmp_path)
                ask(peer, "/", FORM.replace("=b", '="b "'), body=PIECE, method="POST")
                assert (await answer(peer))[0] == 400

        run(program)


def test_a_form_that_nobody_asks_for_is_no_trouble(tmp_path: Path) -> None:
    async def program() -> None:
        async with met(
            on_message=lambda connection, request: "fine", uploads=Uploads(tmp_path, at_once=1000)
        ) as (_, peer):
            for body in (PIECE, OPENING + PIECE + CLOSING):
                ask(peer, "/", FORM, body=body, method="POST")
                assert (await answer(peer))[2] == b"fine"

    run(program)


def test_a_disk_that_is_full_is_a_mistake_of_ours(tmp_path: Path) -> None:
    async def program() -> None:
        missing = Uploads(tmp_path / "missing", at_once=1000)
        async with met(on_message=sizes, uploads=missing) as (_, peer):
            ask(peer, "/", FORM, body=OPENING + PIECE + CLOSING, method="POST")
            assert (await answer(peer))[0] == 500

    run(program)


def test_a_small_form_in_chunks_is_as_every_other_body(tmp_path: Path) -> None:
    async def program() -> None:
        async with met(uploads=Uploads(tmp_path, at_once=1000)) as (_, peer):
            body = OPENING + b"abc" + CLOSING
            peer.send(head(FORM, "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            assert (await answer(peer))[2] == body

    run(program)


def test_a_large_body_that_is_no_form_is_collected() -> None:
    async def program() -> None:
        async with met(uploads=Uploads(at_once=1000)) as (_, peer):
            ask(peer, body=PIECE, method="POST")
            assert (await answer(peer))[2] == PIECE

    run(program)
