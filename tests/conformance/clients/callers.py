"""Small clients for tests: they ask a gate where to go, and go there, in a thread of their own."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from conformance.case import Case
from conformance.clients.client import Client
from conformance.clients.gate import DONE, NEXT, Gate
from conformance.wire import websocket
from conformance.wire.websocket import Opcode, encode
from tests.conformance.servers import QUICK

Behaviour = Callable[[socket.socket, bytes], None]
"""What a client does on a connection, behind its request; the bytes of the response so far."""

CASE = Case("websocket-client/a/b", "websocket-client", ("WSC-001",), {"echoed": "pass"}, title="An example.")


def dial(gate: Gate) -> socket.socket:
    sock = socket.create_connection((gate.address.host, gate.address.port), 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def get(gate: Gate, path: str) -> bytes:
    """The whole answer to a plain GET."""
    with dial(gate) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {gate.address.authority}\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


def ask(gate: Gate) -> str:
    return get(gate, NEXT).partition(b"\r\n\r\n")[2].decode()


def call(gate: Gate, path: str, behave: Behaviour) -> None:
    """Connect to a path, with a good handshake, and behave there."""
    with dial(gate) as sock:
        fields = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        fields += [f"Host: {gate.address.authority}", f"Sec-WebSocket-Key: {websocket.new_key()}"]
        sock.sendall("\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head and (more := sock.recv(65536)):
            head += more
        behave(sock, head.partition(b"\r\n\r\n")[2])


def echo(sock: socket.socket, data: bytes) -> None:
    """Echo short frames that come whole, until a Close; then wait for the server to end TCP."""
    while True:
        while len(data) >= 2 and len(data) >= (end := 2 + data[1]):
            opcode, payload, data = data[0] & 15, data[2:end], data[end:]
            sock.sendall(encode(Opcode.PONG if opcode == Opcode.PING else opcode, payload))
            if opcode == Opcode.CLOSE:
                while sock.recv(65536):
                    pass
                return
        if not (more := sock.recv(65536)):
            return
        data += more


def hang_up(sock: socket.socket, data: bytes) -> None:
    """Leave when the first message has come: an end with something unread is a reset, and no FIN (tcp(7))."""
    _ = data or sock.recv(65536)


@contextmanager
def playing(gate: Gate, *behaviours: Behaviour) -> Iterator[threading.Thread]:
    """A client that plays every connection it is told of: the first in the first way, and so on, the last way
    for all others.
    """
    ways = list(behaviours) or [echo]

    def play() -> None:
        with suppress(OSError):
            while (path := ask(gate)).startswith("/"):
                call(gate, path, ways.pop(0) if len(ways) > 1 else ways[0])
            assert path in ("", DONE)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield thread
    finally:
        gate.close()
        thread.join(10)


@contextmanager
def gated() -> Iterator[Gate]:
    with closing(Gate("127.0.0.1", 0)) as gate:
        yield gate


@contextmanager
def client(*behaviours: Behaviour, case: Case = CASE) -> Iterator[Client]:
    """A client as a case sees it."""
    with gated() as gate, playing(gate, *behaviours):
        yield Client(gate, case, calibration=QUICK, patience=5)
