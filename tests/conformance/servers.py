"""Small servers for tests: a handler for one connection, run in a thread, on a port of its own."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from conformance.target.calibration import Calibration
from conformance.wire.address import Address
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript

Handler = Callable[[socket.socket], None]

QUICK = Calibration(round_trip=0.001)


class Impatient(Calibration):
    """For servers that will not answer anyway."""

    @property
    def deadline(self) -> float:
        """Seconds; enough for a server in the same process."""
        return 0.4


@contextmanager
def serving(handler: Handler) -> Iterator[Address]:
    """Accept until the block ends; every connection runs `handler` in its thread, and is closed after it."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            handler(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])
                threads.append(threading.Thread(target=handle, args=(accepted[-1],)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield Address.parse(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)


def peer(address: Address, transcript: Transcript | None = None, calibration: Calibration = QUICK) -> Peer:
    """A client of such a server."""
    return Peer(address, calibration, transcript or Transcript(), "text")


def echo_lines(connection: socket.socket) -> None:
    """The text protocol, right but for limits."""
    buffer = b""
    while chunk := connection.recv(65536):
        *lines, buffer = (buffer + chunk).split(b"\n")
        connection.sendall(b"".join(line.rstrip(b"\r") + b"\n" for line in lines))


def echo_raw(connection: socket.socket) -> None:
    """Bytes back as they come."""
    while chunk := connection.recv(65536):
        connection.sendall(chunk)


def answer_first(answer: bytes) -> Handler:
    """One answer to whatever comes first, then the end."""

    def handler(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    return handler
