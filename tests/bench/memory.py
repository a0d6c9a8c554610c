"""What an idle connection costs in memory: of the text protocol beside asyncio's own protocol object and two
others, and a WebSocket without compression beside the servers that stand in production.

Every connection has exchanged a message, so that whatever a server makes on first use is counted. The unit is
private memory of the server's process divided by the connections; what the kernel holds counts for nobody.
"""

import re
import resource
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from conformance.load import masked, unmasked, upgrade
from tests.bench import websockets
from tests.bench.measure import Contender, Serving, serving

WANTED = 10_000
WARM = 300
"""Connections before the first look: modules, caches and arenas are there then."""

SPARE = 200
"""Descriptors that this process needs for itself."""

KIBIBYTE = 1024
TARGET = 1.5
"""KiB above the yardstick, at most."""

YARDSTICK = "protocol"
CONTENDERS = tuple(Contender(name) for name in ("refworker", YARDSTICK, "streams", "twisted"))

WEBSOCKETS = 2_000
WEBSOCKET_YARDSTICK = "websockets"
WEBSOCKET_TARGET = 1 / 3
"""Of what the yardstick takes, at most."""

Visit = Callable[[Serving], socket.socket]
"""To a connection that has had its answer."""


def compare_memory(wanted: int = WANTED) -> None:
    """One table: KiB of a connection, and what is above the yardstick."""
    count = allowed(wanted)
    scaled = "" if count == wanted else f", fewer than {wanted:,} since ulimit -n allows no more"
    costs = {each.name: cost_of(serving(each, "text"), spoken, count) for each in CONTENDERS}
    print(f"an idle text connection, {count:,} of them{scaled}      KiB    above {YARDSTICK}")
    for name, cost in costs.items():
        print(f"  {name:<52} {cost:>6.2f}   {verdict(name, cost - costs[YARDSTICK])}")
    print()


def verdict(name: str, excess: float) -> str:
    """The excess, and for the reference how it stands to the target."""
    if name != "refworker":
        return f"{excess:+.2f}"
    return f"{excess:+.2f}  target <= {TARGET:+.2f}  {'met' if excess <= TARGET else 'MISSED'}"


def compare_websocket_memory(wanted: int = WEBSOCKETS) -> None:
    """One table: KiB of a WebSocket, and the ratio to the yardstick."""
    count = allowed(wanted)
    contenders = [each for each in websockets.present() if each != websockets.FAST]
    costs = {each.name: cost_of(websockets.serving(each), upgraded, count) for each in contenders}
    print(f"an idle WebSocket, {count:,} of them{'':<28} KiB    of {WEBSOCKET_YARDSTICK}")
    for name, cost in costs.items():
        ratio = cost / costs[WEBSOCKET_YARDSTICK] if WEBSOCKET_YARDSTICK in costs else None
        print(f"  {name:<52} {cost:>6.2f}   {websocket_verdict(name, ratio)}")
    print()


def websocket_verdict(name: str, ratio: float | None) -> str:
    """The ratio, and for the reference how it stands to the target."""
    if ratio is None or name != "refworker":
        return "-" if ratio is None else f"{ratio:.2f}"
    met = "met" if ratio <= WEBSOCKET_TARGET else "MISSED"
    return f"{ratio:.2f}  target <= {WEBSOCKET_TARGET:.2f}  {met}"


def allowed(wanted: int) -> int:
    """As many connections as this process may have."""
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE)


def cost_of(running: AbstractContextManager[Serving], visit: Visit, count: int) -> float:
    """KiB of one connection."""
    with running as server, ExitStack() as stack:
        for _ in range(WARM):
            stack.enter_context(visit(server))
        before = private(server.pid)
        for _ in range(count - WARM):
            stack.enter_context(visit(server))
        return (private(server.pid) - before) / (count - WARM) / KIBIBYTE


def spoken(server: Serving) -> socket.socket:
    """A connection that has had its line."""
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.sendall(b"hello\n")
    assert sock.recv(64) == b"hello\n"
    return sock


def upgraded(server: Serving) -> socket.socket:
    """A WebSocket that has had its message."""
    sock = socket.create_connection(("127.0.0.1", server.port))
    upgrade(sock, server.address)
    sock.sendall(masked(b"hello"))
    assert sock.recv(64) == unmasked(b"hello")
    return sock


def private(pid: int) -> int:
    """Bytes that belong to this process alone."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return KIBIBYTE * sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))
