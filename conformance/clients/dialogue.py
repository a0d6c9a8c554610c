"""What cases about WebSocket clients share: an open connection, an exchange, and the ways in which one fails.

An echoing client is judged by what it sends. RFC 6455 leaves room: a client that fails a connection MUST
close it, but only SHOULD say why (7.1.7), so there are several right endings, and the table `FAILED` grades
them. The application behind a client may be slow, and its library quick: echoes and control frames come in
any order to each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat

from conformance.clients.client import Client
from conformance.exchange import (
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
from conformance.outcomes import Observation, Violation
from conformance.wire import second_opinion, websocket_server
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, close_payload
from conformance.wire.websocket_server import Masked, Request, frame, read, response

SERVICE = "websocket-client"

MASKED = {"failed": "pass", "dropped": "pass", "other-code": "weak"}
"""A client MUST close when a frame is masked, and MAY say 1002 (5.1)."""

REFUSED = {"refused": "pass"}
"""The client does not take the connection for open, and ends it."""

NORMAL = close_payload(1000)

RSV1 = 4
"""The bit that permessage-deflate uses (RFC 7692)."""


@contextmanager
def accepted(client: Client, *more: str) -> Iterator[tuple[Peer, Request]]:
    """A connection whose request was answered rightly, with `more` header lines; left in good order."""
    with client.connected() as peer:
        request = websocket_server.read_request(peer)
        peer.send(response(request, *more))
        client.pause()  # frames right behind the head are a case of their own
        yield peer, request
        leave(peer)


@contextmanager
def opened(client: Client) -> Iterator[Peer]:
    """A connection behind its handshake; in the end wsproto judges, too, everything that the client sent."""
    with accepted(client) as (peer, _):
        yield peer
        second_opinion.examine(peer, by_client=True)


def leave(peer: Peer) -> None:
    """Close as a server does, unless it is over: a Close, FIN, and whatever the client still says."""
    if not peer.ended:
        peer.send(frame(Opcode.CLOSE, NORMAL))
        peer.finish()
        peer.rest(within=peer.calibration.quiet)


def text(payload: bytes) -> bytes:
    """A whole text message in one frame."""
    return frame(Opcode.TEXT, payload)


def fragments(opcode: Opcode, parts: Sequence[bytes]) -> list[bytes]:
    """A message as frames, one for each part."""
    return in_fragments(frame, opcode, parts)


def sentinel(peer: Peer) -> str:
    """One more message is answered, and nothing stands before its answer."""
    peer.send(text(SENTINEL))
    websocket_server.expect(peer, Opcode.TEXT, SENTINEL)
    return "echoed"


def echo(peer: Peer, opcode: Opcode, payload: bytes) -> None:
    """A whole message comes back."""
    peer.send(frame(opcode, payload))
    websocket_server.expect(peer, opcode, payload)


def answered(peer: Peer, messages: Sequence[Message], pings: Sequence[bytes] = ()) -> str:
    """These messages come back in order, these pings their pongs (`settle`), and then one more message."""
    settle(replies(peer), messages, pings)
    return sentinel(peer)


def replies(peer: Peer) -> Iterator[Message]:
    """Whole messages and control frames, as they come; the client may fragment its messages."""
    return assembled(read(peer) for _ in repeat(None))


# --- endings ---------------------------------------------------------------------------------------------


def fails(peer: Peer, code: int) -> str:
    """How the client fails the connection, an ending of `FAILED`; Violation when it does not."""
    try:
        last = read(peer)
    except Violation as ending:
        if without_a_word(ending, peer):
            return "dropped"
        raise
    if last.opcode is not Opcode.CLOSE:
        raise Violation("served", f"{last.opcode.name} of {last.payload!r:.80} came, a failure was due")
    ends(peer, last)
    return graded(last.close_code, (code,))


def ends(peer: Peer, last: Masked) -> None:
    """Nothing comes behind the client's Close; it ends when the server has answered, and ended TCP."""
    peer.send(frame(Opcode.CLOSE, last.payload[:2]))
    ends_behind(peer)


def ends_behind(peer: Peer) -> None:
    """The server ends TCP, and so does the client; nothing more comes from it."""
    peer.finish()
    if peer.ending() == "open":
        raise Violation("tcp-stays-open", "the server has closed, and the client has to close, too (7.1.1)")


def each_fails(client: Client, code: int, streams: Mapping[str, bytes]) -> str:
    """Each stream fails the connection, although a good message follows; the worst ending, and where."""
    endings = {}
    for name, stream in streams.items():
        with naming(name), opened(client) as peer:
            peer.send(stream + text(SENTINEL))
            endings[name] = fails(peer, code)
    ending = worst_of(endings.values())
    return Observation(
        ending, ", ".join(name for name, seen in endings.items() if seen == ending != "failed")
    )


def closes(peer: Peer, payload: bytes) -> Masked:
    """Send a Close frame; the client's, which comes next and last, and the end behind ours."""
    peer.send(frame(Opcode.CLOSE, payload))
    last = closed(peer)
    ends_behind(peer)
    return last


def closed(peer: Peer) -> Masked:
    """The client's Close frame comes next."""
    last = read(peer)
    if last.opcode is not Opcode.CLOSE:
        raise Violation("served", f"a Close was due, {last.opcode.name} of {last.payload!r:.80} came")
    return last


def refuses(peer: Peer, opening: bytes) -> str:
    """The client does not take this for the opening of a WebSocket, although a message follows: it ends the
    connection, with a Close frame at most.
    """
    peer.send(opening + text(SENTINEL))
    try:
        first = read(peer, rsv=RSV1)
    except Violation as ending:
        if without_a_word(ending, peer):
            return "refused"
        if ending.outcome == "no-answer" and not peer.waiting:
            raise Violation("stays-open", "the client neither refuses the response nor goes on") from ending
        if b"HTTP/1.1\r\n" in peer.waiting:
            raise Violation("reused", "the client does not end the connection, and asks for more") from ending
        raise
    if first.opcode is not Opcode.CLOSE:
        raise Violation("opened", f"{first.opcode.name} of {first.payload!r:.80} came: the handshake counts")
    ends(peer, first)
    return "refused"
