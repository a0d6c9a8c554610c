"""A blocking client that sends exactly the bytes it is told, and says exactly what came back.

Theory: a stream socket has no messages, only bytes in order and one of three endings. A `Peer` therefore has
one buffer of bytes received and not yet asked for, and one fact, `ended`: None while the stream is open,
`fin` after an orderly end, `reset` after a reset. Every wait has a deadline taken from the calibration.
"""

import select
import socket
import ssl
import struct
from collections.abc import Callable, Collection
from time import monotonic, sleep
from types import TracebackType
from typing import Literal, NoReturn

from conformance.outcomes import Inconclusive, Violation
from conformance.target.calibration import Calibration
from conformance.wire.address import Address, dial
from conformance.wire.clock import SLICE, clock, ready
from conformance.wire.deflate import Deflate
from conformance.wire.render import excerpt
from conformance.wire.tls import TlsStream
from conformance.wire.transcript import Transcript

Ending = Literal["fin", "reset", "open"]

READ_SIZE = 256 * 1024
SLOWEST = 256 * 1024  # bytes per second; a target slower than that is not answering, it is dripping
LINGER_ZERO = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds: close() sends a reset


class Peer:
    """One connection to the target; a context manager that closes it.

    Use `target.connect(service)` in a case. All bytes and events are written to `transcript`.
    `receive_buffer` limits the bytes that the kernel keeps unread (0: its own choice); `name` is that of our
    end of a Unix connection, `context` is how TLS is spoken where the address wants it. A `connection` that
    a client has opened to us is taken as it is.
    """

    def __init__(
        self,
        address: Address,
        calibration: Calibration,
        transcript: Transcript,
        service: str = "?",
        receive_buffer: int = 0,
        name: str = "",
        context: ssl.SSLContext | None = None,
        connection: socket.socket | None = None,
    ) -> None:
        self.address = address
        self.calibration = calibration
        self.transcript = transcript
        self.number = transcript.new_peer(f"{service} {address.url}")
        self.ended: Literal["fin", "reset"] | None = None
        self.began, self.ended_at = monotonic(), 0.0
        self.deflate: Deflate | None = None  # what a WebSocket here has agreed on, see `websocket.upgrade`
        self._buffer = bytearray()
        self._socket = connection or self._dial(receive_buffer, name, context)
        self._socket.setblocking(False)

    def _dial(
        self, receive_buffer: int, name: str, context: ssl.SSLContext | None
    ) -> socket.socket | TlsStream:
        try:
            return dial(self.address, self.calibration.deadline, receive_buffer, name, context)
        except OSError as refusal:
            raise Violation("refused", f"{self.address.url} takes no connection: {refusal}") from refusal

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- out ---------------------------------------------------------------------------------------------

    def send(self, *segments: bytes, gap: float | None = None) -> None:
        """Write each segment by itself, `gap` seconds apart (calibrated when None).

        Answers are read meanwhile, so that a pipelining case cannot deadlock with a target that echoes. A
        target that has closed is no error here: `ended` and the next read tell.
        """
        pause = self.calibration.gap if gap is None else gap
        for index, segment in enumerate(segments):
            if index:
                sleep(pause)
            self.transcript.add(self.number, "send", segment)
            self._write(segment)

    def flood(self, data: bytes) -> int:
        """Write without reading anything, until all is taken or nothing more is for a calibrated time.

        Returns the number of bytes taken, by the target or by the kernels in between: all of them will reach
        a target that goes on reading.
        """
        view = memoryview(data)
        patience = 2 * self.calibration.quiet
        while view and self._wait(select.POLLOUT, patience) & select.POLLOUT:
            try:
                view = view[self._socket.send(view[:READ_SIZE]) :]
            except BlockingIOError:
                continue  # room for a part of a record is not room for the next one
            except OSError:
                break  # the target has ended the connection; `ending` will say how
        taken = len(data) - len(view)
        self.transcript.add(self.number, "send", data[:taken])
        return taken

    def rest_a_while(self) -> None:
        """Read nothing for a calibrated time, as a client does that has something else to do."""
        self.transcript.add(self.number, "note", note="reads nothing for a while")
        sleep(self.calibration.quiet)

    def finish(self) -> None:
        """Send FIN: no more bytes will come, answers are still read."""
        self.transcript.add(self.number, "finish")
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the target was faster; `ending` will say how it ended

    def reset(self) -> None:
        """Break the connection off: RST instead of FIN, whatever is in flight is lost."""
        self.transcript.add(self.number, "reset")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self._socket.close()

    def close(self) -> None:
        """Close the socket. Harmless when it is closed already."""
        if self._socket.fileno() >= 0:
            self.transcript.add(self.number, "close")
            self._socket.close()

    # --- in ----------------------------------------------------------------------------------------------

    def receive(self, maximum: int = READ_SIZE, within: float | None = None) -> bytes:
        """At least one byte and at most `maximum`; `b""` when the stream has ended or the time is over."""
        self._fill(1, self._limit(1, within))
        return self._take(min(maximum, len(self._buffer)))

    def exactly(self, count: int, within: float | None = None) -> bytes:
        """The next `count` bytes. Raises Violation `no-answer`, `fin` or `reset` when they do not come."""
        if not self._fill(count, self._limit(count, within)):
            self._missing(f"{count} bytes", bytes(self._buffer))
        return self._take(count)

    def until(self, delimiter: bytes, maximum: int = 16 * 1024 * 1024, within: float | None = None) -> bytes:
        """All bytes up to and with `delimiter`; Violation `overlong` when it is not among `maximum` bytes."""
        searched, limit = 0, self._limit(0, within)
        while (found := self._buffer.find(delimiter, searched)) < 0:
            have = len(self._buffer)
            if have > maximum:
                raise Violation("overlong", f"no {delimiter!r} in the first {maximum} bytes")
            if not self._fill(have + 1, limit):
                self._missing(f"an answer ended by {delimiter!r}", bytes(self._buffer))
            searched, limit = max(0, have - len(delimiter) + 1), limit + (len(self._buffer) - have) / SLOWEST
        return self._take(found + len(delimiter))

    def expect(self, answer: bytes, within: float | None = None) -> None:
        """The next bytes are exactly these.

        Raises Violation `wrong-answer` as soon as one byte differs, else `no-answer`, `fin` or `reset`. What
        comes after the answer is not looked at: see `silent` and `ending`.
        """
        self.transcript.add(self.number, "expect", answer)
        right, limit = 0, self._limit(0, within)
        while right < len(answer):
            if not self._fill(right + 1, limit):
                self._missing(excerpt(answer), bytes(self._buffer))
            seen = self._buffer[right : len(answer)]
            if answer[right : right + len(seen)] != seen:
                raise Violation("wrong-answer", _difference(answer, bytes(self._buffer[: len(answer)])))
            right, limit = right + len(seen), limit + len(seen) / SLOWEST
        self._take(len(answer))

    def silent(self, seconds: float | None = None) -> None:
        """Nothing comes and the connection stays open, for a calibrated time (or `seconds`).

        Raises Violation `unexpected-bytes`, `fin` or `reset`; Inconclusive on a machine too noisy to tell.
        """
        if self.calibration.noisy:
            raise Inconclusive(
                f"silence tells nothing at a round trip of {self.calibration.round_trip:.2f} s"
            )
        quiet = self.calibration.quiet if seconds is None else seconds
        self.transcript.add(self.number, "silent", note=f"{quiet:.3f}")
        if self._fill(1, clock() + quiet):
            raise Violation("unexpected-bytes", f"silence was due, but {excerpt(bytes(self._buffer))} came")
        if self.ended:
            raise Violation(self.ended, "the connection had to stay open")

    def ending(self, within: float | None = None) -> Ending:
        """How the stream ends: `fin`, `reset`, or `open` when it does not, by the deadline.

        Raises Violation `unexpected-bytes` when bytes come before the end; use `rest` where they may.
        """
        self.transcript.add(self.number, "ending")
        if self._fill(1, self._limit(0, within)):
            raise Violation("unexpected-bytes", f"the end was due, but {excerpt(bytes(self._buffer))} came")
        return self.ended or "open"

    def rest(self, within: float | None = None) -> bytes:
        """Everything until the stream ends, or until nothing more comes by the deadline; then see `ended`."""
        limit = self._limit(0, within)
        while self._fill((have := len(self._buffer)) + 1, limit):
            limit += (len(self._buffer) - have) / SLOWEST
        return self._take(len(self._buffer))

    @property
    def lasted(self) -> float:
        """Seconds from the first thought of this connection to its end, as far as that was seen."""
        return self.ended_at - self.began

    @property
    def local_port(self) -> int:
        """Our own end's port, by which the target knows this connection; 0 on a Unix socket."""
        name = self._socket.getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    @property
    def tls(self) -> TlsStream | None:
        """The TLS of this connection, where it has one."""
        return self._socket if isinstance(self._socket, TlsStream) else None

    @property
    def waiting(self) -> bytes:
        """Bytes received and not yet asked for."""
        return bytes(self._buffer)

    # --- the socket --------------------------------------------------------------------------------------

    def _write(self, segment: bytes) -> None:
        """Write all of one segment, reading whatever comes meanwhile, until the stream ends or time is up."""
        view, limit = memoryview(segment), clock() + self.calibration.deadline
        while view and self._socket.fileno() >= 0 and clock() < limit:
            try:
                view = view[self._socket.send(view[:READ_SIZE]) :]
                limit = clock() + self.calibration.deadline
            except BlockingIOError:
                if self._wait(select.POLLIN | select.POLLOUT, 0.1) & ~select.POLLOUT and not self._read():
                    return
            except OSError as refusal:
                self.transcript.add(self.number, "note", note=f"not sent: {refusal}")
                return
        if view:
            self.transcript.add(self.number, "note", note=f"{len(view)} bytes not taken by the target")

    def _limit(self, count: int, within: float | None) -> float:
        """When waiting for `count` bytes ends: a big answer may take longer, a dripping one may not."""
        return clock() + (self.calibration.deadline if within is None else within) + count / SLOWEST

    def _fill(self, count: int, limit: float) -> bool:
        """Read until `count` bytes are there. False when the stream ended or the time `limit` came first."""
        while len(self._buffer) < count and not self.ended:
            left = limit - clock()
            if left <= 0:
                break
            if self._wait(select.POLLIN, left):
                self._read()
        return len(self._buffer) >= count

    def _wait(self, events: int, seconds: float) -> int:
        """The poll events that happened within `seconds`, 0 for none. TLS may have an end no poll shows, and
        may still have to send what was counted as sent.
        """
        if isinstance(self._socket, TlsStream):
            if events & select.POLLIN and self._socket.ended:
                return select.POLLIN
            events |= select.POLLOUT if self._socket.owes else 0
        return ready(self._socket, events, seconds)

    def _read(self) -> bool:
        """Take what the socket has. False once the stream has ended."""
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return True
        except OSError as problem:
            if isinstance(problem, ssl.SSLError):
                self.transcript.add(self.number, "note", note=f"TLS: {problem.reason}")
            return self._end("reset")
        if not data:
            return self._end("fin")
        self._buffer += data
        self.transcript.add(self.number, "receive", data)
        return True

    def _end(self, how: Literal["fin", "reset"]) -> Literal[False]:
        if not self.ended:
            self.ended, self.ended_at = how, monotonic()
            self.transcript.add(self.number, "saw-fin" if how == "fin" else "saw-reset")
        return False

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _missing(self, wanted: str, seen: bytes) -> NoReturn:
        """Nothing more comes: say what was due, what came and how it ended."""
        came = excerpt(seen) if seen else "nothing"
        raise Violation(self.ended or "no-answer", f"{wanted} was due, {came} came")


def watch(peers: Collection[Peer], seconds: float, time: Callable[[], float] = monotonic) -> None:
    """Read from many peers at once, until all have ended or so many seconds are over.

    What came is in `waiting`; `ended` and `ended_at` tell how and when each of them ended. The seconds are
    those of the target's own timers; `time` is the `clock` where something must come by then.
    """
    limit = time() + seconds
    while (left := limit - time()) > 0 and (living := [peer for peer in peers if not peer.ended]):
        poll = select.poll()
        known = {peer._socket.fileno(): peer for peer in living}
        for number in known:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(1000 * min(left, SLICE)):
            known[number]._read()
        clock()  # which would take a wait without a look for a machine that slept


def _difference(answer: bytes, seen: bytes) -> str:
    at = next(index for index, byte in enumerate(seen) if answer[index] != byte)
    start = max(0, at - 8)
    return f"byte {at} differs: {excerpt(answer[start:])} was due, {excerpt(seen[start:])} came"
