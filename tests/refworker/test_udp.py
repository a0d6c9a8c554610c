"""UDP: what an echo cannot show from outside is shown here (UDP-001 to UDP-009)."""

import asyncio
import itertools
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from refworker import (
    AddressError,
    AsyncUdpConnection,
    Status,
    TaskWorker,
    UdpConnection,
    Worker,
    statistics,
)
from tests.refworker.peers import DEADLINE, run, until


class Client:
    """A datagram socket; what it asks is answered before it goes on, unless it says otherwise."""

    def __init__(self, worker: Worker) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(("127.0.0.1", worker.port))

    def send(self, *datagrams: bytes) -> None:
        """Each by itself."""
        for datagram in datagrams:
            self.socket.send(datagram)

    async def expect(self, *datagrams: bytes) -> None:
        """These come next."""
        for datagram in datagrams:
            async with asyncio.timeout(DEADLINE):
                assert await asyncio.get_running_loop().sock_recv(self.socket, 65536) == datagram


@contextmanager
def client(worker: Worker) -> Iterator[Client]:
    """A client of a worker."""
    visitor = Client(worker)
    with visitor.socket:
        yield visitor


def echo(connection: UdpConnection, message: Any) -> None:
    connection.send(message)


def test_each_datagram_is_a_message_also_an_empty_one() -> None:
    async def program() -> None:
        log: list[Any] = []

        def both(connection: UdpConnection, message: bytes) -> None:
            log.append(message)
            assert connection.send("one")
            assert connection.send(message)

        worker = Worker("udp://127.0.0.1:0", on_message=both)
        worker.on_connect = lambda connection: log.append("connect")
        worker.on_close = lambda connection: log.append("close")
        async with worker:
            with client(worker) as visitor:
                for size in (0, 1, 1472, 65507):
                    visitor.send(bytes(size))
                    await visitor.expect(b"one", bytes(size))
        assert log == [b"", bytes(1), bytes(1472), bytes(65507)]

    run(program)


def test_a_datagram_that_is_too_long_is_not_sent() -> None:
    async def program() -> None:
        errors: list[Any] = []
        results: list[bool] = []

        def answer(connection: UdpConnection, message: bytes) -> None:
            results.extend((connection.send(bytes(65507)), connection.send(bytes(65508))))
            connection.send(object())

        worker = Worker("udp://127.0.0.1:0", on_message=answer)
        worker.on_error = lambda connection, code, reason: errors.append((code, reason))
        before = statistics.send_fail
        async with worker:
            with client(worker) as visitor:
                visitor.send(b"?")
                await visitor.expect(bytes(65507))
        assert results == [True, False]
        assert errors == [(2, "Message too long")]
        assert statistics.send_fail == before + 1

    run(program)


def test_close_is_local() -> None:
    async def program() -> None:
        late: list[Any] = []

        def answer(connection: UdpConnection, message: bytes) -> None:
            if message == b"close":
                connection.close("bye")
                late.append((connection.send("late"), connection.status))
            else:
                connection.send(message)

        async with Worker("text://127.0.0.1:0", transport="udp", on_message=answer) as worker:
            with client(worker) as first, client(worker) as second:
                first.send(b"close\nnever seen\n")
                await first.expect(b"bye\n")
                second.send(b"hello\n")
                await second.expect(b"hello\n")
                first.send(b"again\n")
                await first.expect(b"again\n")
        assert late == [(False, Status.CLOSED)]

    run(program)


def test_addresses_and_limits() -> None:
    async def program() -> None:
        seen: list[Any] = []

        def look(connection: UdpConnection, message: bytes) -> None:
            seen.append((connection.get_remote_address(), connection.get_local_address()))
            connection.max_package_size += 1
            seen.append((connection.max_package_size, connection.protocol_name, connection.transport))
            seen.append((connection.get_send_buffer_queue_size(), connection.get_recv_buffer_queue_size()))
            connection.send(message)

        async with Worker("frame://127.0.0.1:0", transport="udp", on_message=look) as worker:
            with client(worker) as visitor:
                visitor.send(b"\0\0\0\x05x")
                await visitor.expect(b"\0\0\0\x05x")
                there = "{}:{}".format(*visitor.socket.getsockname())
        assert seen == [(there, f"127.0.0.1:{worker.port}"), (10 * 1024 * 1024 + 1, "Frame", "udp"), (0, 0)]

    run(program)


