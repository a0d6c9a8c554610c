"""WebSocket: messages of every size, in pieces of every size (RFC 6455, sections 5.2, 5.4 and 10.4; WS-015,
WS-016, WS-019, WS-020, WS-022).

Sizes go up to 16 MiB where the target's limit lets them.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, pairwise

from conformance.case import Violation, case
from conformance.cases.abreast import LATE, all_fail, bytewise, fail_at, worst
from conformance.cases.dialogue import answered, echo, fragments, opened, replies, sentinel
from conformance.exchange import ECHOED, FAILED, Message
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.websocket import Opcode, close_payload, encode

KIB, MIB = 1024, 1024 * 1024
LIMITED = ("limits.max_package_size",)

SIZES = (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
FRAGMENTS = (64, 256, KIB, 1300, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB)
CHOPS = (64, 128, 256, 512, 997, KIB, 2 * KIB)
SMALL = (0, 16, 64, 256, KIB, 4 * KIB)
ROUNDS = 1000
"""Messages of one size, each sent when the one before has come back."""

PATTERNS = {Opcode.TEXT: "grüße €".encode(), Opcode.BINARY: b"\x00\xff\x7f\x80\n"}
"""What messages are filled with: the letters and bytes that are most easily lost."""


def filled(opcode: Opcode, size: int) -> bytes:
    """A payload of exactly so many bytes, valid for its type."""
    pattern = PATTERNS[opcode]
    return pattern * (size // len(pattern)) + b"." * (size % len(pattern))


def within(target: Target, sizes: Sequence[int], most: int = 16 * MIB) -> list[int]:
    """The sizes that the target's limit allows."""
    return [size for size in sizes if size <= min(most, target.limits["max_package_size"])]


def cut(payload: bytes, size: int) -> list[bytes]:
    """The payload in parts of so many bytes; the last may be shorter."""
    return [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]


# --- whole messages --------------------------------------------------------------------------------------


def sizes(target: Target, opcode: Opcode) -> str:
    """Messages of growing size, as far as the limit goes."""
    with opened(target) as peer:
        for size in (fit := within(target, SIZES)):
            echo(peer, opcode, filled(opcode, size))
        sentinel(peer)
    return Observation("echoed", f"up to {max(fit, default=0) // KIB} KiB")


@case(
    "websocket/size/text",
    service="websocket",
    requirements=("WS-020", "WS-015"),
    accept=ECHOED,
    needs=LIMITED,
)
def test_size_text(target: Target) -> str:
    """Text of 64 KiB to 16 MiB, as far as the limit goes."""
    return sizes(target, Opcode.TEXT)


@case(
    "websocket/size/binary",
    service="websocket",
    requirements=("WS-020", "WS-015"),
    accept=ECHOED,
    needs=LIMITED,
)
def test_size_binary(target: Target) -> str:
    """Binary messages of 64 KiB to 16 MiB, as far as the limit goes."""
    return sizes(target, Opcode.BINARY)


def round_trips(target: Target, opcode: Opcode) -> str:
    """A thousand messages of each size, one after another."""
    with opened(target) as peer:
        for size in SMALL:
            for _ in range(ROUNDS):
                echo(peer, opcode, filled(opcode, size))
        return sentinel(peer)


@case("websocket/size/round-trips-text", service="websocket", requirements=("WS-020",), accept=ECHOED)
def test_round_trips_text(target: Target) -> str:
    """A thousand texts each of 0 to 4096 bytes, one after another on one connection."""
    return round_trips(target, Opcode.TEXT)


@case("websocket/size/round-trips-binary", service="websocket", requirements=("WS-020",), accept=ECHOED)
def test_round_trips_binary(target: Target) -> str:
    """A thousand binary messages each of 0 to 4096 bytes, one after another on one connection."""
    return round_trips(target, Opcode.BINARY)


# --- chops: one frame in many segments -------------------------------------------------------------------


def chops(target: Target, opcode: Opcode) -> str:
    """A message of a mebibyte in segments of each size, and a short one byte by byte."""
    size = max(within(target, SIZES, most=MIB), default=KIB)
    frame, short = encode(opcode, filled(opcode, size)), encode(opcode, filled(opcode, 300))
    with opened(target) as peer:
        for chop in CHOPS:
            peer.send(*cut(frame, chop), gap=0)
            websocket.expect(peer, opcode, filled(opcode, size))
        peer.send(*cut(short, 1), gap=0)
        websocket.expect(peer, opcode, filled(opcode, 300))
        return sentinel(peer)


