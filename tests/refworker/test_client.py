import asyncio
import socket
from typing import Any

import pytest

from refworker.address import AddressError
from refworker.client import AsyncTcpConnection
from refworker.connection import TcpConnection
from refworker.status import CONNECT_FAIL, Status
from refworker.worker import Worker
from tests.refworker.peers import run, until

HOST = "127.0.0.1"


def echo(connection: TcpConnection, message: Any) -> None:
    connection.send(message)


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("bad", "is no address"),
        ("ws:", "is no address"),
        ("nope://x:1", "unknown protocol"),
        ("websocket://x:1", "ws://"),
    ],
)
def test_a_bad_address_is_refused_at_once(address: str, cause: str) -> None:
    with pytest.raises(AddressError, match=cause):
        AsyncTcpConnection(address)


@pytest.mark.parametrize("scheme", ["tcp", "text", "frame", "websocket"])
def test_messages_go_there_and_back(scheme: str) -> None:
    async def program() -> None:
        got: list[Any] = []
        async with Worker(f"{scheme}://{HOST}:0", on_message=echo) as worker:
            client = scheme.replace("websocket", "ws")
            connection = AsyncTcpConnection(
                f"{client}://{HOST}:{worker.port}", on_message=lambda _, m: got.append(m)
            )
            connection.connect()
            connection.send(b"hello")
            await until(lambda: got)
            connection.close()
            await until(lambda: connection.status is Status.CLOSED)
        assert got == [b"hello"]

    run(program)


def test_early_messages_come_before_those_of_on_connect() -> None:
    async def program() -> None:
        got: list[bytes] = []
        async with Worker(f"text://{HOST}:0", on_message=lambda _, message: got.append(message)) as worker:
            connection = AsyncTcpConnection(f"text://{HOST}:{worker.port}/path?query")
            connection.on_connect = lambda connection: connection.send("third")
            assert connection.send("first") is None
            connection.connect()
            assert connection.status is Status.CONNECTING
            assert connection.send("second") is None
            await until(lambda: len(got) == 3)
            assert got == [b"first", b"second", b"third"]
            assert (connection.get_remote_host(), connection.get_remote_uri()) == (HOST, "/path?query")
            assert connection.get_remote_port() == worker.port
            connection.close()

    run(program)


def test_early_messages_are_bounded() -> None:
    connection = AsyncTcpConnection(f"text://{HOST}:1")
    connection.max_send_buffer_size = 10
    assert [connection.send("x" * 10), connection.send("x")] == [None, False]


def test_a_refused_connection_is_an_error_and_then_an_end() -> None:
    async def program() -> None:
        log: list[Any] = []
        connection = AsyncTcpConnection(f"text://{HOST}:{free_port()}")
        connection.on_connect = lambda connection: log.append("connect")
        connection.on_error = lambda connection, code, reason: log.append((code, reason, connection.status))
        connection.on_close = lambda connection: log.append(connection.status)
        connection.connect()
        log.append("connect() returned")
        await until(lambda: Status.CLOSED in log)
        reason = (
            f"cannot connect to {connection.get_remote_host()}:{connection._target.port}: Connection refused"
        )
        assert log == ["connect() returned", (CONNECT_FAIL, reason, Status.CLOSING), Status.CLOSED]

    run(program)


def test_an_attempt_takes_no_longer_than_its_timeout() -> None:
    async def program() -> None:
        errors: list[str] = []
        with socket.create_server((HOST, 0), backlog=0) as full:
            port = full.getsockname()[1]
            fill = [socket.create_connection((HOST, port))]
            fill.append(unfinished((HOST, port)))
            connection = AsyncTcpConnection(
                f"text://{HOST}:{port}", on_error=lambda _, code, text: errors.append(text)
            )
            connection.connect_timeout = 0.05
            connection.connect()
            await until(lambda: errors)
            for each in fill:
                each.close()
        assert "within 0.05 s" in errors[0]

    run(program)


def test_closing_while_connecting_gives_the_attempt_up() -> None:
    async def program() -> None:
        log: list[str] = []
        async with Worker(f"text://{HOST}:0") as worker:
            connection = AsyncTcpConnection(f"text://{HOST}:{worker.port}")
            connection.on_connect = lambda connection: log.append("connect")
            connection.on_error = lambda *_: log.append("error")
            connection.on_close = lambda connection: log.append("close")
            connection.connect()
            attempt = connection._attempt
            assert attempt
            connection.close()
            assert log == ["close"]
            await asyncio.wait([attempt])
        assert log == ["close"]

    run(program)


def test_reconnecting_begins_a_new_life_with_the_same_callbacks() -> None:
    async def program() -> None:
        got: list[bytes] = []
        lives = 0

        def connected(connection: AsyncTcpConnection) -> None:
            nonlocal lives
            lives += 1
            connection.send(f"life {lives}")

        async with Worker(f"text://{HOST}:0", on_message=echo) as worker:
            connection = AsyncTcpConnection(f"text://{HOST}:{worker.port}", on_connect=connected)
            connection.on_message = lambda connection, message: (got.append(message), connection.destroy())
            connection.on_close = lambda connection: connection.reconnect(0) if lives < 3 else None
            connection.connect()
            await until(lambda: len(got) == 3)
        assert got == [b"life 1", b"life 2", b"life 3"]

    run(program)


def test_a_cancelled_reconnect_never_happens() -> None:
    async def program() -> None:
        connection = AsyncTcpConnection(f"text://{HOST}:{free_port()}")
        connection.reconnect(0.001)
        connection.reconnect(0.002)
        connection.cancel_reconnect()
        await asyncio.sleep(0.01)
        assert connection.status is Status.INITIAL

    run(program)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def unfinished(address: tuple[str, int]) -> socket.socket:
    """A connection attempt that a full queue leaves hanging."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(address)
    return sock


def test_a_transport_that_comes_too_late_is_sent_away() -> None:
    """Given up between two turns of the loop: the socket has connected, and nobody has been told."""

    async def program() -> None:
        events: list[str] = []
        async with Worker(f"text://{HOST}:0", on_message=echo) as worker:
            connection = AsyncTcpConnection(f"text://{HOST}:{worker.port}")
            connection.on_connect = lambda _: events.append("connect")
            connection.on_close = lambda _: events.append("close")
            door = connection._door
            lives = 0

            def watched(protocol: asyncio.Protocol) -> Any:
                nonlocal lives
                lives += 1
                if lives == 1:
                    asyncio.get_running_loop().call_soon(again)
                return door(protocol)

            def again() -> None:
                connection.destroy()
                connection.connect()

            connection._door = watched  # type: ignore[method-assign]
            connection.connect()
            await until(lambda: "connect" in events and len(worker.connections) == 1)
            assert (events, lives) == (["close", "connect"], 2)
            connection.destroy()

    run(program)
