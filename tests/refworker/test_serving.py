"""Files on real connections."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from refworker import serving as module
from refworker.connection import TcpConnection
from refworker.protocols.http import Chunk, Request, Response
from tests.refworker.asking import HOST, answer, ask, serving
from tests.refworker.certificates import self_signed
from tests.refworker.peers import DEADLINE, Peer, connected, run, until

BIG = 3 * 1024 * 1024
CERT, KEY = self_signed("localhost")


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "big.bin"
    path.write_bytes(os.urandom(BIG))
    return path


def test_a_big_file_and_the_answer_behind_it(big: Path) -> None:
    def handler(connection: TcpConnection, request: Request) -> Any:
        return Response().with_file(big) if request.path == "/file" else "next"

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            for _ in range(2):
                ask(peer, "/file")
                ask(peer, "/")
                status, _, body = await answer(peer)
                assert (status, body == big.read_bytes()) == (200, True)
                assert (await answer(peer))[2] == b"next"
            (connection,) = worker.connections.values()
            assert connection.bytes_written > 2 * BIG

    run(program)


def test_a_slow_reader_costs_no_memory_and_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(2**31)

    async def program() -> None:
        async with serving(lambda connection, request: Response().with_file(path)) as worker:
            async with connected(worker, receive_buffer=4096) as slow, connected(worker) as quick:
                ask(slow)
                await slow.reader.readuntil(b"\r\n\r\n")
                ask(quick, "/", "Range: bytes=0-9")
                assert (await answer(quick))[0] == 206
                assert all(each.get_send_buffer_queue_size() == 0 for each in worker.connections.values())
            await until(lambda: not worker.connections)

    run(program)


@pytest.mark.parametrize("way", ["close", "field", "last"])
def test_a_file_is_whole_before_the_end(big: Path, way: str) -> None:
    def handler(connection: TcpConnection, request: Request) -> Any:
        if way == "close":
            connection.close(Response().with_file(big))
            return None
        return Response().with_file(big)

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            ask(peer, "/", *(["Connection: close"] if way == "field" else []))
            if way == "last":
                peer.finish()
            head, body = (await peer.rest()).split(b"\r\n\r\n", 1)
            assert body == big.read_bytes()
            assert (b"Connection: close" in head) is (way != "last")

    run(program)


def test_over_tls_it_goes_in_pieces(big: Path) -> None:
    async def program() -> None:
        context = {"ssl": {"local_cert": str(CERT), "local_pk": str(KEY)}}
        handler = lambda connection, request: Response().with_file(big)  # noqa: E731
        async with serving(handler, transport="ssl", context=context) as worker:
            trust = ssl.create_default_context(cafile=str(CERT))
            trust.check_hostname = False
            reader, writer = await asyncio.open_connection(HOST, worker.port, ssl=trust)
            peer = Peer(reader, writer)
            for _ in range(2):
                ask(peer)
                assert (await answer(peer))[2] == big.read_bytes()
            writer.close()

    run(program)


def test_a_close_waits_for_a_file_however_slowly_it_is_read(tmp_path: Path) -> None:
    path, size = tmp_path / "sparse", 12 * 2**20
    with open(path, "wb") as file:
        file.truncate(size)

    def handler(connection: TcpConnection, request: Request) -> None:
        connection.linger_timeout = 0.0
        connection.close(Response().with_file(path))

    async def program() -> None:
        context = {"ssl": {"local_cert": str(CERT), "local_pk": str(KEY)}}
        async with serving(handler, transport="ssl", context=context) as worker:
            trust = ssl.create_default_context(cafile=str(CERT))
            trust.check_hostname = False
            reader, writer = await asyncio.open_connection(HOST, worker.port, ssl=trust)
            peer = Peer(reader, writer)
            ask(peer)
            await reader.readuntil(b"\r\n\r\n")
            (connection,) = worker.connections.values()
            await until(connection.get_send_buffer_queue_size)
            assert len(await peer.rest()) == size
            writer.close()

    run(program)


def test_head_sends_no_file(big: Path) -> None:
    async def program() -> None:
        handler = lambda connection, request: Response().with_file(big)  # noqa: E731
        async with serving(handler) as worker, connected(worker) as peer:
            for _ in range(2):
                ask(peer, method="HEAD")
                head = await peer.reader.readuntil(b"\r\n\r\n")
                assert f"Content-Length: {BIG}\r\n".encode() in head

    run(program)


def test_nothing_can_be_sent_into_a_file(big: Path) -> None:
    told: list[Any] = []

    def handler(connection: TcpConnection, request: Request) -> None:
        connection.send(Response().with_file(big))
        told.append(connection.send(Chunk(b"x")))
        told.append(connection.send("x"))

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            ask(peer)
            assert (await answer(peer))[2] == big.read_bytes()
            assert told == [False, False]

    run(program)


@pytest.mark.parametrize("tls", [False, True])
def test_a_file_that_gets_shorter_ends_its_connection(tmp_path: Path, tls: bool) -> None:
    path = tmp_path / "shrinking"
    path.write_bytes(bytes(BIG))

    def handler(connection: TcpConnection, request: Request) -> Response:
        asyncio.get_running_loop().call_soon(os.truncate, path, 100_000)
        return Response().with_file(path)

    async def program() -> None:
        context = {"ssl": {"local_cert": str(CERT), "local_pk": str(KEY)}} if tls else None
        trust = ssl.create_default_context(cafile=str(CERT)) if tls else None
        if trust:
            trust.check_hostname = False
        async with serving(handler, transport="ssl" if tls else "", context=context) as worker:
            reader, writer = await asyncio.open_connection(HOST, worker.port, ssl=trust)
            peer = Peer(reader, writer)
            ask(peer)
            await reader.readuntil(b"\r\n\r\n")
            try:
                assert len(await peer.rest()) <= 100_000
            except OSError:
                pass  # a reset says the same
            await until(lambda: not worker.connections)
            writer.transport.abort()

    run(program)


def test_who_reads_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(2**31)

    async def program() -> None:
        worker = serving(lambda connection, request: Response().with_file(path))
        async with worker, connected(worker, receive_buffer=4096) as peer:
            ask(peer)
            await until(lambda: worker.connections)
            await until(lambda: not worker.connections)

    run(program)


def test_who_goes_meanwhile_leaves_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(2**31)

    async def program() -> None:
        async with serving(lambda connection, request: Response().with_file(path)) as worker:
            async with connected(worker):
                await until(lambda: worker.connections)
                before = len(os.listdir("/dev/fd"))
            await until(lambda: not worker.connections)
            for _ in range(5):
                async with connected(worker, receive_buffer=4096) as peer:
                    ask(peer)
                    await peer.reader.readuntil(b"\r\n\r\n")
                await until(lambda: not worker.connections)
            await until(lambda: len(os.listdir("/dev/fd")) <= before)

    run(program)


def test_a_file_that_is_never_begun_is_closed(big: Path) -> None:
    def handler(connection: TcpConnection, request: Request) -> None:
        connection.send(Response().with_file(big))
        connection.destroy()

    async def program() -> None:
        async with serving(handler) as worker:
            async with connected(worker) as peer:
                await until(lambda: worker.connections)
                before = len(os.listdir("/dev/fd"))
                ask(peer)
                await until(lambda: not worker.connections)
            await until(lambda: len(os.listdir("/dev/fd")) <= before)

    run(program)


def test_a_stop_waits_for_the_file(big: Path) -> None:
    async def program() -> None:
        worker = serving(lambda connection, request: Response().with_file(big), stop_timeout=DEADLINE)
        async with worker, connected(worker, receive_buffer=4096) as peer:
            ask(peer)
            await peer.reader.readuntil(b"\r\n\r\n")
            stopping = asyncio.create_task(worker.stop())
            async with asyncio.timeout(DEADLINE):
                assert await peer.reader.readexactly(BIG) == big.read_bytes()
            await stopping

    run(program)
