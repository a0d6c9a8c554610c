"""What a byte costs in a WebSocket message that comes in pieces: `python -m tests.bench fragments`.

Frames and reads are pieces of different kinds: a frame may hold the whole message or a single byte, and a
read of the server may bring all of it or one byte of the wire. Every way of both is measured with a short and
a long message, as many of them as give the same bytes in all. Cost is flat where a byte of the long message
costs what one of the short message does; a server that copies what it has at each piece takes many times as
long.

A read of one byte is made sure of by lanes: each of many connections gets one byte, then a ping on one more
connection is answered, so the server has been round and has read them all.
"""

import socket
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from conformance.load import Flow, run, unmasked, upgrade
from conformance.wire import websocket
from conformance.wire.websocket import Opcode
from tests.bench.measure import Serving
from tests.bench.websockets import PURE, serving

TARGET = 1.5
"""A byte of the long message costs at most so much of one of the short message."""

LANES = 20
NANO = 1_000_000_000
PING = websocket.encode(Opcode.PING, b"round")
PONG = websocket.encode(Opcode.PONG, b"round", key=None)


@dataclass(frozen=True)
class Way:
    """How messages come: bytes of a frame (0: all), whether the server reads the wire byte by byte, and the
    bytes of a short and of a long message.
    """

    frame: int
    bytewise: bool = False
    short: int = 16 * 1024
    long: int = 1024 * 1024

    def __str__(self) -> str:
        frames = f"frames of {self.frame:,}" if self.frame else "one frame"
        return f"{frames}, {'a byte a read' if self.bytewise else 'large reads'}"


WAYS = (
    *(Way(0), Way(4096), Way(64), Way(1)),
    Way(0, bytewise=True, short=512, long=8192),
    Way(1, bytewise=True, short=128, long=2048),
)


def compare_fragments(rounds: int) -> None:
    """Every way in turns, then the table."""
    costs: dict[tuple[Way, int], list[float]] = {}
    with serving(PURE) as server:
        for _ in range(rounds):
            for way in WAYS:
                for size in (way.short, way.long):
                    costs.setdefault((way, size), []).append(cost(server, way, size))
    print("refworker, a WebSocket message in pieces      CPU ns/byte of short and long    growth")
    for way in WAYS:
        short, long = (median(costs[way, size]) for size in (way.short, way.long))
        pairs = zip(costs[way, way.short], costs[way, way.long], strict=True)
        growth = median(later / sooner for sooner, later in pairs)
        sizes = f"{way.short:,} and {way.long:,}"
        met = "met" if growth <= TARGET else "MISSED"
        print(
            f"  {way!s:<32} {sizes:<20} {short:>9.1f} {long:>9.1f} {growth:>9.2f}"
            f"  target <= {TARGET:.2f}  {met}"
        )
    print()


def cost(server: Serving, way: Way, size: int) -> float:
    """Nanoseconds of a byte in messages of this size."""
    body = bytes(range(256)) * (size // 256 + 1)
    message, answer = framed(body[:size], way.frame or size), unmasked(body[:size])
    if way.bytewise:
        return bytewise(server, [message] * (way.long // size), answer) / (way.long * LANES) * NANO
    figures = run(server.address, [Flow(message, answer, way.long // size)], meter=server.cpu)
    return figures.metered / way.long * NANO


def framed(body: bytes, piece: int) -> bytes:
    """A binary message in frames of this many bytes."""
    starts = range(0, len(body), piece)
    return b"".join(
        websocket.encode(
            Opcode.CONTINUATION if start else Opcode.BINARY,
            body[start : start + piece],
            fin=start == starts[-1],
        )
        for start in starts
    )


def bytewise(server: Serving, messages: Iterable[bytes], answer: bytes) -> float:
    """CPU seconds for these messages on every lane, each byte in a read of its own; pings count, too."""
    with ExitStack() as stack:
        *lanes, referee = [stack.enter_context(opened(server)) for _ in range(LANES + 1)]
        before = server.cpu()
        for message in messages:
            for place in range(len(message)):
                for lane in lanes:
                    lane.send(message[place : place + 1])
                referee.sendall(PING)
                receive(referee, PONG)
            for lane in lanes:
                receive(lane, answer)
        return server.cpu() - before


def opened(server: Serving) -> socket.socket:
    """A WebSocket whose bytes leave at once."""
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    upgrade(sock, server.address)
    return sock


def receive(sock: socket.socket, due: bytes) -> None:
    """Exactly these bytes come."""
    got = sock.recv(len(due), socket.MSG_WAITALL)
    assert got == due, f"{due[:40]!r} was due, {got[:40]!r} came"
