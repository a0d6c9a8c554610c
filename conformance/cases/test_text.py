"""Text protocol: a message is a line (TEXT-001 to TEXT-006).

Every exchange is small enough to be read off the screen. Where a wrong server could answer right by luck, one
more line follows (`SENTINEL`): whatever the target made of the bytes before it, nothing may stand between.
A plain line, whole and in one segment, is no case: it is the fitness of the service.
"""

import itertools

from conformance.case import case
from conformance.cases.apart import put_together
from conformance.cases.echoing import exchange_then, several
from conformance.exploration import explore
from conformance.strategies import garbage, lines, messages, split_streams
from conformance.target.view import Target
from conformance.wire import text
from conformance.wire.peer import Peer

SENTINEL = b"the line after"
ECHOED = {"echoed": "pass"}

TALK = b"one\ntwo\n\nand half a line"
"""Broken off after every byte of it."""


def exchange(peer: Peer, segments: list[bytes], answer: bytes) -> str:
    """Send the segments; exactly `answer` comes, and after it the answer to the next line."""
    return exchange_then(text.encode(SENTINEL))(peer, *segments, answer=answer)


@case("text/framing/carriage-returns-dropped", service="text", requirements=("TEXT-001",), accept=ECHOED)
def test_carriage_returns_dropped(target: Target) -> str:
    """Carriage returns right before the line feed are no part of the message, one or several."""
    with target.connect() as peer:
        return exchange(peer, [b"hi\r\n", b"hi\r\r\r\n"], b"hi\nhi\n")


@case("text/framing/inner-carriage-return", service="text", requirements=("TEXT-001",), accept=ECHOED)
def test_inner_carriage_return(target: Target) -> str:
    """A carriage return inside a message stays."""
    with target.connect() as peer:
        return exchange(peer, [b"a\rb\n", b"\ra\n"], b"a\rb\n\ra\n")


@case(
    "text/framing/split-after-carriage-return",
    service="text",
    requirements=("TEXT-001", "TEXT-002"),
    accept=ECHOED,
)
def test_split_after_carriage_return(target: Target) -> str:
    """A carriage return at the end of a segment is kept when the message goes on."""
    with target.connect() as peer:
        return exchange(peer, [b"a\r", b"b\n"], b"a\rb\n")


@case(
    "text/framing/split-between-cr-and-lf",
    service="text",
    requirements=("TEXT-001", "TEXT-002"),
    accept=ECHOED,
)
def test_split_between_cr_and_lf(target: Target) -> str:
    """A carriage return at the end of a segment is dropped when the line feed comes next."""
    with target.connect() as peer:
        return exchange(peer, [b"a\r", b"\n"], b"a\n")


@case("text/framing/split-delimiter", service="text", requirements=("TEXT-002",), accept=ECHOED)
def test_split_delimiter(target: Target) -> str:
    """The line feed arrives in a segment of its own."""
    with target.connect() as peer:
        return exchange(peer, [b"hello", b"\n"], b"hello\n")


@case("text/framing/byte-by-byte", service="text", requirements=("TEXT-002",), accept=ECHOED)
def test_byte_by_byte(target: Target) -> str:
    """Every byte is a segment of its own."""
    with target.connect() as peer:
        return exchange(peer, [bytes([byte]) for byte in b"hello\nyou\n"], b"hello\nyou\n")


@case("text/framing/several-lines-in-a-segment", service="text", requirements=("TEXT-002",), accept=ECHOED)
def test_several_lines_in_a_segment(target: Target) -> str:
    """Three lines and the beginning of a fourth in one segment: three answers, and the tail waits."""
    with target.connect() as peer:
        peer.send(b"1\n2\n3\n4")
        peer.expect(b"1\n2\n3\n")
        peer.silent()
        return exchange(peer, [b"\n"], b"4\n")


@case("text/framing/segment-across-lines", service="text", requirements=("TEXT-002",), accept=ECHOED)
def test_segment_across_lines(target: Target) -> str:
    """A segment that ends one line begins the next."""
    with target.connect() as peer:
        peer.send(b"ab", b"cd", b"\nxy")
        peer.expect(b"abcd\n")
        peer.silent()
        return exchange(peer, [b"z\n"], b"xyz\n")


