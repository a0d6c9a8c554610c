"""How a body comes to whom it is for: collected, and then given with its request, or piece by piece to a
*taker*, whom the connection names when the head is there.

A taker that has no request of its own, such as one that puts a form into files, gets every piece as it comes,
and makes the request at the end. One that has is the application itself: it may answer at any time, and says
when it wants more. Until then the conversation gives `WAIT`, so that nothing is read which nobody wants, no
100 is said to a client whose body nobody has asked for, and the client's time stands still.

An answer that leaves before the body is whole ends the connection, unless so little is missing that it is
read and thrown away (RFC 9112 section 9.3). Behind an answer nothing can be refused any more: what is wrong
with the rest of a body merely ends the connection.
"""

from collections.abc import Callable
from typing import Any, Protocol

from refworker.protocols.base import Close, Event, Signal
from refworker.protocols.http.bodies import Chunked, Sized
from refworker.protocols.http.framing import refusal
from refworker.protocols.http.grammar import Fields, Refused
from refworker.protocols.http.heads import Head
from refworker.protocols.http.limits import Limits
from refworker.protocols.http.manner import Manner
from refworker.protocols.http.request import Bare, Request
from refworker.protocols.http.response import OpenFile, Response
from refworker.protocols.http.streamed import Streamed

DRAINED = 64 * 1024
"""Bytes at most that are read behind an answer, for the connection to go on."""


class Wait(Signal):
    """Nothing more is given until what was asked is answered, or more of its body is wanted: then
    `answered()` is called.
    """

    __slots__ = ()


WAIT = Wait()
CONTINUE = Event("on_continue", reply=b"HTTP/1.1 100 Continue\r\n\r\n")


class Taker(Protocol):
    """Who takes the body of one request while it comes. Raises nothing."""

    @property
    def limit(self) -> float:
        """Bytes that it takes at most; more is refused (413)."""

    @property
    def request(self) -> Streamed | None:
        """The request, where it is answered by who takes its body; None where `finish` gives it."""

    def begin(self) -> None:
        """The head is accepted: now `request` may be answered."""

    def write(self, data: bytes) -> None:
        """A piece, never empty."""

    def finish(self, trailers: Fields) -> Request | None:
        """All of it has come. The request, where it was not there before."""

    def abandon(self) -> None:
        """The request is answered, or refused, or its client has gone: nothing of what was written is
        wanted any more, and what still is may be thrown away.
        """


class Host(Protocol):
    """What a conversation wants to know of its connection."""

    draining: bool
    room: list[bytes] | None
    """Where answers go that leave together, while nothing speaks against it."""
    _on_message: Callable[[Any, Request], Any] | None
    """Who makes them."""

    @property
    def upgrades(self) -> bool:
        """Whether it speaks WebSocket, too."""

    def date(self) -> bytes:
        """The time, as a Date field has it."""

    def moment(self) -> float:
        """The time in seconds, of any clock that only goes forward."""

    def answered(self) -> None:
        """What `WAIT` was given for has come."""

    def taker_for(self, head: Head) -> Taker | None:
        """Who takes the body of this request while it comes; None: it is collected. Raises Refused."""

    def say(self, words: bytes) -> None:
        """Write what stands between a request and its answer."""

    def part(self) -> None:
        """Close behind what is written, when this is done."""

    def with_file(self, response: Response, head: Head) -> Response:
        """The answer that a note about a file makes: the file, opened, or something else."""

    def deliver(self, file: OpenFile) -> None:
        """Send a file behind what is written, then say `delivered`."""


