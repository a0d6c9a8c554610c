"""WebSocket clients: masks, lengths, segments and reserved bits (RFC 6455, sections 5.1 to 5.3).

Every answer is read by a reader that refuses what a client must not send, unmasked frames and long forms of
short lengths among it, and once more by wsproto.
"""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.clients.client import Client
from conformance.clients.dialogue import (
    MASKED,
    NORMAL,
    SERVICE,
    closed,
    each_fails,
    echo,
    fails,
    opened,
    sentinel,
    text,
)
from conformance.exchange import ECHOED, FAILED
from conformance.exploration import explore
from conformance.outcomes import Observation
from conformance.strategies import splits
from conformance.wire import websocket_server
from conformance.wire.websocket import Opcode
from conformance.wire.websocket_server import frame, read

WSC_008, WSC_009 = ("WSC-008",), ("WSC-009",)

SHORT, MEDIUM, LONG = (1, 2, 124, 125), (126, 127, 128, 65534, 65535), (65536, 65537, 200_000)
"""Lengths by the size of their field: 7, 16 and 64 bits."""

PRINTABLE = bytes(32 + value % 95 for value in range(256))
"""Makes any bytes ASCII, and so text."""

FRAMES = 256
"""Frames whose masks are compared: of so many random bits, a quarter is never all alike."""


def echoes(client: Client, opcode: Opcode, lengths: tuple[int, ...]) -> str:
    """Messages of these lengths come back, on one connection."""
    with opened(client) as peer:
        for length in lengths:
            echo(peer, opcode, client.random.randbytes(length).translate(PRINTABLE))
        return sentinel(peer)


# --- what is sent: masks -------------------------------------------------------------------------------


@case("websocket-client/mask/every-frame", service=SERVICE, requirements=WSC_008, accept={"masked": "pass"})
def test_every_frame(client: Client) -> str:
    """Text, binary and empty messages, pongs and the Close are masked."""
    with opened(client) as peer:
        for opcode in (Opcode.TEXT, Opcode.BINARY):
            for payload in (b"masked", b""):
                echo(peer, opcode, payload)
        peer.send(frame(Opcode.PING, b"masked"))
        websocket_server.expect(peer, Opcode.PONG, b"masked")
        peer.send(frame(Opcode.CLOSE, NORMAL))
        closed(peer)
    return "masked"


def keys(client: Client, count: int) -> list[int]:
    """The masks of so many frames on one connection, each with the same payload."""
    with opened(client) as peer:
        found = []
        for _ in range(count):
            peer.send(text(b"the same"))
            found.append(int.from_bytes(read(peer).key, "big"))
        return found


@case("websocket-client/mask/fresh-key", service=SERVICE, requirements=WSC_008, accept={"fresh": "pass"})
def test_fresh_key(client: Client) -> str:
    """Every frame has a key of its own."""
    found = keys(client, FRAMES)
    repeated = len(found) - len(set(found))
    if repeated > 1:  # one may be chance, once in a hundred thousand runs
        raise Violation("repeated", f"{repeated} of {FRAMES} frames have the key of another one")
    return "fresh"


@case("websocket-client/mask/no-pattern", service=SERVICE, requirements=WSC_008, accept={"random": "pass"})
def test_no_pattern(client: Client) -> str:
    """Keys are no counter, and every bit of them changes: the next one cannot be told from those before."""
    found = keys(client, FRAMES)
    steps = {(later - earlier) % 2**32 for earlier, later in pairwise(found)}
    if len(steps) < FRAMES // 4:
        raise Violation("counted", f"{FRAMES} keys are only {len(steps)} different steps apart")
    for bit in range(32):
        ones = sum(key >> bit & 1 for key in found)
        if not FRAMES // 4 < ones < FRAMES - FRAMES // 4:
            raise Violation("biased", f"bit {bit} is set in {ones} of {FRAMES} keys")
    return "random"


@case(
    "websocket-client/mask/connections-apart", service=SERVICE, requirements=WSC_008, accept={"fresh": "pass"}
)
def test_keys_of_connections(client: Client) -> str:
    """The keys of another connection are others: nobody can learn them from an earlier one."""
    first, second = keys(client, 16), keys(client, 16)
    if len(shared := set(first) & set(second)) > 1:
        raise Violation("repeated", f"{len(shared)} of 16 keys are those of the connection before")
    return "fresh"


# --- what is sent: lengths and types -------------------------------------------------------------------


@case("websocket-client/length/short", service=SERVICE, requirements=("WSC-010",), accept=ECHOED)
def test_short(client: Client) -> str:
    """Text and binary of up to 125 bytes, the last length that fits the first field."""
    echoes(client, Opcode.TEXT, SHORT)
    return echoes(client, Opcode.BINARY, SHORT)


@case("websocket-client/length/medium", service=SERVICE, requirements=("WSC-010",), accept=ECHOED)
def test_medium(client: Client) -> str:
    """126 to 65535 bytes, whose length has 16 bits."""
    echoes(client, Opcode.TEXT, MEDIUM)
    return echoes(client, Opcode.BINARY, MEDIUM)


