"""RFC 6455 as a server has to keep it: from the bytes behind the handshake to all that may come back.

Where the RFC leaves room, a server has a `Policy`: it notices invalid UTF-8 with the byte, at the end of the
frame or of the message, or when its application reads that (8.1 says only that it must), and it may put up
with lengths in more bytes than they need (5.2 forbids them to the sender). `runs` gives one `Run` for each
policy; what was `Seen` has to fit one of them. Whether earlier messages are answered before a failure, and
with which code it comes, the RFC only recommends (7.1.7), so a fit has a grade.

Nothing here knows sockets, times or segments: the same bytes have the same runs however they come.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from conformance.model.utf8 import scan

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
FORMS = {126: 2, 127: 8}
"""The lengths of 7 bits that announce a real one in so many bytes, and from where on each is needed."""

SHORTEST = {0: 0, 2: 126, 8: 65536}
CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Codes that may stand in a Close: section 7.4, and those that IANA has added since, `ADDED`."""

ADDED = range(1012, 1015)
"""Codes that a server of 2011 does not know: it may take them for what they were then, undefined."""

NORMAL, WRONG, INVALID, TOO_BIG = 1000, 1002, 1007, 1009

Message = tuple[int, bytes]


@dataclass(frozen=True)
class Policy:
    """How a server uses the room that it has: `notices` invalid UTF-8 at a `byte`, `frame` or `message`, or
    as its `reader`, who may come when pings behind the message have been answered.
    """

    notices: str = "byte"
    pads: bool = False


STRICT = Policy()
POLICIES = tuple(Policy(*each) for each in product(("byte", "frame", "message", "reader"), (False, True)))


@dataclass(frozen=True)
class End:
    """How a run ends.

    `open`; `closed`, by the answer to a Close; `failed`; or `failing`: it may fail already, or wait for the
    rest of the frame. `codes` are those that its Close may have, None for no code.
    """

    how: str
    codes: frozenset[int | None] = frozenset()


UNREADABLE = End("failed", frozenset({INVALID}))
"""How a text that is none ends a conversation (8.1)."""


@dataclass(frozen=True)
class Run:
    """What a server owes: echoes and pongs, each kind in its order, and an end.

    `rests`: the bytes end between two frames. `padded`: a length in too many bytes was put up with. `late`:
    pings are answered that stand behind a failure.
    """

    messages: tuple[Message, ...]
    pings: tuple[bytes, ...]
    end: End
    rests: bool = True
    padded: bool = False
    late: bool = False


@dataclass(frozen=True)
class Frame:
    """One frame as far as its bytes have come; `length` is None until the field is there."""

    first: int
    second: int | None
    length: int | None
    body: bytes
    size: int

    @property
    def whole(self) -> bool:
        """Whether nothing of it is missing."""
        return self.length is not None and len(self.body) == self.length

    @property
    def opcode(self) -> int:
        """The lower half of the first byte."""
        return self.first & 0x0F

    @property
    def fin(self) -> bool:
        """Whether it is its message's last."""
        return bool(self.first & 0x80)

    @property
    def control(self) -> bool:
        """Whether the opcode is one of the control frames, known or not."""
        return self.opcode >= CLOSE

    @property
    def form(self) -> int:
        """Bytes of the length behind the first seven bits."""
        return FORMS.get((self.second or 0) & 0x7F, 0)

    @property
    def padded(self) -> bool:
        """Whether its length would have fitted a shorter form."""
        return self.length is not None and self.length < SHORTEST[self.form]


def frames(stream: bytes) -> Iterator[Frame]:
    """The frames of a stream; the last one may be incomplete."""
    while stream:
        frame = _first(stream)
        yield frame
        if not frame.whole:
            return
        stream = stream[frame.size :]


