"""WebSocket: every kind of violation, in every company (RFC 6455, sections 5.1 to 5.5 and 7.1.7; WS-012 to
WS-015, WS-023, WS-024, WS-033).

A violation is a family of frames, `FAMILIES`. Each of them is sent behind a good message, which is still
answered, and before a ping, which is not: no byte behind the violation means anything. Then all of them come
byte by byte, with as much input behind them as a client has under way, and with nothing behind them, not even
the rest of the frame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conformance.case import case
from conformance.cases.abreast import LATE, Segments, all_fail_behind, bytewise, fail_at
from conformance.cases.dialogue import FAILED_BEHIND, text
from conformance.target.view import Target
from conformance.wire.websocket import Opcode, close_payload, encode

BEFORE = b"good"
PING = encode(Opcode.PING, b"too late")
UNDER_WAY = 64 * 1024
"""Bytes that a client has sent before it can know of the failure."""

SHORT = 160
"""Bytes of a frame that is sent byte by byte."""

NORMAL = close_payload(1000)
CONTROL = {Opcode.PING: b"x", Opcode.PONG: b"x", Opcode.CLOSE: NORMAL}
DATA = {Opcode.TEXT: b"x", Opcode.BINARY: b"x"}
BEGIN = encode(Opcode.TEXT, b"begun", fin=False)

ANY_CODE = {**FAILED_BEHIND, "other-code": "pass"}
SILENT = {**FAILED_BEHIND, "dropped": "pass"}


@dataclass(frozen=True)
class Wrong:
    """A frame that fails the connection: what may stand before it, and how many of its bytes tell."""

    frame: bytes
    before: bytes = b""
    telling: int = 2


@dataclass(frozen=True)
class Family:
    """Frames that break one rule: the requirement, what is accepted, the rule in a sentence."""

    requirement: str
    frames: Mapping[str, Wrong]
    title: str
    accept: Mapping[str, str]


def reserved_bits() -> dict[str, Wrong]:
    """Every value of the three bits, on every kind of frame."""
    kinds = {f"RSV {rsv} on {kind.name}": (rsv, kind) for rsv in range(1, 8) for kind in (*DATA, *CONTROL)}
    whole = {
        name: Wrong(encode(kind, {**DATA, **CONTROL}[kind], rsv=rsv)) for name, (rsv, kind) in kinds.items()
    }
    later = {
        f"RSV {rsv} on CONTINUATION": Wrong(encode(Opcode.CONTINUATION, b"x", rsv=rsv), BEGIN)
        for rsv in range(1, 8)
    }
    return {**whole, **later}


def reserved_opcodes() -> dict[str, Wrong]:
    """Every reserved opcode, empty, short, and for data with a longer length field."""
    alone = {
        f"opcode {opcode}, {size} bytes": Wrong(encode(opcode, b"x" * size))
        for opcode in (*range(3, 8), *range(11, 16))
        for size in (0, 9, 125)
    }
    amid = {f"opcode {opcode} amid": Wrong(encode(opcode, b"x"), BEGIN) for opcode in (3, 7, 11, 15)}
    return {**alone, **amid}


def unmasked() -> dict[str, Wrong]:
    """Every opcode without a mask, empty, short and long."""
    bodies = {"": b"", "of 2 bytes": b"hi", "of 8 bytes": b"unmasked", "of 200 bytes": b"u" * 200}
    data = {
        f"{kind.name} {size}": Wrong(encode(kind, body, key=None))
        for kind in DATA
        for size, body in bodies.items()
    }
    control = {kind.name: Wrong(encode(kind, body, key=None)) for kind, body in CONTROL.items()}
    control["empty CLOSE"] = Wrong(encode(Opcode.CLOSE, key=None))
    return {**data, **control, "CONTINUATION": Wrong(encode(Opcode.CONTINUATION, b"x", key=None), BEGIN)}


def malformed_control() -> dict[str, Wrong]:
    """Every control frame without FIN, and over the limit of 125 bytes."""
    found = {}
    for kind, body in CONTROL.items():
        found[f"{kind.name} without FIN"] = Wrong(encode(kind, body, fin=False))
        found[f"{kind.name} without FIN amid"] = Wrong(encode(kind, body, fin=False), BEGIN)
        found[f"{kind.name} of 126 bytes"] = Wrong(encode(kind, NORMAL + b"x" * 124))
        found[f"{kind.name} of 65536 bytes"] = Wrong(encode(kind, NORMAL + b"x" * 65534))
    return found


def out_of_sequence() -> dict[str, Wrong]:
    """Continuations of nothing, and messages inside a message."""
    orphans = {
        f"orphan of {len(body)} bytes{', FIN' if fin else ''}": Wrong(
            encode(Opcode.CONTINUATION, body, fin=fin)
        )
        for body in (b"", b"x")
        for fin in (True, False)
    }
    inside = {
        f"{kind.name} of {len(body)} bytes inside{', FIN' if fin else ''}": Wrong(
            encode(kind, body, fin=fin), BEGIN
        )
        for kind in DATA
        for body in (b"", b"x")
        for fin in (True, False)
    }
    return {**orphans, **inside}


def impossible_lengths() -> dict[str, Wrong]:
    """64-bit lengths whose first bit is set."""
    return {
        f"{kind.name} of {length:#x} bytes": Wrong(
            bytes([0x80 | kind, 0xFF]) + length.to_bytes(8, "big") + b"mask" + bytes(9), telling=10
        )
        for kind in DATA
        for length in (1 << 63, 1 << 63 | 5, (1 << 64) - 1)
    }


FAMILIES = {
    "reserved-bits": Family(
        "WS-013",
        reserved_bits(),
        "All seven values of the reserved bits, on every kind of frame",
        FAILED_BEHIND,
    ),
    "reserved-opcodes": Family(
        "WS-014", reserved_opcodes(), "All ten reserved opcodes, empty and not", FAILED_BEHIND
    ),
    "unmasked": Family("WS-012", unmasked(), "Every kind of frame without a mask", SILENT),
    "malformed-control": Family(
        "WS-024",
        malformed_control(),
        "Control frames without FIN or too long",
        FAILED_BEHIND,
    ),
    "out-of-sequence": Family(
        "WS-023",
        out_of_sequence(),
        "Continuations of nothing, and messages inside a message",
        FAILED_BEHIND,
    ),
    "impossible-length": Family(
        "WS-015", impossible_lengths(), "64-bit lengths whose first bit is set", ANY_CODE
    ),
}


def family_case(name: str, family: Family) -> Callable[[Target], str]:
    """The case of one family: each frame behind a good message and before a ping, in one segment."""

    def test(target: Target) -> str:
        return all_fail_behind(target, 1002, BEFORE, streams(family, PING))

    test.__doc__ = f"{family.title}: the message before is echoed, the ping behind is not answered."
    test.__name__ = f"test_{name.replace('-', '_')}"
    return case(
        f"websocket/violation/{name}",
        service="websocket",
        requirements=(family.requirement,),
        accept=family.accept,
    )(test)


def streams(family: Family, behind: bytes) -> dict[str, Segments]:
    """Each wrong frame in one segment with the good message before it, and `behind`."""
    good = text(BEFORE)
    return {name: [good + wrong.before + wrong.frame + behind] for name, wrong in family.frames.items()}


test_reserved_bits = family_case("reserved-bits", FAMILIES["reserved-bits"])
test_reserved_opcodes = family_case("reserved-opcodes", FAMILIES["reserved-opcodes"])
test_unmasked = family_case("unmasked", FAMILIES["unmasked"])
test_malformed_control = family_case("malformed-control", FAMILIES["malformed-control"])
test_out_of_sequence = family_case("out-of-sequence", FAMILIES["out-of-sequence"])
test_impossible_length = family_case("impossible-length", FAMILIES["impossible-length"])


# --- all of them -----------------------------------------------------------------------------------------


def all_streams(behind: bytes) -> dict[str, Segments]:
    """The streams of all families but one: who does not look for masks has been told so."""
    families = [family for name, family in FAMILIES.items() if name != "unmasked"]
    return {name: stream for family in families for name, stream in streams(family, behind).items()}


TOLERANT = {**FAILED_BEHIND, "other-code": "pass", "dropped": "pass"}
"""What is accepted where all families come together; each by itself has been judged above."""


@case(
    "websocket/violation/in-pieces",
    service="websocket",
    requirements=("WS-016", "WS-033"),
    accept=TOLERANT,
)
def test_in_pieces(target: Target) -> str:
    """Every violation byte by byte, the message before it and the ping behind it, too."""
    short = {name: segments for name, segments in all_streams(PING).items() if len(segments[0]) <= SHORT}
    pieces = {name: bytewise(segments[0]) for name, segments in short.items()}
    return all_fail_behind(target, 1002, BEFORE, pieces)


@case(
    "websocket/violation/with-input-behind",
    service="websocket",
    requirements=("WS-033", "TCP-013"),
    accept=ANY_CODE,
)
def test_with_input_behind(target: Target) -> str:
    """Every violation with 64 KiB behind it: the echo and the code arrive, no reset destroys them."""
    return all_fail_behind(target, 1002, BEFORE, all_streams(b"\xff" * UNDER_WAY))


@case(
    "websocket/violation/at-once",
    service="websocket",
    requirements=("WS-012", "WS-033"),
    accept={**LATE, "other-code": "pass", "dropped": "pass"},
)
def test_at_once(target: Target) -> str:
    """Of every wrong frame only the bytes that tell: the rest may never come, and need not be waited for."""
    phases = {
        name: (wrong.before, wrong.frame[: wrong.telling], wrong.frame[wrong.telling :] + bytes(UNDER_WAY))
        for family in FAMILIES.values()
        for name, wrong in family.frames.items()
    }
    return fail_at(target, phases, dict.fromkeys(phases, 1002))
