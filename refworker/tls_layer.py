"""TLS between a connection and its socket: to the socket a protocol, to the connection a transport.

asyncio has such a layer, but its transport knows no half-close: what a peer asked for before its end could
not be answered after it, and a close could not wait for the peer to read. Nor does it count what the socket's
own transport holds, so a send buffer would have two limits. Here both are as without TLS: bytes are encrypted
when they are written, and wait in the socket's transport alone; `write_eof` is close_notify and FIN, and what
comes after that is thrown away unread.
"""

import asyncio
import ssl
from contextlib import suppress
from enum import Enum
from typing import Any, cast

from refworker.callbacks import logger
from refworker.endpoints import tune
from refworker.tls import reason_of

RECORD = 16384
"""Bytes of plaintext in one record at most."""

HEADER = 5
"""Bytes before a record's body: type, version, and the body's length in two bytes (RFC 8446, section 5.1)."""

State = Enum("State", ["SHAKING", "OPEN", "OVER"])
SHAKING, OPEN, OVER = State
"""Over: the handshake failed, or a record was none."""


class TlsLayer(asyncio.Protocol, asyncio.Transport):
    """One TLS connection. `host` is given on the client's side: the name to ask for and to verify.

    The connection is told `handshake_begun(transport)`, then either `handshake_failed(reason)`, with TCP
    closed, or `connection_made(transport)` and the rest of an `asyncio.Protocol`.
    """

    def __init__(
        self, connection: Any, context: ssl.SSLContext, timeout: float, host: str | None = None
    ) -> None:
        asyncio.Transport.__init__(self)
        self._app, self._timeout = connection, timeout
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, host is None, host)
        self._state = SHAKING
        self._heard_end = self._said_goodbye = False
        self._next, self._head = 0, b""  # where the next record begins in the next chunk, and what came of it
        self._unsent = 0  # bytes of plaintext since the socket's buffer was empty
        self._raw: asyncio.Transport
        self._timer: asyncio.TimerHandle

    # -- to the socket: a protocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP stands: shake hands."""
        self._raw = cast(asyncio.Transport, transport)
        self._raw.set_write_buffer_limits(high=0)
        tune(self._raw.get_extra_info("socket"))
        late = f"no TLS handshake within {self._timeout:g} s"
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._fail, late)
        self._app.handshake_begun(self)
        self._shake_hands()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as problem:
            self._flush()  # the alert that tells the peer
            self._fail(reason_of(problem))
        else:
            self._established()

    def _established(self) -> None:
        self._state = OPEN
        self._timer.cancel()
        self._flush()
        self._app.connection_made(self)
        self._deliver()  # what came in the same flight

    def _fail(self, reason: str) -> None:
        """There will be no connection."""
        self._state = OVER
        self._timer.cancel()
        self._raw.close()
        self._app.handshake_failed(reason)

    def data_received(self, data: bytes) -> None:
        """Ciphertext; after an end nobody wants it."""
        if self._state is OVER or self._heard_end or self._said_goodbye:
            return
        self._incoming.write(data)
        self._follow(data)
        self._deliver() if self._state is OPEN else self._shake_hands()

    def _follow(self, data: bytes) -> None:
        """Find out where the chunk leaves off: OpenSSL does not say whether it has half a record."""
        data, at = self._head + data, self._next
        while at + HEADER <= len(data):
            at += HEADER + int.from_bytes(data[at + HEADER - 2 : at + HEADER], "big")
        self._next, self._head = max(at - len(data), 0), data[at:]

    def _deliver(self) -> None:
        """Pass on what can be decrypted: all records of a chunk at once, as they would come without TLS."""
        records: list[bytes] = []
        end = self._decrypt(records)
        self._flush()  # what TLS itself has to say: tickets, key updates, alerts
        if records:
            self._app.data_received(b"".join(records))
        if isinstance(end, ssl.SSLZeroReturnError):
            self._end_of_input()
        elif end:
            self._break(end)

    def _decrypt(self, records: list[bytes]) -> ssl.SSLError | None:
        """Append every complete record; why no more will come, if so."""
        try:
            while record := self._tls.read(RECORD):
                records.append(record)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as problem:
            return problem
        return ssl.SSLZeroReturnError()

    def _break(self, problem: ssl.SSLError) -> None:
        """A record that is none: nothing that follows can be trusted."""
        logger.warning("TLS with %s is broken: %s", self.get_extra_info("peername"), reason_of(problem))
        self._state = OVER
        self._raw.abort() if self._raw.get_write_buffer_size() else self._raw.close()

    def eof_received(self) -> bool:
        """The peer's FIN. True: the socket stays open, for what is still to be answered."""
        if self._state is SHAKING:
            self._fail("the peer left")
        elif self._state is OPEN:
            self._end_of_input()
        return self._state is OPEN

    def _end_of_input(self) -> None:
        """Close_notify and FIN are one end."""
        if not self._heard_end:
            self._heard_end = True
            self._app.eof_received()

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        if self._state is OPEN:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        """The socket has taken everything."""
        if self._state is OPEN:
            self._app.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._timer.cancel()
        if self._state is SHAKING:
            self._fail("the peer broke off")
        else:
            self._app.connection_lost(exc)

    # -- to the connection: a transport ------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket's transport knows, the `ssl_object`, and whether half a record has come."""
        if name == "half_record":
            return bool(self._next or self._head)
        return self._tls if name == "ssl_object" else self._raw.get_extra_info(name, default)

    def write(self, data: Any) -> None:
        """Encrypt and send."""
        if self._state is not OPEN or self._said_goodbye or self._raw.is_closing():
            return
        if not self._raw.get_write_buffer_size():
            self._unsent = 0
        self._unsent += len(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as problem:
            self._break(problem)
        else:
            self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())

    def write_eof(self) -> None:
        """Close_notify, then FIN. Raises OSError when the peer is gone."""
        self._say_goodbye()
        self._raw.write_eof()

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def _say_goodbye(self) -> None:
        if self._state is OPEN and not self._said_goodbye:
            self._said_goodbye = True
            with suppress(ssl.SSLError):  # it has been said; that no answer is there yet is no error
                self._tls.unwrap()
            self._flush()

    def close(self) -> None:
        """Close_notify, and the end when everything is written."""
        self._say_goodbye()
        self._raw.close()

    def abort(self) -> None:
        """The end at once."""
        if self._state is SHAKING:
            self._state = OVER  # who gives up needs no reason
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        """Leave everything in the kernel."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._raw.resume_reading()

    def is_reading(self) -> bool:
        """Whether it does."""
        return self._raw.is_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Those of the socket's transport, in bytes of ciphertext."""
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes of plaintext that the kernel has not taken yet, give or take the records' own bytes."""
        return min(self._raw.get_write_buffer_size(), self._unsent)
