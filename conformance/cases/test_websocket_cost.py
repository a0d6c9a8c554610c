"""WebSocket: what messages cost in small pieces (RFC 6455, section 10.4; WS-021).

Cost is the processor time of the target's own processes, and it is compared with itself: a long message may
cost no more than as many bytes in sixteen shorter ones, with some room for noise; where cost goes with the
square, it is sixteen times as much. So it does not matter how fast the machine or the target is.
"""

from collections.abc import Callable, Iterator

from conformance.case import Violation, case
from conformance.cases.dialogue import answered, fragments, opened, replies
from conformance.cases.test_websocket_sizes import KIB, LIMITED, MIB, REFUSALS, cut, filled
from conformance.exchange import Message
from conformance.outcomes import Observation
from conformance.target import family
from conformance.target.view import Target
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, encode

PARTS = 16
"""Into so many messages the same bytes are divided; where cost goes with the square, it falls by as much."""

TOLERANCE = 2
"""What one message may cost, in terms of what the many cost together."""

NEGLIGIBLE = 0.1
"""Seconds of processor time that are nothing: clocks tick, and collectors collect."""

PATIENCE = 30.0
"""Seconds for a message in very many pieces."""

ATTEMPTS = 3
"""A busy machine may spoil a measurement, never make a good one."""

CLEAR = 4
"""In the same terms, what no busy machine is to blame for: it need not be measured again."""


Stream = Callable[[int], tuple[list[bytes], Message]]
"""From a size to what is sent, and the message that it is."""


def linear(target: Target, stream: Stream, size: int) -> str:
    """A message of this size costs not much more than as many bytes in `PARTS` messages."""
    for _ in range(ATTEMPTS):
        try:
            many, one = spent(target, stream, size // PARTS, PARTS), spent(target, stream, size, 1)
        except Bounded as refusal:
            return Observation("bounded", str(refusal))
        figures = f"{one:.2f} s, and {many:.2f} s for as much in {PARTS} messages"
        if one <= TOLERANCE * many + NEGLIGIBLE:
            return Observation("linear", figures)
        if one > CLEAR * many + NEGLIGIBLE:
            break
    return Observation("superlinear", figures)


class Bounded(Exception):
    """The target does not take so many pieces, which is a defence as well (RFC 6455, section 10.4)."""


def spent(target: Target, stream: Stream, size: int, count: int) -> float:
    """Seconds of processor time that the target takes to echo so many of these. Raises Bounded."""
    segments, message = stream(size)
    with opened(target) as peer:
        before, inbox = worked(target), replies(peer, PATIENCE)
        for _ in range(count):
            peer.send(*segments, gap=0)
            _expect(inbox, message)
        return worked(target) - before


def _expect(inbox: Iterator[Message], message: Message) -> None:
    opcode, payload = next(inbox)
    if opcode is Opcode.CLOSE and payload[:2] in REFUSALS:
        raise Bounded(f"closed with {int.from_bytes(payload[:2], 'big')}")
    if (opcode, payload) != message:
        raise Violation("wrong-answer", f"the message was due, {opcode.name} of {payload!r:.80} came")


def worked(target: Target) -> float:
    """Seconds of processor time of all the target's processes."""
    return sum(map(family.worked, target.process.family()))


def cost_case(name: str, title: str, stream: Stream, size: int) -> object:
    """A case about what one kind of input costs."""

    def test(target: Target) -> str:
        most = target.limits["max_package_size"]
        return linear(target, stream, min(size, most))

    test.__doc__ = f"{title}, in one message: no dearer than in sixteen."
    test.__name__ = f"test_cost_{name.replace('-', '_')}"
    return case(
        f"websocket/cost/{name}",
        service="websocket",
        requirements=("WS-021",),
        accept={"linear": "pass", "bounded": "info"},
        needs=("process", *LIMITED),
    )(test)


def in_fragments_of(part: int) -> Stream:
    """A binary message in fragments of so many bytes, in one write."""

    def stream(size: int) -> tuple[list[bytes], Message]:
        body = filled(Opcode.BINARY, size)
        return [b"".join(fragments(Opcode.BINARY, cut(body, part)))], (Opcode.BINARY, body)

    return stream


def in_chops_of(chop: int) -> Stream:
    """A text in one frame, written so many bytes at a time."""

    def stream(size: int) -> tuple[list[bytes], Message]:
        body = filled(Opcode.TEXT, size)
        return cut(encode(Opcode.TEXT, body), chop), (Opcode.TEXT, body)

    return stream


test_cost_small_fragments = cost_case(
    "small-fragments", "A mebibyte in fragments of 64 bytes", in_fragments_of(64), MIB
)
test_cost_single_bytes = cost_case("single-bytes", "Fragments of one byte", in_fragments_of(1), 64 * KIB)
test_cost_small_segments = cost_case(
    "small-segments", "A mebibyte in segments of 64 bytes", in_chops_of(64), MIB
)


PINGS = 14_000
"""Empty pings: 84 KB."""

FRUGAL, GENEROUS = 10 * MIB, 64 * MIB


@case(
    "websocket/cost/control-frames",
    service="websocket",
    requirements=("WS-021", "WS-025"),
    accept={"frugal": "pass", "generous": "weak", "bounded": "info"},
    needs=("process",),
)
def test_cost_control_frames(target: Target) -> str:
    """84 KB of pings at once do not need more than 10 MB of memory at any time."""
    members = target.process.family()
    with opened(target) as peer:
        family.forget_peak(members)
        before = family.peak(members)
        peer.send(encode(Opcode.PING) * PINGS)
        name = all_ponged(peer)
        grown = family.peak(members) - before
    grade = name if grown <= FRUGAL else "generous" if grown <= GENEROUS else "wasteful"
    return Observation(grade, f"{grown / MIB:.1f} MiB more at the peak")


def all_ponged(peer: Peer) -> str:
    """The pongs come, which is `frugal` if it costs little; or the target wants no more: `bounded`."""
    try:
        answered(peer, [], [b""] * PINGS)
    except Violation as violation:
        if violation.outcome not in {"fin", "reset"}:
            raise
        return "bounded"
    return "frugal"
