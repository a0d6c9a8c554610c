"""WebSocket: what compressed messages say when they are inflated (RFC 7692, section 6.2; WSD-008, WSD-009).

A payload that cannot be inflated is corrupt, and fails its connection.
"""

import zlib

from conformance.case import Violation, case
from conformance.cases.compressed import (
    FINAL,
    VERSES,
    behind,
    compressing,
    deflated,
    each_fails,
    exchange,
    pieces,
    squeezed,
    until_the_end,
)
from conformance.cases.dialogue import fails, fragments, text
from conformance.exchange import ECHOED, FAILED, naming
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.blocks import fixed, stored
from conformance.wire.deflate import Recipe, deflate
from conformance.wire.peer import Peer
from conformance.wire.websocket import RSV1, Opcode, encode

CORRUPT_CODES = (1007, 1002)
"""Data of the wrong kind, or a protocol error: the RFC does not say which."""

CUT_OFF = {**FAILED, "served": "info"}
"""zlib does not notice that a block goes on."""


# --- text ------------------------------------------------------------------------------------------------


@case("websocket/deflate/invalid-utf-8", service="websocket", requirements=("WSD-008",), accept=FAILED)
def test_invalid_utf_8(target: Target) -> str:
    """Compressed text that does not inflate to UTF-8 fails: whole, in fragments, short and long."""
    bodies = (
        b"\xff",
        b"caf\xc3",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"a" * 5000 + b"\x80",
        VERSES + b"\xf4\x90\x80\x80",
    )
    streams = {f"…{body[-4:]!r}": squeezed(Opcode.TEXT, deflate(body)) for body in bodies}
    streams |= {
        f"…{body[-4:]!r} in fragments": squeezed(Opcode.TEXT, *pieces(deflate(body), 3)) for body in bodies
    }
    return each_fails(target, [1007], streams)


@case(
    "websocket/deflate/invalid-utf-8-early",
    service="websocket",
    requirements=("WSD-008",),
    accept={**FAILED, "late": "info"},
)
def test_invalid_utf_8_early(target: Target) -> str:
    """The fragment with the bad byte has come, the last has not: noticed at once, or later, as allowed."""
    payload = deflate(b"good \xff and more to come", recipe=Recipe(cuts=(9,)))
    begin, end = fragments(Opcode.TEXT, [payload[:-4], payload[-4:]], RSV1)
    with compressing(target) as peer:
        peer.send(begin)
        try:
            peer.silent()
        except Violation:
            return fails(peer, 1007)
        peer.send(end)
        fails(peer, 1007)
    return "late"


@case("websocket/deflate/letters-cut", service="websocket", requirements=("WSD-008",), accept=ECHOED)
def test_letters_cut(target: Target) -> str:
    """Letters of several bytes may be cut by the end of a block and by the end of a fragment."""
    body = "κ€🂡κ€🂡".encode()
    with compressing(target) as peer:
        for cut in range(1, len(body)):
            recipe = Recipe(cuts=(cut,), strategy=zlib.Z_HUFFMAN_ONLY)
            exchange(peer, Opcode.TEXT, body, recipe)
            exchange(peer, Opcode.TEXT, body, recipe, size=1)
        return behind(peer)


@case("websocket/deflate/binary-is-not-text", service="websocket", requirements=("WSD-008",), accept=ECHOED)
def test_binary_is_not_text(target: Target) -> str:
    """Binary messages that are compressed may say anything, and text may have a payload that is no UTF-8."""
    with compressing(target) as peer:
        for body in (b"\xff", b"\xed\xa0\x80", bytes(range(256))):
            exchange(peer, Opcode.BINARY, body)
            exchange(peer, Opcode.BINARY, body, size=1)
        exchange(peer, Opcode.TEXT, VERSES)
        return behind(peer)


# --- corrupt data ----------------------------------------------------------------------------------------


def each_corrupt(target: Target, payloads: dict[str, bytes]) -> str:
    """Each payload fails its connection, whole and in fragments, as text and as binary."""
    streams = {name: squeezed(Opcode.BINARY, payload) for name, payload in payloads.items()}
    streams |= {
        f"{name}, in fragments": squeezed(Opcode.TEXT, *pieces(payload, 1))
        for name, payload in payloads.items()
    }
    return each_fails(target, CORRUPT_CODES, streams)


