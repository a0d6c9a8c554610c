"""The echo servers: `python -m tests.bench.servers NAME PROTOCOL LOOP` prints its port and serves.

Each is written as its own documentation would have it, with one callback for each message, in one process.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

HEADER = 4


async def refworker(protocol: str) -> None:
    from refworker.connection import TcpConnection
    from refworker.memory import keep_freed_memory
    from refworker.worker import Worker

    def echo(connection: TcpConnection, message: bytes) -> None:
        connection.send(message)

    keep_freed_memory()  # as `run_all` does
    async with Worker(f"{protocol}://127.0.0.1:0", on_message=echo) as worker:
        announce(worker.port)
        await asyncio.Event().wait()


class Lines(asyncio.Protocol):
    """As little as asyncio asks of a text echo."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.tail = b""

    def data_received(self, data: bytes) -> None:
        *lines, self.tail = (self.tail + data).split(b"\n")
        for line in lines:
            self.transport.write(line + b"\n")


async def plain(protocol: str) -> None:
    server = await asyncio.get_running_loop().create_server(Lines, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def streams(protocol: str) -> None:
    server = await asyncio.start_server(STREAMS[protocol], "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def echo_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def echo_frames(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            header = await reader.readexactly(HEADER)
            writer.write(header + await reader.readexactly(int.from_bytes(header) - HEADER))
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


STREAMS: dict[str, Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = {
    "text": echo_lines,
    "frame": echo_frames,
}


def twisted(protocol: str) -> None:
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import reactor
    from twisted.internet.protocol import Factory
    from twisted.protocols.basic import Int32StringReceiver, LineReceiver

    class Lines(LineReceiver):
        delimiter = b"\n"

        def lineReceived(self, line: bytes) -> None:
            self.sendLine(line)

    class Frames(Int32StringReceiver):
        def stringReceived(self, string: bytes) -> None:
            self.sendString(string)

    factory = Factory.forProtocol({"text": Lines, "frame": Frames}[protocol])
    announce(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port)
    reactor.run()


def announce(port: int) -> None:
    print(port, flush=True)


COROUTINES: dict[str, Callable[[str], Coroutine[Any, Any, None]]] = {
    "refworker": refworker,
    "protocol": plain,
    "streams": streams,
}


def main(name: str, protocol: str, loop: str) -> None:
    if name == "twisted":
        twisted(protocol)
    elif loop == "uvloop":
        import uvloop

        uvloop.run(COROUTINES[name](protocol))
    else:
        asyncio.run(COROUTINES[name](protocol))


if __name__ == "__main__":
    main(*sys.argv[1:])
