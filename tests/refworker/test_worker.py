import asyncio
import errno
import os
import socket
from typing import Any

import pytest

from refworker.address import AddressError
from refworker.connection import TcpConnection
from refworker.worker import Worker, registered
from tests.refworker.peers import UPGRADE, connected, run, until

HOST = "127.0.0.1"


def echo(connection: TcpConnection, message: Any) -> None:
    connection.send(message)


# -- addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("nonsense", "is no address"),
        ("text://127.0.0.1", "has no port"),
        ("nope://127.0.0.1:1", "unknown protocol nope://; known are tcp://, text://, frame://, websocket://"),
        ("ws://127.0.0.1:1", "listen on websocket://"),
    ],
)
def test_a_bad_address_is_refused_at_once(address: str, cause: str) -> None:
    with pytest.raises(AddressError, match=cause):
        Worker(address)


def test_a_port_in_use_is_named_with_the_cure() -> None:
    with socket.create_server((HOST, 0)) as taken:
        address = f"text://{HOST}:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}.*choose another port") as caught:
            Worker(address).bind()
        assert caught.value.errno == errno.EADDRINUSE


def test_the_port_is_known_only_after_binding() -> None:
    worker = Worker(f"text://{HOST}:0", name="late")
    with pytest.raises(RuntimeError, match="late listens on no port yet"):
        _ = worker.port
    worker.bind()
    first = worker.port
    worker.bind()
    assert worker.port == first
    worker.release()


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Worker(count=0)


def test_ipv4_clients_of_a_dual_stack_listener_keep_their_address() -> None:
    async def program() -> None:
        seen: list[str] = []
        try:
            worker = Worker(
                "text://[::]:0", on_connect=lambda connection: seen.append(connection.get_remote_ip())
            )
            worker.bind()
        except OSError:
            pytest.skip("no IPv6 on this machine")
        async with worker, connected(worker):
            await until(lambda: seen)
        assert seen == [HOST]

    run(program)


# -- life ---------------------------------------------------------------------------------------------


def test_an_embedded_worker_is_not_run_again_by_the_master() -> None:
    async def program() -> None:
        worker = Worker(f"text://{HOST}:0")
        assert worker in registered()
        async with worker:
            assert worker not in registered()

    run(program)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_start_callback_comes_before_the_first_connection(is_async: bool) -> None:
    async def program() -> None:
        log: list[str] = []

        async def start_later(worker: Worker) -> None:
            await asyncio.sleep(0.001)
            log.append("start")

        worker = Worker(f"text://{HOST}:0", on_connect=lambda connection: log.append("connect"))
        worker.on_worker_start = start_later if is_async else lambda worker: log.append("start")
        worker.on_worker_stop = lambda worker: log.append("stop")
        worker.bind()
        async with worker, connected(worker):
            await until(lambda: "connect" in log)
        assert log == ["start", "connect", "stop"]

    run(program)


