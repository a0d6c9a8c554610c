"""What an idle TCP connection costs in memory, beside asyncio's own protocol object and two others.

Every connection has exchanged a message, so that whatever a server makes on first use is counted. The unit is
private memory of the server's process divided by the connections; what the kernel holds counts for nobody.
"""

import re
import resource
import socket
from contextlib import ExitStack
from pathlib import Path

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


def compare_memory(wanted: int = WANTED) -> None:
    """One table: KiB of a connection, and what is above the yardstick."""
    count = min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE)
    scaled = "" if count == wanted else f", fewer than {wanted:,} since ulimit -n allows no more"
    costs = {contender.name: cost_of(contender, count) for contender in CONTENDERS}
    print(f"an idle text connection, {count:,} of them{scaled}      KiB    above {YARDSTICK}")
    for name, cost in costs.items():
        print(f"  {name:<52} {cost:>6.2f}   {verdict(name, cost - costs[YARDSTICK])}")
    print()


def verdict(name: str, excess: float) -> str:
    """The excess, and for the reference how it stands to the target."""
    if name != "refworker":
        return f"{excess:+.2f}"
    return f"{excess:+.2f}  target <= {TARGET:+.2f}  {'met' if excess <= TARGET else 'MISSED'}"


def cost_of(contender: Contender, count: int) -> float:
    """KiB of one connection."""
    with serving(contender, "text") as server, ExitStack() as stack:
        for _ in range(WARM):
            stack.enter_context(visited(server))
        before = private(server.pid)
        for _ in range(count - WARM):
            stack.enter_context(visited(server))
        return (private(server.pid) - before) / (count - WARM) / KIBIBYTE


def visited(server: Serving) -> socket.socket:
    """A connection that has had its answer."""
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.sendall(b"hello\n")
    assert sock.recv(64) == b"hello\n"
    return sock


def private(pid: int) -> int:
    """Bytes that belong to this process alone."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return KIBIBYTE * sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))
