"""TLS as a client speaks it, with every byte in its own hands: what a record holds, and how TCP cuts it.

`Engine` has no I/O: plaintext in, records out, and back. `TlsStream` puts one around a socket, and is used
like a socket by `Peer`. Python's own wrapper will not do: it cannot say goodbye and read on, and it takes a
stream that was cut off for one that has ended.
"""

import select
import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress

from conformance.wire.clock import clock, ready

RECORD = 16384
"""Bytes of plaintext in one record at most."""

ALERT, HANDSHAKE, APPLICATION = 21, 22, 23
"""Types of records: their first byte (RFC 8446, section 5.1)."""

READ_SIZE = 256 * 1024
OLD_SUITES = (0xC009, 0xC00A, 0xC013, 0xC014, 0x002F, 0x0035)
"""AES in CBC mode with SHA-1, for certificates of either kind: what TLS 1.0 and 1.1 can do at best."""


def client_context() -> ssl.SSLContext:
    """How the suite looks at a target, which signs its own certificate: what it shows, cases judge."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pinned(version: ssl.TLSVersion) -> ssl.SSLContext:
    """As `client_context`, for one version of TLS alone."""
    context = client_context()
    context.minimum_version = context.maximum_version = version
    return context


class Engine:
    """One side of a TLS connection without a socket. `ended` turns True at the other side's close_notify."""

    def __init__(self, host: str, context: ssl.SSLContext | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = context or client_context()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ready = self.ended = False

    def shake(self, answer: bytes = b"") -> bytes:
        """What is to be sent next, after the target's `answer`; `ready` when that is the last of it.

        Raises ssl.SSLError for an answer that is none.
        """
        self._incoming.write(answer)
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            self.ready = True
        return self._outgoing.read()

    def seal(self, data: bytes | memoryview) -> bytes:
        """One record for each 16 KiB of plaintext, or part of it."""
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view[:RECORD]) :]
        return self._outgoing.read()

    def open(self, data: bytes) -> bytes:
        """The plaintext of all records that are complete now. Raises ssl.SSLError for a broken one, or an
        alert, when nothing good stands before it.
        """
        self._incoming.write(data)
        parts: list[bytes] = []
        try:
            while part := self._tls.read(RECORD):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError:
            if not parts:
                raise
        return b"".join(parts)

    def goodbye(self) -> bytes:
        """Our close_notify: nothing can be sealed after it, what comes can still be opened."""
        with suppress(ssl.SSLError):  # the answer to it is not there yet
            self._tls.unwrap()
        return self._outgoing.read()

    @property
    def certificate(self) -> bytes:
        """What the target showed, as DER."""
        return self._tls.getpeercert(True) or b""

    @property
    def version(self) -> str:
        """`TLSv1.2` or `TLSv1.3`."""
        return self._tls.version() or ""


class TlsStream:
    """A connected socket with TLS around it, in the shape of a socket that does not block."""

    def __init__(
        self, connection: socket.socket, host: str, timeout: float, context: ssl.SSLContext | None = None
    ) -> None:
        """Shake hands within `timeout` seconds. Raises OSError when that fails."""
        self.engine = Engine(host, context)
        self._socket = connection
        self._backlog = b""
        self._finishing = False
        limit = clock() + timeout
        connection.sendall(self.engine.shake())
        while not self.engine.ready:
            if not ready(connection, select.POLLIN, limit - clock()):
                raise TimeoutError("no answer in the TLS handshake")
            if not (answer := connection.recv(READ_SIZE)):
                raise ConnectionAbortedError("the target closed the connection during the TLS handshake")
            connection.sendall(self.engine.shake(answer))

    @property
    def ended(self) -> bool:
        """Whether the target has said close_notify."""
        return self.engine.ended

    @property
    def owes(self) -> bool:
        """Whether a part of a record still waits to be sent."""
        return bool(self._backlog)

    def send(self, data: bytes | memoryview) -> int:
        """Seal one record; the number of plaintext bytes. Raises BlockingIOError while one is in the way."""
        self.flush()
        if self._backlog:
            raise BlockingIOError
        self._backlog = self.engine.seal(data[:RECORD])
        self.flush()
        return min(len(data), RECORD)

    def send_together(self, pieces: Iterable[bytes]) -> None:
        """Seal a record for each piece, and send them in one go, as far as the kernel takes them now."""
        self._backlog += b"".join(map(self.engine.seal, pieces))
        self.flush()

    def flush(self) -> None:
        """Send what the kernel takes of it now."""
        with suppress(BlockingIOError):
            while self._backlog:
                self._backlog = self._backlog[self._socket.send(self._backlog) :]
            if self._finishing:
                self._finishing = False
                self._socket.shutdown(socket.SHUT_WR)

    def recv(self, size: int) -> bytes:
        """Plaintext, `b""` at the end, whether or not it was announced: see `ended`. Raises BlockingIOError
        while there is nothing, ssl.SSLError for an alert or a broken record.
        """
        self.flush()
        while not self.ended:
            if not (data := self._socket.recv(size)):
                break
            if plain := self.engine.open(data):
                return plain
        return b""

    def shutdown(self, how: int) -> None:
        """Close_notify and FIN; what comes is still read."""
        self._backlog += self.engine.goodbye()
        self._finishing = True
        self.flush()

    def fileno(self) -> int:
        """The socket's, for `poll`."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        """It is meant not to block."""
        self._socket.setblocking(flag)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """An option of the socket."""
        self._socket.setsockopt(level, option, value)

    def getsockname(self) -> object:
        """This side's endpoint."""
        return self._socket.getsockname()

    def close(self) -> None:
        """Close the socket, without a word."""
        self._socket.close()


def record(kind: int, payload: bytes, version: int = 0x0301) -> bytes:
    """A record in the clear, with any type and version."""
    return struct.pack("!BHH", kind, version, len(payload)) + payload


def old_hello(version: int) -> bytes:
    """A ClientHello as a client would send it that knows nothing newer than `version` (0x0301: TLS 1.0).

    Written by hand, since the local OpenSSL may refuse to speak so.
    """
    suites = b"".join(struct.pack("!H", suite) for suite in OLD_SUITES)
    curves = struct.pack("!HHHHHH", 10, 8, 6, 23, 24, 29)  # supported_groups: P-256, P-384, X25519
    points = struct.pack("!HHBB", 11, 2, 1, 0)  # ec_point_formats: uncompressed
    body = struct.pack("!H", version) + bytes(range(32)) + b"\0"
    body += struct.pack("!H", len(suites)) + suites + b"\1\0" + struct.pack("!H", len(curves + points))
    body += curves + points
    return record(HANDSHAKE, b"\1" + len(body).to_bytes(3, "big") + body)
