"""One TCP connection: transport, protocol, callbacks and send buffer.

*Reading.* One chunk is parsed at once, its messages are handled in order, and the replies made meanwhile
leave in one write: system calls are two thirds of a small message's price. A handler that suspends, a pause,
or the end of the connection *stalls* it: the items left over wait in their iterator, the next chunk waits
unparsed, and reading stops, so that nothing queues without bound.

*Writing* stands in `sender.py`.

*Closing.* What was accepted is written first. Then FIN, and input is discarded until the peer's FIN or
`linger_timeout`: closing a socket with unread input would send a reset, and destroy what the peer has not
read yet (TCP-013).
"""

import asyncio
from collections.abc import Callable, Iterable
from itertools import chain, count, islice
from time import monotonic
from typing import Any, ClassVar, Protocol, cast

from refworker.callbacks import Function, logger, spawn
from refworker.endpoints import is_readable, tune
from refworker.idle import Watch
from refworker.pipe import join
from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Event, Signal, as_bytes
from refworker.protocols.registry import Factory
from refworker.sender import CLOSED, ESTABLISHED
from refworker.status import Status, statistics
from refworker.switch import SWITCHED, Switching

LINGER_AT_STOP = 0.2  # seconds at most, for the FIN of a peer that has been told everything

NORMAL, GOING_AWAY = 1000, 1001  # why it ends, for protocols that tell (RFC 6455 section 7.4.1; LIFE-078)

PAUSED, ENDED, SUSPENDED = 1, 2, 8
"""Why a connection is stalled, besides SWITCHED: `pause_recv`, its end, and a count of suspended handlers."""


class Owner(Protocol):
    """Who is told about a connection's birth and death: a worker."""

    connections: dict[int, "TcpConnection"]
    watch: Watch | None

    def connection_closed(self, connection: "TcpConnection") -> None:
        """Called once, after `on_close`."""


