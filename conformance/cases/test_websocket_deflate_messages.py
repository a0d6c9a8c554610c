"""WebSocket: compressed messages on the wire (RFC 7692, sections 6 and 7.2; WSD-005 to 007, WSD-012).

The payloads are those of the RFC, zlib's at its oddest, and some made by hand. Each is followed by another
message: many mistakes leave this one right and spoil the next.
"""

import zlib
from collections.abc import Sequence

from conformance.case import Violation, case
from conformance.cases.compressed import (
    FINAL,
    VERSES,
    behind,
    codec,
    compressing,
    deflated,
    each_fails,
    exchange,
    pieces,
    spoken,
)
from conformance.cases.dialogue import answered, closed, fragments
from conformance.exchange import ECHOED, FAILED, naming
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.blocks import fixed, stored
from conformance.wire.deflate import Recipe
from conformance.wire.peer import Peer
from conformance.wire.websocket import RSV1, Opcode, close_payload, encode

HELLO = {
    "one fixed block": bytes.fromhex("f248cdc9c90700"),
    "one stored block": bytes.fromhex("000500faff48656c6c6f00"),
    "two blocks": bytes.fromhex("f248050000 00ffffcac9c90700"),
}
"""`Hello` as sections 7.2.3.1, 7.2.3.3 and 7.2.3.5 have it."""

FINE = 32
"""Bytes of a fragment where there are thousands; libraries limit their number, too."""


def each_way(peer: Peer, body: bytes, payload: bytes) -> None:
    """A payload whole, in two parts at every place, and in single bytes, a message behind each."""
    cuts = [[payload[:cut], payload[cut:]] for cut in range(len(payload) + 1)]
    for parts in ([payload], *cuts, pieces(payload, 1)):
        spoken(peer, Opcode.TEXT, body, *parts)
        codec(peer).restart()  # nobody says whether a reference may go over a final block
        behind(peer)
        codec(peer).restart()


# --- what the RFC shows ----------------------------------------------------------------------------------