@case(
    "websocket/chop/text",
    service="websocket",
    requirements=("WS-016", "WS-020"),
    accept=ECHOED,
    needs=LIMITED,
)
def test_chop_text(target: Target) -> str:
    """A text of a mebibyte in writes of 64 to 2048 bytes."""
    return chops(target, Opcode.TEXT)


@case(
    "websocket/chop/binary",
    service="websocket",
    requirements=("WS-016", "WS-020"),
    accept=ECHOED,
    needs=LIMITED,
)
def test_chop_binary(target: Target) -> str:
    """A binary message of a mebibyte in writes of 64 to 2048 bytes."""
    return chops(target, Opcode.BINARY)


# --- fragments -------------------------------------------------------------------------------------------


ECHOED_OR_BOUNDED = {"echoed": "pass", "bounded": "info"}
"""A limit on the number of fragments is a defence as well (RFC 6455, section 10.4)."""

REFUSALS = [close_payload(code) for code in (1008, 1009)]
"""How a server says that it has a limit."""


def fragment_sizes(target: Target, opcode: Opcode) -> str:
    """A message of 4 MiB, or what the limit allows, in fragments of each size."""
    body = filled(opcode, max(within(target, SIZES, most=4 * MIB), default=KIB))
    outcomes = {
        f"fragments of {size} bytes": _echoed_or_bounded(target, opcode, cut(body, size))
        for size in within(target, FRAGMENTS, most=len(body))
    }
    return worst(outcomes, ECHOED_OR_BOUNDED)


def _echoed_or_bounded(target: Target, opcode: Opcode, parts: Sequence[bytes]) -> str:
    with opened(target) as peer:
        peer.send(b"".join(fragments(opcode, parts)))
        kind, payload = next(replies(peer))
        if kind is Opcode.CLOSE and payload[:2] in REFUSALS:
            return "bounded"
        if (kind, payload) != (opcode, b"".join(parts)):
            raise Violation("wrong-answer", f"the message was due, {kind.name} of {payload!r:.80} came")
        return sentinel(peer)


@case(
    "websocket/fragments/sizes-text",
    service="websocket",
    requirements=("WS-022", "WS-021"),
    accept=ECHOED_OR_BOUNDED,
    needs=LIMITED,
)
def test_fragment_sizes_text(target: Target) -> str:
    """A long text in fragments of 64 bytes to 4 MiB; letters are cut."""
    return fragment_sizes(target, Opcode.TEXT)


@case(
    "websocket/fragments/sizes-binary",
    service="websocket",
    requirements=("WS-022", "WS-021"),
    accept=ECHOED_OR_BOUNDED,
    needs=LIMITED,
)
def test_fragment_sizes_binary(target: Target) -> str:
    """A long binary message in fragments of 64 bytes to 4 MiB."""
    return fragment_sizes(target, Opcode.BINARY)


CUT = {Opcode.TEXT: "κ€!".encode(), Opcode.BINARY: b"\xff\x00\xfe\x01\x80\x81"}


def every_cut() -> Iterator[tuple[Message, list[bytes]]]:
    """Messages of six bytes in all their two, three and five parts, empty ones anywhere."""
    for opcode, body in CUT.items():
        for count in (1, 2):
            for cuts in combinations_with_replacement(range(len(body) + 1), count):
                parts = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
                yield (opcode, body), parts
                yield (opcode, body), [part for each in parts for part in (each, b"")]


def control(number: int) -> bytes:
    """A pong that nobody asked for and a ping with a number."""
    return encode(Opcode.PONG, b"unasked") + encode(Opcode.PING, b"%d" % number)


@case("websocket/fragments/every-cut", service="websocket", requirements=("WS-022",), accept=ECHOED)
def test_every_cut(target: Target) -> str:
    """A short message cut everywhere into two and three, with empty parts too, all in one segment."""
    with opened(target) as peer:
        cuts = list(every_cut())
        peer.send(b"".join(b"".join(fragments(opcode, parts)) for (opcode, _), parts in cuts))
        return answered(peer, [message for message, _ in cuts])


@case(
    "websocket/fragments/every-cut-frame-by-frame",
    service="websocket",
    requirements=("WS-022", "WS-016"),
    accept=ECHOED,
)
def test_every_cut_frame_by_frame(target: Target) -> str:
    """The same, each frame in a segment of its own."""
    with opened(target) as peer:
        cuts = list(every_cut())
        frames = [frame for (opcode, _), parts in cuts for frame in fragments(opcode, parts)]
        peer.send(*frames, gap=0.0005)
        return answered(peer, [message for message, _ in cuts])


