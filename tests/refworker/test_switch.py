"""Another protocol in mid-connection, whatever the segments are (TCP-022)."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refworker.connection import TcpConnection
from refworker.worker import Worker
from tests.refworker.peers import UPGRADE, Peer, connected, run, until

HOST = "127.0.0.1"


class Semicolons:
    """A protocol of one's own."""

    @staticmethod
    def input(buffer: bytes) -> int:
        return buffer.find(b";") + 1

    @staticmethod
    def decode(buffer: bytes) -> bytes:
        return buffer[:-1]

    @staticmethod
    def encode(data: bytes) -> bytes:
        return data + b";"


WIRE: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda message: message + b"\n",
    "frame": lambda message: (len(message) + 4).to_bytes(4, "big") + message,
    "semicolons": lambda message: message + b";",
}
PROTOCOLS: dict[bytes, Any] = {b"text": "text", b"frame": "frame", b"semicolons": Semicolons}


def obey(connection: TcpConnection, message: bytes) -> None:
    """Switch where a message names a protocol; echo everything."""
    if message in PROTOCOLS:
        connection.protocol = PROTOCOLS[message]
    connection.send(message)


def talk(first: str, messages: list[bytes]) -> tuple[bytes, bytes]:
    """What is sent and what comes back: a message that names a protocol is answered in it."""
    sent = came = b""
    protocol = first
    for message in messages:
        sent += WIRE[protocol](message)
        protocol = message.decode() if message in PROTOCOLS else protocol
        came += WIRE[protocol](message)
    return sent, came


messages = st.lists(st.sampled_from([*PROTOCOLS, b"a", b"bb", b""]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["text", "frame"]), messages, st.lists(st.integers(1, 200), max_size=5), st.booleans())
def test_any_conversation_under_any_split(
    first: str, messages: list[bytes], cuts: list[int], late: bool
) -> None:
    sent, came = talk(first, messages)
    edges = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})

    async def slowly(connection: TcpConnection, message: bytes) -> None:
        await asyncio.sleep(0)
        obey(connection, message)

    async def program() -> None:
        handler = slowly if late else obey
        async with Worker(f"{first}://{HOST}:0", on_message=handler) as worker, connected(worker) as peer:
            for start, end in pairwise(edges):
                peer.send(sent[start:end])
                await asyncio.sleep(0)
            peer.finish()
            assert await peer.rest() == came

    run(program)


def test_from_a_timer_with_half_a_message_read() -> None:
    async def program() -> None:
        async with Worker(f"text://{HOST}:0", on_message=obey) as worker, connected(worker) as peer:
            peer.send(b"\0\0\0")
            await until(lambda: worker.connections)
            (connection,) = worker.connections.values()
            await until(lambda: connection.get_recv_buffer_queue_size() == 3)
            connection.protocol = "frame"
            assert connection.protocol == "Frame"
            peer.send(b"\x06hi")
            await peer.expect(b"\0\0\0\x06hi")

    run(program)


def test_while_it_is_paused_and_at_the_end() -> None:
    async def program() -> None:
        def receive(connection: TcpConnection, message: bytes) -> None:
            connection.pause_recv()
            connection.protocol = "frame"
            connection.send(b"switched")

        async with Worker(f"text://{HOST}:0", on_message=receive) as worker, connected(worker) as peer:
            peer.send(b"go\n\0\0\0\x07bye")
            await peer.expect(b"\0\0\0\x0cswitched")
            (connection,) = worker.connections.values()
            connection.on_message = obey
            connection.resume_recv()
            await peer.expect(b"\0\0\0\x07bye")

    run(program)


def test_an_upgrade_to_a_websocket() -> None:
    async def program() -> None:
        async with Worker(f"text://{HOST}:0", on_message=turned) as worker, connected(worker) as peer:
            peer.send(b"websocket, please\n" + UPGRADE)
            assert (await peer.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            await answered(peer)

    def turned(connection: TcpConnection, message: Any) -> None:
        if connection.protocol == "Text":
            connection.protocol = "websocket"
        else:
            with pytest.raises(ValueError, match="keeps its protocol to its end"):
                connection.protocol = "text"
            connection.send(message)

    async def answered(peer: Peer) -> None:
        peer.send(b"\x81\x82\0\0\0\0hi")
        await peer.expect(b"\x81\x02hi")

    run(program)


def test_what_is_no_protocol() -> None:
    async def program() -> None:
        async with Worker(f"text://{HOST}:0", on_message=obey) as worker, connected(worker) as peer:
            await until(lambda: worker.connections)
            (connection,) = worker.connections.values()
            with pytest.raises(ValueError, match="unknown protocol nonsense"):
                connection.protocol = "nonsense"
            with pytest.raises(TypeError, match="a protocol needs"):
                connection.protocol = 7
            peer.send(b"as before\n")
            await peer.expect(b"as before\n")

    run(program)