@case(
    "text/framing/any-split",
    service="text",
    requirements=("TEXT-001", "TEXT-002"),
    accept=ECHOED,
    explores=True,
)
def test_any_split(target: Target) -> str:
    """However a stream of lines is cut into segments, the answers are the same."""

    def check(segments: list[bytes]) -> None:
        with target.connect() as peer:
            exchange(peer, segments, text.encode(*text.meaning(b"".join(segments))))

    explore(target, split_streams(lines()), check)
    return "echoed"


@case("text/framing/connections-apart", service="text", requirements=("TEXT-002",), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Halves of lines on eight connections are put together each with its own."""
    return put_together(target, lambda number: (b"number %d, " % number, b"to the end\n"))


@case("text/empty/line-feeds", service="text", requirements=("TEXT-003",), accept=ECHOED)
def test_empty_line_feeds(target: Target) -> str:
    """Three line feeds are three empty messages."""
    with target.connect() as peer:
        return exchange(peer, [b"\n\n\n"], b"\n\n\n")


@case("text/empty/carriage-return-line-feeds", service="text", requirements=("TEXT-003",), accept=ECHOED)
def test_empty_carriage_return_line_feeds(target: Target) -> str:
    """An empty line ended by CR LF is an empty message too."""
    with target.connect() as peer:
        return exchange(peer, [b"\r\n\r\n"], b"\n\n")


@case("text/bytes/all-values", service="text", requirements=("TEXT-004",), accept=ECHOED)
def test_all_byte_values(target: Target) -> str:
    """All byte values but the line feed pass unchanged."""
    line = bytes(value for value in range(256) if value != 0x0A) + b"x\n"
    with target.connect() as peer:
        return exchange(peer, [line], line)


@case("text/bytes/not-utf-8", service="text", requirements=("TEXT-004",), accept=ECHOED)
def test_not_utf_8(target: Target) -> str:
    """Bytes that are no UTF-8, whole or cut inside a character, pass unchanged."""
    with target.connect() as peer:
        return exchange(
            peer, [b"\xc3\x28\xff\xfe\n", b"\xe2\x82", b"\n\xac\n"], b"\xc3\x28\xff\xfe\n\xe2\x82\n\xac\n"
        )


@case("text/bytes/large-random-stream", service="text", requirements=("TEXT-002", "TEXT-004"), accept=ECHOED)
def test_large_random_stream(target: Target) -> str:
    """A mebibyte of random lines, written as fast as the target takes it, comes back whole and in order."""
    stream = target.random.randbytes(1024 * 1024) + b"\n"
    with target.connect() as peer:
        return exchange(peer, [stream], text.encode(*text.meaning(stream)))


@case(
    "text/robustness/reset-after-any-byte",
    service="text",
    requirements=("TCP-018",),
    accept={"unharmed": "pass"},
)
def test_reset_after_any_byte(target: Target) -> str:
    """A client that breaks off after any byte of its talk, answers read or not, leaves nothing to others."""
    line = b"a line of its own\n"
    with several(target, 4) as bystanders:
        for sent, reads in itertools.product(range(1, len(TALK) + 1), (False, True)):
            with target.connect() as stranger:
                stranger.send(TALK[:sent])
                if reads:
                    stranger.expect(TALK[: TALK.rfind(b"\n", 0, sent) + 1])
                stranger.reset()
            with target.connect() as newcomer:
                exchange(newcomer, [line], line)
            exchange(bystanders[sent % 4], [line], line)
    return "unharmed"


@case("text/order/pipelined", service="text", requirements=("TEXT-002",), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """A thousand numbered lines without waiting: a thousand answers in that order."""
    stream = text.encode(*(b"line %d" % number for number in range(1000)))
    with target.connect() as peer:
        return exchange(peer, [stream], stream)


@case(
    "text/order/any-messages",
    service="text",
    requirements=("TEXT-002", "TEXT-004"),
    accept=ECHOED,
    explores=True,
)
def test_any_messages(target: Target) -> str:
    """Any messages, pipelined on one connection after another, come back whole and in order."""

    def check(segments: list[bytes]) -> None:
        with target.connect() as peer:
            exchange(peer, segments, text.encode(*text.meaning(b"".join(segments))))

    explore(target, split_streams(messages(2000).map(lambda data: data + b"\n"), most=20), check, examples=20)
    return "echoed"


@case(
    "text/limit/exact",
    service="text",
    requirements=("TEXT-005",),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_limit_exact(target: Target) -> str:
    """A message of exactly the limit is accepted; its line feed does not count."""
    line = b"x" * target.limits["max_package_size"] + b"\n"
    with target.connect() as peer:
        return exchange(peer, [line], line)


CLOSED = {"fin": "pass", "reset": "pass"}
"""Bytes that the target never read turn its orderly close into a reset on this side."""


@case(
    "text/limit/one-more",
    service="text",
    requirements=("TEXT-005",),
    accept=CLOSED,
    needs=("limits.max_package_size",),
)
def test_limit_one_more(target: Target) -> str:
    """A message one byte over the limit closes the connection; neither it nor what follows is answered."""
    line = b"x" * (target.limits["max_package_size"] + 1) + b"\n"
    with target.connect() as peer:
        peer.send(line + text.encode(SENTINEL))
        return peer.ending()


@case(
    "text/limit/unterminated",
    service="text",
    requirements=("TEXT-005",),
    accept=CLOSED,
    needs=("limits.max_package_size",),
)
def test_limit_unterminated(target: Target) -> str:
    """A line that never ends is given up as soon as it is over the limit."""
    with target.connect() as peer:
        peer.send(b"x" * (target.limits["max_package_size"] + 2))
        return peer.ending()


@case(
    "text/limit/many-short-lines",
    service="text",
    requirements=("TEXT-006",),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_limit_many_short_lines(target: Target) -> str:
    """Short lines that arrive together may be more than the limit in sum."""
    stream = (b"s" * 99 + b"\n") * (2 * target.limits["max_package_size"] // 100)
    with target.connect() as peer:
        return exchange(peer, [stream], stream)


@case(
    "text/limit/long-line-before-others",
    service="text",
    requirements=("TEXT-006",),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_limit_long_line_before_others(target: Target) -> str:
    """A line just under the limit and other lines right behind it: only each alone counts."""
    long, others = b"x" * (target.limits["max_package_size"] - 10), b"\n" + b"short\n" * 1000
    with target.connect() as peer:
        exchange(peer, [long, others], long + others)
        return exchange(peer, [long + others], long + others)


@case(
    "text/ending/complete-lines-answered", service="text", requirements=("TEXT-002",), accept={"fin": "pass"}
)
def test_complete_lines_answered(target: Target) -> str:
    """Lines before our FIN are answered, then the target ends the stream in order."""
    with target.connect() as peer:
        peer.send(b"x\ny\n")
        peer.finish()
        peer.expect(b"x\ny\n")
        return peer.ending()


@case(
    "text/ending/incomplete-line-dropped", service="text", requirements=("TEXT-002",), accept={"fin": "pass"}
)
def test_incomplete_line_dropped(target: Target) -> str:
    """A line that our FIN cuts off is no message: no answer, and the target ends the stream in order."""
    with target.connect() as peer:
        peer.send(b"whole\npart")
        peer.finish()
        peer.expect(b"whole\n")
        return peer.ending()


@case(
    "text/robustness/garbage",
    service="text",
    requirements=("TEXT-004",),
    accept={"unharmed": "pass"},
    explores=True,
)
def test_garbage(target: Target) -> str:
    """Bytes without any plan, then a reset in mid-line: another connection is served as before."""

    def check(data: bytes) -> None:
        with target.connect() as stranger:
            stranger.send(data)
            stranger.reset()
        exchange(bystander, [], b"")

    with target.connect() as bystander:
        explore(target, garbage(), check)
    return "unharmed"
