"""One TCP connection: transport, protocol, callbacks and send buffer.

*Reading.* One chunk is parsed at once, its messages are handled in order, and the replies made meanwhile
leave in one write: system calls are two thirds of a small message's price. A handler that suspends, a pause,
or the end of the connection *stalls* it: the items left over wait in their iterator, the next chunk waits
unparsed, and reading stops, so that nothing queues without bound.

*Writing* stands in `sender.py`.

*Closing* stands in `closing.py`.
"""

import asyncio
import sys
from collections.abc import Iterable
from itertools import count, islice
from time import monotonic
from typing import Any, ClassVar, Protocol, cast

from refworker.answering import FULL
from refworker.callbacks import Function, logger, spawn
from refworker.closing import ENDED, SUSPENDED, Closing
from refworker.endpoints import is_readable, tune
from refworker.idle import Watch
from refworker.pipe import join
from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Event, Signal
from refworker.protocols.http.grammar import Refused
from refworker.protocols.registry import Factory
from refworker.sender import CLOSED, ESTABLISHED
from refworker.status import Status, statistics
from refworker.switch import SWITCHED

PAUSED = 1
"""A connection is stalled by `pause_recv`; other bits of `_stalled` are ENDED, SWITCHED, UNANSWERED and FULL,
and a count of suspended handlers.
"""


class Owner(Protocol):
    """Who is told about a connection's birth and death: a worker."""

    connections: dict[int, "TcpConnection"]
    watch: Watch | None

    def connection_closed(self, connection: "TcpConnection") -> None:
        """Called once, after `on_close`."""


class TcpConnection(Closing, asyncio.Protocol):
    """One connection, accepted or outgoing. Callbacks are taken over from the worker and may be replaced for
    this one only.
    """

    __slots__ = ("__dict__", "__weakref__", "_on_message", "_tasks", "bytes_read", "confirmed")

    default_max_package_size: ClassVar[int] = MAX_PACKAGE_SIZE
    handshake_timeout: ClassVar[float] = 10.0
    """Seconds that a protocol's opening handshake may take (WS-006)."""

    _ids = count(1)

    def __init__(self, codec: Factory, worker: Owner | None = None) -> None:
        self.id = self.real_id = next(self._ids)
        self.worker = worker
        self._watch = worker.watch if worker else None
        self.status = Status.INITIAL
        self.max_send_buffer_size = self.default_max_send_buffer_size
        self.linger_timeout = self.default_linger_timeout
        self._on_message: Function | None = None
        self._sink = None
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
        self._eof = self._farewell = self._patient = self.draining = self._asked = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer = None

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
            self._deadline(self.handshake_timeout, self.expire)
        self._handle([Event("on_connect")])

    def _say_first(self) -> None:
        if self._codec.opening:
            self._write(self._codec.opening)

    def data_received(self, data: bytes) -> None:
        """One chunk: parse, handle, and write what was said meanwhile."""
        self.bytes_read += len(data)
        if self._watch and self._watch.bytes_count:
            self.heard = monotonic()
        if self._stalled:
            self._hold(data)
        elif self._codec.paced:
            self._exchange(data)
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

    def pause_writing(self) -> None:
        """The send buffer is not empty any more."""
        super().pause_writing()
        if self._codec.paced:
            self._stalled |= FULL

    def resume_writing(self) -> None:
        """The send buffer is empty again."""
        super().resume_writing()
        if self._stalled & FULL:
            self._stalled ^= FULL
            self._go_on()
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
        if self._batch is None:  # else `_exchange` has begun one
            self._batch = []
        if not self._congested and not self._silent and self.status is ESTABLISHED:
            self.room = self._batch
        handled, signals = start, 0
        try:
            for item in islice(items, start, None) if start else items:
                if type(item) is not bytes and isinstance(item, Signal):  # the first test spares most of them
                    self._obey(item)
                    signals += 1
                elif (handler := self._on_message) is not None and (owed := handler(self, item)) is not None:
                    self._took(owed)
                handled += 1
                if self._stalled:
                    break
        except Exception:
            self._message_failed()
        if self._stalled:
            self._keep(items, handled, chunk)
        self._count(handled - start - signals)
        self._flush()
        if self._asked:
            self._when_handled()

    def _count(self, messages: int) -> None:
        """So many are handled."""
        statistics.messages += messages
        if self._watch and messages:
            self.heard = monotonic()

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
            self._announce(signal)
        elif isinstance(signal, Close):
            if signal.error:
                self._broken(signal.error)
            self._finish(Status.CLOSING, signal.reply, failed=bool(signal.error))
        else:
            self._arrange(signal)

    def _announce(self, event: Event) -> None:
        if event.opening:
            self._opened = asyncio.get_running_loop().time()
            if not self._shake_hands():
                return
        if event.unless_handled and getattr(self, event.callback):
            with self._codec.answering():  # type: ignore[attr-defined]
                self._tell(event.callback, *event.args)
            return
        if event.reply:
            self._write(event.reply)
        self._tell(event.callback, *event.args)

    def _broken(self, error: str) -> None:
        """The peer has broken the protocol: say so."""
        logger.warning("connection %d from %s: %s", self.id, self.get_remote_address(), error)

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

    def _failed(self, what: str, problem: BaseException | None = None) -> bool:
        """Say so, and end the connection, unless the protocol has an answer for it; whether it has."""
        problem = problem or sys.exception()
        if isinstance(problem, Refused):
            logger.warning("connection %d from %s: %s", self.id, self.get_remote_address(), problem)
        else:
            logger.error("connection %d: %s failed", self.id, what, exc_info=problem)
        if self._apologize(problem):
            return True
        self.destroy() if self._codec.owes else self.close()  # half an answer must not look whole
        return False

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
        self.room = None  # what is sent meanwhile has another look at that

    def resume_recv(self) -> None:
        """Deliver what has waited, in order, and go on."""
        if self._stalled & PAUSED:
            self._stalled ^= PAUSED
            self._go_on()

    def consume_recv_buffer(self, count: int) -> None:
        """Drop `count` bytes of unparsed input; for a custom protocol's `input` (CUSTOM-010)."""
        self._codec.consume(count)  # type: ignore[attr-defined]

    # -- and besides -------------------------------------------------------------------------------

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
