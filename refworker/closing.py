"""How a connection ends.

What was accepted is written first. Then FIN, and input is discarded until the peer's FIN or `linger_timeout`:
closing a socket with unread input would send a reset, and destroy what the peer has not read yet (TCP-013). A
protocol with a word for it says farewell before that, and waits for the peer's.
"""

import asyncio
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any, ClassVar, cast

from refworker.endpoints import is_readable
from refworker.idle import Watch
from refworker.manners import Manners
from refworker.protocols.base import Close, Event, as_bytes
from refworker.sender import CLOSED, ESTABLISHED
from refworker.status import Status, statistics

LINGER_AT_STOP = 0.2  # seconds at most, for the FIN of a peer that has been told everything

NORMAL, GOING_AWAY = 1000, 1001  # why it ends, for protocols that tell (RFC 6455 section 7.4.1; LIFE-078)

ENDED, SUSPENDED = 2, 32
"""Why a connection is stalled: its end, and a count of suspended handlers (see also `connection.py`)."""


class Closing(Manners):
    """The part of a connection that leads to its end."""

    __slots__ = (
        "_eof", "_farewell", "_opened", "_owed", "_patient", "_sink", "_timer", "_watch", "draining",
        "linger_timeout", "real_id", "worker",
    )  # fmt: skip

    default_linger_timeout: ClassVar[float] = 1.0
    close_timeout: ClassVar[float] = 30.0
    """Seconds until a closing connection whose peer does not read is given up (TCP-015)."""
    farewell_timeout: ClassVar[float] = 5.0
    """Seconds that the peer's answer to a protocol's own farewell (a WebSocket Close) may take."""
    first_word_timeout: ClassVar[float] = 0.3
    """Seconds that a new client has for its first word, also when its worker stops (LIFE-075)."""

    draining: bool
    linger_timeout: float
    real_id: int
    worker: Any
    _eof: bool
    _farewell: bool
    _opened: float
    _owed: int
    _patient: bool
    """Whether it is the peer that ends TCP, and may be waited for."""
    _sink: "Closing | None"
    _timer: asyncio.TimerHandle | None
    _watch: Watch | None

    def _unmade(self) -> None:
        """Give up a connection whose transport was never ready."""
        raise NotImplementedError

    def _reading(self, wanted: bool) -> None:
        """Read from the transport, or leave it."""
        raise NotImplementedError

    def close(self, data: Any = None, raw: bool = False, code: int | None = None, reason: str = "") -> None:
        """Write what is queued, and `data` if given, then close. Nothing is delivered any more (TCP-010 to
        TCP-012). A WebSocket says `code` and `reason` in its Close frame: 1000, or 1001 where the worker
        stops, unless they are given (WS-032). Raises ValueError for those that may not be sent.
        """
        self._end(Status.CLOSING, data, raw, code, reason)

    def end(self, data: Any = None, raw: bool = False) -> None:
        """As `close`, with status ENDING (TCP-014)."""
        self._end(Status.ENDING, data, raw)

    def leave(self) -> None:
        """Close as soon as all that has arrived is answered: how a worker stops. Half a message is waited
        for, and so is the first word of a new client, for `first_word_timeout` (LIFE-068, LIFE-069).
        """
        self.draining = self._asked = True
        self.room = None
        if self._transport and self.status is Status.INITIAL:  # a handshake is under way
            self._deadline(self.first_word_timeout, self._unmade)
        self._leave()

    def end_sending(self) -> None:
        """Write what is queued, then FIN, and go on reading: the peer sees that no more will come, and what
        it answers is still handled. From now on `send` gives False.
        """
        if not self._silent and self.status in (Status.CONNECTING, ESTABLISHED):
            self._fall_silent()
            self._leave()

    def hold(self) -> None:
        """A reply is owed: the peer's FIN, or the worker's stop, closes this connection after `release`."""
        self._owed += 1

    def release(self) -> None:
        """The reply has been sent."""
        self._owed -= 1
        self._leave()

    def _leave(self) -> None:
        """Close, if there is a reason to and nothing is owed or waiting."""
        if self._owed or self._stalled >= SUSPENDED or self._stalled & ENDED:
            return
        if (self._eof and not self._stalled) or (self.draining and self._is_at_rest()):
            self._input_is_over()

    def _input_is_over(self) -> None:
        """Close; of two that are piped to each other the other side is told first, and may still answer."""
        sink = self._sink
        if sink is not None and sink._sink is self:
            sink.end_sending()
            if not self._silent:
                return
        self._finish(Status.CLOSING, b"", self._goodbye())

    def _is_at_rest(self) -> bool:
        """Whether all that the peer has sent is handled, what the kernel still holds included."""
        waiting = self._pending or self._backlog or self._batch is not None or self._codec.unfinished()
        return not waiting and not is_readable(self._transport) and not self._is_new()

    def _is_new(self) -> bool:
        """Whether the peer's first word may be on its way, or the next one of a peer that asks one thing
        after the other; when it should have come, `_leave` looks again.
        """
        if self.status < ESTABLISHED:  # accepted, and not begun: `connection_made` comes back to this
            return True
        began = max(self._opened, self._last_turn())
        rest = began + self.first_word_timeout - asyncio.get_running_loop().time()
        if rest > 0:
            self._deadline(rest, self._leave)
        return rest > 0

    def destroy(self) -> None:
        """Close at once and discard the send queue; `on_close` has run when this returns (TCP-016)."""
        if self._transport:
            self._transport.abort()
        self._closed()

    def _end(self, status: Status, data: Any, raw: bool, code: int | None = None, reason: str = "") -> None:
        if self.status < Status.ESTABLISHED:
            return self.destroy()
        if self._stalled & ENDED:
            return None  # only the first call counts
        last = as_bytes(data) if raw and data is not None else self._codec.final(data)
        return self._finish(status, last, self._goodbye(code, reason))

    def _goodbye(self, code: int | None = None, reason: str = "") -> bytes:
        usual = GOING_AWAY if self.draining else NORMAL
        return self._codec.farewell(usual if code is None else code, reason)

    def _finish(self, status: Status, last: bytes, farewell: bytes = b"", failed: bool = False) -> None:
        """Say the last words and stop listening. A farewell is waited for; nobody waits for a peer that has
        broken the protocol.
        """
        self._stalled |= ENDED
        self._asked = True
        self.status = status
        self.room = None
        self._farewell = bool(farewell)
        self._patient = self._codec.patient and not failed
        if last or farewell:
            self._write(last + farewell)
        if self._batch is None:
            self._shut()

    def _shut(self) -> None:
        """Everything is said: FIN, unless the peer's farewell is still to come, or its FIN comes first."""
        if self.status is CLOSED or self._delivery:
            return
        items, _, done = self._kept()
        if self._farewell:  # the answer may be among what nobody will handle any more
            self._answered(chain(islice(items, done, None), *map(self._codec.feed, self._backlog)))
        self._backlog.clear()
        self._reading(True)
        if self._eof:
            self._release()
        elif self._farewell or self._patient:
            self._deadline(self.farewell_timeout, self._release)
        else:
            self._say_goodbye()

    def _shut_late(self) -> None:
        if self._stalled & ENDED:
            self._shut()

    def _say_goodbye(self) -> None:
        try:
            cast(asyncio.Transport, self._transport).write_eof()
        except OSError:  # the peer is gone already: its reset was faster than our last words
            self.destroy()
        else:
            self._linger()

    def _answered(self, items: Iterable[Any]) -> bool:
        """Whether the peer's farewell is among these; the application hears what it says."""
        for item in items:
            if isinstance(item, Event) and item.parting:
                self._tell(item.callback, *item.args)
            elif isinstance(item, Close):
                self._farewell = False
        return not self._farewell

    def _linger(self) -> None:
        """Wait for the peer's FIN: long while it still has to read what is queued, short after that; and not
        yet while a file is under way, which has a time of its own.
        """
        if self._delivery:
            return
        short = min(self.linger_timeout, LINGER_AT_STOP) if self.draining else self.linger_timeout
        self._deadline(self.close_timeout if self._congested else short, self.destroy)

    def _release(self) -> None:
        """Close for good as soon as the send queue is written."""
        self._deadline(self.close_timeout, self.destroy)
        cast(asyncio.Transport, self._transport).close()

    def _deadline(self, seconds: float, action: Callable[[], None]) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0), action)

    def _closed(self) -> None:
        if self.status is CLOSED:
            return
        statistics.living.pop(self.real_id, None)
        began, self.status = self.status, CLOSED
        self._stalled |= ENDED
        self.room = None
        self._kept()
        self._let_go()
        self._backlog.clear()
        if self._timer:
            self._timer.cancel()
        if self._watch:
            self._watch.end(self)
        self._wake(ConnectionResetError(f"connection {self.id} is closed: nothing more can be sent"))
        if began or not self.worker:  # what was accepted and never made has had no `on_connect` either
            self._tell("on_close")
        if self.worker:
            self.worker.connection_closed(self)