def _first(stream: bytes) -> Frame:
    second = stream[1] if len(stream) > 1 else None
    key_at = 2 + FORMS.get((second or 0) & 0x7F, 0)
    if second is None or len(stream) < key_at:
        return Frame(stream[0], second, None, b"", len(stream))
    length = int.from_bytes(stream[2:key_at], "big") if key_at > 2 else second & 0x7F
    begin = key_at + (4 if second & 0x80 else 0)
    body = stream[begin : begin + length] if len(stream) >= begin else b""
    missing_key = len(stream) < begin
    body = body if not second & 0x80 else _unmasked(body, stream[key_at:begin])
    return Frame(stream[0], second, None if missing_key and not length else length, body, begin + len(body))


def _unmasked(body: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(body))


@dataclass
class _Session:
    """A server between two frames."""

    policy: Policy
    limit: int
    messages: list[Message] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    opcode: int | None = None
    payload: bytes = b""
    padded: bool = False
    unread: bool = False
    late: bool = False

    def take(self, frame: Frame) -> End | None:
        """What this frame ends, None when the conversation goes on."""
        if codes := self.faults(frame):
            return End("failed" if frame.whole else "failing", frozenset(codes | self.hidden(frame)))
        self.padded |= frame.padded
        if not frame.whole:
            return self.begun(frame)
        return self.control(frame) if frame.control else self.data(frame)

    def faults(self, frame: Frame) -> set[int]:
        """The codes of all that is wrong with a head, as far as it has come."""
        opcode, length = frame.opcode, frame.length
        inside = self.opcode is not None
        rules = (
            (WRONG, frame.first & 0x70),  # 5.2, reserved bits
            (WRONG, opcode not in OPCODES),  # 5.2, opcodes
            (WRONG, inside if opcode in (TEXT, BINARY) else opcode == CONTINUATION and not inside),  # 5.4
            (WRONG, frame.control and not frame.fin),  # 5.5
            (WRONG, frame.control and self.too_long(frame)),  # 5.5
            (WRONG, frame.second is not None and not frame.second & 0x80),  # 5.1
            (WRONG, frame.form == 8 and length is not None and length >> 63),  # 5.2, top bit
            (WRONG, frame.padded and not self.policy.pads),  # 5.2, shortest form
            (TOO_BIG, not frame.control and len(self.payload) + (length or 0) > self.limit),  # 10.4
        )
        return {code for code, broken in rules if broken}

    def too_long(self, frame: Frame) -> bool:
        """Whether a control frame has more than 125 bytes; who is strict sees it in the first seven bits."""
        if frame.length is None or not self.policy.pads:
            return not self.policy.pads and (frame.second or 0) & 0x7F > 125
        return frame.length > 125

    def hidden(self, frame: Frame) -> set[int]:
        """What else may be wrong with a frame whose head is: who unmasks first may say that."""
        return {INVALID} if frame.opcode == CLOSE or not scan(self.payload + frame.body)[1] else set()

    def begun(self, frame: Frame) -> End | None:
        """A good head, and a part of its payload."""
        text = TEXT in (frame.opcode, self.opcode) and not frame.control
        if text and self.policy.notices == "byte" and not scan(self.payload + frame.body)[0]:
            return End("failing", frozenset({INVALID}))
        return None

    def data(self, frame: Frame) -> End | None:
        """A fragment, which may be the last."""
        self.opcode = frame.opcode or self.opcode
        self.payload += frame.body
        if self.opcode == TEXT and self.notices(frame.fin):
            if self.policy.notices != "reader":
                return UNREADABLE
            self.unread = True
        if frame.fin:
            self.messages += [] if self.unread else [(self.opcode or 0, self.payload)]
            self.opcode, self.payload = None, b""
        return None

    def notices(self, final: bool) -> bool:
        """Whether the text so far is wrong, and it is time to notice (8.1)."""
        good, between = scan(self.payload)
        return (final or self.policy.notices in {"byte", "frame"}) and not (between if final else good)

    def control(self, frame: Frame) -> End | None:
        """A ping, pong or Close."""
        if frame.opcode == CLOSE:
            return closing(frame.body)
        if frame.opcode == PING:
            self.pings.append(frame.body)
            self.late |= self.unread
        return None


