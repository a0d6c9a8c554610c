"""Ways to a peer, with proxies that say what a test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from refworker.address import AddressError
from refworker.client import AsyncTcpConnection
from refworker.dial import Way
from refworker.status import CONNECT_FAIL, Status
from refworker.worker import Worker
from tests.refworker.peers import run, until

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\n\r\n"
SOCKS_OK = b"\5\0\0\1\x7f\0\0\1\0\1"


class Proxy:
    """A listener that answers its client with one piece after another, each to something received."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.heard = answers, b""
        self.visitors: list[tuple[str, int]] = []
        self.talks: list[asyncio.Future[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors.append(writer.get_extra_info("peername")[:2])
        self.talks.append(asyncio.ensure_future(self.talk(reader, writer)))
        await self.talks[-1]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for answer in self.answers:
                self.heard += await reader.read(4096)
                writer.write(answer)
            while data := await reader.read(4096):
                self.heard += data
        writer.transport.abort()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self.serve, HOST, 0) as server:
            yield f"{HOST}:{server.sockets[0].getsockname()[1]}"
            if self.talks:
                await asyncio.wait(self.talks)


def noted(log: list[Any], **settings: Any) -> AsyncTcpConnection:
    """A connection whose callbacks write into `log`."""
    connection = AsyncTcpConnection("text://peer.example:7", **settings)
    connection.on_connect = lambda connection: log.append("connect")
    connection.on_message = lambda connection, message: log.append(message)
    connection.on_error = lambda connection, code, reason: log.append((code, reason))
    connection.on_close = lambda connection: log.append("close")
    connection.connect()
    connection.send("early")
    return connection


def test_a_tunnel_through_an_http_proxy() -> None:
    async def program() -> None:
        log: list[Any] = []
        proxy = Proxy(OK + b"server's first word\n")
        async with proxy.listening() as address:
            connection = noted(log, proxy_http=address, proxy_authorization="Basic eA==")
            await until(lambda: proxy.heard.endswith(b"early\n"))
            connection.destroy()
        head = b"CONNECT peer.example:7 HTTP/1.1\r\nHost: peer.example:7\r\n"
        head += b"Proxy-Authorization: Basic eA==\r\n\r\n"
        assert proxy.heard == head + b"early\n"
        assert log == ["connect", b"server's first word", "close"]

    run(program)


def test_a_connection_through_a_socks_proxy() -> None:
    async def program() -> None:
        log: list[Any] = []
        proxy = Proxy(b"\5\2", b"\1\0", SOCKS_OK + b"server's first word\n")
        async with proxy.listening() as address:
            connection = noted(log, proxy_socks5=f"me:pass:word@{address}")
            await until(lambda: proxy.heard.endswith(b"early\n"))
            connection.destroy()
        assert proxy.heard == b"\5\2\0\2\1\2me\x09pass:word\5\1\0\3\x0cpeer.example\0\7early\n"
        assert log == ["connect", b"server's first word", "close"]

    run(program)


@pytest.mark.parametrize(
    ("kind", "answers", "cause"),
    [
        ("proxy_http", [b"HTTP/1.1 407 Authenticate\r\n\r\n"], "it answers 407 Authenticate"),
        ("proxy_http", [b"garbage\r\n\r\n"], "is no HTTP"),
        ("proxy_socks5", [b"\5\0", b"\5\5\0\1\0\0\0\0\0\0"], "connection refused"),
    ],
)
def test_a_proxy_that_refuses_is_a_failed_connection(kind: str, answers: list[bytes], cause: str) -> None:
    async def program() -> None:
        log: list[Any] = []
        proxy = Proxy(*answers)
        async with proxy.listening() as address:
            connection = noted(log, **{kind: address})
            await until(lambda: log[-1:] == ["close"])
        (code, reason), closed = log
        assert (code, closed, connection.status) == (CONNECT_FAIL, "close", Status.CLOSED)
        assert f"cannot connect to peer.example:7: proxy {address}: " in reason
        assert cause in reason
        assert b"early" not in proxy.heard

    run(program)


def test_a_silent_proxy_holds_up_nobody_and_is_given_up() -> None:
    async def program() -> None:
        log: list[Any] = []
        answers: list[bytes] = []
        async with (
            Proxy(b"").listening() as address,
            Worker(f"text://{HOST}:0", on_message=lambda c, message: c.send(message)) as worker,
        ):
            connection = noted(log, proxy_http=address)
            other = AsyncTcpConnection(f"text://{HOST}:{worker.port}")
            other.on_message = lambda connection, message: answers.append(message)
            other.connect()
            other.send("meanwhile")
            await until(lambda: answers == [b"meanwhile"])
            assert connection.status is Status.CONNECTING
            assert log == []
            connection.close()
            other.close()
        assert log == ["close"]

    run(program)


def test_a_connection_leaves_from_the_address_that_it_is_told() -> None:
    async def program() -> None:
        proxy = Proxy(OK)
        async with proxy.listening() as address:
            connection = noted([], proxy_http=address, local_address="127.0.0.2:0")
            await until(lambda: connection.status is Status.ESTABLISHED)
            assert proxy.visitors == [("127.0.0.2", connection.get_local_port())]
            connection.destroy()

    run(program)


def test_a_local_address_that_this_machine_does_not_have_is_a_connect_error() -> None:
    async def program() -> None:
        log: list[Any] = []
        async with Worker(f"text://{HOST}:0") as worker:
            address = f"{HOST}:{worker.port}"
            noted(log, proxy_http=address, local_address="203.0.113.9:0")
            await until(lambda: log[-1:] == ["close"])
        assert "local address 203.0.113.9:0: Cannot assign requested address" in log[0][1]

    run(program)


def test_a_name_without_address_is_a_connect_error() -> None:
    async def program() -> None:
        log: list[Any] = []
        connection = AsyncTcpConnection("tcp://name.invalid:1")
        connection.on_error = lambda connection, code, reason: log.append((code, reason))
        connection.connect()
        assert log == []
        await until(lambda: log)
        assert log[0][0] == CONNECT_FAIL
        assert "cannot connect to name.invalid:1: " in log[0][1]

    run(program)


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"http_proxy": "x:1", "socks5_proxy": "y:1"}, "both set"),
        ({"http_proxy": "x"}, "has no port"),
        ({"socks5_proxy": "user@x:port"}, "has the port"),
        ({"local": "127.0.0.1"}, "has no port"),
        ({"http_proxy": "x:1", "authorization": "a\r\nEvil: 1"}, "one line"),
    ],
)
def test_a_way_that_cannot_be_meant(settings: dict[str, str], cause: str) -> None:
    with pytest.raises(AddressError, match=cause):
        Way(**settings)
