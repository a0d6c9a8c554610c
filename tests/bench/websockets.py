"""What a WebSocket message costs, beside the servers that stand in production: `tests.bench websocket`.

Binary echoes, one process each. Nobody compresses, since the generator offers no extension. `refworker` is
pure Python on the stock loop, and sees no installed package at all; `refworker on uvloop` has whatever its
extra `fast` brings. The others are the echoes of `fixtures/third-party`, which the suite judges too.

Each shape meets processes of its own. Once a server has freed one large message, the C library serves what it
reads into from the heap, and no longer maps and unmaps memory for every read: it costs half as much from then
on, which nobody sees whose messages are small.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from conformance.target.ports import free_port
from conformance.target.process import wait_until
from tests.bench import measure
from tests.bench.measure import Contender, Serving, Shape
from tests.bench.pipes import listens
from tests.interop.servers import FIXTURES, VERSIONS, Missing

PROTOCOL = "websocket"
WITHOUT_PACKAGES = "-S"
"""Python's own option: nothing that is installed is found."""

SMALL, MEDIUM, LARGE = 64, 16 * 1024, 1024 * 1024
SHAPES = (Shape(1, SMALL), Shape(16, SMALL), Shape(1, MEDIUM), Shape(1, LARGE, connections=8))

LIMIT = 16 * LARGE
"""The longest message that the others take."""

PURE, FAST = Contender("refworker"), Contender("refworker", "uvloop")
PEERS = {
    "websockets": (sys.executable, "echo.py"),
    "aiohttp": (sys.executable, "echo.py"),
    "tornado": (sys.executable, "echo.py"),
    "ws": ("node", "echo.js"),
}
"""Folder of `fixtures/third-party` -> program."""

PURE_TARGETS = {
    ("websockets", 1): 0.5,
    ("websockets", 16): 0.15,
    ("aiohttp", 1): 0.6,
    ("aiohttp", 16): 0.25,
    ("tornado", 1): 1.0,
    ("tornado", 16): 1.0,
}
"""Peer, pipeline -> CPU of `refworker` for a small message, at most so much of the peer's."""

START = 15.0
"""Seconds in which a server has to listen."""


def compare_websockets(rounds: int, seconds: float) -> None:
    """A table for each shape, from processes that have seen no other."""
    contenders = present()
    for shape in SHAPES:
        with ExitStack() as stack:
            servers = [stack.enter_context(serving(contender)) for contender in contenders]
            for _ in range(rounds):
                for server in servers:
                    server.sample(shape, seconds)
        show(shape, servers)


def present() -> list[Contender]:
    """Those that are installed; of the others it is said what is missing."""
    return [PURE, FAST, *map(Contender, filter(is_here, PEERS))]


def is_here(name: str) -> bool:
    """Whether a peer is installed, after its packages have been, if it is Node's."""
    try:
        VERSIONS[name](FIXTURES / "third-party" / name)
    except Missing as missing:
        print(f"{name}: not compared: {missing}")
        return False
    return True


@contextmanager
def serving(contender: Contender) -> Iterator[Serving]:
    """The server in a process of its own, ended with the block."""
    if contender.name in PEERS:
        with peer(contender) as server:
            yield server
    else:
        flags = [WITHOUT_PACKAGES] if contender == PURE else []
        with measure.serving(contender, PROTOCOL, *flags) as server:
            yield server


@contextmanager
def peer(contender: Contender) -> Iterator[Serving]:
    """A server of others."""
    port = free_port()
    command = [*PEERS[contender.name], str(port), str(LIMIT)]
    folder = FIXTURES / "third-party" / contender.name
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            assert wait_until(lambda: listens(port), START), f"{contender.name} did not start"
            yield Serving(contender, PROTOCOL, process.pid, port)
        finally:
            process.kill()


def show(shape: Shape, servers: Sequence[Serving]) -> None:
    """One table: figures, and what ours cost of everybody's."""
    peers = [server for server in servers if server.contender.name in PEERS]
    title = f"websocket, {shape.size:,} bytes, pipeline {shape.pipeline}"
    print(f"{title:<40} CPU us/message  messages/s  p99 ms")
    for server in servers:
        typical = server.typical(shape)
        print(f"  {server.contender!s:<38} {typical.cpu:>14.2f} {typical.rate:>11,.0f} {typical.p99:>7.2f}")
    for ours in servers[: -len(peers)]:
        for other in peers:
            print(f"    {ours.contender!s:>19} / {other.contender!s:<14} {verdict(ours, other, shape)}")
    print()


def verdict(ours: Serving, other: Serving, shape: Shape) -> str:
    """The ratio, and how it stands to its target."""
    ratio, limit = ours.ratio(other, shape), target(ours.contender, other.contender.name, shape)
    if limit is None:
        return f"{ratio:14.2f}"
    return f"{ratio:14.2f}  target <= {limit:.2f}  {'met' if ratio <= limit else 'MISSED'}"


def target(ours: Contender, other: str, shape: Shape) -> float | None:
    """With the extra, ahead of everybody always; without, well ahead of Python's servers where it is not only
    about copying bytes.
    """
    if ours == FAST:
        return 1.0
    return PURE_TARGETS.get((other, shape.pipeline)) if shape.size == SMALL else None