def closing(payload: bytes) -> End:
    """How a Close with this payload ends the conversation (5.5.1, 7.4)."""
    if not payload:
        return End("closed", frozenset({None, NORMAL}))
    code, wrong = int.from_bytes(payload[:2], "big"), set[int | None]()
    if len(payload) == 1 or not any(code in codes for codes in CODES):
        wrong.add(WRONG)
    if not scan(payload[2:])[1]:
        wrong |= {WRONG, INVALID}
    if wrong:
        return End("failed", frozenset(wrong))
    return End("closed", frozenset({code, WRONG} if code in ADDED else {code}))


def run(stream: bytes, limit: int, policy: Policy = STRICT) -> Run:
    """What a server with this policy owes for these bytes; `limit` is that of a message, in bytes."""
    session, rests, end = _Session(policy, limit), True, None
    for frame in frames(stream):
        rests = frame.whole
        if end := session.take(frame):
            break
    end = UNREADABLE if session.unread else end or End("open")
    return Run(tuple(session.messages), tuple(session.pings), end, rests, session.padded, late=session.late)


def runs(stream: bytes, limit: int) -> list[Run]:
    """All that servers may do with these bytes, the strictest first."""
    return list(dict.fromkeys(run(stream, limit, policy) for policy in POLICIES))


# --- what came back --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What a server has answered: `close` is the payload of its Close frame, `ended` whether TCP is over."""

    messages: tuple[Message, ...] = ()
    pongs: tuple[bytes, ...] = ()
    close: bytes | None = None
    ended: bool = False

    @property
    def code(self) -> int | None:
        """The code of its Close, None where there is none."""
        return int.from_bytes(self.close[:2], "big") if self.close else None


GRADES = ("upheld", "unanswered", "late", "served", "other-code", "no-error", "dropped")
"""How well something fits, best first: `unanswered` are messages before a failure or Close, `late` is one
behind which pings were answered, `served` is what came in too many bytes; the others say how a failure was
told.
"""


def judged(seen: Seen, expected: Iterable[Run]) -> str | None:
    """The best grade with which this fits one of the runs, None when it fits none."""
    found = [grade for each in expected if (grade := fit(seen, each))]
    return min(found, key=GRADES.index, default=None)


def fit(seen: Seen, due: Run) -> str | None:
    """How what was seen fits this run."""
    if seen.messages != due.messages[: len(seen.messages)] or not _in_order(seen.pongs, due.pings):
        return None
    grade = _ending(seen, due)
    if grade is None:
        return None
    flaws = {
        "unanswered": len(seen.messages) < len(due.messages),
        "late": due.late,
        "served": due.padded,
    }
    return max(grade, *(flaw for flaw, there in flaws.items() if there), "upheld", key=GRADES.index)


def _in_order(pongs: Sequence[bytes], pings: Sequence[bytes]) -> bool:
    """Whether each pong answers a ping, in their order; one may stand for those before it (5.5.3)."""
    left = iter(pings)
    return all(pong in left for pong in pongs)


def _ending(seen: Seen, due: Run) -> str | None:
    if not seen.ended:
        return "upheld" if due.end.how in {"open", "failing"} and _all_there(seen, due) else None
    if due.end.how == "open":
        return None
    if seen.close is None:
        return "dropped" if due.end.how != "closed" else None
    if seen.code in due.end.codes:
        return "upheld"
    return "no-error" if due.end.how != "closed" and seen.code in {None, NORMAL} else "other-code"


def _all_there(seen: Seen, due: Run) -> bool:
    """Whether an open conversation has had all its answers, and no Close."""
    return seen.close is None and seen.messages == due.messages and seen.pongs[-1:] == due.pings[-1:]
