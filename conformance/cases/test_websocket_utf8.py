"""WebSocket: UTF-8 at every edge of RFC 3629 (RFC 6455, sections 5.6, 7.1.7 and 8.1; WS-030, WS-035, WS-036).

The vectors are generated from the table of the RFC, see `model/utf8.py`. Each comes whole, in fragments of
one byte, and in segments of one byte: a validator keeps its state across all three.
"""

from collections.abc import Callable, Mapping, Sequence

from conformance.case import case
from conformance.cases.abreast import LATE, Phases, Segments, all_fail, bytewise, fail_at
from conformance.cases.dialogue import answered, fragments, opened, text
from conformance.exchange import ECHOED, FAILED
from conformance.model import utf8
from conformance.target.view import Target
from conformance.wire.websocket import Opcode, close_payload, encode

UNNAMED = {
    ending: grade for ending, grade in {**FAILED, "other-code": "pass"}.items() if ending != "no-error"
}
"""A wrong reason fails the connection with 1007 or 1002; an answer as to a good Close fails."""

BEFORE, BEHIND = b"good ", b" and more"


def forbidden() -> list[bytes]:
    """What no text may hold: just outside a range, in too many bytes, beyond Unicode, halves of pairs."""
    strangers = [begin + wrong for begin, wrong in utf8.outside()]
    return [*strangers, *utf8.overlong(), *utf8.beyond(), *utf8.surrogates()]


def whole(texts: Sequence[bytes]) -> dict[str, Segments]:
    """Each text in one frame, in one segment."""
    return {f"{body!r}": [text(body)] for body in texts}


def in_fragments(texts: Sequence[bytes]) -> dict[str, Segments]:
    """Each byte of a text in a frame of its own, all in one segment."""
    return {f"{body!r} in fragments": [b"".join(fragments(Opcode.TEXT, bytewise(body)))] for body in texts}


def in_segments(texts: Sequence[bytes]) -> dict[str, Segments]:
    """Each text in one frame, each byte of it in a segment of its own."""
    return {f"{body!r} in segments": [text(body)[:6], *bytewise(text(body)[6:])] for body in texts}


def amid(texts: Sequence[bytes]) -> list[bytes]:
    """Each with good text before and behind it."""
    return [BEFORE + body + BEHIND for body in texts]


def all_echoed(target: Target, streams: Mapping[str, Segments], texts: Sequence[bytes]) -> str:
    """All texts come back, on one connection."""
    with opened(target) as peer:
        peer.send(b"".join(b"".join(segments) for segments in streams.values()))
        return answered(peer, [(Opcode.TEXT, body) for body in texts])


# --- valid -----------------------------------------------------------------------------------------------


@case("websocket/utf-8/every-edge", service="websocket", requirements=("WS-035",), accept=ECHOED)
def test_every_edge(target: Target) -> str:
    """Every well-formed sequence at an edge of its ranges is text, alone and among others."""
    texts = [*utf8.edges(), *amid(utf8.edges())]
    return all_echoed(target, whole(texts), texts)


@case(
    "websocket/utf-8/every-edge-in-fragments",
    service="websocket",
    requirements=("WS-035", "WS-022"),
    accept=ECHOED,
)
def test_every_edge_in_fragments(target: Target) -> str:
    """So it is when every byte stands in a frame of its own."""
    texts = utf8.edges()
    return all_echoed(target, in_fragments(texts), texts)


@case(
    "websocket/utf-8/every-edge-in-segments",
    service="websocket",
    requirements=("WS-035", "WS-016"),
    accept=ECHOED,
)
def test_every_edge_in_segments(target: Target) -> str:
    """So it is when every byte comes in a segment of its own."""
    letters = b"".join(sequence for sequence in utf8.edges() if len(sequence) > 1)
    with opened(target) as peer:
        peer.send(text(letters)[:8], *bytewise(text(letters)[8:]))
        return answered(peer, [(Opcode.TEXT, letters)])


@case("websocket/utf-8/non-characters", service="websocket", requirements=("WS-035",), accept=ECHOED)
def test_non_characters(target: Target) -> str:
    """The 66 code points that are no characters are valid, whole and in fragments."""
    texts = utf8.non_characters()
    all_echoed(target, whole(texts), texts)
    return all_echoed(target, in_fragments(texts), texts)


# --- not valid -------------------------------------------------------------------------------------------


