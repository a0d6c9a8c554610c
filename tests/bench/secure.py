"""What a line over TLS costs a server: `python -m tests.bench tls`.

Text echo servers as the documentation of each would have it, one process, stock event loop, the same
certificate. The unit is CPU, as in `measure.py`. Forty connections send a burst of lines each and wait for
the answers.
"""

import asyncio
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tests.bench.measure import MICRO, cpu_seconds
from tests.refworker.certificates import self_signed

SERVERS = ("refworker", "twisted", "streams")
BURSTS = (1, 16)
CONNECTIONS = 40
LINE = b"x" * 63 + b"\n"


async def refworker(cert: str, key: str) -> None:
    from refworker.connection import TcpConnection
    from refworker.worker import Worker

    def echo(connection: TcpConnection, message: bytes) -> None:
        connection.send(message)

    context = {"ssl": {"local_cert": cert, "local_pk": key}}
    async with Worker("text://127.0.0.1:0", transport="ssl", context=context, on_message=echo) as worker:
        print(worker.port, flush=True)
        await asyncio.Event().wait()


async def streams(cert: str, key: str) -> None:
    from tests.bench.servers import echo_lines

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    server = await asyncio.start_server(echo_lines, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def twisted(cert: str, key: str) -> None:
    from twisted.internet import reactor
    from twisted.internet.protocol import Factory
    from twisted.internet.ssl import PrivateCertificate
    from twisted.protocols.basic import LineReceiver

    class Lines(LineReceiver):
        delimiter = b"\n"

        def lineReceived(self, line: bytes) -> None:
            self.sendLine(line)

    options = PrivateCertificate.loadPEM(Path(key).read_bytes() + Path(cert).read_bytes()).options()
    port = reactor.listenSSL(0, Factory.forProtocol(Lines), options, interface="127.0.0.1")  # type: ignore[attr-defined]
    print(port.getHost().port, flush=True)
    reactor.run()  # type: ignore[attr-defined]


def compare_tls(rounds: int, seconds: float) -> None:
    """All servers in turns, then the table; the target is to cost less than both others."""
    cert, key = self_signed("localhost")
    print("text over TLS, 40 connections, 64 bytes   CPU us/line    lines/s")
    with ExitStack() as stack:
        crowds = {name: stack.enter_context(crowd(name, cert, key)) for name in SERVERS}
        for burst in BURSTS:
            taken = [{name: sample(*crowds[name], burst, seconds) for name in SERVERS} for _ in range(rounds)]
            for name in SERVERS:
                cpu, rate = (median(each[name][which] for each in taken) for which in (0, 1))
                print(f"  bursts of {burst:<2}: {name:<22} {cpu:>14.2f} {rate:>10,.0f}")


@contextmanager
def crowd(name: str, cert: Path, key: Path) -> Iterator[tuple[int, list[ssl.SSLSocket]]]:
    """A server in a process of its own, and connections to it; ended with the block."""
    command = [sys.executable, "-m", "tests.bench.secure", name, str(cert), str(key)]
    context = ssl.create_default_context(cafile=str(cert))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        plain = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        secure = [context.wrap_socket(each, server_hostname="localhost") for each in plain]
        for each in secure:
            stack.enter_context(each)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield process.pid, secure


def sample(pid: int, sockets: list[ssl.SSLSocket], burst: int, seconds: float) -> tuple[float, float]:
    """CPU microseconds for a line, and lines a second."""
    load(sockets, burst, seconds / 5)
    before, began = cpu_seconds(pid), time.monotonic()
    answered = load(sockets, burst, seconds)
    return MICRO * (cpu_seconds(pid) - before) / answered, answered / (time.monotonic() - began)


def load(sockets: list[ssl.SSLSocket], burst: int, seconds: float) -> int:
    """How many lines were answered in this time."""
    end, answered, wanted = time.monotonic() + seconds, 0, LINE * burst
    while time.monotonic() < end:
        for each in sockets:
            each.sendall(wanted)
        for each in sockets:
            left = len(wanted)
            while left:
                left -= len(each.recv(left))
        answered += burst * len(sockets)
    return answered


if __name__ == "__main__":
    kind, *files = sys.argv[1:]
    if kind == "twisted":
        twisted(*files)
    else:
        asyncio.run({"refworker": refworker, "streams": streams}[kind](*files))
