"""The server's side of a connection: requests in, answers out, one exchange after the other (RFC 9112).

`feed` is a generator that reads no further than the connection has come: behind a request that is not
answered yet it gives `WAIT`, so that answers leave in the order of their requests whatever the handlers do,
and nothing of what follows is read before it is known whether the connection goes on. What the handler
answers comes back through `encode`, which therefore knows what was asked.

Nearly all requests are whole, plain, and answered at once by a head that was made before. `serve` is for
them: it asks the handler itself, and gives up as soon as anything is remarkable.

Nothing here knows the time: the connection says it.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from refworker.protocols.base import LARGE, MANY, MAX_PACKAGE_SIZE, Close, Codec, Signal
from refworker.protocols.http.framing import (
    CHUNKS,
    END,
    FILE,
    INTERIM,
    WHOLE,
    answer,
    known_answer,
    piece,
    piece_of,
    short_answer,
)
from refworker.protocols.http.grammar import PLAIN, Fields, Refused
from refworker.protocols.http.heads import METHODS, Head, read_head
from refworker.protocols.http.intake import WAIT, Host, Intake
from refworker.protocols.http.limits import Limits
from refworker.protocols.http.manner import KNOWN
from refworker.protocols.http.pieces import HeadInPieces
from refworker.protocols.http.request import Bare, Parts, Request
from refworker.protocols.http.response import Chunk, File, Response


class Upgrade(Signal):
    """A WebSocket was asked for, and this connection speaks it: everything from this request on is its."""

    __slots__ = ()


OVER, PUSH = Signal(), Signal()
"""What `serve` gives where there is no result: it goes no further; what it has said is enough for a write."""

DEFAULTS = Limits()
UPGRADE = Upgrade()
find_usual = PLAIN.match
USUAL = {written: name for written, name in METHODS.items() if name != "HEAD"}
"""Methods whose answers have the body that the application gives."""
PLAIN_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
MISTAKE = Response(500, PLAIN_TEXT, "the service made a mistake\n")


class HttpServer(Intake):
    """Messages are `Request`; what is sent is a `Response`, a `Chunk`, an event, or whatever makes a body."""

    __slots__ = ("_fresh", "_last", "_pieces", "_same", "_websocket", "on_answer", "served")
    name: ClassVar[str] = "HTTP"
    suffix: ClassVar[bytes | None] = None
    alike: ClassVar[bool] = False
    paced: ClassVar[bool] = True
    opening, patient = b"", False

    def __init__(
        self,
        host: Host,
        max_package_size: int = MAX_PACKAGE_SIZE,
        limits: Limits = DEFAULTS,
        websocket: Callable[[int], Codec] | None = None,
    ) -> None:
        """`websocket` makes the codec of what a client may ask for instead, from a `max_package_size`."""
        self.max_package_size = max_package_size
        self._host = host
        self._limits = limits
        self._websocket = websocket
        self._data, self._position = b"", 0  # the chunk, and how far it is read
        self._pieces: HeadInPieces | None = None  # a head that is not whole yet
        self._last: Head | None = None  # the head before, since clients repeat themselves
        self._same: Parts | None = None  # of one of the usual sort
        self.served = 0
        """Requests that were handled since `begin`."""
        self._head = self._reader = self._taker = None
        self._spent, self._unsaid = 0.0, False
        self.owes = self.request = self.on_end = None
        self.on_answer: Callable[[Any], Any] | None = None
        """What is to be done before the answer leaves, which gives what leaves in its place."""
        self._stream = WHOLE  # what follows the head of the answer that is under way
        self._closing = self._waiting = False
        self._fresh = True  # nothing was asked yet
        self.since = host.moment()

    # -- reading -----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> Iterator[Any]:
        """The requests that `data` completes, each when the one before it is answered."""
        self._data, self._position = data, 0
        return self.rest(WAIT)

    def begin(self, data: bytes) -> bool:
        """A chunk for `serve`, and `rest` behind that; whether it is: nothing is under way."""
        self._data, self._position, self.served, self._fresh = data, 0, 0, False
        return not (self._reader or self._pieces or self.owes)

    def serve(self, room: list[bytes]) -> Any:
        """Answer requests of the usual sort into `room`, as long as the handler gives what was answered in
        this second before. Gives its first result of another sort; `PUSH`, where the room is full; `OVER`,
        where the next request is for `rest`. One loop on purpose: calls are most of what a request costs.
        """
        host, data, position, same = self._host, self._data, self._position, self._same
        size, surely, date = len(data), self._limits.surely, host.date()
        if self._closing:
            return OVER
        while position < size and (ask := host._on_message) is not None:
            if same is None or not data.startswith(same[0], position):
                if (match := find_usual(data, position)) is None:
                    return OVER
                raw, method, target, authority = match.group(0, 1, 2, 3)
                name, manner = USUAL.get(method), KNOWN.get(authority)
                if name is None or manner is None or len(raw) > surely:
                    return OVER
                self._same = same = raw, name, target.decode(), manner
            self._position = position = position + len(same[0])
            self.owes = self.request = request = Bare(same, self)
            result = ask(host, request)
            self.served += 1
            if host.room is not room or self.owes is not request or self.on_answer:
                return result
            if (words := known_answer(result, date)) is None:
                return result
            self.owes = self.request = None
            room.append(words)
            if len(words) > LARGE or len(room) >= MANY:
                return PUSH
        return OVER

    def is_over(self) -> bool:
        """Whether all of the chunk is read, and answered, and the connection goes on."""
        if self._position < len(self._data) or self.owes is not None or self._closing:
            return False
        self.since = self._host.moment()
        return True

    def rest(self, item: Any = None) -> Iterator[Any]:
        """What is left of the chunk behind this; None: behind a request that may be unanswered."""
        try:
            while item is not UPGRADE:
                if self.owes is not None and item is not WAIT:
                    self._waiting = True
                    yield WAIT
                    self._waiting = False
                if self._closing and self.owes is None:
                    yield Close()
                    return
                if self._position == len(self._data) or (item := self._next()) is None:
                    break
                yield item
        except Refused as refused:
            yield self._refusal(refused)
        if not (self._reader or self._pieces):
            self.since = self._host.moment()

    def _next(self) -> Any:
        """The next item, None where more bytes are needed. Raises Refused."""
        if self._reader or self._pieces:
            return self._go_on_reading()
        data, start = self._data, self._position
        if self._last is not None and data.startswith(self._last.raw, start):
            self._position = start + len(self._last.raw)
            return self._begin(self._last)
        if data.startswith(b"\r\n", start):  # one empty line (RFC 9112 section 2.2)
            start += 2
        end = data.find(b"\r\n\r\n", start) + 4
        if end < 4:
            self._pieces = HeadInPieces(self._limits)
            self.since = self._host.moment()
            return self._read_pieces(self._pieces)
        self._position = end
        self._last = read_head(data[start:end], self._limits)
        return self._begin(self._last)

    def head_of(self, request: Bare) -> Head:
        """All of the head that a request is made of; of those that repeat it, it is one."""
        if self._last is None or self._last.raw is not request.raw:
            self._last = Head(request.raw, request.method, request.target, request.manner)
        return self._last

    def _go_on_reading(self) -> Any:
        """The rest of what has begun in another chunk."""
        if self._reader:
            return self._read_body(self._reader)
        assert self._pieces
        return self._read_pieces(self._pieces)

    def _read_pieces(self, pieces: HeadInPieces) -> Any:
        """A head that has not come at once."""
        if not pieces.feed(self._data[self._position :]):
            self._position = len(self._data)
            return None
        self._pieces = None
        self._data, self._position = pieces.rest, 0
        return self._begin(read_head(pieces.text, self._limits))

    def _begin(self, head: Head) -> Any:
        """What a head makes: a request, unless it has a body, or wants to be a WebSocket."""
        self._fresh = False
        if head.manner.length or head.manner.chunked:
            return self._begin_body(head, head.manner)
        if head.manner.upgrades and head.method == "GET" and self._host.upgrades:
            self._data, self._position = head.raw + self._data[self._position :], 0
            return UPGRADE
        return self._asked(head)

    def _asked(self, head: Head, body: bytes = b"", trailers: Fields = ()) -> Request:
        self.owes = head
        self.request = request = Request(head, body, trailers, self)
        return request

    def upgraded(self) -> Codec:
        """What reads the bytes from the request on that asked for a WebSocket."""
        assert self._websocket
        return self._websocket(self.max_package_size)

    def unread(self, items: list[Any], handled: int, chunk: bytes) -> bytes:
        """The bytes behind the request that was given last (TCP-022)."""
        return self._data[self._position :]

    def unfinished(self) -> int:
        """Bytes of a request that is under way."""
        if self._reader:
            return max(self._reader.size, 1)
        return len(self._pieces) if self._pieces else 0

    def due(self) -> float:
        """When the peer should have said what it is waited for."""
        if self._reader:
            return self.since + self._limits.body_timeout + self._reader.size / self._limits.min_body_rate
        is_head = self._pieces or self._fresh
        return self.since + (self._limits.header_timeout if is_head else self._limits.keepalive_timeout)

    def overdue(self) -> Close | None:
        """The end for a peer that has not said it; a refusal, where it has begun to (RFC 9110 section
        15.5.9).
        """
        if self._host.moment() < self.due():
            return None
        return self._refusal(Refused(408, "it took too long")) if self.unfinished() else Close()

    # -- writing -----------------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """The connection."""
        return self._host

    def awaits(self, request: object) -> bool:
        """Whether the answer to this very request has not begun yet."""
        return request is self.request and not self._stream

    def encode(self, message: Any) -> bytes:
        """The answer to what was asked, or a piece of it. Raises ValueError where nothing was asked,
        TypeError or ValueError for what cannot be sent.
        """
        head = self.owes
        if head is None:
            raise ValueError("http: nothing was asked that is not answered already")
        if self._stream:
            return self._go_on(message)
        if self.on_answer is not None:
            message = self._last_changes(message)
        closes = self._closing or self._host.draining
        if isinstance(message, Response):
            if type(message.body) is File:
                assert self.request
                message = self._host.with_file(message, self.request.head)
            data, follows, closes = answer(message, head, self._host.date(), closes)
        else:
            data, follows, closes = short_answer(message, head, self._host.date(), closes)
        if follows == WHOLE:
            self._closing = closes
            self._answered()
        elif follows != INTERIM:
            self._begin_stream(follows, closes, message)
        return data

    def _begin_stream(self, follows: int, closes: bool, message: Any) -> None:
        """The head is made, and the rest is not."""
        self._closing, self._stream = closes, follows
        if follows == FILE:
            self._host.deliver(message.body)

    def _last_changes(self, message: Any) -> Any:
        if isinstance(message, Response) and message.status < 200:
            return message
        hook, self.on_answer = self.on_answer, None
        return hook(message) if hook else message

    def delivered(self) -> None:
        """The file that was to be sent is sent."""
        self._stream = WHOLE
        self._answered()

    def _go_on(self, message: Any) -> bytes:
        if self._stream == FILE:
            raise ValueError("http: a file is under way")
        data = piece_of(message)
        if data or not isinstance(message, Chunk):
            return piece(data, self._stream)
        return self._end_stream()

    def _end_stream(self) -> bytes:
        last = END if self._stream == CHUNKS else b""
        self._stream = WHOLE
        self._answered()
        return last

    def _answered(self) -> None:
        self.owes = self.request = None
        if self.on_end is not None:
            self.release()
        self._resume()

    def release(self) -> None:
        """Nobody waits for the answer any more."""
        hook, self.on_end = self.on_end, None
        if hook:
            hook()

    def final(self, message: Any = None) -> bytes:
        """The last that is said: as `encode`, and the end of a stream that is under way."""
        self._closing = True
        data = b"" if message is None else self.encode(message)
        return data + (self._end_stream() if self._stream not in (WHOLE, FILE) else b"")

    def apology(self, problem: BaseException | None = None) -> bytes | None:
        """The answer to a request whose handler failed: 500, or what it refuses with. None where an answer is
        under way already.
        """
        if self.owes is None or self._stream:
            return None
        if isinstance(problem, Refused):
            return self.encode(Response(problem.status, PLAIN_TEXT, f"{problem}\n"))
        return self.encode(MISTAKE)

    def farewell(self, code: int = 1000, reason: str = "") -> bytes:
        """Nothing: `Connection: close` has said it."""
        return b""