class Intake:
    """The part of a conversation that is about bodies."""

    __slots__ = (
        "_closing", "_data", "_head", "_host", "_limits", "_position", "_reader", "_spent", "_stream",
        "_taker", "_unsaid", "_waiting", "max_package_size", "on_end", "owes", "request", "since",
    )  # fmt: skip

    _host: Host
    _limits: Limits
    _data: bytes
    _position: int
    _closing: bool
    _waiting: bool
    _stream: int
    _head: Head | None
    """Of the body that is under way."""
    _reader: Sized | Chunked | None
    _taker: Taker | None
    _spent: float
    """Seconds for which the client was waited for before this side was."""
    _unsaid: bool
    """Whether it waits for a 100."""
    max_package_size: int
    owes: Head | Bare | None
    """What was asked and is not answered."""
    request: Request | None
    """All of that."""
    on_end: Callable[[], None] | None
    """What is to be done when it is answered."""
    since: float
    """When that began which the peer is waited for: a head, a body, or any request."""

    def _begin_body(self, head: Head, manner: Manner) -> Any:
        """A head with a body behind it. Raises Refused."""
        self._head, self.since = head, self._host.moment()
        taker = self._taker = self._host.taker_for(head)
        limit = self.max_package_size if taker is None else taker.limit
        if taker is not None:
            self.on_end = lambda: self._unwanted(taker)
            self.request = taker.request
            self.owes = head if taker.request else None
        if manner.length > limit:
            raise Refused(413, f"the body is larger than {limit} bytes")
        self._reader = Chunked(limit, self._limits) if manner.chunked else Sized(manner.length)
        if taker is not None and taker.request:
            return self._begin_answer(self._reader, taker, manner)
        return CONTINUE if manner.expects else self._next()

    def _begin_answer(self, reader: Sized | Chunked, taker: Taker, manner: Manner) -> Wait:
        """The request may be answered from now on; what has come with its head is there already."""
        self._spent = 0.0
        has_come = self._position < len(self._data)
        self._unsaid = manner.expects and not has_come
        if has_come:
            self._take(reader, taker)
        self._weigh()
        self._waiting = True
        taker.begin()
        return WAIT

    def _read_body(self, reader: Sized | Chunked) -> Any:
        """More of a body. Raises Refused."""
        if self._taker is not None:
            return self._pass_on(reader, self._taker)
        self._position = reader.take(self._data, self._position)
        if not reader.is_whole():
            return None
        head, self._head, self._reader = self._head, None, None
        assert head
        return self._asked(head, reader.collect(), reader.trailers)

    def _pass_on(self, reader: Sized | Chunked, taker: Taker) -> Any:
        """More of a body that somebody takes; what is to be done now."""
        head = self._head
        news, request = self._take(reader, taker)
        if request is not None:
            self.owes, self.request = head, request
            return request
        if taker.request is None or not news:
            return None
        if self.owes is None:  # it is answered, and this was thrown away
            return None if self._reader or self._position == len(self._data) else self._next()
        self._spent = self._host.moment() - self.since
        self._weigh()
        self._waiting = True
        return WAIT

    def _take(self, reader: Sized | Chunked, taker: Taker) -> tuple[bool, Request | None]:
        """Pass on what has come: whether there was any, and the request that is complete with it."""
        self._position = reader.take(self._data, self._position)
        if data := reader.collect():
            taker.write(data)
        if not reader.is_whole():
            return bool(data), None
        self._head = self._reader = self._taker = None
        return True, taker.finish(reader.trailers)

    def _weigh(self) -> None:
        """Whether an answer that begins now ends the connection."""
        if not self._stream:
            self._closing = self._reader is not None and (self._unsaid or self._reader.missing > DRAINED)

    def pull(self) -> None:
        """Who takes the body, and has got all that came, wants more of it."""
        if self._unsaid:
            self._unsaid = False
            self._weigh()
            self._host.say(CONTINUE.reply)
        self.since = self._host.moment() - self._spent
        self._resume()

    def _unwanted(self, taker: Taker) -> None:
        """The request is answered, or will not be: nobody wants its body."""
        taker.abandon()
        if self._reader is not None:
            self.since = self._host.moment()
            if self._closing:
                self._host.part()
        self._resume()

    def _resume(self) -> None:
        if self._waiting:
            self._waiting = False
            self._host.answered()

    def _refusal(self, refused: Refused) -> Close:
        mute = self._head is not None and self._head.method == "HEAD"
        reply = refusal(refused.status, str(refused), self._host.date(), mute)
        if self._is_answered():
            reply = b""
        self.release()
        return Close(reply, f"http: {refused.status}: {refused}")

    def _is_answered(self) -> bool:
        """Whether the answer to the request whose body is under way has begun."""
        asked = self._taker.request if self._taker else None
        return asked is not None and not self.awaits(asked)

    def _next(self) -> Any:
        """The next item; the conversation knows how."""
        raise NotImplementedError

    def _asked(self, head: Head, body: bytes = b"", trailers: Fields = ()) -> Request:
        """A whole request; the conversation notes it."""
        raise NotImplementedError

    def awaits(self, request: object) -> bool:
        """Whether the answer to this very request has not begun yet; the conversation knows it."""
        raise NotImplementedError

    def release(self) -> None:
        """Nobody waits for the answer any more; the conversation knows what that means."""
        raise NotImplementedError