@case("websocket-client/length/long", service=SERVICE, requirements=("WSC-010",), accept=ECHOED)
def test_long(client: Client) -> str:
    """65536 bytes and more, whose length has 64 bits."""
    echoes(client, Opcode.TEXT, LONG)
    return echoes(client, Opcode.BINARY, LONG)


@case("websocket-client/length/empty", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_empty(client: Client) -> str:
    """An empty message is a message, of either type; also two in a row."""
    echoes(client, Opcode.TEXT, (0, 0))
    return echoes(client, Opcode.BINARY, (0, 0))


@case("websocket-client/type/all-values", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_all_values(client: Client) -> str:
    """All byte values pass in a binary message: nobody asks whether it is UTF-8."""
    with opened(client) as peer:
        echo(peer, Opcode.BINARY, bytes(range(256)))
        return sentinel(peer)


@case("websocket-client/type/for-each", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_type_for_each(client: Client) -> str:
    """Text and binary in turns: each answer has the type of its own message."""
    types = (Opcode.TEXT, Opcode.BINARY)
    with opened(client) as peer:
        for opcode in (*types, *reversed(types), *types):
            echo(peer, opcode, b"the same words")
        return sentinel(peer)


# --- what is read: segments ----------------------------------------------------------------------------


@case("websocket-client/split/byte-by-byte", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_byte_by_byte(client: Client) -> str:
    """Every byte is a segment of its own: a short frame, and the header of a longer one."""
    stream = text(b"slow") + frame(Opcode.BINARY, b"b" * 130)
    with opened(client) as peer:
        peer.send(*(stream[index : index + 1] for index in range(24)), stream[24:])
        websocket_server.expect(peer, Opcode.TEXT, b"slow")
        websocket_server.expect(peer, Opcode.BINARY, b"b" * 130)
        return sentinel(peer)


@case("websocket-client/split/long-header", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_long_header(client: Client) -> str:
    """A header of ten bytes is cut at every place, and the payload comes in three parts."""
    payload = client.random.randbytes(65536)
    whole = frame(Opcode.BINARY, payload)
    with opened(client) as peer:
        for cut in range(1, 11):
            peer.send(whole[:cut], whole[cut:1001], whole[1001:30003], whole[30003:])
            websocket_server.expect(peer, Opcode.BINARY, payload)
        return sentinel(peer)


@case("websocket-client/split/several-in-a-segment", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_several_in_a_segment(client: Client) -> str:
    """Four messages in one segment: four answers in order, without waiting for more."""
    messages = [(Opcode.TEXT, b"1"), (Opcode.BINARY, b"2"), (Opcode.TEXT, b""), (Opcode.TEXT, b"4")]
    with opened(client) as peer:
        peer.send(b"".join(frame(*message) for message in messages))
        for message in messages:
            websocket_server.expect(peer, *message)
        return sentinel(peer)


@case("websocket-client/split/tail-waits", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_tail_waits(client: Client) -> str:
    """A frame and the beginning of another: one answer, silence, and the second answer with the rest."""
    second = text(b"the second")
    with opened(client) as peer:
        peer.send(text(b"the first") + second[:6])
        websocket_server.expect(peer, Opcode.TEXT, b"the first")
        peer.silent()
        peer.send(second[6:])
        websocket_server.expect(peer, Opcode.TEXT, b"the second")
        return sentinel(peer)


@case("websocket-client/split/pipelined", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_pipelined(client: Client) -> str:
    """Five hundred numbered messages without waiting: as many answers in that order."""
    with opened(client) as peer:
        peer.send(b"".join(text(b"number %d" % number) for number in range(500)))
        for number in range(500):
            websocket_server.expect(peer, Opcode.TEXT, b"number %d" % number)
        return sentinel(peer)


@case("websocket-client/split/any", service=SERVICE, requirements=WSC_009, accept=ECHOED, explores=True)
def test_any_split(client: Client) -> str:
    """However frames are cut into segments, the answers are the same."""
    messages = [(Opcode.TEXT, b"first"), (Opcode.BINARY, bytes(200)), (Opcode.TEXT, "höß".encode())]

    def check(segments: Sequence[bytes]) -> None:
        with opened(client) as peer:
            peer.send(*segments)
            for message in messages:
                websocket_server.expect(peer, *message)
            sentinel(peer)

    stream = b"".join(frame(*message) for message in messages)
    explore(client, st.just(stream).flatmap(splits), check, examples=20)
    return "echoed"


# --- what is refused -----------------------------------------------------------------------------------


@case("websocket-client/mask/from-the-server", service=SERVICE, requirements=WSC_009, accept=MASKED)
def test_masked(client: Client) -> str:
    """Masked text, binary and empty frames fail the connection, also with a key of zeros."""
    key = b"\x37\xfa\x21\x3d"
    return each_fails(
        client,
        1002,
        {
            "text": frame(Opcode.TEXT, b"masked", key=key),
            "binary": frame(Opcode.BINARY, bytes(200), key=bytes(4)),
            "empty": frame(Opcode.TEXT, b"", key=key),
        },
    )


@case(
    "websocket-client/mask/from-the-server-on-control", service=SERVICE, requirements=WSC_009, accept=MASKED
)
def test_masked_control(client: Client) -> str:
    """So do a masked ping, which is not answered, a pong, and a continuation."""
    key = b"\x37\xfa\x21\x3d"
    begin = frame(Opcode.TEXT, b"a", fin=False)
    return each_fails(
        client,
        1002,
        {
            "ping": frame(Opcode.PING, b"masked", key=key),
            "pong": frame(Opcode.PONG, b"", key=key),
            "continuation": begin + frame(Opcode.CONTINUATION, b"b", key=key),
        },
    )


@case("websocket-client/reserved/bits-on-data", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_reserved_bits_on_data(client: Client) -> str:
    """No extension was agreed to, so any reserved bit on a data frame fails the connection."""
    return each_fails(
        client,
        1002,
        {
            f"RSV {rsv} on {opcode.name}": frame(opcode, b"x", rsv=rsv)
            for opcode in (Opcode.TEXT, Opcode.BINARY)
            for rsv in range(1, 8)
        },
    )


@case("websocket-client/reserved/bits-on-control", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_reserved_bits_on_control(client: Client) -> str:
    """So does one on a ping, a pong or a Close."""
    payloads = {Opcode.PING: b"x", Opcode.PONG: b"x", Opcode.CLOSE: NORMAL}
    return each_fails(
        client,
        1002,
        {
            f"RSV {rsv} on {opcode.name}": frame(opcode, payload, rsv=rsv)
            for opcode, payload in payloads.items()
            for rsv in (1, 2, 4)
        },
    )


@case("websocket-client/reserved/bits-on-continuation", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_reserved_bits_on_continuation(client: Client) -> str:
    """So does one on a later fragment."""
    begin = frame(Opcode.TEXT, b"a", fin=False)
    streams = {f"RSV {rsv}": begin + frame(Opcode.CONTINUATION, b"b", rsv=rsv) for rsv in (1, 2, 4)}
    return each_fails(client, 1002, streams)


@case("websocket-client/reserved/opcodes", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_reserved_opcodes(client: Client) -> str:
    """Opcodes 3 to 7 and 11 to 15 are not known, with payload or without."""
    streams = {
        f"opcode {opcode}, {size} bytes": frame(opcode, b"x" * size)
        for opcode in (*range(3, 8), *range(11, 16))
        for size in (0, 9)
    }
    return each_fails(client, 1002, streams)


@case("websocket-client/reserved/opcode-in-a-message", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_reserved_opcode_in_a_message(client: Client) -> str:
    """Between two fragments an unknown opcode is no better."""
    begin, end = frame(Opcode.TEXT, b"a", fin=False), frame(Opcode.CONTINUATION, b"b")
    streams = {f"opcode {opcode}": begin + frame(opcode, b"x") + end for opcode in (5, 13)}
    return each_fails(client, 1002, streams)


@case(
    "websocket-client/length/top-bit",
    service=SERVICE,
    requirements=WSC_009,
    accept={**FAILED, "other-code": "pass"},
)
def test_top_bit(client: Client) -> str:
    """The first bit of a 64-bit length must be 0; 1009 says so, too."""
    header = bytes([0x80 | Opcode.BINARY, 127]) + (1 << 63 | 5).to_bytes(8, "big")
    return each_fails(client, 1002, {"2^63 + 5": header + bytes(5)})


@case(
    "websocket-client/length/not-the-shortest",
    service=SERVICE,
    requirements=WSC_009,
    accept={**FAILED, "served": "weak"},
)
def test_not_the_shortest(client: Client) -> str:
    """A length in more bytes than it needs breaks a MUST of the server; a client should not play along."""
    streams = {f"{size} bytes": frame(Opcode.TEXT, b"short", length_bytes=size) for size in (2, 8)}
    try:
        return each_fails(client, 1002, streams)
    except Violation as violation:
        if violation.outcome != "served":
            raise
        return Observation("served", violation.detail)


# --- limits ----------------------------------------------------------------------------------------------


@case("websocket-client/limit/mebibyte", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_mebibyte(client: Client) -> str:
    """A mebibyte of text, and of binary, is nothing unusual."""
    return echoes(client, Opcode.TEXT, (2**20,)) and echoes(client, Opcode.BINARY, (2**20,))


@case(
    "websocket-client/limit/huge",
    service=SERVICE,
    requirements=WSC_009,
    accept=FAILED,
)
def test_huge(client: Client) -> str:
    """A header that promises 2^62 bytes is refused at once, with 1009: nobody can wait for them."""
    header = bytes([0x80 | Opcode.BINARY, 127]) + (1 << 62).to_bytes(8, "big")
    with opened(client) as peer:
        peer.send(header + bytes(100))
        return fails(peer, 1009)
