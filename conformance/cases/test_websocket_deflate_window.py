"""WebSocket: what compressed messages may refer back to (RFC 7692, sections 7.1 and 7.2.3; WSD-003, WSD-004).

With context takeover a reference may reach into the messages before its own, as far as the window goes. The
target's references are measured; ours are made by hand and go exactly to the edge, which zlib never does.
"""

from conformance.case import Unsupported, case
from conformance.cases.compressed import (
    behind,
    codec,
    compressing,
    deflated,
    exchange,
    spoken,
    supported,
)
from conformance.exchange import ECHOED
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.blocks import fixed, stored
from conformance.wire.deflate import NAME, Recipe
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, encode

BITS = range(9, 16)
EIGHT = {"echoed": "pass", "declined": "pass"}
"""Many libraries have no window of 256 bytes, and decline it."""

REACH = 250
"""Bytes that a reference made by hand repeats; there are at most 258 in one, and 256 in the least window."""

TO_SAY = b"a sentence of some length that comes up again, word for word, and so can be referred to"


# --- context takeover ------------------------------------------------------------------------------------


@case("websocket/deflate/takeover-ours", service="websocket", requirements=("WSD-003",), accept=ECHOED)
def test_takeover_ours(target: Target) -> str:
    """The RFC's own example (7.2.3.2): the second `Hello` is a reference to the first."""
    with compressing(target) as peer:
        if codec(peer).agreement.client_no_context_takeover:
            raise Unsupported("the target wants each message by itself")
        spoken(peer, Opcode.TEXT, b"Hello", bytes.fromhex("f248cdc9c90700"))
        spoken(peer, Opcode.TEXT, b"Hello", bytes.fromhex("f200110000"))
        return behind(peer)


@case("websocket/deflate/takeover-over-others", service="websocket", requirements=("WSD-003",), accept=ECHOED)
def test_takeover_over_others(target: Target) -> str:
    """What lies between is no part of the window: pongs and plain messages; how it is cut does not matter."""
    with compressing(target) as peer:
        if codec(peer).agreement.client_no_context_takeover:
            raise Unsupported("the target wants each message by itself")
        spoken(peer, Opcode.TEXT, b"Hello", bytes.fromhex("f248cdc9c90700"))
        for plain in ((Opcode.TEXT, b"plain"), (Opcode.BINARY, b"\0\1\2")):
            peer.send(encode(Opcode.PONG, b"a pong") + encode(*plain))
            websocket.expect(peer, *plain)
        spoken(peer, Opcode.TEXT, b"Hello", bytes.fromhex("f20011"), b"", bytes.fromhex("0000"))
        spoken(peer, Opcode.TEXT, b"Hello" * 2, fixed((5, 10), (5, 5)))
        return behind(peer)


@case("websocket/deflate/takeover-theirs", service="websocket", requirements=("WSD-003",), accept=ECHOED)
def test_takeover_theirs(target: Target) -> str:
    """The same message again and again, others of all sizes between: the target's references are right.

    Noise does not get shorter by compression: whoever sends it plain after all must not refer to it later.
    """
    noise = target.random.randbytes(40)
    with compressing(target) as peer:
        for body in (TO_SAY, TO_SAY, noise, noise, b"", TO_SAY, b"x", noise, TO_SAY * 50, noise, TO_SAY):
            exchange(peer, Opcode.BINARY, body)
        return behind(peer)


@case(
    "websocket/deflate/takeover-used",
    service="websocket",
    requirements=("WSD-003",),
    accept={"shorter": "pass", "not-shorter": "info", "not-compressed": "info"},
)
def test_takeover_used(target: Target) -> str:
    """A message that was there before is shorter the second time, where the target makes use of it."""
    body = target.random.randbytes(1500)
    with compressing(target) as peer:
        sizes = []
        for _ in range(2):
            peer.send(deflated(peer, (Opcode.BINARY, body)))
            sizes.append(_answer_size(peer, body))
        behind(peer)
    first, second = sizes
    figures = f"{len(body)} bytes: {first} the first time, {second} the second"
    if second == len(body):
        return Observation("not-compressed", figures)
    return Observation("shorter" if second < first else "not-shorter", figures)


def _answer_size(peer: Peer, body: bytes) -> int:
    """Payload bytes of the answer, which says what is due."""
    before = sum(len(entry.data) for entry in peer.transcript if entry.kind == "receive")
    websocket.expect(peer, Opcode.BINARY, body)
    return sum(len(entry.data) for entry in peer.transcript if entry.kind == "receive") - before - HEADER


HEADER = 4
"""Bytes before a payload of 126 to 65535."""


@case("websocket/deflate/no-takeover-theirs", service="websocket", requirements=("WSD-003",), accept=ECHOED)
def test_no_takeover_theirs(target: Target) -> str:
    """What was granted is kept: each of the target's messages can be inflated by itself (7.1.1.1)."""
    with compressing(target, f"{NAME}; server_no_context_takeover") as peer:
        for body in (TO_SAY, TO_SAY, TO_SAY * 2, b"", TO_SAY, bytes(5000), TO_SAY):
            exchange(peer, Opcode.TEXT, body)
        return behind(peer)


@case("websocket/deflate/no-takeover-ours", service="websocket", requirements=("WSD-003",), accept=ECHOED)
def test_no_takeover_ours(target: Target) -> str:
    """We offer to compress each message by itself, and do so, whatever the answer is (7.1.1.2)."""
    with compressing(target, f"{NAME}; client_no_context_takeover") as peer:
        for size in (0, 1, 7, 0):
            codec(peer).restart()
            exchange(peer, Opcode.TEXT, TO_SAY * 20, size=size)
            exchange(peer, Opcode.BINARY, TO_SAY, size=size)
        return behind(peer)