@case("websocket/deflate/vectors", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_vectors(target: Target) -> str:
    """The RFC's examples of one message, whole, in two fragments at every place, and in single bytes."""
    for name, payload in HELLO.items():
        with naming(name), compressing(target) as peer:
            each_way(peer, b"Hello", payload)
    return "echoed"


@case("websocket/deflate/final-block", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_final_block(target: Target) -> str:
    """A block with the final bit ends neither the message nor the connection (7.2.3.4)."""
    with compressing(target) as peer:
        spoken(peer, Opcode.TEXT, b"Hello", FINAL)
        codec(peer).restart()
        return behind(peer)


@case(
    "websocket/deflate/final-block-in-fragments",
    service="websocket",
    requirements=("WSD-007",),
    accept=ECHOED,
)
def test_final_block_in_fragments(target: Target) -> str:
    """The same in fragments, cut at every place; and again and again on one connection."""
    with compressing(target) as peer:
        each_way(peer, b"Hello", FINAL)
    return "echoed"


@case("websocket/deflate/final-blocks-inside", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_final_blocks_inside(target: Target) -> str:
    """Behind a block with the final bit the message goes on with more, final ones among them (7.2.1)."""
    streams = {
        "fixed behind final": (b"HelloHello", FINAL[:-1] + HELLO["one fixed block"]),
        "final behind final": (b"Hello, Hello", FINAL[:-1] + fixed(b", Hello", final=True)),
        "stored behind stored": (b"Hello, you", stored(b"Hello", final=True) + stored(b", you") + b"\0"),
        "left-out block is final": (b"Hello", stored(b"Hello") + b"\1"),
    }
    for name, (body, payload) in streams.items():
        with naming(name), compressing(target) as peer:
            spoken(peer, Opcode.TEXT, body, payload)
            codec(peer).restart()
            behind(peer)
    return "echoed"


# --- other blocks ----------------------------------------------------------------------------------------


@case("websocket/deflate/stored-blocks", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_stored_blocks(target: Target) -> str:
    """Stored blocks: empty ones before, between and behind, several, and the longest that there is."""
    noise = target.random.randbytes(65535)
    streams = {
        "empty ones around": (b"Hello", stored(b"") * 3 + stored(b"Hello") + stored(b"") * 2 + b"\0"),
        "empty ones between": (
            b"Hello",
            b"".join(stored(bytes([x])) + stored(b"") for x in b"Hello") + b"\0",
        ),
        "nothing but empty ones": (b"", stored(b"") * 20 + b"\0"),
        "the longest": (noise, stored(noise) + b"\0"),
        "the longest twice": (noise * 2, stored(noise) * 2 + b"\0"),
    }
    for name, (body, payload) in streams.items():
        with naming(name), compressing(target) as peer:
            spoken(peer, Opcode.BINARY, body, payload)
            spoken(peer, Opcode.BINARY, body, *pieces(payload, 5000))
            behind(peer)
    return "echoed"


@case("websocket/deflate/every-recipe", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_every_recipe(target: Target) -> str:
    """All levels and strategies of zlib, blocks that end anywhere with every kind of flush."""
    strategies = (zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)
    flushes = (zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_BLOCK)
    recipes = [Recipe(level=level) for level in range(10)]
    recipes += [Recipe(strategy=strategy) for strategy in strategies]
    recipes += [Recipe(cuts=(1, 2, 700, 1500, 1501), flush=flush) for flush in flushes]
    with compressing(target) as peer:
        for recipe in recipes:
            with naming(str(recipe)):
                exchange(peer, Opcode.TEXT, VERSES, recipe)
                exchange(peer, Opcode.TEXT, VERSES[:500], recipe, size=100)
        return behind(peer)


@case(
    "websocket/deflate/empty-message", service="websocket", requirements=("WSD-006", "WSD-007"), accept=ECHOED
)
def test_empty_message(target: Target) -> str:
    """Empty messages in every form: a zero byte (7.2.3.6), a block without content, empty fragments."""
    forms = {
        "a zero byte": [b"\0"],
        "an empty fixed block": [fixed()],
        "empty fragments around": [b"", b"\0", b""],
        "an empty frame at the end": [b"\0", b""],
    }
    with compressing(target) as peer:
        for name, parts in forms.items():
            for opcode in (Opcode.TEXT, Opcode.BINARY):
                with naming(name):
                    spoken(peer, opcode, b"", *parts)
                    spoken(peer, opcode, b"", *parts)
                    behind(peer)
    return "echoed"


@case("websocket/deflate/empty-fragments", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_empty_fragments(target: Target) -> str:
    """Empty fragments at the beginning, between and at the end of a compressed message add nothing."""
    hello = HELLO["one fixed block"]
    with compressing(target) as peer:
        for parts in ([b"", hello], [hello, b""], [hello[:3], b"", b"", hello[3:]], [b"", hello, b"", b""]):
            with naming(repr(parts)):
                spoken(peer, Opcode.TEXT, b"Hello", *parts)
                behind(peer)
    return "echoed"


@case("websocket/deflate/single-bytes", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_single_bytes(target: Target) -> str:
    """A long message in fragments of one byte, in one segment and in one segment each."""
    with compressing(target) as peer:
        exchange(peer, Opcode.TEXT, VERSES, size=1)
        payload = codec(peer).deflate(VERSES[:60])
        peer.send(*fragments(Opcode.TEXT, pieces(payload, 1), RSV1))
        websocket.expect(peer, Opcode.TEXT, VERSES[:60])
        return behind(peer)


@case(
    "websocket/deflate/thousands-of-fragments", service="websocket", requirements=("WSD-007",), accept=ECHOED
)
def test_thousands_of_fragments(target: Target) -> str:
    """Noise in two thousand fragments of 32 bytes: the cost does not grow with the square."""
    with compressing(target) as peer:
        exchange(peer, Opcode.BINARY, target.random.randbytes(65536), size=FINE)
        return behind(peer)


@case("websocket/deflate/byte-by-byte", service="websocket", requirements=("WSD-007",), accept=ECHOED)
def test_byte_by_byte(target: Target) -> str:
    """Every byte of a compressed frame is a segment of its own."""
    with compressing(target) as peer:
        frame = deflated(peer, (Opcode.TEXT, VERSES[:100]))
        peer.send(*(bytes([byte]) for byte in frame))
        websocket.expect(peer, Opcode.TEXT, VERSES[:100])
        return behind(peer)


@case("websocket/deflate/pipelined", service="websocket", requirements=("WSD-006", "WSD-007"), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """Three hundred messages without waiting, compressed and plain ones: the answers in that order."""
    messages = [(Opcode.TEXT, b"number %d of many" % number) for number in range(300)]
    with compressing(target) as peer:
        stream = [deflated(peer, each) if n % 3 else encode(*each) for n, each in enumerate(messages)]
        peer.send(b"".join(stream))
        answered(peer, messages)
        return behind(peer)


@case(
    "websocket/deflate/control-between",
    service="websocket",
    requirements=("WSD-005", "WSD-006"),
    accept=ECHOED,
)
def test_control_between(target: Target) -> str:
    """Pings and pongs between the fragments of a compressed message: answered plainly, and no part of it."""
    with compressing(target) as peer:
        payload = codec(peer).deflate(VERSES)
        frames = fragments(Opcode.TEXT, pieces(payload, 100), RSV1)
        pings = [b"ping %d" % number for number in range(len(frames))]
        pong = encode(Opcode.PONG, b"unasked")
        pairs = zip(frames, pings, strict=True)
        peer.send(b"".join(encode(Opcode.PING, ping) + pong + frame for frame, ping in pairs))
        answered(peer, [(Opcode.TEXT, VERSES)], pings)
        return behind(peer)


@case("websocket/deflate/close", service="websocket", requirements=("WSD-006",), accept={"closed": "pass"})
def test_close(target: Target) -> str:
    """A Close is answered by a plain one, behind the messages before it, and inside a compressed one, too."""
    begin = encode(Opcode.TEXT, HELLO["one fixed block"][:3], fin=False, rsv=RSV1)
    for before in (b"", begin):
        with compressing(target) as peer:
            exchange(peer, Opcode.TEXT, b"before")
            peer.send(before + encode(Opcode.CLOSE, close_payload(1000)))
            closed(peer)
    return "closed"


# --- RSV1 ------------------------------------------------------------------------------------------------


@case("websocket/deflate/plain-messages", service="websocket", requirements=("WSD-005",), accept=ECHOED)
def test_plain_messages(target: Target) -> str:
    """A message without RSV1 is plain, whole or in fragments, whatever its bytes look like."""
    looks = (b"", b"plain", HELLO["one fixed block"], FINAL, b"\0", bytes(range(256)))
    with compressing(target) as peer:
        exchange(peer, Opcode.TEXT, b"before")
        for body in looks:
            peer.send(encode(Opcode.BINARY, body))
            websocket.expect(peer, Opcode.BINARY, body)
            peer.send(b"".join(fragments(Opcode.BINARY, pieces(body, 3))))
            websocket.expect(peer, Opcode.BINARY, body)
            exchange(peer, Opcode.TEXT, b"between")
        return behind(peer)


@case("websocket/deflate/rsv1-on-continuation", service="websocket", requirements=("WSD-005",), accept=FAILED)
def test_rsv1_on_continuation(target: Target) -> str:
    """RSV1 on a later frame, of a compressed message or of a plain one, fails the connection."""
    hello = HELLO["one fixed block"]
    marked, plain = encode(Opcode.TEXT, hello[:3], fin=False, rsv=RSV1), encode(Opcode.TEXT, b"a", fin=False)
    last = encode(Opcode.CONTINUATION, hello[3:], rsv=RSV1)
    middle = encode(Opcode.CONTINUATION, hello[3:5], fin=False, rsv=RSV1)
    end = encode(Opcode.CONTINUATION, hello[5:])
    streams = {
        "on the last of a compressed message": marked + last,
        "on the middle of a compressed message": marked + middle + end,
        "on the last of a plain message": plain + last,
        "on the last of a compressed message only": encode(Opcode.BINARY, hello[:3], fin=False) + last,
        "on an empty last": marked + encode(Opcode.CONTINUATION, b"", rsv=RSV1),
    }
    return each_fails(target, [1002], streams)


@case("websocket/deflate/rsv1-on-control", service="websocket", requirements=("WSD-005",), accept=FAILED)
def test_rsv1_on_control(target: Target) -> str:
    """RSV1 on ping, pong and Close, alone and inside a compressed message, fails the connection."""
    payloads = {Opcode.PING: b"x", Opcode.PONG: HELLO["one fixed block"], Opcode.CLOSE: close_payload(1000)}
    begin = encode(Opcode.TEXT, HELLO["one fixed block"][:3], fin=False, rsv=RSV1)
    streams: dict[str, bytes] = {}
    for opcode, payload in payloads.items():
        frame = encode(opcode, payload, rsv=RSV1)
        streams |= {f"{opcode.name} alone": frame, f"{opcode.name} in a message": begin + frame}
    return each_fails(target, [1002], streams)


@case(
    "websocket/deflate/rsv2-and-rsv3", service="websocket", requirements=("WSD-005", "WS-013"), accept=FAILED
)
def test_rsv2_and_rsv3(target: Target) -> str:
    """The extension takes one bit: the other two still fail the connection, with RSV1 and without."""
    hello = HELLO["one fixed block"]
    begin = encode(Opcode.TEXT, hello[:3], fin=False, rsv=RSV1)
    streams = {f"RSV {rsv}": encode(Opcode.TEXT, hello, rsv=rsv) for rsv in (1, 2, 3, 5, 6, 7)}
    streams |= {
        f"RSV {rsv} on a continuation": begin + encode(Opcode.CONTINUATION, hello[3:], rsv=rsv)
        for rsv in (1, 2)
    }
    return each_fails(target, [1002], streams)


# --- what is not worth it --------------------------------------------------------------------------------


@case(
    "websocket/deflate/small-messages",
    service="websocket",
    requirements=("WSD-012", "WSD-006"),
    accept=dict.fromkeys(("compressed", "plain", "both"), "pass"),
)
def test_small_messages(target: Target) -> str:
    """Two hundred messages of 0 to 99 bytes: the target compresses those that it likes."""
    seen = set()
    with compressing(target) as peer:
        for number, body in enumerate(_small(200)):
            message = (Opcode.BINARY, body)
            peer.send(deflated(peer, message) if number % 2 else encode(*message))
            seen.add(_came_compressed(peer, body))
        behind(peer)
    return "both" if len(seen) > 1 else "compressed" if True in seen else "plain"


def _small(count: int) -> Sequence[bytes]:
    return [VERSES[number : number + number % 100] for number in range(count)]


def _came_compressed(peer: Peer, body: bytes) -> bool:
    """Whether the answer, which is the right one, came compressed."""
    frame = websocket.read(peer)
    if not frame.fin or frame.opcode is not Opcode.BINARY:
        raise Violation("wrong-answer", f"a binary frame was due, {frame.opcode.name} came")
    if (content := websocket.content(peer, frame, frame.payload)) != body:
        raise Violation("wrong-answer", f"{body!r:.80} was due, {content!r:.80} came")
    return frame.compressed
