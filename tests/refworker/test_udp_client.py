"""The UDP client: what it says, hears and reports."""

import asyncio
import socket
from typing import Any

import pytest

from refworker import (
    AddressError,
    AsyncUdpConnection,
    Worker,
)
from tests.refworker.peers import run, until
from tests.refworker.test_udp import echo


def test_the_client_speaks_its_protocol_and_its_callbacks_may_come_late() -> None:
    async def program() -> None:
        log: list[Any] = []
        async with Worker("text://127.0.0.1:0", transport="udp", on_message=echo) as worker:
            visitor = AsyncUdpConnection(f"text://127.0.0.1:{worker.port}")
            visitor.on_connect = lambda connection: log.append("connect")
            visitor.connect()
            assert log == ["connect"]
            visitor.connect()
            assert visitor.send("hi")
            assert visitor.send(b"raw\nwords\n", raw=True)
            visitor.on_message = lambda connection, message: log.append(message)
            await until(lambda: len(log) == 4)
            assert log == ["connect", b"hi", b"raw", b"words"]
            assert visitor.get_remote_address() == f"127.0.0.1:{worker.port}"
            assert visitor.get_local_ip() == "127.0.0.1"
            assert visitor.protocol_name == "Text"
            visitor.close()

    run(program)


def test_close_sends_the_last_word_and_ends_the_client() -> None:
    async def program() -> None:
        heard: list[bytes] = []
        log: list[str] = []
        async with Worker("udp://127.0.0.1:0", on_message=lambda c, message: heard.append(message)) as worker:
            visitor = AsyncUdpConnection(f"udp://127.0.0.1:{worker.port}")
            visitor.on_close = lambda connection: log.append("close")
            visitor.close("bye")
            visitor.close("twice")
            assert not visitor.send("late")
            await until(lambda: heard)
        assert (heard, log) == ([b"bye"], ["close"])

    run(program)


def test_a_closed_port_is_no_end() -> None:
    async def program() -> None:
        answers: list[bytes] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
        visitor = AsyncUdpConnection(f"udp://127.0.0.1:{port}")
        visitor.on_message = lambda connection, message: answers.append(message)
        for _ in range(3):
            visitor.send("anybody?")
        await asyncio.sleep(0)
        visitor.send("still nobody?")
        async with Worker(f"udp://127.0.0.1:{port}", on_message=echo):
            assert visitor.send("now")
            await until(lambda: answers == [b"now"])
        visitor.close()

    run(program)


def test_async_callbacks_of_a_client() -> None:
    async def program() -> None:
        log: list[Any] = []

        async def note(connection: AsyncUdpConnection, message: bytes) -> None:
            await asyncio.sleep(0)
            log.append(message)
            connection.close()

        async with Worker("udp://127.0.0.1:0", on_message=echo) as worker:
            AsyncUdpConnection(f"udp://127.0.0.1:{worker.port}", on_message=note).send("hi")
            await until(lambda: log == [b"hi"])

    run(program)


def test_a_host_that_is_not_found_is_an_error_and_no_exception() -> None:
    async def program() -> None:
        log: list[Any] = []
        visitor = AsyncUdpConnection("udp://no-such-host.invalid:1")
        visitor.on_error = lambda connection, code, reason: log.append((code, reason))
        visitor.on_close = lambda connection: log.append("close")
        assert not visitor.send("hi")
        assert log[0][0] == 1
        assert log[0][1].startswith("cannot send to no-such-host.invalid:1: ")
        assert log[1:] == ["close"]

    run(program)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("udp://127.0.0.1", "has no port; write it as udp://127.0.0.1:9000"),
        ("ws://127.0.0.1:1", "WebSocket is a conversation, and datagrams are none; use tcp"),
        ("unix:///path", "says unix, transport says udp"),
        ("nonsense://127.0.0.1:1", "unknown protocol nonsense://"),
    ],
)
def test_addresses_that_cannot_be_meant(address: str, problem: str) -> None:
    with pytest.raises(AddressError, match=problem):
        AsyncUdpConnection(address)