def test_a_failing_start_callback_is_the_callers_business() -> None:
    async def program() -> None:
        worker = Worker(f"text://{HOST}:0", on_worker_start=lambda worker: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            async with worker:
                pass
        worker.release()

    run(program)


def test_stopping_finishes_what_is_in_flight_and_closes_the_idle() -> None:
    async def program() -> None:
        gate = asyncio.Event()

        async def slow(connection: TcpConnection, message: bytes) -> None:
            await gate.wait()
            connection.send(message)

        worker = Worker(f"text://{HOST}:0", on_message=slow)
        async with worker, connected(worker) as busy, connected(worker) as idle:
            busy.send(b"x\n")
            await until(lambda: any(each._stalled for each in worker.connections.values()))
            stop = asyncio.create_task(worker.stop())
            assert await idle.rest() == b""
            gate.set()
            assert await busy.rest() == b"x\n"
            busy.finish()
            idle.finish()
            await stop

    run(program)


def test_what_is_not_finished_in_time_is_cut() -> None:
    async def program() -> None:
        async def for_ever(connection: TcpConnection, message: bytes) -> None:
            await asyncio.Event().wait()

        worker = Worker(f"text://{HOST}:0", on_message=for_ever)
        async with worker, connected(worker) as peer:
            peer.send(b"x\n")
            await until(lambda: any(each._stalled for each in worker.connections.values()))
            await worker.stop(timeout=0.01)
            assert not worker.connections

    run(program)


# -- accepting ----------------------------------------------------------------------------------------


def test_a_full_worker_lets_others_wait_in_the_queue() -> None:
    async def program() -> None:
        worker = Worker(f"text://{HOST}:0", on_message=echo, max_connections=1)
        async with worker, connected(worker) as first:
            await until(lambda: worker.connections)
            async with connected(worker) as second:
                second.send(b"second\n")
                first.send(b"first\n")
                await first.expect(b"first\n")
                assert len(worker.connections) == 1
                first.finish()
                assert await first.rest() == b""
                await second.expect(b"second\n")

    run(program)


def test_running_out_of_descriptors_is_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("refworker.worker.RETRY_ACCEPT", 0.01)

    async def program() -> None:
        worker = Worker(f"text://{HOST}:0", on_message=echo)
        async with worker:
            listener = worker._socket
            worker._socket = Exhausted(listener)  # type: ignore[assignment]
            async with connected(worker) as peer:
                await until(lambda: caplog.records)
                worker._socket = listener
                peer.send(b"x\n")
                await peer.expect(b"x\n")

    run(program)
    assert "cannot accept" in caplog.text


class Exhausted:
    """A listening socket whose process has no descriptor left."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener

    def accept(self) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.listener, name)


def test_broadcasting_while_closing_others_is_safe() -> None:
    async def program() -> None:
        def broadcast(connection: TcpConnection, message: bytes) -> None:
            for number, each in enumerate(tuple(worker.connections.values())):
                each.send(message)
                if number % 2:
                    each.close()

        worker = Worker(f"text://{HOST}:0", on_message=broadcast)
        async with worker, connected(worker) as one, connected(worker) as two:
            await until(lambda: len(worker.connections) == 2)
            one.send(b"all\n")
            assert await two.rest() == b"all\n"
            await one.expect(b"all\n")

    run(program)


# -- the first word of a new client, when the worker stops ------------------------------------------------

PING_FRAME, ECHOED = b"\x81\x82\0\0\0\0hi", b"\x81\x02hi"


def test_a_client_that_has_just_been_accepted_may_still_ask() -> None:
    async def program() -> None:
        async with Worker(f"text://{HOST}:0", on_message=echo) as worker, connected(worker) as peer:
            await until(lambda: worker.connections)  # accepted, perhaps not begun
            stopping = asyncio.create_task(worker.stop())
            await until(lambda: not worker.listeners)
            peer.send(b"first\n")
            assert await peer.rest() == b"first\n"
            await stopping

    run(program)


def test_a_websocket_that_has_just_been_opened_may_still_ask() -> None:
    async def program() -> None:
        async with Worker(f"websocket://{HOST}:0", on_message=echo) as worker, connected(worker) as peer:
            peer.send(UPGRADE)
            await peer.reader.readuntil(b"\r\n\r\n")
            stopping = asyncio.create_task(worker.stop())
            await until(lambda: not worker.listeners)
            peer.send(PING_FRAME)
            await peer.expect(ECHOED + b"\x88\x02\x03\xe9")
            peer.send(b"\x88\x82\0\0\0\0\x03\xe9")
            assert await peer.rest() == b""
            await stopping

    run(program)


def test_a_client_that_has_been_silent_for_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TcpConnection, "first_word_timeout", 0.0)

    async def program() -> None:
        async with Worker(f"text://{HOST}:0", on_message=echo) as worker, connected(worker) as peer:
            await until(lambda: [each for each in worker.connections.values() if each.get_remote_port()])
            async with asyncio.timeout(1.0):
                await worker.stop(timeout=60.0)
            assert await peer.rest() == b""

    run(program)


def test_the_rest_of_a_message_is_waited_for_until_the_deadline() -> None:
    async def program() -> None:
        worker = Worker(f"text://{HOST}:0", on_message=echo)
        async with worker, connected(worker) as half, connected(worker) as never:
            for peer in (half, never):
                peer.send(b"one\ntw")
                await peer.expect(b"one\n")
            stopping = asyncio.create_task(worker.stop(timeout=0.5))
            await until(lambda: not worker.listeners)
            half.send(b"o\n")
            assert await half.rest() == b"two\n"
            assert await never.rest() == b""
            await stopping

    run(program)