class Digits:
    """A digit says how long the package is; `N` is a length that cannot be, `F` decodes to False."""

    @staticmethod
    def input(buffer: bytearray) -> int:
        return {78: -1, 70: 1}.get(buffer[0], buffer[0] - 48)

    @staticmethod
    def decode(package: bytes) -> Any:
        return False if package == b"F" else package

    @staticmethod
    def encode(message: Any) -> bytes:
        return bytes(message)


@pytest.mark.parametrize(
    ("scheme", "protocol", "datagram", "answers"),
    [
        ("text", None, b"a\nb\nc", [b"a\n", b"b\n"]),
        ("text", None, b"abc", []),
        ("text", None, b"", []),
        ("frame", None, b"\0\0\0\x05x\0\0\0\x05y\0\0", [b"\0\0\0\x05x", b"\0\0\0\x05y"]),
        ("frame", None, b"\0\0\0\x64abc", []),
        ("frame", None, b"\0\0\0\x01", []),
        ("tcp", Digits, b"1F2a9", [b"1", b"2a"]),
        ("tcp", Digits, b"2aNNN1", [b"2a"]),
    ],
)
def test_protocols_inside_datagrams(
    scheme: str, protocol: Any, datagram: bytes, answers: list[bytes]
) -> None:
    async def program() -> None:
        last = {"text": b"!\n", "frame": b"\0\0\0\x05!", "tcp": b"2!"}[scheme]
        address = f"{scheme}://127.0.0.1:0"
        async with Worker(address, transport="udp", protocol=protocol, on_message=echo) as worker:
            with client(worker) as visitor:
                visitor.send(datagram, last)  # never joined with what was left of the first
                await visitor.expect(*answers, last)

    run(program)


def test_a_handler_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        def answer(connection: UdpConnection, message: bytes) -> None:
            if message == b"throw":
                raise RuntimeError("on purpose")
            connection.send(message)

        async with Worker("udp://127.0.0.1:0", on_message=answer) as worker:
            with client(worker) as visitor:
                visitor.send(b"throw", b"hi")
                await visitor.expect(b"hi")

    run(program)
    assert "on purpose" in caplog.text


def test_async_handlers_run_in_order_within_a_datagram_and_side_by_side_otherwise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def program() -> None:
        gate = asyncio.Event()

        async def answer(connection: UdpConnection, message: bytes) -> None:
            if message == b"wait":
                await gate.wait()
            if message == b"throw":
                await asyncio.sleep(0)
                raise RuntimeError("on purpose")
            connection.send(message)

        async with Worker("text://127.0.0.1:0", transport="udp", on_message=answer) as worker:
            with client(worker) as visitor:
                visitor.send(b"wait\nafter\n", b"other\n")
                await visitor.expect(b"other\n")
                gate.set()
                await visitor.expect(b"wait\n", b"after\n")
                visitor.send(b"throw\n", b"hi\n")
                await visitor.expect(b"hi\n")

    run(program)
    assert "on purpose" in caplog.text


def test_stop_answers_what_has_come_and_what_is_owed() -> None:
    async def program() -> None:
        gate = asyncio.Event()

        async def answer(connection: UdpConnection, message: bytes) -> None:
            if message == b"owed":
                await gate.wait()
            connection.send(message)

        worker = Worker("udp://127.0.0.1:0", on_message=answer)
        worker.on_worker_drain = lambda worker: asyncio.get_running_loop().call_later(0.01, gate.set)
        async with worker:
            with client(worker) as visitor:
                visitor.send(b"owed", *([b"x"] * 100))
                await worker.stop()
                await visitor.expect(*([b"x"] * 100), b"owed")

    run(program)


def test_what_is_owed_too_long_is_given_up() -> None:
    async def program() -> None:
        async def answer(connection: UdpConnection, message: bytes) -> None:
            connection.send("begun")
            await asyncio.Event().wait()

        worker = Worker("udp://127.0.0.1:0", on_message=answer, stop_timeout=0.01)
        async with worker:
            with client(worker) as visitor:
                visitor.send(b"?")
                await visitor.expect(b"begun")

    run(program)


