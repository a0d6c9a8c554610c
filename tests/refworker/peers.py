"""What the tests of connections share: waiting without luck, and raw peers that say what a test says."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from refworker.worker import Worker

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""What a WebSocket client says first."""

DEADLINE = 10.0
"""Seconds after which a test that waits has failed."""


def run(program: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run an async test; one that never ends fails."""

    async def limited() -> None:
        async with asyncio.timeout(3 * DEADLINE):
            await program()

    asyncio.run(limited())


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, giving everybody else a turn."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.001)


class Peer:
    """A client of raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        """Write at once."""
        self.writer.write(data)

    async def expect(self, data: bytes) -> None:
        """These bytes come next."""
        async with asyncio.timeout(DEADLINE):
            assert await self.reader.readexactly(len(data)) == data

    async def rest(self) -> bytes:
        """Everything up to the end, however it comes."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()

    def finish(self) -> None:
        """FIN."""
        self.writer.write_eof()

    def address(self) -> tuple[str, int]:
        """This side's endpoint."""
        name: tuple[str, int] = self.writer.get_extra_info("sockname")
        return name[:2]


@asynccontextmanager
async def connected(worker: Worker, limit: int = 2**16, receive_buffer: int = 0) -> AsyncIterator[Peer]:
    """A peer of a worker; with a small `receive_buffer` the kernel keeps little of what it does not read."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", worker.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=limit)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()
