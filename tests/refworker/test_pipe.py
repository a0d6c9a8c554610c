"""Pipes, `drain` and `end_sending`, between real connections of one process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from refworker.client import AsyncTcpConnection
from refworker.connection import TcpConnection
from refworker.worker import Worker
from tests.refworker.peers import connected, run, until

HOST = "127.0.0.1"
MEBIBYTE = 2**20


def echo(connection: TcpConnection, message: Any) -> None:
    connection.send(message)


def careful(worker: Worker) -> Worker:
    worker.on_buffer_full = TcpConnection.pause_recv
    worker.on_buffer_drain = TcpConnection.resume_recv
    return worker


@asynccontextmanager
async def proxy(backend: Worker) -> AsyncIterator[Worker]:
    """A worker that pipes every connection to the backend, and back."""

    def begin(connection: TcpConnection) -> None:
        far = AsyncTcpConnection(f"tcp://{HOST}:{backend.port}")
        connection.pipe(far)
        far.pipe(connection)
        far.connect()

    async with backend, Worker(f"tcp://{HOST}:0", on_connect=begin) as front:
        yield front


def echoing() -> Worker:
    return careful(Worker(f"tcp://{HOST}:0", on_message=echo))


def test_a_half_close_travels_and_the_answer_comes_back() -> None:
    async def program() -> None:
        async with proxy(echoing()) as front, connected(front) as peer:
            peer.send(b"all at once")
            peer.finish()
            assert await peer.rest() == b"all at once"
            await until(lambda: not front.connections)

    run(program)


def test_much_more_than_the_buffers_hold_arrives_whole_and_is_never_kept() -> None:
    async def program() -> None:
        stream = bytes(range(256)) * (16 * 4096)
        async with proxy(echoing()) as front, connected(front, receive_buffer=4096) as peer:
            peer.send(stream)
            peer.finish()
            await until(lambda: front.connections)
            (connection,) = front.connections.values()
            sizes: list[int] = []
            await until(
                lambda: sizes.append(connection.get_send_buffer_queue_size()) or sizes[-1] >= MEBIBYTE
            )
            reading = asyncio.create_task(peer.rest())
            await until(lambda: sizes.append(connection.get_send_buffer_queue_size()) or reading.done())
            assert await reading == stream
            assert max(sizes) < 2 * MEBIBYTE

    run(program)


def test_the_backend_ends_and_so_does_the_client() -> None:
    async def program() -> None:
        backend = Worker(f"tcp://{HOST}:0", on_message=lambda connection, _: connection.close(b"enough"))
        async with proxy(backend) as front, connected(front) as peer:
            peer.send(b"a word")
            assert await peer.rest() == b"enough"

    run(program)


def test_a_backend_that_is_not_there_ends_the_client() -> None:
    async def program() -> None:
        backend = echoing()
        async with backend:
            pass
        async with Worker(f"tcp://{HOST}:0") as front:

            @front.on_connect
            def begin(connection: TcpConnection) -> None:
                far = AsyncTcpConnection(f"tcp://{HOST}:{backend.port}")
                far.pipe(connection)
                connection.pipe(far)
                far.connect()

            async with connected(front) as peer:
                assert await peer.rest() == b""

    run(program)


def test_a_stop_passes_on_what_has_come_and_brings_the_answer() -> None:
    async def program() -> None:
        async with proxy(echoing()) as front, connected(front) as peer:
            peer.send(b"first")
            await peer.expect(b"first")
            peer.send(b"last")
            await asyncio.gather(front.stop(), peer.expect(b"last"))
            assert await peer.rest() == b""

    run(program)


def test_one_pipe_alone_closes_its_destination_with_its_source_and_tells_both() -> None:
    async def program() -> None:
        log: list[str] = []
        sink = Worker(f"text://{HOST}:0", on_message=lambda _, line: log.append(line.decode()))
        source = Worker(f"text://{HOST}:0")

        @source.on_connect
        def begin(connection: TcpConnection) -> None:
            far = AsyncTcpConnection(f"text://{HOST}:{sink.port}")
            connection.on_close = lambda _: log.append("source closed")
            far.on_close = lambda _: log.append("destination closed")
            connection.pipe(far)
            far.connect()

        async with sink, source, connected(source) as peer:
            peer.send(b"one\ntwo\n")
            peer.finish()
            await until(lambda: len(log) == 4)
            assert sorted(log[-2:]) == ["destination closed", "source closed"] or log.count("two") == 1
            assert log.index("one") < log.index("two")

    run(program)


def test_a_pipe_leads_to_a_connection() -> None:
    async def program() -> None:
        connection = AsyncTcpConnection(f"tcp://{HOST}:1")
        with pytest.raises(TypeError, match="leads to another connection, not to str"):
            connection.pipe("tcp://127.0.0.1:1")  # type: ignore[arg-type]

    run(program)


def test_a_full_destination_that_does_not_stand_yet_pauses_the_source() -> None:
    async def program() -> None:
        async with echoing() as backend:
            source = AsyncTcpConnection(f"tcp://{HOST}:{backend.port}")
            far = AsyncTcpConnection(f"tcp://{HOST}:{backend.port}")
            far.max_send_buffer_size = 4
            far.send(b"full")
            source.pipe(far)
            assert source._stalled
            far.connect()
            await until(lambda: not source._stalled)
            far.destroy()

    run(program)


# -- drain and end_sending ----------------------------------------------------------------------------


def test_drain_waits_while_the_buffer_is_full_and_no_longer() -> None:
    async def program() -> None:
        sizes: list[int] = []

        async def produce(connection: TcpConnection, _: bytes) -> None:
            for _ in range(200):
                connection.send(b"x" * 65536)
                sizes.append(connection.get_send_buffer_queue_size())
                await connection.drain()
            connection.close()

        worker = Worker(f"tcp://{HOST}:0", on_message=produce)
        async with worker, connected(worker, receive_buffer=4096) as peer:
            peer.send(b"go")
            assert len(await peer.rest()) == 200 * 65536
            assert MEBIBYTE <= max(sizes) < MEBIBYTE + 65536 * 2

    run(program)


def test_drain_says_that_the_connection_is_gone() -> None:
    async def program() -> None:
        told: list[str] = []

        async def produce(connection: TcpConnection, _: bytes) -> None:
            try:
                while True:
                    connection.send(b"x" * 65536)
                    await connection.drain()
            except ConnectionResetError as problem:
                told.append(str(problem))
                with pytest.raises(ConnectionResetError):
                    await connection.drain()
                told.append("once more")

        worker = Worker(f"tcp://{HOST}:0", on_message=produce)
        async with worker, connected(worker, receive_buffer=4096) as peer:
            peer.send(b"go")
            await until(lambda: any(each._waiting for each in worker.connections.values()))
            peer.writer.transport.abort()
            await until(lambda: len(told) == 2)
            assert "is closed: nothing more can be sent" in told[0]

    run(program)


def test_drain_of_an_early_connection_waits_until_it_stands() -> None:
    async def program() -> None:
        async with echoing() as backend:
            connection = AsyncTcpConnection(f"tcp://{HOST}:{backend.port}")
            connection.max_send_buffer_size = 4
            connection.send(b"full")
            waiting = asyncio.create_task(connection.drain())
            await asyncio.sleep(0)
            assert not waiting.done()
            assert (connection.get_send_buffer_queue_size(), connection.bytes_written) == (4, 0)
            connection.connect()
            await waiting
            assert (connection.get_send_buffer_queue_size(), connection.bytes_written) == (0, 4)
            connection.destroy()

    run(program)


def test_end_sending_lets_the_answers_come() -> None:
    async def program() -> None:
        answers: list[bytes] = []
        async with careful(Worker(f"text://{HOST}:0", on_message=echo)) as worker:
            client = AsyncTcpConnection(f"text://{HOST}:{worker.port}")
            client.on_message = lambda _, message: answers.append(message)
            client.on_close = lambda _: answers.append(b"closed")
            client.connect()
            client.send(b"early")
            client.end_sending()
            assert client.send(b"too late") is False
            await until(lambda: answers[-1:] == [b"closed"])
            assert answers == [b"early", b"closed"]

    run(program)


def test_end_sending_in_a_handler_writes_the_batch_first() -> None:
    async def program() -> None:
        def last(connection: TcpConnection, message: bytes) -> None:
            connection.send(message)
            connection.end_sending()
            connection.end_sending()
            assert connection.send(b"too late") is False

        worker = Worker(f"text://{HOST}:0", on_message=last)
        async with worker, connected(worker) as peer:
            peer.send(b"a\nb\n")
            assert await peer.rest() == b"a\n"
            peer.finish()
            await until(lambda: not worker.connections)

    run(program)