class TcpConnection(Switching, asyncio.Protocol):
    """One connection, accepted or outgoing. Callbacks are taken over from the worker and may be replaced for
    this one only.
    """

    __slots__ = (
        "__dict__", "__weakref__", "_eof", "_farewell", "_on_message", "_opened", "_owed",
        "_sink", "_tasks", "_timer", "_watch", "bytes_read", "confirmed", "draining", "heard",
        "linger_timeout", "real_id", "worker",
    )  # fmt: skip

    default_max_package_size: ClassVar[int] = MAX_PACKAGE_SIZE
    default_linger_timeout: ClassVar[float] = 1.0
    close_timeout: ClassVar[float] = 30.0
    """Seconds until a closing connection whose peer does not read is given up (TCP-015)."""
    handshake_timeout: ClassVar[float] = 10.0
    """Seconds that a protocol's opening handshake may take (WS-006)."""
    farewell_timeout: ClassVar[float] = 5.0
    """Seconds that the peer's answer to a protocol's own farewell (a WebSocket Close) may take."""
    first_word_timeout: ClassVar[float] = 0.3
    """Seconds that a new client has for its first word, also when its worker stops (LIFE-075)."""

    _ids = count(1)

    def __init__(self, codec: Factory, worker: Owner | None = None) -> None:
        self.id = self.real_id = next(self._ids)
        self.worker = worker
        self._watch = worker.watch if worker else None
        self.status = Status.INITIAL
        self.max_send_buffer_size = self.default_max_send_buffer_size
        self.linger_timeout = self.default_linger_timeout
        self._on_message: Function | None = None
        self._sink: TcpConnection | None = None
        self._waiting = []
        self._codec = codec(self, self.default_max_package_size)
        self._begin()

    def _begin(self) -> None:
        """The state of one transport's life; an outgoing connection may have several."""
        super()._begin()
        self.bytes_read = 0
        self._stalled = self._owed = 0
        self._opened = self.heard = 0.0
        self.confirmed = False
        self._pending, self._done, self._chunk, self._former = None, 0, b"", None
        self._backlog = []
        self._eof = self._farewell = self.draining = self._asked = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    # -- the transport's side ----------------------------------------------------------------------

    def handshake_begun(self, transport: asyncio.Transport) -> None:
        """TCP stands, TLS not yet: until `connection_made` the transport can only be aborted."""
        self._transport = transport
        if self.status is CLOSED:
            transport.abort()
        elif self.draining:
            self._deadline(self.first_word_timeout, self._unmade)

    def handshake_failed(self, reason: str) -> None:
        """Nobody has seen this connection; the log is enough (TLS-004)."""
        where = self.get_remote_address()
        logger.warning("connection %d from %s: TLS handshake failed: %s", self.id, where, reason)
        self._unmade()

    def _unmade(self) -> None:
        if self.status is Status.INITIAL:
            self.destroy()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready: say the protocol's first words, then `on_connect`."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)
        tune(self._transport.get_extra_info("socket"))
        self.status = Status.ESTABLISHED
        self._opened = asyncio.get_running_loop().time()
        statistics.living[self.real_id] = self
        if self._watch:
            self._watch.begin(self)
        self._say_first()
        if self._codec.overdue():
            self._deadline(self.handshake_timeout, self._expect_opening)
        self._handle([Event("on_connect")])

    def _say_first(self) -> None:
        if self._codec.opening:
            self._write(self._codec.opening)

    def _expect_opening(self) -> None:
        if overdue := self._codec.overdue():
            self._obey(overdue)

    def data_received(self, data: bytes) -> None:
        """One chunk: parse, handle, and write what was said meanwhile."""
        self.bytes_read += len(data)
        if self._watch and self._watch.bytes_count:
            self.heard = monotonic()
        if self._stalled:
            self._hold(data)
        else:
            self._handle(self._codec.feed(data), data)

    def eof_received(self) -> bool:
        """The peer's FIN: what it asked for is answered first (TCP-017). True: the transport stays open until
        then.
        """
        self._eof = True
        if self._stalled & ENDED:
            self._release()
        elif not self._stalled:
            self._leave()
        return True

    def resume_writing(self) -> None:
        """The send buffer is empty again."""
        super().resume_writing()
        if self._stalled & ENDED and not self._farewell:
            self._linger()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone, for whatever reason. Before the status says that there is one, it is a
        former life's.
        """
        if self.status >= Status.ESTABLISHED:
            self._closed()

    # -- reading -----------------------------------------------------------------------------------

    def _handle(self, items: Iterable[Any], chunk: bytes = b"", start: int = 0) -> None:
        """Handle items from `start` on until one stalls the connection, never in a handler; then write."""
        batch: list[bytes] = []
        self._batch = batch
        if self._simple and not self._congested and self.status is ESTABLISHED:
            self._room = batch
        handled, signals = start, 0
        try:
            for item in islice(items, start, None) if start else items:
                if type(item) is not bytes and isinstance(item, Signal):  # the first test spares most of them
                    self._obey(item)
                    signals += 1
                elif (handler := self._on_message) is not None and (owed := handler(self, item)) is not None:
                    self._await(owed)
                handled += 1
                if self._stalled:
                    break
        except Exception:
            self._failed("on_message")
        if self._stalled:
            self._keep(items, handled, chunk)
        statistics.messages += (messages := handled - start - signals)
        if self._watch and messages:
            self.heard = monotonic()
        self._flush()
        if self._asked:
            self._when_handled()

    def _when_handled(self) -> None:
        """What has waited until no handler is at work: the end, or another protocol."""
        if self._stalled & ENDED:
            self._shut()
        elif self._stalled & SWITCHED:
            self._asked = self.draining
            self._take_over()
        else:
            self._leave()

    def _obey(self, signal: Signal) -> None:
        if isinstance(signal, Event):
            handled = getattr(self, signal.callback)
            if signal.opening:
                self._opened = asyncio.get_running_loop().time()
            if signal.reply and not (signal.unless_handled and handled):
                self._write(signal.reply)
            self._tell(signal.callback, *signal.args)
        elif isinstance(signal, Close):
            if signal.error:
                logger.warning("connection %d from %s: %s", self.id, self.get_remote_address(), signal.error)
            self._finish(Status.CLOSING, signal.reply, answered=True)

    def _tell(self, name: str, *args: Any) -> None:
        """Call a callback, if set; an exception is logged and closes only this connection (TCP-019)."""
        callback: Function | None = getattr(self, f"_{name}", None)
        if callback:
            try:
                self._await(callback(self, *args))
            except Exception:
                self._failed(name)

    def _await(self, result: Any) -> None:
        """Stall the connection while an async handler is suspended: messages stay in order, and nothing
        queues.
        """
        if not asyncio.iscoroutine(result):
            return
        task = spawn(result)
        if task.done():
            self._conclude(task)
        else:
            self._stalled += SUSPENDED
            self._tasks.add(task)  # the loop itself keeps only weak references
            task.add_done_callback(self._handled)

    def _handled(self, task: asyncio.Task[Any]) -> None:
        if task in self._tasks:  # else it is a former life's
            self._tasks.remove(task)
            self._stalled -= SUSPENDED
            self._conclude(task)
            self._go_on()

    def _conclude(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (problem := task.exception()):
            self._failed("async handler", problem)

    def _failed(self, what: str, problem: BaseException | bool = True) -> None:
        logger.error("connection %d: %s failed", self.id, what, exc_info=problem)
        self.close()

    def _hold(self, data: bytes) -> None:
        """A chunk for a stalled connection waits unparsed, and nothing more is read; after the end it is
        discarded.
        """
        if not self._stalled & ENDED:
            self._backlog.append(data)
            self._reading(False)
        elif self._farewell and self._answered(self._codec.feed(data)):
            self._shut()

    def _go_on(self) -> None:
        """Handle what has waited; then read on, or obey the FIN that came meanwhile."""
        while not self._stalled and self._batch is None:
            if self._pending is not None:
                self._handle(*self._kept())
            elif self._backlog:
                chunk = self._backlog.pop(0)
                self._handle(self._codec.feed(chunk), chunk)
            else:
                if not self._eof:
                    self._reading(True)
                self._leave()
                return

    def _reading(self, wanted: bool) -> None:
        if self._transport and not self._transport.is_closing() and self._transport.is_reading() != wanted:
            self._transport.resume_reading() if wanted else self._transport.pause_reading()

    def pause_recv(self) -> None:
        """Deliver no message until `resume_recv`, not even one that has arrived already (FLOW-007)."""
        self._stalled |= PAUSED

    def resume_recv(self) -> None:
        """Deliver what has waited, in order, and go on."""
        if self._stalled & PAUSED:
            self._stalled ^= PAUSED
            self._go_on()

    def consume_recv_buffer(self, count: int) -> None:
        """Drop `count` bytes of unparsed input; for a custom protocol's `input` (CUSTOM-010)."""
        self._codec.consume(count)  # type: ignore[attr-defined]

    # -- closing -----------------------------------------------------------------------------------

    def close(self, data: Any = None, raw: bool = False) -> None:
        """Write what is queued, and `data` if given, then close. Nothing is delivered any more (TCP-010 to
        TCP-012).
        """
        self._end(Status.CLOSING, data, raw)

    def end(self, data: Any = None, raw: bool = False) -> None:
        """As `close`, with status ENDING (TCP-014)."""
        self._end(Status.ENDING, data, raw)

    def leave(self) -> None:
        """Close as soon as all that has arrived is answered: how a worker stops. Half a message is waited
        for, and so is the first word of a new client, for `first_word_timeout` (LIFE-068, LIFE-069).
        """
        self.draining = self._asked = True
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

    def pipe(self, destination: "TcpConnection") -> None:
        """Send whatever is received here to `destination`, as fast as that takes it; the end of one is the
        other's (FLOW-008). Replaces `on_message` here, and `on_buffer_full` and `on_buffer_drain` there.
        """
        if not isinstance(destination, TcpConnection):
            raise TypeError(f"a pipe leads to another connection, not to {type(destination).__name__}")
        self._sink = destination
        join(self, destination)

    def confirm(self) -> None:
        """The peer has said who it is: `auth_timeout` of the worker asks no more (FAQ-011)."""
        self.confirmed = True
        if self._watch:
            self._watch.confirm(self)

    def is_busy(self) -> bool:
        """Whether it is not the peer that is waited for: a handler is at work, a reply is owed, reading is
        paused.
        """
        return bool(self._stalled or self._owed)

    def has_unread(self) -> bool:
        """Whether the kernel holds something that the peer has sent."""
        return is_readable(self._transport)

    def ping(self) -> None:
        """Ask whether the peer is alive, where the protocol has a word for it (WebSocket: a Ping)."""
        ask = getattr(self._codec, "ping", None)
        if ask and self.status is ESTABLISHED and not self._congested and not self._codec.overdue():
            self._write(ask())

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
        self._finish(Status.CLOSING)

    def _is_at_rest(self) -> bool:
        """Whether all that the peer has sent is handled, what the kernel still holds included."""
        waiting = self._pending or self._backlog or self._batch is not None or self._codec.unfinished()
        return not waiting and not is_readable(self._transport) and not self._is_new()

    def _is_new(self) -> bool:
        """Whether the peer's first word may be on its way; when it should have come, `_leave` looks again."""
        if self.status < ESTABLISHED:  # accepted, and not begun: `connection_made` comes back to this
            return True
        rest = self._opened + self.first_word_timeout - asyncio.get_running_loop().time()
        if rest > 0:
            self._deadline(rest, self._leave)
        return rest > 0

    def destroy(self) -> None:
        """Close at once and discard the send queue; `on_close` has run when this returns (TCP-016)."""
        if self._transport:
            self._transport.abort()
        self._closed()

    def _end(self, status: Status, data: Any, raw: bool) -> None:
        if self.status < Status.ESTABLISHED:
            return self.destroy()
        last = b""
        if data is not None and not self._stalled & ENDED:
            last = as_bytes(data) if raw else self._codec.encode(data)
        return self._finish(status, last)

    def _finish(self, status: Status, last: bytes = b"", answered: bool = False) -> None:
        """Say the last words and stop listening; only the first call counts."""
        if self._stalled & ENDED:
            return
        self._stalled |= ENDED
        self._asked = True
        self.status = status
        self._room = None
        farewell = b"" if answered else self._codec.farewell(GOING_AWAY if self.draining else NORMAL)
        self._farewell = bool(farewell)
        if last or farewell:
            self._write(last + farewell)
        if self._batch is None:
            self._shut()

    def _shut(self) -> None:
        """Everything is said: FIN, unless the peer's farewell is still to come."""
        if self.status is CLOSED:
            return
        items, _, done = self._kept()
        if self._farewell:  # the answer may be among what nobody will handle any more
            self._answered(chain(islice(items, done, None), *map(self._codec.feed, self._backlog)))
        self._backlog.clear()
        self._reading(True)
        if self._eof:
            self._release()
        elif self._farewell:
            self._deadline(self.farewell_timeout, self._release)
        else:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        try:
            cast(asyncio.Transport, self._transport).write_eof()
        except OSError:  # the peer is gone already: its reset was faster than our last words
            self.destroy()
        else:
            self._linger()

    def _answered(self, items: Iterable[Any]) -> bool:
        """Whether the peer's farewell is among these."""
        self._farewell = not any(isinstance(item, Close) for item in items)
        return not self._farewell

    def _linger(self) -> None:
        """Wait for the peer's FIN: long while it still has to read what is queued, short after that."""
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
        self._room = None
        self._kept()
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
