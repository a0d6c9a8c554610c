"""What WebSocket cases share: an open connection, an exchange, and the ways in which a target may refuse.

RFC 6455 leaves room: a server that fails a connection MUST close it, but only SHOULD say why (7.1.7), and a
server that does not like a request MAY drop it, but SHOULD answer with a status (10.7). So there are several
right endings, and the tables `FAILED` and `REFUSED` grade them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat

from conformance.case import Violation
from conformance.exchange import (
    FAILED,
    SENTINEL,
    Message,
    assembled,
    graded,
    in_fragments,
    naming,
    settle,
    without_a_word,
    worst_of,
)
from conformance.target.view import Target
from conformance.wire import second_opinion, websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Frame, Opcode

FAILED_BEHIND = {**FAILED, "unanswered": "weak"}
"""The message before a violation is answered first; the RFC does not insist."""

REFUSED = {"refused": "pass", "other-status": "weak", "dropped": "weak"}
"""Answers to a bad opening handshake."""


@contextmanager
def opened(target: Target, receive_buffer: int = 0) -> Iterator[Peer]:
    """A connection behind its handshake; in the end wsproto judges, too, everything that the target sent."""
    with target.connect(receive_buffer=receive_buffer) as peer:
        websocket.upgrade(peer)
        yield peer
        second_opinion.examine(peer)


def text(payload: bytes) -> bytes:
    """A whole text message in one frame."""
    return websocket.encode(Opcode.TEXT, payload)


def fragments(opcode: Opcode, parts: Sequence[bytes], rsv: int = 0) -> list[bytes]:
    """A message as frames, one for each part; the first has the reserved bits."""
    return in_fragments(websocket.encode, opcode, parts, rsv)


def sentinel(peer: Peer) -> str:
    """One more message is answered, and nothing stands before its answer."""
    peer.send(text(SENTINEL))
    websocket.expect(peer, Opcode.TEXT, SENTINEL)
    return "echoed"


def echo(peer: Peer, opcode: Opcode, payload: bytes) -> None:
    """A whole message comes back."""
    peer.send(websocket.encode(opcode, payload))
    websocket.expect(peer, opcode, payload)


def answered(peer: Peer, messages: Sequence[Message], pings: Sequence[bytes] = ()) -> str:
    """These messages come back in order, these pings their pongs (`settle`), and then one more message."""
    settle(replies(peer), messages, pings)
    return sentinel(peer)


def replies(peer: Peer, within: float | None = None) -> Iterator[Message]:
    """Whole messages and control frames, as they come; the target may fragment its messages.

    `within` is the time for each part of a frame, in seconds.
    """
    frames = (websocket.read(peer, within) for _ in repeat(None))
    return assembled(frames, lambda first, body: websocket.content(peer, first, body))


def fails(peer: Peer, *codes: int) -> str:
    """How the target fails the connection, an ending of `FAILED`; Violation when it does not.

    It is due with one of these codes.
    """
    try:
        frame = websocket.read(peer)
    except Violation as ending:
        if without_a_word(ending, peer):
            return "dropped"
        raise
    if frame.opcode is not Opcode.CLOSE:
        raise Violation("served", f"{frame.opcode.name} of {frame.payload!r:.80} came, a failure was due")
    _ends(peer)
    return graded(frame.close_code, codes)


def fails_behind(peer: Peer, opcode: Opcode, payload: bytes, code: int) -> str:
    """This answer comes, then the failure; or the failure alone, which is `unanswered` (`FAILED_BEHIND`)."""
    try:
        first, body = next(replies(peer))
    except Violation as ending:
        if without_a_word(ending, peer):
            return "dropped"
        raise
    if first is Opcode.CLOSE and peer.ending() != "open":
        return "unanswered"
    if (first, body) != (opcode, payload):
        raise Violation("wrong-answer", f"the message was due, {first.name} of {body!r:.80} came")
    return fails(peer, code)


def _ends(peer: Peer) -> None:
    """Nothing comes behind a Close frame, and the target closes TCP."""
    if peer.ending() == "open":
        raise Violation("tcp-stays-open", "after its Close frame the server has to close TCP")


def each_fails(target: Target, code: int, streams: Mapping[str, bytes]) -> str:
    """Each stream fails the connection, although a good message follows; the worst of the endings."""
    endings = set()
    for name, stream in streams.items():
        with naming(name), opened(target) as peer:
            peer.send(stream + text(SENTINEL))
            endings.add(fails(peer, code))
    return worst_of(endings)


def closes(peer: Peer, payload: bytes) -> Frame:
    """Send a Close frame; the target's, which comes next and last. It closes TCP without waiting for us."""
    peer.send(websocket.encode(Opcode.CLOSE, payload))
    return closed(peer)


def closed(peer: Peer) -> Frame:
    """The target's Close frame comes next, and behind it the end."""
    frame = websocket.read(peer)
    if frame.opcode is not Opcode.CLOSE:
        raise Violation("served", f"a Close was due, {frame.opcode.name} of {frame.payload!r:.80} came")
    _ends(peer)
    return frame


def refuses(peer: Peer) -> str:
    """How the target refuses the opening handshake, an answer of `REFUSED`, or `upgraded`."""
    try:
        status = websocket.read_head(peer).status_code
    except Violation as ending:
        if without_a_word(ending, peer):
            return "dropped"
        raise
    if status == 101:
        return "upgraded"
    return "refused" if 400 <= status < 500 or status in {501, 505} else "other-status"