@case("websocket/utf-8/just-outside", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_just_outside(target: Target) -> str:
    """Bytes just outside what may follow, overlong forms, surrogates, and what is beyond Unicode."""
    return all_fail(target, 1007, whole(amid(forbidden())))


@case(
    "websocket/utf-8/just-outside-in-fragments",
    service="websocket",
    requirements=("WS-035", "WS-022"),
    accept=FAILED,
)
def test_just_outside_in_fragments(target: Target) -> str:
    """The same, each byte in a frame of its own: good text in the others does not heal them."""
    return all_fail(target, 1007, in_fragments(amid(forbidden())))


@case(
    "websocket/utf-8/just-outside-in-segments",
    service="websocket",
    requirements=("WS-035", "WS-016"),
    accept=FAILED,
)
def test_just_outside_in_segments(target: Target) -> str:
    """The same, each byte in a segment of its own."""
    return all_fail(target, 1007, in_segments(forbidden()))


@case("websocket/utf-8/no-beginning", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_no_beginning(target: Target) -> str:
    """Every byte that begins no sequence, alone and behind good text."""
    wrong = utf8.no_beginnings()
    return all_fail(target, 1007, whole([*wrong, *(BEFORE + byte for byte in wrong)]))


@case("websocket/utf-8/cut-off-anywhere", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_cut_off_anywhere(target: Target) -> str:
    """A text that ends inside a sequence, at every place of it, whole and in fragments."""
    texts = [BEFORE + begin for begin in utf8.cut_off()]
    empty_end = {
        f"{body!r} and an empty end": [b"".join(fragments(Opcode.TEXT, [body, b""]))] for body in texts
    }
    return all_fail(target, 1007, {**whole(texts), **in_fragments(texts), **empty_end})


@case(
    "websocket/utf-8/cut-off-by-the-next",
    service="websocket",
    requirements=("WS-035",),
    accept=FAILED,
)
def test_cut_off_by_the_next(target: Target) -> str:
    """The next message does not end what the one before has left open."""
    texts = {sequence[:-1]: sequence[-1:] for sequence in utf8.edges() if len(sequence) > 1}
    return all_fail(target, 1007, {f"{begin!r}": [text(begin) + text(end)] for begin, end in texts.items()})


# --- at once ---------------------------------------------------------------------------------------------


def wrong_bytes() -> list[tuple[bytes, bytes]]:
    """Good text, and the byte that spoils it, for every place of every kind of sequence."""
    return [(BEFORE + begin, wrong) for begin, wrong in [*utf8.outside(), *((b"", byte) for byte in STARTS)]]


STARTS = (b"\x80", b"\xbf", b"\xc0", b"\xc1", b"\xf5", b"\xff")
"""The edges of what begins no sequence."""


def fail_fast(target: Target, cut: Callable[[bytes, bytes], Phases]) -> str:
    """Each wrong byte fails the message that `cut` makes of it and the good text before."""
    streams = {f"{wrong!r} behind {good!r}": cut(good, wrong) for good, wrong in wrong_bytes()}
    return fail_at(target, streams, dict.fromkeys(streams, 1007))


@case("websocket/utf-8/fast-at-every-place", service="websocket", requirements=("WS-036",), accept=LATE)
def test_fast_at_every_place(target: Target) -> str:
    """The wrong byte is the last that has come of an unfinished frame; until then nothing was wrong."""

    def cut(good: bytes, wrong: bytes) -> Phases:
        frame, place = text(good + wrong + BEHIND), 6 + len(good)
        return frame[:place], frame[place : place + 1], frame[place + 1 :]

    return fail_fast(target, cut)


@case(
    "websocket/utf-8/fast-in-every-fragment",
    service="websocket",
    requirements=("WS-036", "WS-022"),
    accept=LATE,
)
def test_fast_in_every_fragment(target: Target) -> str:
    """The wrong byte is a fragment by itself, and the message is not finished."""

    def cut(good: bytes, wrong: bytes) -> Phases:
        first, second, third = fragments(Opcode.TEXT, [good, wrong, BEHIND])
        return first, second, third

    return fail_fast(target, cut)


# --- in a Close ------------------------------------------------------------------------------------------


@case("websocket/close/reason-at-every-edge", service="websocket", requirements=("WS-030",), accept=UNNAMED)
def test_reason_at_every_edge(target: Target) -> str:
    """A reason that is no UTF-8, at every edge of its rules and cut off at every place, fails."""
    reasons = [*forbidden(), *utf8.no_beginnings(), *utf8.cut_off()]
    frames = {
        f"reason {reason!r}": [encode(Opcode.CLOSE, close_payload(1000, BEFORE + reason))]
        for reason in reasons
    }
    return all_fail(target, 1007, frames)
