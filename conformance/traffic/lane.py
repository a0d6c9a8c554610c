"""One client of live traffic: a connection at a time, and a story for every request.

A lane never waits. The loop tells it what its socket is ready for (`ready`) and that its time has come
(`due`); it answers with `wake_at`, the time when it wants to be called again, and `interest`, what it waits
for on its socket. A connection is used until the server ends it; then the lane opens another one.
"""

import errno
import select
import socket
from dataclasses import dataclass, field
from typing import Literal

from conformance.ledger import How, Story
from conformance.traffic.habits import Ask, Habit, topic
from conformance.traffic.speech import SPEECH, Gibberish, Speech
from conformance.wire.address import Address

READ_SIZE = 64 * 1024
NEVER = float("inf")
AGAIN = 0.02
"""Seconds before a client that has lost its connection, or got none, tries again."""

State = Literal["away", "dialling", "talking"]


@dataclass(frozen=True)
class Departure:
    """The server has ended a connection: when, how, what it said before, and whether something was owed."""

    at: float
    how: How
    farewell: str
    owed: int


@dataclass
class Lane:
    """A client. `patience` is how long (seconds) an answer may take beyond the request's own time."""

    number: int
    habit: Habit
    address: Address
    patience: float
    stories: list[Story] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    wake_at: float = 0.0
    leaving: bool = False
    _socket: socket.socket | None = None
    _state: State = "away"
    _out: bytes = b""
    _held: bytes = b""
    _asked: int = 0
    _place: int = 0

    def __post_init__(self) -> None:
        self._topic = topic(self.habit, self.number)
        self._pending: dict[str, Story] = {}
        self._known: dict[str, Story] = {}
        self._speech: Speech = SPEECH[self.habit.service](self.address)
        self._to_say: list[bytes] = []

    # --- what the loop asks ------------------------------------------------------------------------------

    @property
    def socket(self) -> socket.socket | None:
        """The open socket, if there is one."""
        return self._socket

    @property
    def interest(self) -> int:
        """The poll events to wait for on the socket."""
        if self._state == "dialling":
            return select.POLLOUT
        return select.POLLIN | (select.POLLOUT if self._out else 0)

    @property
    def served(self) -> bool:
        """Whether this client has had an answer."""
        return any(story.copies for story in self._known.values())

    @property
    def done(self) -> bool:
        """Whether a client that leaves has nothing to wait for any more."""
        return not self._pending

    def ready(self, events: int, now: float) -> None:
        """These poll events have happened on the socket."""
        if self._state == "dialling":
            self._dialled(now)
        elif events & ~select.POLLOUT:
            self._read(now)
        if self._state == "talking" and self._out:
            self._write(now)

    def due(self, now: float) -> None:
        """The time has come: the second half, the end of patience, or the next request."""
        self.wake_at = NEVER
        if self._held:
            self._out, self._held = self._out + self._held, b""
            self._write(now)
            self._wait_for_answers()
        elif self._pending:
            self._end("silence", now)
        elif not self.leaving:
            if self._speech.farewell:
                self.close()  # it has said that it leaves: nothing more is asked of it here
            self._next(now)

    def close(self) -> None:
        """Close whatever is open."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._state = None, "away"
        self._out = self._held = b""  # what was left to say was for this connection

    # --- asking ------------------------------------------------------------------------------------------

    def _next(self, now: float) -> None:
        asks = [self._topic.ask(self._asked + number) for number in range(self.habit.burst)]
        self._asked += len(asks)
        if self._socket is None:
            self._speech, self._place = SPEECH[self.habit.service](self.address), 0
        for ask in asks:
            self._pending[ask.key] = self._known[ask.key] = self._story(ask, now)
        self._to_say = [ask.message for ask in asks]
        if self._socket is None:
            self._dial(now)
        elif self._state == "talking":
            self._say(now)
        self._wait_for_answers()

    def _story(self, ask: Ask, now: float) -> Story:
        asked = self.habit.name
        story = Story(self.number, self.habit.service, asked, ask.message, now, self._place, ask.takes)
        self._place += 1
        self.stories.append(story)
        return story

    def _wait_for_answers(self) -> None:
        """Until the patience with the oldest request is over, or the second half is due."""
        if self._pending and not self._held:
            oldest = next(iter(self._pending.values()))
            self.wake_at = oldest.sent_at + oldest.takes + self.patience

    def _dial(self, now: float) -> None:
        unix = self.address.transport == "unix"
        family = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._state = "dialling"
        where = self.address.host if unix else (self.address.host, self.address.port)
        self._connected(self._socket.connect_ex(where), now)

    def _dialled(self, now: float) -> None:
        assert self._socket is not None
        self._connected(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), now)

    def _connected(self, error: int, now: float) -> None:
        if error == errno.EINPROGRESS:
            return
        if error:
            self._end("refused", now)
            return
        assert self._socket is not None
        if self.address.transport != "unix":
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._state = "talking"
        self._out += self._speech.opening()
        if self._speech.ready:
            self._say(now)  # which may find that the server has gone again
        else:
            self._write(now)

    def _say(self, now: float) -> None:
        """What was to be said leaves: all at once, or half of it now."""
        said = b"".join(self._speech.say(message) for message in self._to_say)
        self._to_say = []
        if self.habit.half:
            middle = len(said) // 2
            said, self._held = said[:middle], said[middle:]
            self.wake_at = now + self.habit.half
        self._out += said
        self._write(now)

    def _write(self, now: float) -> None:
        assert self._socket is not None
        while self._out:
            try:
                self._out = self._out[self._socket.send(self._out) :]
            except BlockingIOError:
                return
            except OSError:
                self._out = b""  # the server has gone; what it still said, and how it went, reading tells
                self._read(now)
                return

    # --- listening ---------------------------------------------------------------------------------------

    def _read(self, now: float) -> None:
        """Take what is there; on an ended stream that may be the last answer and its end."""
        while self._socket is not None:
            try:
                data = self._socket.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError:
                self._end("reset", now)
                return
            if not data:
                self._end("fin", now)
                return
            self._hear(data, now)

    def _hear(self, data: bytes, now: float) -> None:
        had_to_wait = not self._speech.ready
        try:
            for message in self._speech.hear(data):
                self._answer(message, now)
        except Gibberish as gibberish:
            self._is_wrong(gibberish.args[0], now)
            self._pending.clear()  # whatever else waited here has no ending of its own
            self._end("", now)
            return
        if self._socket is None:
            return  # the last answer has come, and perhaps a Close behind it: nothing follows from here
        if had_to_wait and self._speech.ready and self._to_say:
            self._say(now)
        if self._socket is not None:
            self._out, self._speech.outbox = self._out + self._speech.outbox, b""
            self._write(now)

    def _answer(self, message: bytes, now: float) -> None:
        heard = self._topic.read(message)
        key = next(iter(self._pending), None) if heard.key is None else heard.key
        story = self._known.get(key) if key is not None else None
        if story is None or not heard.right or self._out_of_turn(key):
            self._is_wrong(message, now)
            return
        story.copies += 1
        story.by, story.failed, story.ended_at = heard.by, heard.failed, now
        if self._pending.pop(str(key), None) and not self._pending:
            self._rest(now)

    def _out_of_turn(self, key: str | None) -> bool:
        """Whether an ordered service answers a younger request before an older one."""
        return self._topic.ordered and key in self._pending and key != next(iter(self._pending))

    def _is_wrong(self, message: bytes, now: float) -> None:
        """Blame the oldest request that waits, or the last one: somebody has to stand for it."""
        key = next(iter(self._pending), None)
        story = self._pending.pop(key) if key is not None else self.stories[-1]
        story.wrong, story.ended_at = message, now
        if not self._pending:
            self._rest(now)

    def _rest(self, now: float) -> None:
        """All answers are there: a pause, for an idle client without an end."""
        if self.habit.fresh or self._speech.farewell == "close":
            self.close()
        self.wake_at = NEVER if self.habit.idle else now + self.habit.pause

    # --- the end of a connection -------------------------------------------------------------------------

    def _end(self, how: How, now: float) -> None:
        """The stream is over: whatever waits has its ending, and after a moment there will be another one."""
        self.departures.append(Departure(now, how, self._speech.farewell, len(self._pending)))
        partial = self._speech.buffer if self._speech.ready else b""
        for story in self._pending.values():
            story.how, story.ended_at, story.partial = how, now, partial
            partial = b""
        self._pending.clear()
        self.close()
        self.wake_at = NEVER if self.habit.idle else now + AGAIN
