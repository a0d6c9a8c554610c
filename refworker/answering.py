"""What a protocol of questions and answers, HTTP, asks of its connection: one exchange after the other.

What the handler of a request returns is its answer, an exception is a 500. Where neither came, something will
be sent later, and the connection is stalled until it is. It is stalled, too, while the client has not taken
what it asked for: reading stops, so that nothing queues without bound, and nothing is lost.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from time import monotonic, time
from typing import Any

from refworker.callbacks import Function
from refworker.protocols.base import Signal
from refworker.protocols.http import Response, Upgrade, Wait
from refworker.protocols.http.conversation import OVER, PUSH
from refworker.protocols.http.dates import http_date
from refworker.sender import ESTABLISHED
from refworker.switch import UNANSWERED, Switching

FULL = 16
"""A bit of `_stalled`: the peer has not taken what was sent."""

USUAL = (Response, str, bytes, dict)
"""What handlers return that are not async."""


def clock() -> Callable[[], bytes]:
    """A function that gives the time as a Date field has it, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110
    section 6.6.1). It makes the text once a second.
    """
    begin = end = 0
    text = b""

    def read() -> bytes:
        nonlocal begin, end, text
        if not begin <= time() < end:  # a clock may be set back
            begin = int(time())
            end = begin + 1
            text = http_date(begin).encode()
        return text

    return read


class Answering(Switching):
    """The part of a connection that is about answers; other protocols have none."""

    __slots__ = ()

    draining: bool
    _on_message: Function | None

    date = staticmethod(clock())
    moment = staticmethod(monotonic)

    @property
    def upgrades(self) -> bool:
        """Whether a client of HTTP may ask for a WebSocket: where `on_websocket_message` is set."""
        return bool(self.on_websocket_message)

    def due(self) -> float | None:
        """When the peer should have said what it is waited for; None where nobody waits. While it is this
        side that is waited for, or the peer is still reading, the time stands still.
        """
        codec: Any = self._codec
        if not codec.paced:
            return None
        if self.is_busy() or self._congested:
            codec.since = monotonic()
        return float(codec.due())

    def _last_turn(self) -> float:
        """When the peer's turn came last, where turns are taken, else 0.0."""
        codec: Any = self._codec
        return float(codec.since) if codec.paced else 0.0

    def expire(self) -> None:
        """Close, if what was due has not come."""
        if overdue := self._codec.overdue():
            self._obey(overdue)

    def answered(self) -> None:
        """The codec has got what it waited for; go on when whoever sent it is done."""
        asyncio.get_running_loop().call_soon(self._turn)

    def _message_failed(self) -> None:
        """Where the protocol has an answer for that, go on behind the message as soon as this is done."""
        if self._failed("on_message"):
            self._stalled |= UNANSWERED
            self.answered()

    def _turn(self) -> None:
        self._stalled &= ~UNANSWERED
        self._go_on()

    def _arrange(self, signal: Signal) -> None:
        """What a codec asks of its connection."""
        if isinstance(signal, Wait):
            self._stalled |= UNANSWERED
        elif isinstance(signal, Upgrade):
            self.on_message = self.on_websocket_message
            self._change(self._codec.upgraded())  # type: ignore[attr-defined]

    def _exchange(self, chunk: bytes) -> None:
        """Requests of the usual sort first; `_handle` sees to what is left."""
        codec: Any = self._codec
        if self.draining or self._silent or not codec.begin(chunk):
            return self._handle(codec.feed(chunk), chunk)
        room = self._batch = self.room = []
        try:
            while (result := codec.serve(room)) is not OVER:
                if result is PUSH:
                    self._push_batch()
                elif result is not None:
                    self._took(result)
                if self._stalled or codec.owes is not None:
                    break
        except Exception:
            self._message_failed()
        self._count(codec.served)
        if self._stalled:
            self._keep(codec.rest(), 0, chunk)
        elif not codec.is_over():
            return self._handle(codec.rest(), chunk)
        self._flush()
        return self._when_handled() if self._asked else None

    def _took(self, result: Any) -> None:
        """What the handler of a message returned."""
        if not self._codec.owes:
            self._await(result)
        elif not isinstance(result, USUAL) and asyncio.iscoroutine(result):
            self._await(self._replied(result))
        elif self.send(result) is False:
            self._apologize()

    async def _replied(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._reply(await coroutine)

    def _reply(self, result: Any) -> None:
        if result is not None and self._codec.owes and self.send(result) is False:
            self._apologize()

    def _apologize(self, problem: BaseException | None = None) -> bool:
        """Answer for a handler that failed; whether that was possible."""
        words = self._codec.apology(problem) if self.status is ESTABLISHED else None
        if words is not None:
            self._write(words)
        return words is not None

    def _handle(self, items: Iterable[Any], chunk: bytes) -> None:
        """Handle items until one stalls the connection, then write; the connection knows how."""
        raise NotImplementedError

    def _count(self, messages: int) -> None:
        """So many are handled; the connection knows how."""
        raise NotImplementedError

    def _when_handled(self) -> None:
        """What has waited until no handler is at work; the connection knows how."""
        raise NotImplementedError

    def _failed(self, what: str) -> bool:
        """Say so, and end the connection, unless there is an answer; the connection knows how."""
        raise NotImplementedError

    def is_busy(self) -> bool:
        """Whether it is not the peer that is waited for; the connection knows it."""
        raise NotImplementedError

    def _obey(self, signal: Signal) -> None:
        """What a codec says beside messages; the connection knows how."""
        raise NotImplementedError

    def _await(self, result: Any) -> None:
        """Let a coroutine run; the connection knows how."""
        raise NotImplementedError
