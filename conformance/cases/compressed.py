"""What the cases of permessage-deflate (RFC 7692) share: connections that have agreed to it, and messages.

A server that declines every offer is not wrong: nobody has to compress. On such a target the cases that need
the extension are unsupported, `compressing` and `supported` see to that.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from conformance.case import Unsupported, Violation
from conformance.cases.dialogue import fails, fragments, replies, sentinel, text
from conformance.exchange import FAILED, SENTINEL, Message, naming
from conformance.target.view import Target
from conformance.wire import second_opinion, websocket
from conformance.wire.deflate import NAME, PLAIN, Deflate, Recipe
from conformance.wire.peer import Peer
from conformance.wire.websocket import RSV1, Opcode, encode

VERSES = "\n".join(f"{n} grüne Flaschen, die hängen an der Wand;" for n in range(99, 0, -1)).encode()
"""Text that compresses well, with letters of two bytes."""

FINAL = bytes.fromhex("f348cdc9c9070000")
"""`Hello` in a block with the final bit (7.2.3.4)."""

AGREEMENTS = frozenset({"agreed", "agreed-silently"})


@contextmanager
def compressing(target: Target, *offers: str) -> Iterator[Peer]:
    """A connection that has agreed to one of the offers, each a header field; the plain one by default.

    In the end wsproto judges, too, all that the target sent. Raises Unsupported where everything is declined.
    """
    offers = offers or (NAME,)
    with target.connect() as peer:
        if (outcome := response(peer, offers)) not in AGREEMENTS:
            raise Unsupported(f"{outcome}: {' and '.join(offers)}")
        yield peer
        second_opinion.examine(peer)


def supported(target: Target) -> None:
    """The target compresses at all, or Unsupported."""
    with compressing(target):
        pass


def codec(peer: Peer) -> Deflate:
    """Our end of what was agreed on."""
    assert peer.deflate is not None, "a connection of `compressing`"
    return peer.deflate


def pieces(payload: bytes, size: int) -> list[bytes]:
    """The payload in parts of so many bytes; nothing is one empty part."""
    return [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]


def squeezed(opcode: Opcode, *parts: bytes) -> bytes:
    """Frames of a message that is compressed already, one for each part of its payload."""
    return b"".join(fragments(opcode, parts, RSV1))


def deflated(peer: Peer, message: Message, recipe: Recipe = PLAIN, size: int = 0) -> bytes:
    """Our next message, compressed; in fragments of `size` bytes, or whole."""
    opcode, body = message
    payload = codec(peer).deflate(body, recipe)
    return squeezed(opcode, *(pieces(payload, size) if size else [payload]))


def exchange(peer: Peer, opcode: Opcode, body: bytes, recipe: Recipe = PLAIN, size: int = 0) -> None:
    """A compressed message comes back."""
    peer.send(deflated(peer, (opcode, body), recipe, size))
    websocket.expect(peer, opcode, body)


def spoken(peer: Peer, opcode: Opcode, body: bytes, *parts: bytes) -> None:
    """A message made by hand, in these parts of its payload, comes back as what it says."""
    peer.send(squeezed(opcode, *parts))
    codec(peer).note(body)
    websocket.expect(peer, opcode, body)


def behind(peer: Peer) -> str:
    """One more compressed message is answered, and a plain one, and nothing stands before their answers."""
    exchange(peer, Opcode.TEXT, SENTINEL)
    return sentinel(peer)


def until_the_end(peer: Peer) -> Iterator[Message]:
    """Messages and control frames as they come, until the target ends the stream."""
    try:
        yield from replies(peer)
    except Violation as violation:
        if violation.outcome not in {"fin", "reset"} or peer.waiting:
            raise


def worst(table: Mapping[str, str], endings: Sequence[str]) -> str:
    """The last in the table's order."""
    return max(endings, key=list(table).index)


def each_fails(target: Target, codes: Sequence[int], streams: Mapping[str, bytes]) -> str:
    """Each stream fails a connection that compresses, with one of these codes, a good message behind it."""
    endings = []
    for name, stream in streams.items():
        with naming(name), compressing(target) as peer:
            peer.send(stream + text(SENTINEL))
            endings.append(fails(peer, *codes))
    return worst(FAILED, endings)


def answer(target: Target, *offers: str) -> str:
    """`agreed` or `declined`, with a message to prove it, or how the request is refused.

    `agreed-silently` has no word for a parameter that was asked for, and whose value would change nothing.

    Raises Violation `wrong-answer` for an agreement that these offers do not allow.
    """
    with target.connect() as peer:
        outcome = response(peer, offers)
        if outcome in {*AGREEMENTS, "declined"}:
            words = (Opcode.TEXT, b"whatever was agreed on, this comes back")
            peer.send(deflated(peer, words) if peer.deflate else encode(*words))
            websocket.expect(peer, *words)
            second_opinion.examine(peer)
        return outcome


def response(peer: Peer, offers: Sequence[str]) -> str:
    """What the opening handshake with these offers leads to, as `answer` names it, before any message."""
    key = websocket.new_key()
    peer.send(websocket.request(peer.address, *websocket.offering(offers), key=key))
    try:
        head = websocket.read_head(peer)
    except Violation as ending:
        if ending.outcome in {"fin", "reset"} and not peer.waiting:
            return "dropped"
        raise
    if head.status_code != 101:
        return "refused"
    websocket.accepted(head, key)
    websocket.extend(peer, offers, head)
    if peer.deflate is None:
        return "declined"
    return "agreed" if peer.deflate.agreement.outspoken else "agreed-silently"


def each_answer(target: Target, table: Mapping[str, str], lists: Sequence[Sequence[str]]) -> str:
    """The worst of the answers to these lists of offers; a Violation names its list."""
    answers = []
    for offers in lists:
        with naming(" and ".join(offers)):
            answers.append(answer(target, *offers))
            if answers[-1] not in table:
                raise Violation(answers[-1], "this was not due")
    return worst(table, answers)
