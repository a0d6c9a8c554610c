"""WebSocket: single frames (RFC 6455, section 5.2; WS-012 to WS-017).

Every answer is read by a reader that refuses what a server must not send, masked frames and long forms of
short lengths among it, and once more by wsproto.
"""

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.cases.dialogue import each_fails, echo, fails, opened, sentinel, text
from conformance.exchange import ECHOED, FAILED
from conformance.exploration import explore
from conformance.outcomes import Observation
from conformance.strategies import splits
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.websocket import Opcode, encode

DATA = (Opcode.TEXT, Opcode.BINARY)
RESERVED_BITS = range(1, 8)
SHORT, MEDIUM, LONG = (1, 2, 124, 125), (126, 127, 128, 65534, 65535), (65536, 65537, 200_000)
"""Lengths by the size of their field: 7, 16 and 64 bits."""

UNMASKED = {"failed": "pass", "dropped": "pass", "other-code": "weak"}
"""The server MUST close, and MAY send a Close frame (5.1)."""


def echoes(target: Target, opcode: Opcode, lengths: tuple[int, ...]) -> str:
    """Messages of these lengths come back, on one connection."""
    with opened(target) as peer:
        for length in lengths:
            echo(peer, opcode, target.random.randbytes(length).translate(PRINTABLE))
        return sentinel(peer)


PRINTABLE = bytes(32 + value % 95 for value in range(256))
"""Makes any bytes ASCII, and so text."""


# --- messages of every length --------------------------------------------------------------------------


@case("websocket/text/short", service="websocket", requirements=("WS-015", "WS-017"), accept=ECHOED)
def test_text_short(target: Target) -> str:
    """Text of up to 125 bytes, the last length that fits the first field."""
    return echoes(target, Opcode.TEXT, SHORT)


@case("websocket/text/medium", service="websocket", requirements=("WS-015",), accept=ECHOED)
def test_text_medium(target: Target) -> str:
    """Text of 126 to 65535 bytes, whose length has 16 bits."""
    return echoes(target, Opcode.TEXT, MEDIUM)


@case("websocket/text/long", service="websocket", requirements=("WS-015",), accept=ECHOED)
def test_text_long(target: Target) -> str:
    """Text of 65536 bytes and more, whose length has 64 bits."""
    return echoes(target, Opcode.TEXT, LONG)


@case("websocket/binary/short", service="websocket", requirements=("WS-015", "WS-017"), accept=ECHOED)
def test_binary_short(target: Target) -> str:
    """Binary messages of up to 125 bytes; they could be text, and stay binary."""
    return echoes(target, Opcode.BINARY, SHORT)


@case("websocket/binary/medium", service="websocket", requirements=("WS-015",), accept=ECHOED)
def test_binary_medium(target: Target) -> str:
    """Binary messages of 126 to 65535 bytes."""
    return echoes(target, Opcode.BINARY, MEDIUM)


@case("websocket/binary/long", service="websocket", requirements=("WS-015",), accept=ECHOED)
def test_binary_long(target: Target) -> str:
    """Binary messages of 65536 bytes and more."""
    return echoes(target, Opcode.BINARY, LONG)


@case("websocket/text/empty", service="websocket", requirements=("WS-015", "WS-022"), accept=ECHOED)
def test_text_empty(target: Target) -> str:
    """An empty text is a message; also two in a row."""
    return echoes(target, Opcode.TEXT, (0, 0))


@case("websocket/binary/empty", service="websocket", requirements=("WS-015", "WS-022"), accept=ECHOED)
def test_binary_empty(target: Target) -> str:
    """An empty binary message is a message."""
    return echoes(target, Opcode.BINARY, (0, 0))


@case("websocket/binary/all-values", service="websocket", requirements=("WS-017",), accept=ECHOED)
def test_all_values(target: Target) -> str:
    """All byte values pass in a binary message: nobody asks whether it is UTF-8."""
    with opened(target) as peer:
        echo(peer, Opcode.BINARY, bytes(range(256)))
        return sentinel(peer)


@case("websocket/text/type-for-each", service="websocket", requirements=("WS-017",), accept=ECHOED)
def test_type_for_each(target: Target) -> str:
    """Text and binary in turns: each answer has the type of its own message."""
    with opened(target) as peer:
        for opcode in (*DATA, *reversed(DATA), *DATA):
            echo(peer, opcode, b"the same words")
        return sentinel(peer)


# --- segments ------------------------------------------------------------------------------------------


