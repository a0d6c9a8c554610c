"""How much a pipe forwards in a second: `python -m tests.bench pipe`, beside socat in the same run.

A sender, the forwarder in one process, and a sink that counts; blocks of 64 KiB over one connection.
"""

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from conformance.target.ports import free_port
from conformance.target.process import wait_until

BLOCK = bytes(65536)
AMOUNT = 512 * 1024 * 1024
TARGET = 0.7
"""Of what socat forwards, at least."""

SERVERS = ("refworker", "socat")
HOST = "127.0.0.1"


async def refworker(port: int, backend: int) -> None:
    from refworker import AsyncTcpConnection, TcpConnection, Worker

    def forward(connection: TcpConnection) -> None:
        other = AsyncTcpConnection(f"tcp://{HOST}:{backend}")
        connection.pipe(other)
        other.pipe(connection)
        other.connect()

    async with Worker(f"tcp://{HOST}:{port}", on_connect=forward):
        await asyncio.Event().wait()


def compare_pipes(rounds: int) -> None:
    """Both in turns, then the table."""
    if not shutil.which("socat"):
        print("pipe: socat is not here to compare with; install it (apt-get install socat)")
        return
    rates: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(rounds):
        for name in SERVERS:
            rates[name].append(forwarded(name))
    ratio = median(ours / theirs for ours, theirs in zip(rates["refworker"], rates["socat"], strict=True))
    print("pipe, one connection, 64 KiB blocks      MB/s")
    for name in SERVERS:
        print(f"  {name:<32} {median(rates[name]):>10,.0f}")
    print(f"  of socat: {ratio:.2f}  target >= {TARGET:.2f}  {'met' if ratio >= TARGET else 'MISSED'}")


def forwarded(name: str) -> float:
    """Megabytes a second."""
    with socket.create_server((HOST, 0)) as sink, serving(name, sink.getsockname()[1]) as port:
        reader = threading.Thread(target=swallow, args=(sink,))
        reader.start()
        began = time.monotonic()
        with socket.create_connection((HOST, port)) as sender:
            for _ in range(AMOUNT // len(BLOCK)):
                sender.sendall(BLOCK)
        reader.join()
        return AMOUNT / (time.monotonic() - began) / 1e6


def swallow(sink: socket.socket) -> None:
    """Take everything that one connection brings."""
    came, space = 0, bytearray(1024 * 1024)
    with sink.accept()[0] as sock:
        while size := sock.recv_into(space):
            came += size
    assert came == AMOUNT, f"{came} bytes of {AMOUNT} came"


@contextmanager
def serving(name: str, backend: int) -> Iterator[int]:
    """The forwarder in a process of its own, ended with the block."""
    port = free_port()
    ours = [sys.executable, "-m", "tests.bench.pipes", str(port), str(backend)]
    theirs = ["socat", "-b", "65536", f"TCP-LISTEN:{port},bind={HOST},reuseaddr", f"TCP:{HOST}:{backend}"]
    with subprocess.Popen(theirs if name == "socat" else ours) as process:
        try:
            assert wait_until(lambda: listens(port), 10), f"{name} did not start"
            yield port
        finally:
            process.kill()


def listens(port: int) -> bool:
    """Whether somebody listens there; a visit would be a connection already."""
    wanted = f":{port:04X} 00000000:0000 0A"
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(wanted in line for line in table)


if __name__ == "__main__":
    asyncio.run(refworker(*map(int, sys.argv[1:])))
