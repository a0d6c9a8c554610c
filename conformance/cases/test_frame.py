"""Frame protocol: four bytes of total length, then the body (FRAME-001 to FRAME-004).

A frame of our own follows each exchange (`SENTINEL`), so that a stray byte in between cannot hide: in a
protocol of lengths it would shift everything that comes after. A plain frame, whole and in one segment, is no
case: it is the fitness of the service.
"""

from conformance.case import case
from conformance.cases.apart import put_together
from conformance.cases.echoing import exchange_then
from conformance.exploration import explore
from conformance.strategies import garbage, messages, near_valid_frames, split_streams
from conformance.target.view import Target
from conformance.wire import frame
from conformance.wire.frame import HEADER, encode, header
from conformance.wire.peer import Peer

SENTINEL = encode(b"the frame after")
ECHOED = {"echoed": "pass"}

CLOSED = {"fin": "pass", "reset": "pass"}
"""Bytes that the target never read turn its orderly close into a reset on this side."""


def exchange(peer: Peer, segments: list[bytes], answer: bytes) -> str:
    """Send the segments; exactly `answer` comes, and after it the answer to the next frame."""
    return exchange_then(SENTINEL)(peer, *segments, answer=answer)


def echoes(target: Target, *segments: bytes) -> str:
    """The segments make whole frames; they come back on a connection of their own."""
    with target.connect() as peer:
        return exchange(peer, list(segments), b"".join(segments))


@case("frame/framing/empty-body", service="frame", requirements=("FRAME-001",), accept=ECHOED)
def test_empty_body(target: Target) -> str:
    """Length 4 is an empty message, and its echo is one too."""
    return echoes(target, encode(b"", b"", b"x", b""))


@case("frame/framing/large-body", service="frame", requirements=("FRAME-001",), accept=ECHOED)
def test_large_body(target: Target) -> str:
    """A body of 70,000 bytes needs the third byte of the length field."""
    return echoes(target, encode(target.random.randbytes(70_000)))


@case("frame/framing/byte-by-byte", service="frame", requirements=("FRAME-002",), accept=ECHOED)
def test_byte_by_byte(target: Target) -> str:
    """Every byte is a segment of its own."""
    return echoes(target, *(bytes([byte]) for byte in encode(b"hello", b"you")))


@case("frame/framing/split-header", service="frame", requirements=("FRAME-002",), accept=ECHOED)
def test_split_header(target: Target) -> str:
    """The length field is cut at each of its places."""
    whole = encode(b"hi")
    with target.connect() as peer:
        for cut in range(1, HEADER + 1):
            exchange(peer, [whole[:cut], whole[cut:]], whole)
    return "echoed"


@case(
    "frame/framing/several-frames-in-a-segment", service="frame", requirements=("FRAME-002",), accept=ECHOED
)
def test_several_frames_in_a_segment(target: Target) -> str:
    """Two frames and half a length field in one segment: two answers, and the tail waits."""
    third = encode(b"three")
    with target.connect() as peer:
        peer.send(encode(b"one", b"two") + third[:2])
        peer.expect(encode(b"one", b"two"))
        peer.silent()
        return exchange(peer, [third[2:]], third)


@case("frame/framing/incomplete-body-waits", service="frame", requirements=("FRAME-002",), accept=ECHOED)
def test_incomplete_body_waits(target: Target) -> str:
    """A frame that lacks its last byte brings nothing until that byte comes."""
    whole = encode(b"patience")
    with target.connect() as peer:
        peer.send(whole[:-1])
        peer.silent()
        return exchange(peer, [whole[-1:]], whole)