@case("websocket/split/byte-by-byte", service="websocket", requirements=("WS-016",), accept=ECHOED)
def test_byte_by_byte(target: Target) -> str:
    """Every byte is a segment of its own: a short frame, and the header and mask of a longer one."""
    stream = text(b"slow") + encode(Opcode.BINARY, b"b" * 130)
    with opened(target) as peer:
        peer.send(*(bytes([byte]) for byte in stream[:30]), stream[30:])
        websocket.expect(peer, Opcode.TEXT, b"slow")
        websocket.expect(peer, Opcode.BINARY, b"b" * 130)
        return sentinel(peer)


@case("websocket/split/long-header", service="websocket", requirements=("WS-016",), accept=ECHOED)
def test_long_header(target: Target) -> str:
    """A header of 14 bytes is cut at every place, and the payload comes in three parts."""
    payload = target.random.randbytes(65536)
    frame = encode(Opcode.BINARY, payload)
    with opened(target) as peer:
        for cut in range(1, 15):
            peer.send(frame[:cut], frame[cut:1001], frame[1001:30003], frame[30003:])
            websocket.expect(peer, Opcode.BINARY, payload)
        return sentinel(peer)


@case("websocket/split/several-in-a-segment", service="websocket", requirements=("WS-016",), accept=ECHOED)
def test_several_in_a_segment(target: Target) -> str:
    """Four messages in one segment: four answers in order, without waiting for more."""
    messages = [(Opcode.TEXT, b"1"), (Opcode.BINARY, b"2"), (Opcode.TEXT, b""), (Opcode.TEXT, b"4")]
    with opened(target) as peer:
        peer.send(b"".join(encode(*message) for message in messages))
        for message in messages:
            websocket.expect(peer, *message)
        return sentinel(peer)


@case("websocket/split/tail-waits", service="websocket", requirements=("WS-016",), accept=ECHOED)
def test_tail_waits(target: Target) -> str:
    """A frame and the beginning of another: one answer, silence, and the second answer with the rest."""
    second = text(b"the second")
    with opened(target) as peer:
        peer.send(text(b"the first") + second[:9])
        websocket.expect(peer, Opcode.TEXT, b"the first")
        peer.silent()
        peer.send(second[9:])
        websocket.expect(peer, Opcode.TEXT, b"the second")
        return sentinel(peer)