@case("websocket/deflate/each-by-itself", service="websocket", requirements=("WSD-003",), accept=ECHOED)
def test_each_by_itself(target: Target) -> str:
    """Nobody has to use the window that there is: messages without references to others pass, too."""
    with compressing(target) as peer:
        for recipe in (Recipe(), Recipe(level=1), Recipe(level=9), Recipe(level=0)):
            codec(peer).restart()
            exchange(peer, Opcode.TEXT, TO_SAY * 3, recipe)
        return behind(peer)


# --- our window ------------------------------------------------------------------------------------------


def to_the_edge(target: Target, peer: Peer) -> str:
    """A window full of noise, then a reference to its very first byte."""
    agreement = codec(peer).agreement
    window = 1 << agreement.client_max_window_bits
    noise = target.random.randbytes(window)
    again, reference = noise[: REACH + 3], fixed((REACH, window), (3, window))
    if agreement.client_no_context_takeover:
        spoken(peer, Opcode.BINARY, noise + again, stored(noise) + reference)
    else:
        spoken(peer, Opcode.BINARY, noise, stored(noise) + b"\0")
        spoken(peer, Opcode.BINARY, again, reference)
    return behind(peer)


@case("websocket/deflate/client-window-full", service="websocket", requirements=("WSD-004",), accept=ECHOED)
def test_client_window_full(target: Target) -> str:
    """Nothing was said of our window: references go back 32768 bytes, the most that there is."""
    with compressing(target) as peer:
        return to_the_edge(target, peer)


@case("websocket/deflate/client-window", service="websocket", requirements=("WSD-004",), accept=ECHOED)
def test_client_window(target: Target) -> str:
    """Our window is limited to 9 to 15 bits: references go back exactly as far as was agreed on."""
    return _each_window(target, [f"{NAME}; client_max_window_bits={bits}" for bits in BITS])


def _each_window(target: Target, offers: list[str]) -> str:
    """With each of the offers that is accepted; Unsupported where none is."""
    accepted = 0
    for offer in offers:
        try:
            with compressing(target, offer) as peer:
                to_the_edge(target, peer)
                accepted += 1
        except Unsupported:
            continue
    if not accepted:
        raise Unsupported(f"the target declines {offers[0]}, and so on")
    return "echoed"


@case("websocket/deflate/client-window-open", service="websocket", requirements=("WSD-004",), accept=ECHOED)
def test_client_window_open(target: Target) -> str:
    """We can limit our window, and leave it to the target how far: that far we go."""
    return _each_window(target, [f"{NAME}; client_max_window_bits"])


@case("websocket/deflate/client-window-8", service="websocket", requirements=("WSD-004",), accept=EIGHT)
def test_client_window_of_8(target: Target) -> str:
    """Our window has 256 bytes, the least that there is: the target agrees and keeps to it, or declines."""
    supported(target)
    try:
        return _each_window(target, [f"{NAME}; client_max_window_bits=8"])
    except Unsupported:
        return "declined"


# --- their window ----------------------------------------------------------------------------------------


def tempted(target: Target, peer: Peer, bits: int) -> str:
    """Content that comes again a little beyond the window: one message, several, text and noise."""
    beyond = (1 << bits) + 20
    noise = target.random.randbytes(beyond)
    words = b"".join(b"%d bottles of beer on the wall, " % number for number in range(beyond // 30))
    exchange(peer, Opcode.BINARY, noise * 2)
    exchange(peer, Opcode.BINARY, noise)
    exchange(peer, Opcode.TEXT, words * 2)
    exchange(peer, Opcode.TEXT, words)
    return behind(peer)


@case("websocket/deflate/server-window", service="websocket", requirements=("WSD-004",), accept=ECHOED)
def test_server_window(target: Target) -> str:
    """The target's window is limited to 9 to 15 bits: none of its references goes farther back."""
    accepted = []
    for bits in BITS:
        try:
            with compressing(target, f"{NAME}; server_max_window_bits={bits}") as peer:
                tempted(target, peer, bits)
                accepted.append(bits)
        except Unsupported:
            continue
    if not accepted:
        raise Unsupported("the target declines every limit of its window")
    return "echoed"


@case("websocket/deflate/server-window-8", service="websocket", requirements=("WSD-004",), accept=EIGHT)
def test_server_window_of_8(target: Target) -> str:
    """A window of 256 bytes: zlib has none, so the offer is declined, or what comes is right nevertheless."""
    supported(target)
    try:
        with compressing(target, f"{NAME}; server_max_window_bits=8") as peer:
            return tempted(target, peer, 8)
    except Unsupported:
        return "declined"


@case(
    "websocket/deflate/windows-and-takeover",
    service="websocket",
    requirements=("WSD-003", "WSD-004"),
    accept=ECHOED,
)
def test_windows_and_takeover(target: Target) -> str:
    """All four parameters at once, small windows and no takeover either way: all of it holds."""
    limits = "server_max_window_bits=10; client_max_window_bits=10"
    takeover = "server_no_context_takeover; client_no_context_takeover"
    with compressing(target, f"{NAME}; {limits}; {takeover}") as peer:
        tempted(target, peer, 10)
        return to_the_edge(target, peer)