@case("frame/framing/connections-apart", service="frame", requirements=("FRAME-002",), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Halves of length fields on eight connections are put together each with its own."""

    def halves(number: int) -> tuple[bytes, bytes]:
        message = encode(b"x" * (300 * number + 2))
        return message[:3], message[3:]

    return put_together(target, halves)


@case(
    "frame/framing/any-split",
    service="frame",
    requirements=("FRAME-001", "FRAME-002"),
    accept=ECHOED,
    explores=True,
)
def test_any_split(target: Target) -> str:
    """However a stream of frames is cut into segments, the answers are the same."""
    explore(target, split_streams(messages().map(encode)), lambda segments: echoes(target, *segments))
    return "echoed"


@case("frame/bytes/all-values", service="frame", requirements=("FRAME-001",), accept=ECHOED)
def test_all_byte_values(target: Target) -> str:
    """All byte values pass unchanged, line feeds and zeros among them."""
    return echoes(target, encode(bytes(range(256)), b"\n", b"\x00"))


@case("frame/order/pipelined", service="frame", requirements=("FRAME-002",), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """A thousand numbered frames without waiting: a thousand answers in that order."""
    return echoes(target, encode(*(b"frame %d" % number for number in range(1000))))


@case(
    "frame/order/large-random-stream", service="frame", requirements=("FRAME-001", "FRAME-002"), accept=ECHOED
)
def test_large_random_stream(target: Target) -> str:
    """A mebibyte in frames of random sizes, written as fast as the target takes it, comes back whole."""
    random = target.random
    sizes = [random.randrange(4096) for _ in range(512)]
    return echoes(target, encode(*(random.randbytes(size) for size in sizes)))


@case(
    "frame/order/any-messages",
    service="frame",
    requirements=("FRAME-001", "FRAME-002"),
    accept=ECHOED,
    explores=True,
)
def test_any_messages(target: Target) -> str:
    """Any messages, pipelined on one connection after another, come back whole and in order."""
    streams = split_streams(messages(2000).map(encode), most=20)
    explore(target, streams, lambda segments: echoes(target, *segments), examples=20)
    return "echoed"


def closes_at(target: Target, total: int) -> str:
    """A bare length field ends the connection, without an answer."""
    with target.connect() as peer:
        peer.send(header(total))
        return peer.ending()


@case("frame/length/zero", service="frame", requirements=("FRAME-003",), accept=CLOSED)
def test_length_zero(target: Target) -> str:
    """A length of 0 is impossible: the connection ends."""
    return closes_at(target, 0)


@case("frame/length/one", service="frame", requirements=("FRAME-003",), accept=CLOSED)
def test_length_one(target: Target) -> str:
    """A length of 1 is impossible: the connection ends."""
    return closes_at(target, 1)


@case("frame/length/two", service="frame", requirements=("FRAME-003",), accept=CLOSED)
def test_length_two(target: Target) -> str:
    """A length of 2 is impossible: the connection ends."""
    return closes_at(target, 2)


@case("frame/length/three", service="frame", requirements=("FRAME-003",), accept=CLOSED)
def test_length_three(target: Target) -> str:
    """A length of 3 is impossible: the connection ends."""
    return closes_at(target, 3)


@case("frame/length/good-frames-around", service="frame", requirements=("FRAME-003",), accept=CLOSED)
def test_good_frames_around(target: Target) -> str:
    """The frame before an impossible length is answered, as in any other split; the one behind it is not."""
    before = encode(b"before")
    with target.connect() as peer:
        peer.send(before + header(1) + SENTINEL)
        peer.expect(before)
        return peer.ending()


@case(
    "frame/limit/exact",
    service="frame",
    requirements=("FRAME-004",),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_limit_exact(target: Target) -> str:
    """A body of exactly the limit is accepted; the length field does not count."""
    return echoes(target, encode(b"x" * target.limits["max_package_size"]))


@case(
    "frame/limit/one-more",
    service="frame",
    requirements=("FRAME-004",),
    accept=CLOSED,
    needs=("limits.max_package_size",),
)
def test_limit_one_more(target: Target) -> str:
    """A length field that announces one byte over the limit ends the connection at once."""
    return closes_at(target, target.limits["max_package_size"] + HEADER + 1)


@case("frame/limit/largest-signed", service="frame", requirements=("FRAME-004",), accept=CLOSED)
def test_limit_largest_signed(target: Target) -> str:
    """Two gibibytes, announced by 7F FF FF FF, end the connection at once."""
    return closes_at(target, 0x7FFF_FFFF)


@case("frame/limit/sign-bit", service="frame", requirements=("FRAME-004",), accept=CLOSED)
def test_limit_sign_bit(target: Target) -> str:
    """80 00 00 00 is a large length, not a negative one."""
    return closes_at(target, 0x8000_0000)


@case("frame/limit/largest", service="frame", requirements=("FRAME-004",), accept=CLOSED)
def test_limit_largest(target: Target) -> str:
    """FF FF FF FF is the largest length, not minus one."""
    return closes_at(target, frame.LARGEST)


@case("frame/limit/all-four-bytes-count", service="frame", requirements=("FRAME-004",), accept=CLOSED)
def test_limit_all_four_bytes_count(target: Target) -> str:
    """FF 00 00 06 is a large length, not 6, and the two bytes behind it are no body."""
    with target.connect() as peer:
        peer.send(header(0xFF00_0006) + b"hi")
        return peer.ending()


@case(
    "frame/ending/complete-frames-answered",
    service="frame",
    requirements=("FRAME-002",),
    accept={"fin": "pass"},
)
def test_complete_frames_answered(target: Target) -> str:
    """Frames before our FIN are answered, then the target ends the stream in order."""
    with target.connect() as peer:
        peer.send(encode(b"x", b"y"))
        peer.finish()
        peer.expect(encode(b"x", b"y"))
        return peer.ending()


@case(
    "frame/ending/answers-before-a-refusal",
    service="frame",
    requirements=("TCP-013",),
    accept=CLOSED | {"cut-short": "weak"},
)
def test_answers_before_a_refusal(target: Target) -> str:
    """Answers on their way to a slow reader arrive, though a violation and unread input stand behind them."""
    answers = encode(*[b"x" * 1000] * 300)
    with target.connect(receive_buffer=4096) as peer:
        peer.flood(answers + header(1) + bytes(100_000))
        if peer.rest() != answers:
            return "cut-short"
        return peer.ending()


@case(
    "frame/ending/incomplete-frame-dropped",
    service="frame",
    requirements=("FRAME-002",),
    accept={"fin": "pass"},
)
def test_incomplete_frame_dropped(target: Target) -> str:
    """A frame that our FIN cuts off is no message: no answer, and the target ends the stream in order."""
    with target.connect() as peer:
        peer.send(encode(b"whole") + encode(b"part")[:-1])
        peer.finish()
        peer.expect(encode(b"whole"))
        return peer.ending()


def unharmed(target: Target, peer: Peer, data: bytes) -> None:
    """A stranger sends these bytes and breaks off; the connection that was there before is served on."""
    with target.connect() as stranger:
        stranger.send(data)
        stranger.reset()
    exchange(peer, [], b"")


@case(
    "frame/robustness/near-valid",
    service="frame",
    requirements=("FRAME-004",),
    accept={"unharmed": "pass"},
    explores=True,
)
def test_near_valid(target: Target) -> str:
    """Frames with a length that is a little or very wrong harm nobody but their sender."""
    with target.connect() as bystander:
        explore(target, near_valid_frames(), lambda data: unharmed(target, bystander, data))
    return "unharmed"


@case(
    "frame/robustness/garbage",
    service="frame",
    requirements=("FRAME-004",),
    accept={"unharmed": "pass"},
    explores=True,
)
def test_garbage(target: Target) -> str:
    """Bytes without any plan harm nobody but their sender."""
    with target.connect() as bystander:
        explore(target, garbage(), lambda data: unharmed(target, bystander, data))
    return "unharmed"
