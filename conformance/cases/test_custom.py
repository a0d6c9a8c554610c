"""A custom protocol: one length byte, then so many bytes of payload (CUSTOM).

Whoever writes a protocol of his own writes something like this, and the framework owes it whole packages from
however the bytes arrive. Every stream of bytes is valid here: it is some complete messages and a tail.
"""

from contextlib import ExitStack

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.cases.apart import put_together
from conformance.cases.echoing import exchange_then
from conformance.exploration import explore
from conformance.strategies import garbage, split_streams
from conformance.target.view import Target
from conformance.wire.peer import Peer

ECHOED = {"echoed": "pass"}
LONGEST = 255
SENTINEL = b"\x10the next message"


def encode(*payloads: bytes) -> bytes:
    """The payloads as messages, back to back."""
    return b"".join(bytes([len(payload)]) + payload for payload in payloads)


def complete(stream: bytes) -> bytes:
    """The part of a stream that is whole messages; the tail behind it waits."""
    end = 0
    while end < len(stream) and end + 1 + stream[end] <= len(stream):
        end += 1 + stream[end]
    return stream[:end]


exchange = exchange_then(SENTINEL)


def exchange_behind(peer: Peer, tail: bytes) -> str:
    """The beginning of a message was sent: send what it lacks, and one more message; both are answered."""
    rest = bytes(1 + tail[0] - len(tail)) if tail else b""
    peer.send(rest + SENTINEL)
    peer.expect(tail + rest + SENTINEL)
    return "echoed"


@case("custom/length/every-value", service="custom", requirements=("CUSTOM-003",), accept=ECHOED)
def test_every_length(target: Target) -> str:
    """Messages of every length from 0 to 255, one after another."""
    with target.connect() as peer:
        for size in range(LONGEST + 1):
            message = encode(target.random.randbytes(size))
            peer.send(message)
            peer.expect(message)
        return exchange(peer)


@case("custom/length/empty", service="custom", requirements=("CUSTOM-003",), accept=ECHOED)
def test_empty(target: Target) -> str:
    """A length of 0 is a message without payload, not a request for more bytes; also three in a row."""
    with target.connect() as peer:
        return exchange(peer, b"\0", b"\0\0\0", encode(b"", b"x", b""))


@case("custom/length/longest", service="custom", requirements=("CUSTOM-003", "CUSTOM-006"), accept=ECHOED)
def test_longest(target: Target) -> str:
    """255 bytes, the most that one length byte can say, are accepted."""
    with target.connect() as peer:
        return exchange(peer, encode(b"\xff" * LONGEST))


@case("custom/length/high-bit", service="custom", requirements=("CUSTOM-003",), accept=ECHOED)
def test_high_bit(target: Target) -> str:
    """The length byte is unsigned: 128 follows 127."""
    with target.connect() as peer:
        return exchange(peer, encode(b"a" * 127, b"b" * 128, b"c" * 129))


@case("custom/bytes/all-values", service="custom", requirements=("CUSTOM-003",), accept=ECHOED)
def test_all_values(target: Target) -> str:
    """All byte values pass unchanged, also those that look like a length or a line end."""
    values = bytes(range(256))
    with target.connect() as peer:
        return exchange(peer, encode(values[:128], values[128:], b"\x01\x02\x03\n\r\n"))


@case(
    "custom/split/between-length-and-payload", service="custom", requirements=("CUSTOM-004",), accept=ECHOED
)
def test_split_behind_length(target: Target) -> str:
    """The length byte comes alone, and its payload later."""
    with target.connect() as peer:
        return exchange(peer, b"\x05", b"hello")


@case("custom/split/everywhere", service="custom", requirements=("CUSTOM-004",), accept=ECHOED)
def test_split_everywhere(target: Target) -> str:
    """Two messages in two segments, cut at every place there is."""
    stream = encode(b"first", b"second")
    with target.connect() as peer:
        for cut in range(1, len(stream)):
            peer.send(stream[:cut], stream[cut:])
            peer.expect(stream)
        return exchange(peer)


@case("custom/split/byte-by-byte", service="custom", requirements=("CUSTOM-004",), accept=ECHOED)
def test_byte_by_byte(target: Target) -> str:
    """Every byte is a segment of its own."""
    stream = encode(b"slow", b"", b"ly")
    with target.connect() as peer:
        return exchange(peer, *(bytes([byte]) for byte in stream))