@case(
    "websocket/fragments/every-cut-with-control-frames",
    service="websocket",
    requirements=("WS-022", "WS-025", "WS-026"),
    accept=ECHOED,
)
def test_every_cut_with_control_frames(target: Target) -> str:
    """The same, with a ping and a pong before every fragment."""
    with opened(target) as peer:
        for (opcode, body), parts in every_cut():
            frames = fragments(opcode, parts)
            peer.send(b"".join(control(number) + frame for number, frame in enumerate(frames)))
            answered(peer, [(opcode, body)], [b"%d" % number for number in range(len(frames))])
    return "echoed"


@case(
    "websocket/fragments/in-pieces",
    service="websocket",
    requirements=("WS-022", "WS-016", "WS-025"),
    accept=ECHOED,
)
def test_fragments_in_pieces(target: Target) -> str:
    """Fragments of both types with a ping and a pong among them, byte by byte."""
    with opened(target) as peer:
        for opcode, body in CUT.items():
            begin, end = fragments(opcode, [body[:3], body[3:]])
            peer.send(*bytewise(begin + control(1) + end))
            answered(peer, [(opcode, body)], [b"1"])
    return "echoed"


# --- limits ----------------------------------------------------------------------------------------------


@case(
    "websocket/limit/bytes-not-letters",
    service="websocket",
    requirements=("WS-019",),
    accept=ECHOED,
    needs=LIMITED,
)
def test_limit_counts_bytes(target: Target) -> str:
    """A text of exactly the limit in bytes, of letters of three, is echoed; pings among it do not count."""
    limit = target.limits["max_package_size"]
    body = "€".encode() * (limit // 3) + b"." * (limit % 3)
    parts = cut(body, limit // 8 + 1)
    ping = encode(Opcode.PING, b"p" * 125)
    with opened(target) as peer:
        peer.send(ping.join(fragments(Opcode.TEXT, parts)))
        return answered(peer, [(Opcode.TEXT, body)], [b"p" * 125] * (len(parts) - 1))


@case(
    "websocket/limit/text-one-more",
    service="websocket",
    requirements=("WS-019",),
    accept=FAILED,
    needs=LIMITED,
)
def test_limit_text_one_more(target: Target) -> str:
    """Text of a byte more than the limit is refused, though it has fewer letters than that."""
    limit = target.limits["max_package_size"]
    body = "€".encode() * (limit // 3) + b"." * (limit % 3 + 1)
    return all_fail(target, 1009, {"in one frame": [encode(Opcode.TEXT, body)]})


@case(
    "websocket/limit/promises",
    service="websocket",
    requirements=("WS-019",),
    accept=LATE,
    needs=LIMITED,
)
def test_limit_promises(target: Target) -> str:
    """Headers that promise more than the limit, up to 2^63 - 1, alone and behind a fragment: 1009 at once."""
    limit = target.limits["max_package_size"]
    begun = encode(Opcode.BINARY, b"begun", fin=False)
    promised = (limit + 1, 1 << 31, (1 << 32) + 1, 1 << 53, (1 << 63) - 1)
    phases = {f"{size} bytes": (b"", header(Opcode.BINARY, size), bytes(KIB)) for size in promised} | {
        f"{size} bytes more": (begun, header(Opcode.CONTINUATION, size), bytes(KIB))
        for size in (limit, *promised)
    }
    return fail_at(target, phases, dict.fromkeys(phases, 1009))


def header(opcode: int, size: int) -> bytes:
    """The beginning of a masked frame of so many bytes."""
    return encode(opcode, b"")[:1] + long_length(size) + b"mask"


def long_length(size: int) -> bytes:
    """The length in its shortest form, with the bit that says that a mask follows."""
    return b"\xff" + size.to_bytes(8, "big") if size > 0xFFFF else b"\xfe" + size.to_bytes(2, "big")


@case(
    "websocket/length/padded-edges",
    service="websocket",
    requirements=("WS-015",),
    accept={**FAILED, "served": "weak"},
)
def test_padded_edges(target: Target) -> str:
    """The longest payloads of each form, in the next longer form; a server should not play along."""
    data = ((0, 2), (0, 8), (125, 2), (125, 8), (126, 8), (65535, 8))
    frames = {
        f"{kind.name} of {size} bytes, length in {form}": encode(kind, bytes(size), length_bytes=form)
        for kind, edges in ((Opcode.BINARY, data), (Opcode.PING, data[:4]))
        for size, form in edges
    }
    try:
        return all_fail(target, 1002, {name: [frame] for name, frame in frames.items()})
    except Violation as violation:
        if violation.outcome != "served":
            raise
        return Observation("served", violation.detail)