@case("websocket/order/pipelined", service="websocket", requirements=("WS-016",), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """A thousand numbered messages without waiting: as many answers in that order."""
    with opened(target) as peer:
        peer.send(b"".join(text(b"number %d" % number) for number in range(1000)))
        for number in range(1000):
            websocket.expect(peer, Opcode.TEXT, b"number %d" % number)
        return sentinel(peer)


@case("websocket/split/any", service="websocket", requirements=("WS-016",), accept=ECHOED, explores=True)
def test_any_split(target: Target) -> str:
    """However frames are cut into segments, the answers are the same."""
    messages = [(Opcode.TEXT, b"first"), (Opcode.BINARY, bytes(200)), (Opcode.TEXT, "höß".encode())]

    def check(segments: list[bytes]) -> None:
        with opened(target) as peer:
            peer.send(*segments)
            for message in messages:
                websocket.expect(peer, *message)
            sentinel(peer)

    stream = b"".join(encode(*message) for message in messages)
    explore(target, st.just(stream).flatmap(splits), check, examples=25)
    return "echoed"


# --- masks ---------------------------------------------------------------------------------------------


@case("websocket/mask/any-key", service="websocket", requirements=("WS-012",), accept=ECHOED)
def test_any_key(target: Target) -> str:
    """Each frame has a key of its own, zeros and ones among them."""
    with opened(target) as peer:
        for key in (bytes(4), b"\xff" * 4, b"\x00\x01\x02\x03", b"\x81\x85\x00\x0a"):
            peer.send(encode(Opcode.TEXT, b"masked another way", key=key))
            websocket.expect(peer, Opcode.TEXT, b"masked another way")
        return sentinel(peer)


@case("websocket/mask/missing-on-data", service="websocket", requirements=("WS-012",), accept=UNMASKED)
def test_unmasked_data(target: Target) -> str:
    """Text, binary and empty frames without a mask fail the connection, however short."""
    streams = {
        "text": encode(Opcode.TEXT, b"unmasked", key=None),
        "binary": encode(Opcode.BINARY, b"\0" * 200, key=None),
        "empty": encode(Opcode.TEXT, b"", key=None),
    }
    return each_fails(target, 1002, streams)


@case("websocket/mask/missing-on-control", service="websocket", requirements=("WS-012",), accept=UNMASKED)
def test_unmasked_control(target: Target) -> str:
    """So do ping, pong and continuation; an unmasked ping is not answered."""
    streams = {
        "ping": encode(Opcode.PING, b"unmasked", key=None),
        "pong": encode(Opcode.PONG, b"", key=None),
        "continuation": encode(Opcode.TEXT, b"a", fin=False) + encode(Opcode.CONTINUATION, b"b", key=None),
    }
    return each_fails(target, 1002, streams)


@case(
    "websocket/mask/missing-and-nothing-more", service="websocket", requirements=("WS-012",), accept=UNMASKED
)
def test_unmasked_and_nothing_more(target: Target) -> str:
    """An empty unmasked frame is two bytes; the target does not wait for a mask that will not come."""
    with opened(target) as peer:
        peer.send(encode(Opcode.BINARY, b"", key=None))
        return fails(peer, 1002)


# --- reserved bits, opcodes and lengths ----------------------------------------------------------------


@case("websocket/reserved/bits-on-data", service="websocket", requirements=("WS-013",), accept=FAILED)
def test_reserved_bits_on_data(target: Target) -> str:
    """No extension was agreed to, so any reserved bit on a data frame fails the connection."""
    return each_fails(
        target,
        1002,
        {
            f"RSV {rsv} on {opcode.name}": encode(opcode, b"x", rsv=rsv)
            for opcode in DATA
            for rsv in RESERVED_BITS
        },
    )


@case("websocket/reserved/bits-on-control", service="websocket", requirements=("WS-013",), accept=FAILED)
def test_reserved_bits_on_control(target: Target) -> str:
    """So does one on a ping, a pong or a Close."""
    payloads = {Opcode.PING: b"x", Opcode.PONG: b"x", Opcode.CLOSE: websocket.close_payload(1000)}
    return each_fails(
        target,
        1002,
        {
            f"RSV {rsv} on {opcode.name}": encode(opcode, payload, rsv=rsv)
            for opcode, payload in payloads.items()
            for rsv in (1, 2, 4)
        },
    )


@case("websocket/reserved/bits-on-continuation", service="websocket", requirements=("WS-013",), accept=FAILED)
def test_reserved_bits_on_continuation(target: Target) -> str:
    """So does one on a later fragment."""
    begin = encode(Opcode.TEXT, b"a", fin=False)
    streams = {f"RSV {rsv}": begin + encode(Opcode.CONTINUATION, b"b", rsv=rsv) for rsv in (1, 2, 4)}
    return each_fails(target, 1002, streams)


@case("websocket/reserved/data-opcodes", service="websocket", requirements=("WS-014",), accept=FAILED)
def test_reserved_data_opcodes(target: Target) -> str:
    """Opcodes 3 to 7 are not known, with payload or without."""
    streams = {
        f"opcode {opcode}, {size} bytes": encode(opcode, b"x" * size)
        for opcode in range(3, 8)
        for size in (0, 9)
    }
    return each_fails(target, 1002, streams)


@case("websocket/reserved/control-opcodes", service="websocket", requirements=("WS-014",), accept=FAILED)
def test_reserved_control_opcodes(target: Target) -> str:
    """Opcodes 11 to 15 are not known either."""
    streams = {
        f"opcode {opcode}, {size} bytes": encode(opcode, b"x" * size)
        for opcode in range(11, 16)
        for size in (0, 9)
    }
    return each_fails(target, 1002, streams)


@case("websocket/reserved/opcode-in-a-message", service="websocket", requirements=("WS-014",), accept=FAILED)
def test_reserved_opcode_in_a_message(target: Target) -> str:
    """Between two fragments an unknown opcode is no better."""
    begin, end = encode(Opcode.TEXT, b"a", fin=False), encode(Opcode.CONTINUATION, b"b")
    return each_fails(
        target, 1002, {f"opcode {opcode}": begin + encode(opcode, b"x") + end for opcode in (5, 13)}
    )


@case(
    "websocket/length/top-bit",
    service="websocket",
    requirements=("WS-015",),
    accept={**FAILED, "other-code": "pass"},
)
def test_top_bit(target: Target) -> str:
    """The first bit of a 64-bit length must be 0; 1009 says so, too."""
    header = bytes([0x80 | Opcode.BINARY, 0x80 | 127]) + (1 << 63 | 5).to_bytes(8, "big")
    return each_fails(target, 1002, {"2^63 + 5": header + bytes(9)})


@case(
    "websocket/length/not-the-shortest",
    service="websocket",
    requirements=("WS-015",),
    accept={**FAILED, "served": "weak"},
)
def test_not_the_shortest(target: Target) -> str:
    """A length in more bytes than it needs breaks a MUST of the client; a server should not play along."""
    streams = {f"{size} bytes": encode(Opcode.TEXT, b"short", length_bytes=size) for size in (2, 8)}
    try:
        return each_fails(target, 1002, streams)
    except Violation as violation:
        if violation.outcome != "served":
            raise
        return Observation("served", violation.detail)
