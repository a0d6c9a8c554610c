"""TLS: the text protocol, with every line in records (TLS-001, TLS-008), and the WebSocket on top of it.

Everything else that text and WebSocket servers have to do is judged without TLS; here is what TLS may spoil:
where records, segments and messages end, and how the stream does.
"""

from itertools import pairwise
from random import Random

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.cases.apart import put_together
from conformance.cases.dialogue import answered, closes, fragments, opened
from conformance.cases.dialogue import echo as echo_frame
from conformance.cases.dialogue import text as text_frame
from conformance.cases.secure import Handmade, announced, bystander, echoes, exchange
from conformance.exploration import explore
from conformance.strategies import lines, split_streams
from conformance.target.view import Target
from conformance.wire import text, websocket
from conformance.wire.websocket import Opcode

ECHOED = {"echoed": "pass"}
MEBIBYTE = 1024 * 1024
LINE = 1024
FLOOD = 48 * MEBIBYTE
"""More than all kernel buffers between two processes hold: a target that takes it keeps it in memory."""


def cut(data: bytes, *places: int) -> list[bytes]:
    """The data in pieces that end at these places."""
    return [data[start:end] for start, end in pairwise((0, *places, len(data)))]


@case("tls/record/line-in-two", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_line_in_two(target: Target) -> str:
    """A line that comes in two records is one message."""
    with target.connect() as peer:
        peer.send(b"one li")
        peer.silent()
        peer.send(b"ne\n")
        peer.expect(b"one line\n")
        return exchange(peer)


@case("tls/record/lines-in-one", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_lines_in_one(target: Target) -> str:
    """Three lines and the beginning of a fourth in one record: three answers, and the tail waits."""
    with target.connect() as peer:
        peer.send(b"1\n2\n3\n4")
        peer.expect(b"1\n2\n3\n")
        peer.silent()
        peer.send(b"\n")
        peer.expect(b"4\n")
        return exchange(peer)


@case("tls/record/line-over-several", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_line_over_several(target: Target) -> str:
    """A line of 30,000 bytes fills two records that arrive together, and is answered without more."""
    line = b"x" * 29_999 + b"\n"
    with Handmade(target) as client:
        client.open()
        client.exchange(line)
        return client.exchange(b"and on\n")


@case("tls/record/several-in-a-segment", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_several_in_a_segment(target: Target) -> str:
    """Many records in one segment, each a line or a part of one, are all answered without more."""
    with Handmade(target) as client:
        client.open()
        client.exchange(*(b"line %d\n" % number for number in range(200)))
        client.exchange(*(bytes([byte]) for byte in b"a record for each byte\n"))
        return client.exchange(b"and on\n")


@case("tls/record/cut-by-segments", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_cut_by_segments(target: Target) -> str:
    """A record that comes in segments, cut in its header, in its body and before its last byte."""
    with Handmade(target) as client:
        client.open()
        sealed = client.engine.seal(b"in pieces\nand more\n")
        client.peer.send(*cut(sealed, 1, 4, 5, 6, len(sealed) - 1))
        client.expect(b"in pieces\nand more\n")
        return client.exchange(b"and on\n")


@case("tls/record/one-and-a-half", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_one_and_a_half(target: Target) -> str:
    """A record is answered though a part of the next one has come behind it."""
    with Handmade(target) as client:
        client.open()
        first, second = client.engine.seal(b"first\n"), client.engine.seal(b"second\n")
        client.peer.send(first + second[:7])
        client.expect(b"first\n")
        client.peer.send(second[7:])
        client.expect(b"second\n")
        return client.exchange(b"and on\n")


@case("tls/record/any-split", service="tls", requirements=("TLS-001",), accept=ECHOED, explores=True)
def test_any_split(target: Target) -> str:
    """However lines are cut into records, and records into segments, the answers are the same."""

    def check(example: tuple[list[bytes], int]) -> None:
        records, seed = example
        with Handmade(target) as client:
            client.open()
            sealed = b"".join(map(client.engine.seal, records))
            places = sorted(Random(seed).sample(range(1, len(sealed)), 3))
            client.peer.send(*cut(sealed, *places))
            client.expect(text.encode(*text.meaning(b"".join(records))))
            client.exchange(b"and on\n")

    explore(target, st.tuples(split_streams(lines()), st.integers(0, 2**32)), check)
    return "echoed"


@case("tls/stream/three-mebibytes", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_three_mebibytes(target: Target) -> str:
    """Three mebibytes of random lines, written as fast as the target takes them, come back whole."""
    with target.connect() as peer:
        return echoes(peer, target.random.randbytes(3 * MEBIBYTE) + b"\n")


@case("tls/stream/pipelined", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """A thousand numbered lines, a record each, without waiting: a thousand answers in that order."""
    with target.connect() as peer:
        peer.send(*(b"line %d\n" % number for number in range(1000)), gap=0.0)
        peer.expect(b"".join(b"line %d\n" % number for number in range(1000)))
        return exchange(peer)


@case("tls/stream/connections-apart", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Halves of lines on eight connections are put together each with its own."""
    return put_together(target, lambda number: (b"number %d, " % number, b"to the end\n"))


@case(
    "tls/flow/bounded",
    service="tls",
    requirements=("TLS-001", "FLOW-002", "FLOW-003"),
    accept={"bounded": "pass"},
)
def test_bounded(target: Target) -> str:
    """The target stops taking bytes from a client that does not read its answers."""
    with target.connect() as peer:
        if peer.flood((b"x" * (LINE - 1) + b"\n") * (FLOOD // LINE)) == FLOOD:
            raise Violation("unbounded", f"{FLOOD >> 20} MiB were taken, and no answer was read")
    return "bounded"


@case("tls/flow/slow-reader", service="tls", requirements=("TLS-001", "FLOW-001", "FLOW-004"), accept=ECHOED)
def test_slow_reader(target: Target) -> str:
    """A client that first writes and then reads loses nothing, and goes on as before."""
    stream = b"".join(b"%*d\n" % (LINE - 1, number) for number in range(FLOOD // LINE))
    with target.connect() as peer:
        taken = peer.flood(stream)
        whole = taken - taken % LINE
        peer.expect(stream[:whole])
        peer.send(stream[taken : whole + LINE])
        peer.expect(stream[whole : whole + LINE])
        return exchange(peer)


@case("tls/ending/answers-before-close-notify", service="tls", requirements=("TLS-001",), accept=ECHOED)
def test_answers_before_close_notify(target: Target) -> str:
    """Lines right before our close_notify and FIN are answered."""
    with target.connect() as peer:
        peer.send(b"x\ny\n")
        peer.finish()
        peer.expect(b"x\ny\n")
    return "echoed"


@case("tls/ending/close-notify", service="tls", requirements=("TLS-008",), accept={"clean": "pass"})
def test_close_notify(target: Target) -> str:
    """The target ends the stream with close_notify: nobody has cut it off."""
    with target.connect() as peer:
        exchange(peer, b"a line\n")
        peer.finish()
        return announced(peer)


@case(
    "tls/ending/close-notify-of-its-own",
    service="tls",
    requirements=("TLS-008",),
    accept={"clean": "pass", "reset": "pass"},
    needs=("limits.max_package_size",),
)
def test_close_notify_of_its_own(target: Target) -> str:
    """When the target ends the connection over a line that is too long, it says close_notify, too.

    Bytes that it never read may turn the end into a reset.
    """
    with target.connect() as peer:
        peer.send(b"x" * (target.limits["max_package_size"] + 2))
        return announced(peer)


@case(
    "tls/ending/fin-alone", service="tls", requirements=("TLS-001",), accept={"fin": "pass", "reset": "pass"}
)
def test_fin_alone(target: Target) -> str:
    """A client that leaves without close_notify is let go, and nobody else is."""
    with bystander(target), Handmade(target) as client:
        client.open()
        client.exchange(b"a line\n")
        client.peer.finish()
        client.peer.rest()
        return client.peer.ended or "open"


@case("tls/wss/messages", service="wss", requirements=("TLS-001",), accept=ECHOED)
def test_wss_messages(target: Target) -> str:
    """Text and binary messages, empty, small and large, in one frame and in several, with pings between."""
    large = target.random.randbytes(200_000)
    with opened(target) as peer:
        echo_frame(peer, Opcode.TEXT, b"")
        echo_frame(peer, Opcode.BINARY, large)
        pieces = fragments(Opcode.TEXT, [b"one ", b"message"])
        peer.send(pieces[0] + websocket.encode(Opcode.PING, b"!") + pieces[1])
        return answered(peer, [(Opcode.TEXT, b"one message")], [b"!"])


@case("tls/wss/frames-and-records", service="wss", requirements=("TLS-001",), accept=ECHOED)
def test_wss_frames_and_records(target: Target) -> str:
    """Frames in parts of records, and several in one: a record is not a frame."""
    frame = text_frame(b"in three records")
    with opened(target) as peer:
        peer.send(*cut(frame, 1, 9))
        websocket.expect(peer, Opcode.TEXT, b"in three records")
        peer.send(frame * 3)
        return answered(peer, [(Opcode.TEXT, b"in three records")] * 3)


@case("tls/wss/close", service="wss", requirements=("TLS-001", "TLS-008"), accept={"clean": "pass"})
def test_wss_close(target: Target) -> str:
    """The closing handshake is followed by close_notify."""
    with opened(target) as peer:
        closes(peer, b"\x03\xe8")
        return "clean" if peer.tls and peer.tls.ended else "truncated"