@case("custom/split/several-in-a-segment", service="custom", requirements=("CUSTOM-003",), accept=ECHOED)
def test_several_in_a_segment(target: Target) -> str:
    """Three messages in one segment: three answers without waiting for more."""
    with target.connect() as peer:
        return exchange(peer, encode(b"one", b"two", b"three"))


@case("custom/split/tail-waits", service="custom", requirements=("CUSTOM-004", "CUSTOM-005"), accept=ECHOED)
def test_tail_waits(target: Target) -> str:
    """A message and a half: one answer, silence, and the second answer when the rest has come."""
    with target.connect() as peer:
        peer.send(encode(b"whole") + b"\x04ha")
        peer.expect(encode(b"whole"))
        peer.silent()
        peer.send(b"lf")
        peer.expect(encode(b"half"))
        return exchange(peer)


@case(
    "custom/split/any",
    service="custom",
    requirements=("CUSTOM-003", "CUSTOM-004", "CUSTOM-007"),
    accept=ECHOED,
    explores=True,
)
def test_any_split(target: Target) -> str:
    """However a stream of messages is cut into segments, the answers are the same."""

    def check(segments: list[bytes]) -> None:
        with target.connect() as peer:
            exchange(peer, *segments)

    explore(target, split_streams(st.binary(max_size=LONGEST).map(encode)), check)
    return "echoed"


@case("custom/order/pipelined", service="custom", requirements=("CUSTOM-003", "CUSTOM-007"), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """Two thousand numbered messages without waiting: as many answers, in that order."""
    with target.connect() as peer:
        return exchange(peer, encode(*(b"message %d" % number for number in range(2000))))


@case("custom/order/equal-messages", service="custom", requirements=("CUSTOM-007",), accept=ECHOED)
def test_equal_messages(target: Target) -> str:
    """Equal messages are as many messages; and what begins and ends alike is not alike."""
    with target.connect() as peer:
        return exchange(peer, encode(*[b"same"] * 50), encode(b"aXb", b"aYb", b"aXb"))


@case("custom/order/connections-apart", service="custom", requirements=("CUSTOM-004",), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Halves of messages on eight connections are put together each with its own."""
    return put_together(target, lambda number: (b"\x0bnumber %d" % number, b", z"))


@case("custom/ending/in-mid-message", service="custom", requirements=("CUSTOM-004",), accept={"fin": "pass"})
def test_fin_in_mid_message(target: Target) -> str:
    """A message that our FIN cuts off is none: the ones before are answered, then an orderly end."""
    with target.connect() as peer:
        peer.send(encode(b"whole") + b"\x09a part")
        peer.finish()
        peer.expect(encode(b"whole"))
        return peer.ending()


@case(
    "custom/flow/slow-reader",
    service="custom",
    requirements=("CUSTOM-003", "FLOW-002", "FLOW-007"),
    accept=ECHOED,
)
def test_slow_reader(target: Target) -> str:
    """Messages written until the target takes no more, and read only then, are all answered in order."""
    stream = encode(*(b"number %d;" % number * 15 for number in range(200_000)))
    with target.connect() as peer:
        taken = peer.flood(stream)
        if taken == len(stream):
            raise Violation("unbounded", f"{taken >> 20} MiB were taken, and no answer was read")
        answered = complete(stream[:taken])
        peer.expect(answered)
        return exchange_behind(peer, stream[len(answered) : taken])


@case(
    "custom/robustness/any-bytes",
    service="custom",
    requirements=("CUSTOM-003", "CUSTOM-004", "CUSTOM-005"),
    accept=ECHOED,
    explores=True,
)
def test_any_bytes(target: Target) -> str:
    """Bytes without any plan are some messages and a tail; a good message behind them is answered too."""

    def check(data: bytes) -> None:
        answered = complete(data)
        with target.connect() as peer:
            peer.send(data)
            peer.expect(answered)
            exchange_behind(peer, data[len(answered) :])

    explore(target, garbage(), check)
    return "echoed"


@case(
    "custom/robustness/resets",
    service="custom",
    requirements=("CUSTOM-005", "TCP-018"),
    accept={"unharmed": "pass"},
)
def test_resets(target: Target) -> str:
    """Clients that break off between messages or in the middle of one harm nobody else."""
    with ExitStack() as stack:
        bystanders = [stack.enter_context(target.connect()) for _ in range(8)]
        for tail in (b"", b"\x09a part") * 8:
            with target.connect() as stranger:
                stranger.send(encode(b"whole") + tail)
                stranger.expect(encode(b"whole"))
                stranger.reset()
        for peer in bystanders:
            exchange(peer, encode(b"still here"))
    return "unharmed"
