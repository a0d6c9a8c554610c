"""What both sides of a WebSocket share: messages put together, what is owed, and how endings are graded.

`cases/dialogue.py` speaks with servers, `clients/dialogue.py` with clients; each brings its own frames.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from conformance.outcomes import Violation
from conformance.wire.peer import Peer
from conformance.wire.websocket import Frame, Opcode

ECHOED = {"echoed": "pass"}

FAILED = {"failed": "pass", "other-code": "weak", "dropped": "weak", "no-error": "weak"}
"""How a connection fails: with the due code, another one, no Close frame, or one that tells of no error."""

SENTINEL = b"the message after"

Message = tuple[Opcode, bytes]


def in_fragments(
    encode: Callable[..., bytes], opcode: Opcode, parts: Sequence[bytes], rsv: int = 0
) -> list[bytes]:
    """A message as frames, one for each part; the first has the reserved bits."""
    last = len(parts) - 1
    return [
        encode(Opcode.CONTINUATION if index else opcode, part, fin=index == last, rsv=0 if index else rsv)
        for index, part in enumerate(parts)
    ]


def assembled(
    frames: Iterable[Frame], content: Callable[[Frame, bytes], bytes] = lambda first, body: body
) -> Iterator[Message]:
    """Whole messages and control frames, as they come; messages may be fragmented. `content` makes a message
    of its first frame and all its payload.
    """
    first: Frame | None = None
    parts = b""
    for frame in frames:
        if frame.opcode >= Opcode.CLOSE:
            yield frame.opcode, frame.payload
            continue
        if (frame.opcode is Opcode.CONTINUATION) is (first is None):
            raise Violation("wrong-answer", "fragments out of sequence (5.4)")
        first, parts = first or frame, parts + frame.payload
        if frame.fin:
            yield first.opcode, content(first, parts)
            first, parts = None, b""


def settle(inbox: Iterator[Message], messages: Sequence[Message], pings: Sequence[bytes]) -> None:
    """These messages come back in order, and these pings their pongs, in any order to each other.

    A pong may stand for the pings before it as well (5.5.3): pongs are a part of the pings, with the last.
    """
    due, owed = deque(messages), deque(pings)
    while due or owed:
        opcode, payload = next(inbox)
        if opcode is Opcode.PONG:
            _paid(owed, payload)
        elif not due or due.popleft() != (opcode, payload):
            raise Violation("wrong-answer", f"{opcode.name} of {payload!r:.80} is not the next answer")


def _paid(owed: deque[bytes], payload: bytes) -> None:
    """Strike out the ping that this pong answers, and those before it."""
    while owed:
        if owed.popleft() == payload:
            return
    raise Violation("wrong-answer", f"a pong of {payload!r:.80} answers no ping")


def without_a_word(ending: Violation, peer: Peer) -> bool:
    """Whether the connection was ended with nothing said before."""
    return ending.outcome in {"fin", "reset"} and not peer.waiting


def graded(code: int | None, due: Sequence[int]) -> str:
    """The ending of `FAILED` that a Close frame with this code is."""
    if code in due:
        return "failed"
    return "no-error" if code in {None, 1000} else "other-code"


def worst_of(endings: Iterable[str]) -> str:
    """The worst of several endings of `FAILED`."""
    return max(endings, key=list(FAILED).index)


@contextmanager
def naming(example: str) -> Iterator[None]:
    """A violation inside says which of several examples it was."""
    try:
        yield
    except Violation as violation:
        violation.detail = f"{example}: {violation.detail}"
        raise
