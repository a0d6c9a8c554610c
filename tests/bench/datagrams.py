"""What a datagram costs a server: `python -m tests.bench udp`.

Echo servers as the documentation of each would have it, one process, stock event loop. The unit is CPU, as in
`measure.py`. Forty sockets send a burst each and wait for its answers; what is lost counts for nobody, since
only answers are counted.
"""

import asyncio
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from tests.bench.measure import MICRO, cpu_seconds

SERVERS = ("refworker", "twisted", "asyncio")
BURSTS = (1, 4)
SOCKETS = 40
MESSAGE = bytes(64)
PATIENCE = 0.2
"""Seconds without any answer after which a burst is given up."""


async def refworker() -> None:
    from refworker import UdpConnection, Worker

    def echo(connection: UdpConnection, message: bytes) -> None:
        connection.send(message)

    async with Worker("udp://127.0.0.1:0", on_message=echo) as worker:
        print(worker.port, flush=True)
        await asyncio.Event().wait()


class Echo(asyncio.DatagramProtocol):
    """asyncio's own way."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Before the first datagram."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One datagram."""
        self.transport.sendto(data, addr)  # type: ignore[attr-defined]


async def plain_asyncio() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    print(transport.get_extra_info("sockname")[1], flush=True)
    await asyncio.Event().wait()


def twisted() -> None:
    from twisted.internet import reactor
    from twisted.internet.protocol import DatagramProtocol

    class TwistedEcho(DatagramProtocol):
        def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
            self.transport.write(datagram, addr)

    port = reactor.listenUDP(0, TwistedEcho(), interface="127.0.0.1")  # type: ignore[attr-defined]
    print(port.getHost().port, flush=True)
    reactor.run()  # type: ignore[attr-defined]


def compare_datagrams(rounds: int, seconds: float) -> None:
    """All servers in turns, then the table; the target is to cost less than both others."""
    print("udp, 40 senders, 64 bytes           CPU us/datagram  datagrams/s")
    for burst in BURSTS:
        samples: dict[str, list[tuple[float, float]]] = {name: [] for name in SERVERS}
        for _ in range(rounds):
            for name in SERVERS:
                samples[name].append(sample(name, burst, seconds))
        for name in SERVERS:
            cpu, rate = (median(each[which] for each in samples[name]) for which in (0, 1))
            print(f"  bursts of {burst}: {name:<22} {cpu:>14.2f} {rate:>12,.0f}")


def sample(name: str, burst: int, seconds: float) -> tuple[float, float]:
    """CPU microseconds for a datagram, and datagrams a second."""
    with serving(name) as (pid, port), senders(port) as sockets:
        load(sockets, burst, seconds / 5)
        before, began = cpu_seconds(pid), time.monotonic()
        answered = load(sockets, burst, seconds)
        return MICRO * (cpu_seconds(pid) - before) / answered, answered / (time.monotonic() - began)


@contextmanager
def serving(name: str) -> Iterator[tuple[int, int]]:
    """The server in a process of its own, ended with the block: its pid and its port."""
    command = [sys.executable, "-m", "tests.bench.datagrams", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def senders(port: int) -> Iterator[list[socket.socket]]:
    """Sockets that know the server."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    for each in sockets:
        each.connect(("127.0.0.1", port))
        each.setblocking(False)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


def load(sockets: list[socket.socket], burst: int, seconds: float) -> int:
    """How many answers came in this time."""
    end, answered = time.monotonic() + seconds, 0
    poll = select.epoll()
    owner = {each.fileno(): each for each in sockets}
    for number in owner:
        poll.register(number, select.EPOLLIN)
    while time.monotonic() < end:
        for each in sockets:
            for _ in range(burst):
                each.send(MESSAGE)
        answered += heard(poll, owner, burst * len(sockets))
    poll.close()
    return answered


def heard(poll: select.epoll, owner: dict[int, socket.socket], due: int) -> int:
    """Take answers until all are there, or nothing more comes."""
    answered = 0
    while answered < due and (ready := poll.poll(PATIENCE)):
        for number, _ in ready:
            owner[number].recv(100)
            answered += 1
    return answered


if __name__ == "__main__":
    if sys.argv[1] == "twisted":
        twisted()
    else:
        asyncio.run({"refworker": refworker, "asyncio": plain_asyncio}[sys.argv[1]]())