def test_a_flood_lets_everybody_else_have_a_turn() -> None:
    async def program() -> None:
        turns: list[int] = []
        seen = 0

        def count(connection: UdpConnection, message: bytes) -> None:
            nonlocal seen
            seen += 1

        async with Worker("udp://127.0.0.1:0", on_message=count) as worker:
            with client(worker) as visitor:
                visitor.send(*([b"x"] * 200))
                while seen < 200:
                    turns.append(seen)
                    await asyncio.sleep(0)
        assert max(after - before for before, after in itertools.pairwise(turns)) <= 64

    run(program)


def test_reading_pauses_while_too_many_handlers_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refworker.udp.MANY", 3)

    async def program() -> None:
        gate = asyncio.Event()
        begun: list[bytes] = []

        async def answer(connection: UdpConnection, message: bytes) -> None:
            begun.append(message)
            await gate.wait()
            connection.send(message)

        async with Worker("udp://127.0.0.1:0", on_message=answer) as worker:
            with client(worker) as visitor:
                datagrams = [bytes([number]) for number in range(8)]
                visitor.send(*datagrams)
                await until(lambda: len(begun) == 3)
                for _ in range(10):
                    await asyncio.sleep(0)
                assert len(begun) == 3
                gate.set()
                await visitor.expect(*datagrams)

    run(program)


def test_a_worker_without_a_callback_ignores_what_comes() -> None:
    async def program() -> None:
        async with Worker("udp://127.0.0.1:0") as worker:
            with client(worker) as visitor:
                visitor.send(b"?")
                await asyncio.sleep(0)
                worker.on_message = echo
                visitor.send(b"!")
                assert await asyncio.get_running_loop().sock_recv(visitor.socket, 9) in (b"?", b"!")

    run(program)


def test_both_families() -> None:
    async def program() -> None:
        seen: list[str] = []

        def look(connection: UdpConnection, message: bytes) -> None:
            seen.append(connection.get_remote_ip())
            connection.send(message)

        async with Worker("udp://[::]:0", on_message=look) as worker:
            answers: list[bytes] = []
            for host in ("127.0.0.1", "[::1]"):
                visitor = AsyncUdpConnection(f"udp://{host}:{worker.port}")
                visitor.on_message = lambda connection, message: answers.append(message)
                visitor.send(host)
                await until(lambda: len(answers) == len(seen) > 0)
                visitor.close()
        assert seen == ["127.0.0.1", "::1"]

    run(program)


def test_no_tasks_over_datagrams() -> None:
    with pytest.raises(AddressError, match="a connection is a slot, and datagrams have none; use tcp"):
        TaskWorker("text://127.0.0.1:0", transport="udp")


def test_a_worker_that_lets_go_frees_the_port_when_nothing_is_owed() -> None:
    async def program() -> None:
        gate = asyncio.Event()

        async def answer(connection: UdpConnection, message: bytes) -> None:
            await gate.wait()
            connection.send(message)

        async with Worker("udp://127.0.0.1:0", on_message=answer) as worker:
            with client(worker) as visitor:
                visitor.send(b"owed")
                await until(worker._is_busy)
                worker.release()
                assert not bindable(worker.port)
                gate.set()
                await visitor.expect(b"owed")
            await until(lambda: bindable(worker.port))

    run(program)


def bindable(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_no_websocket_over_datagrams() -> None:
    with pytest.raises(AddressError, match="WebSocket is a conversation"):
        Worker("websocket://127.0.0.1:0", transport="udp")


def test_no_http_over_datagrams() -> None:
    with pytest.raises(AddressError, match="HTTP is a conversation"):
        Worker("http://127.0.0.1:0", transport="udp")


def test_a_port_in_use_is_told_with_its_cure() -> None:
    worker = Worker("udp://127.0.0.1:0")
    worker.bind()
    with pytest.raises(OSError, match="already in use; stop the server that uses it"):
        Worker(f"udp://127.0.0.1:{worker.port}").bind()
    worker.release()


@pytest.fixture(autouse=True)
def _logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "refworker")
