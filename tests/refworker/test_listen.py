"""Listening at run time, pauses, and several workers in one program that has no master."""

import asyncio
import socket
from pathlib import Path

import pytest

from refworker.connection import TcpConnection
from refworker.worker import Worker, beside
from tests.refworker.peers import connected, run, until


def echo(connection: TcpConnection, message: bytes) -> None:
    connection.send(message)


async def says(worker: Worker, line: bytes) -> None:
    async with connected(worker) as peer:
        peer.send(line)
        await peer.expect(line)


def refuses(worker: Worker) -> bool:
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", worker.port)) != 0


def test_two_workers_in_one_program() -> None:
    async def program() -> None:
        one = Worker("text://127.0.0.1:0", on_message=echo)
        two = Worker("text://127.0.0.1:0", on_message=lambda c, message: c.send(message[::-1]))
        async with one, two:
            async with connected(one) as a, connected(two) as b:
                a.send(b"abc\n")
                b.send(b"abc\n")
                await a.expect(b"abc\n")
                await b.expect(b"cba\n")
                assert len(one.connections) == len(two.connections) == 1
            await two.stop()
            await says(one, b"goes on\n")
            assert refuses(two)

    run(program)


def test_two_workers_in_tasks_of_their_own() -> None:
    async def serve(worker: Worker, over: asyncio.Event) -> None:
        async with worker:
            await over.wait()

    async def program() -> None:
        over = asyncio.Event()
        workers = [Worker("text://127.0.0.1:0", on_message=echo) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(serve(worker, over))
            await until(lambda: all(worker._socket for worker in workers))
            for worker in workers:
                await says(worker, b"here\n")
            over.set()

    run(program)


def test_listen_at_run_time_and_what_ends_it() -> None:
    async def program() -> None:
        log: list[str] = []
        worker = Worker("text://127.0.0.1:0", on_message=echo)
        worker.on_worker_start = lambda worker: log.append("start")
        worker.on_worker_stop = lambda worker: log.append("stop")
        worker.listen()
        worker.listen()  # once is enough
        assert beside() == [worker]
        await says(worker, b"late\n")
        await worker.stop()
        assert (log, beside()) == (["stop"], [])
        assert refuses(worker)

    run(program)


def test_unlisten_keeps_connections_and_frees_the_port() -> None:
    async def program() -> None:
        worker = Worker("text://127.0.0.1:0", on_message=echo)
        async with worker, connected(worker) as old:
            old.send(b"one\n")
            await old.expect(b"one\n")
            worker.unlisten()
            worker.unlisten()
            assert refuses(worker)
            old.send(b"two\n")
            await old.expect(b"two\n")
            worker.listen()
            await says(worker, b"again\n")
            old.send(b"three\n")
            await old.expect(b"three\n")

    run(program)


def test_unlisten_takes_the_file_of_a_unix_socket_with_it(tmp_path: Path) -> None:
    async def program() -> None:
        async with Worker(f"unix://{tmp_path}/a.sock", on_message=echo) as worker:
            worker.unlisten()
            assert not (tmp_path / "a.sock").exists()
            worker.listen()
            assert (tmp_path / "a.sock").is_socket()
        assert not (tmp_path / "a.sock").exists()

    run(program)


def test_the_last_connection_of_a_worker_that_does_not_listen_ends_its_stop_only() -> None:
    async def program() -> None:
        async with Worker("text://127.0.0.1:0", on_message=echo) as worker:
            async with connected(worker) as peer:
                peer.send(b"one\n")
                await peer.expect(b"one\n")
                worker.unlisten()
            await until(lambda: not worker.connections)
            worker.listen()
            async with connected(worker) as peer:
                await until(lambda: worker.connections)
                peer.send(b"half")
                stopping = asyncio.create_task(worker.stop())
                await asyncio.sleep(0)
                assert not stopping.done()
                peer.send(b" and half\n")
                await peer.expect(b"half and half\n")
                peer.finish()
                await stopping

    run(program)


def test_what_cannot_be_listened_on_at_run_time() -> None:
    async def program() -> None:
        with pytest.raises(RuntimeError, match="no address to listen on; give it one"):
            Worker(name="timer").listen()
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(OSError, match="choose another port"):
                Worker(f"text://127.0.0.1:{port}").listen()
            assert beside() == []

    run(program)


def test_who_comes_in_a_pause_is_served_after_it() -> None:
    async def program() -> None:
        async with Worker("text://127.0.0.1:0", on_message=echo) as worker:
            worker.pause_accept()
            async with connected(worker) as waiting:
                waiting.send(b"patience\n")
                for _ in range(20):
                    await asyncio.sleep(0)
                assert not worker.connections
                worker.resume_accept()
                await waiting.expect(b"patience\n")

    run(program)


def test_a_pause_outlasts_the_end_of_a_connection() -> None:
    async def program() -> None:
        async with Worker("text://127.0.0.1:0", on_message=echo, max_connections=1) as worker:
            async with connected(worker) as first:
                first.send(b"1\n")
                await first.expect(b"1\n")
                worker.pause_accept()
            await until(lambda: not worker.connections)
            assert not worker._accepting
            worker.resume_accept()
            await says(worker, b"2\n")

    run(program)