@case("websocket/deflate/corrupt-blocks", service="websocket", requirements=("WSD-009",), accept=FAILED)
def test_corrupt_blocks(target: Target) -> str:
    """Blocks of the reserved type, stored ones of two lengths, dynamic ones whose codes are none."""
    return each_corrupt(
        target,
        {
            "all bits set": b"\xff\xff\xff",
            "the reserved type": b"\x06\x00",
            "the reserved type behind a good block": stored(b"Hello") + b"\x06",
            "two lengths": b"\x00\x05\x00\x00\x00Hello\x00",
            "codes that are none": b"\x04" + b"\xff" * 20,
            "no codes at all": b"\x04" + bytes(60),
        },
    )


@case("websocket/deflate/corrupt-symbols", service="websocket", requirements=("WSD-009",), accept=FAILED)
def test_corrupt_symbols(target: Target) -> str:
    """References before the beginning, near and far, and symbols that the fixed codes do not have."""
    return each_corrupt(
        target,
        {
            "one byte before the beginning": fixed(b"Hello", (5, 6)),
            "a whole window before it": fixed(b"Hello", (5, 32768)),
            "nothing to refer to": fixed((3, 1)),
            "length symbol 286": bytes.fromhex("1a030000"),
            "distance symbol 30": bytes.fromhex("f248cdc9c9073e00"),
        },
    )


@case("websocket/deflate/corrupt-context", service="websocket", requirements=("WSD-009",), accept=FAILED)
def test_corrupt_context(target: Target) -> str:
    """Plain messages are no context: a reference that would have to reach into one goes nowhere."""
    with compressing(target) as peer:
        peer.send(encode(Opcode.TEXT, b"Hello, this is plain"))
        websocket.expect(peer, Opcode.TEXT, b"Hello, this is plain")
        peer.send(squeezed(Opcode.TEXT, fixed(b"", (5, 5))) + text(b"behind"))
        return fails(peer, *CORRUPT_CODES)


@case(
    "websocket/deflate/corrupt-later",
    service="websocket",
    requirements=("WSD-009", "WS-033"),
    accept={"failed": "pass", "answers-lost": "weak"},
)
def test_corrupt_later(target: Target) -> str:
    """Good messages come back before the corrupt one fails; those behind it do not."""
    due = [(Opcode.TEXT, VERSES[:size]) for size in (600, 500)]
    with compressing(target) as peer:
        good = b"".join(deflated(peer, message) for message in due)
        peer.send(good + squeezed(Opcode.TEXT, b"\x06") + text(b"behind") + encode(Opcode.PING, b"?"))
        came = [message for message in until_the_end(peer) if message[0] is not Opcode.CLOSE]
    if came != due[: len(came)]:
        raise Violation("wrong-answer", f"{came!r:.200} came")
    return "failed" if came == due else "answers-lost"


@case(
    "websocket/deflate/corrupt-beside",
    service="websocket",
    requirements=("WSD-009",),
    accept={"unharmed": "pass"},
)
def test_corrupt_beside(target: Target) -> str:
    """Ten connections break down over corrupt data; one beside them goes on with its context."""
    with compressing(target) as bystander:
        exchange(bystander, Opcode.TEXT, VERSES)
        each_corrupt(target, {f"number {number}": b"\xff" * 3 for number in range(5)})
        exchange(bystander, Opcode.TEXT, VERSES)
        behind(bystander)
    return "unharmed"


@case("websocket/deflate/cut-off", service="websocket", requirements=("WSD-009",), accept=CUT_OFF)
def test_cut_off(target: Target) -> str:
    """A message that ends inside a block is not whole: it fails, or what there is of it is taken for all."""
    payload = deflate(VERSES)
    endings = []
    for cut in (1, 2, 20, len(payload) // 2, len(payload) - 9):
        with naming(f"{cut} of {len(payload)} bytes"), compressing(target) as peer:
            peer.send(squeezed(Opcode.BINARY, payload[:cut]))
            endings.append(_half_served(peer))
    return max(endings, key=list(CUT_OFF).index)


def _half_served(peer: Peer) -> str:
    """How it fails, or `served` where half a message has an answer."""
    try:
        return fails(peer, *CORRUPT_CODES)
    except Violation as violation:
        if violation.outcome != "served":
            raise
        return "served"


@case(
    "websocket/deflate/behind-final-block",
    service="websocket",
    requirements=("WSD-009",),
    accept={**FAILED, "served": "weak"},
)
def test_behind_final_block(target: Target) -> str:
    """What stands behind a block with the final bit is the next block, and corrupt if it is none (7.2.1)."""
    payloads = {"the reserved type": FINAL[:-1] + b"\x06", "all bits set": FINAL[:-1] + b"\xff" * 9}
    try:
        return each_corrupt(target, payloads)
    except Violation as violation:
        if violation.outcome != "served":
            raise
        return Observation("served", violation.detail)
