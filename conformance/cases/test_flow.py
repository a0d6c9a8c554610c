"""Flow control as an application meets it: one that makes more than is read, or stops reading.

`produce N` answers N bytes and a line feed; `pause S` has no answer, and stops this connection's input for S
seconds; every other message is echoed (contract, section 1).
"""

from contextlib import ExitStack
from time import monotonic

from conformance.case import Inconclusive, Violation, case
from conformance.cases.echoing import several
from conformance.cases.patience import (
    MEBIBYTE,
    SENTINEL,
    exchange,
    left,
    little_memory,
)
from conformance.target.view import Target
from conformance.wire.clock import clock
from conformance.wire.peer import Peer, watch

PRODUCED = {"produced": "pass"}
HELD = {"held": "pass"}
UNHARMED = {"unharmed": "pass"}

LARGE = 12 * MEBIBYTE
"""More than the kernel takes without a reader, so that the target has to wait."""

ENORMOUS = 96 * MEBIBYTE
"""What nobody could hold in memory for one client without being seen."""

FLOOD = 48 * MEBIBYTE
PAUSE = 1.0
"""Seconds of a pause that something is looked at meanwhile."""

BLINK = 0.2
"""Seconds of a pause whose length does not matter."""


def produced(peer: Peer, size: int) -> str:
    """The answer to `produce` comes whole: so many `x`, a line feed, and nothing before the next answer."""
    rest = size
    while rest:
        piece = peer.exactly(min(rest, MEBIBYTE))
        if strange := piece.strip(b"x"):
            raise Violation(
                "wrong-answer", f"{strange[:40]!r} among {size} bytes of `x`, {rest} before the end"
            )
        rest -= len(piece)
    peer.expect(b"\n")
    return "produced"


@case("flow/produce/exact-count", service="flow", requirements=("FLOW-001",), accept=PRODUCED)
def test_exact_count(target: Target) -> str:
    """As many bytes as were asked for, and a line feed: none, one, and numbers around round ones."""
    with target.connect() as peer:
        for size in (0, 1, 2, 1023, 65535, 65536, 65537, MEBIBYTE, 3 * MEBIBYTE + 1):
            peer.send(b"produce %d\n" % size)
            produced(peer, size)
            exchange(peer)
    return "produced"


@case("flow/produce/in-order", service="flow", requirements=("FLOW-001",), accept=PRODUCED)
def test_in_order(target: Target) -> str:
    """Between two messages of the same segment, the product has its place."""
    with target.connect() as peer:
        peer.send(b"before\nproduce 300000\nbetween\nproduce 3\nbehind\n")
        peer.expect(b"before\n")
        produced(peer, 300000)
        peer.expect(b"between\nxxx\nbehind\n")
        exchange(peer)
    return "produced"


@case("flow/produce/slow-reader", service="flow", requirements=("FLOW-002", "FLOW-004"), accept=PRODUCED)
def test_produce_slow_reader(target: Target) -> str:
    """A reader that rests in between, again and again, gets every byte; then the connection goes on."""
    with target.connect(receive_buffer=65536) as peer:
        peer.send(b"produce %d\n" % LARGE)
        for _ in range(6):
            peer.exactly(MEBIBYTE)
            peer.rest_a_while()
        produced(peer, LARGE - 6 * MEBIBYTE)
        return _produced_again(peer)


def _produced_again(peer: Peer) -> str:
    peer.send(b"produce 100000\n")
    produced(peer, 100000)
    exchange(peer)
    return "produced"


@case("flow/produce/several-at-once", service="flow", requirements=("FLOW-001", "FLOW-004"), accept=PRODUCED)
def test_several_at_once(target: Target) -> str:
    """Eight clients ask for different numbers and read one after the other: each gets its own."""
    with several(target, 8) as peers:
        for number, peer in enumerate(peers):
            peer.send(b"produce %d\nclient %d\n" % (LARGE // 2 + number, number))
        for number, peer in enumerate(peers):
            produced(peer, LARGE // 2 + number)
            peer.expect(b"client %d\n" % number)
    return "produced"


@case(
    "flow/produce/bounded",
    service="flow",
    requirements=("FLOW-002", "FLOW-003"),
    accept={"bounded": "pass"},
    needs=("process",),
)
def test_produce_bounded(target: Target) -> str:
    """Clients that ask for very much and read nothing cost the target no memory to speak of."""
    with several(target, 2, receive_buffer=4096) as peers, little_memory(target):
        for peer in peers:
            peer.send(b"produce %d\n" % ENORMOUS)
            peer.exactly(1)
        peer.rest_a_while()
    return "bounded"


@case("flow/produce/others-are-served", service="flow", requirements=("FLOW-009",), accept=UNHARMED)
def test_others_are_served(target: Target) -> str:
    """While one client does not read what it asked for, connections old and new are served."""
    with several(target, 4) as neighbours, target.connect(receive_buffer=4096) as sleeper:
        sleeper.send(b"produce %d\n" % ENORMOUS)
        for peer in neighbours:
            exchange(peer, b"old\n")
        with several(target, 4) as newcomers:
            for peer in newcomers:
                exchange(peer, b"new\n")
    return "unharmed"


@case("flow/produce/finish-behind", service="flow", requirements=("TCP-017",), accept={"fin": "pass"})
def test_finish_behind(target: Target) -> str:
    """A FIN right behind the request: all that was asked for comes, then an orderly end."""
    with target.connect() as peer:
        peer.send(b"produce %d\nand this\n" % LARGE)
        peer.finish()
        peer.rest_a_while()
        produced(peer, LARGE)
        peer.expect(b"and this\n")
        return peer.ending()


@case("flow/produce/broken-off", service="flow", requirements=("TCP-018",), accept=UNHARMED)
def test_broken_off(target: Target) -> str:
    """Clients that break off in the middle of what they asked for harm nobody."""
    with several(target, 3) as bystanders:
        for leave in (Peer.reset, Peer.close) * 3:
            with target.connect(receive_buffer=4096) as stranger:
                stranger.send(b"produce %d\n" % ENORMOUS)
                stranger.exactly(1000)
                leave(stranger)
        for peer in bystanders:
            exchange(peer, b"still here\n")
    return "unharmed"


@case("flow/pause/holds-what-follows", service="flow", requirements=("FLOW-007",), accept=HELD)
def test_holds_what_follows(target: Target) -> str:
    """What stands before a pause is answered at once; what follows, however it came, after it, in order."""
    pause = 2 * target.calibration.deadline  # so that what is held back until its end comes too late
    with several(target, 6) as peers:
        started = monotonic()
        for peer in peers:
            peer.send(b"a\npause %g\nb\nc\n" % pause)
        for peer in peers:
            peer.expect(b"a\n")
            peer.send(b"d\n")
        watch(peers, left(started, pause - 2 * target.calibration.quiet))
        if not left(started, pause):
            raise Inconclusive(f"this machine took longer than the {pause:g} s of the pauses itself")
        for peer in peers:
            peer.silent(0)
        for peer in peers:
            peer.expect(b"b\nc\nd\n", within=pause + target.calibration.deadline)
            exchange(peer)
    return "held"


@case("flow/pause/no-new-bytes-needed", service="flow", requirements=("FLOW-007",), accept=HELD)
def test_no_new_bytes_needed(target: Target) -> str:
    """Whole messages and half of one stood behind the pause: the whole ones are answered as they are."""
    with target.connect() as peer:
        peer.send(b"pause %g\nwhole\nalso whole\nha" % BLINK)
        peer.expect(b"whole\nalso whole\n", within=BLINK + target.calibration.deadline)
        peer.send(b"lf\n")
        peer.expect(b"half\n")
        return exchange(peer) and "held"


@case("flow/pause/no-answer", service="flow", requirements=("FLOW-007",), accept=HELD)
def test_no_answer(target: Target) -> str:
    """A pause is not answered, and neither is its end; another may follow, also at once."""
    with target.connect() as peer:
        for _ in range(2):
            peer.send(b"pause %g\npause %g\n" % (BLINK, BLINK) + SENTINEL)
            peer.expect(SENTINEL, within=2 * BLINK + target.calibration.deadline)
        return exchange(peer) and "held"


@case("flow/pause/pushes-back", service="flow", requirements=("FLOW-007", "FLOW-002"), accept=HELD)
def test_pushes_back(target: Target) -> str:
    """A sender is stopped while its connection pauses; all that was taken is answered in order after it."""
    line = target.random.randbytes(8192).hex().encode() + b"\n"
    stream = line * (FLOOD // len(line))
    with target.connect() as peer:
        peer.send(b"pause %g\n" % PAUSE)
        taken = peer.flood(stream)
        if taken == len(stream):
            raise Violation("unbounded", f"{taken >> 20} MiB were taken from a client that was not read")
        peer.send(stream[taken : (whole := -(-taken // len(line)) * len(line))])
        peer.expect(stream[:whole], within=PAUSE + target.calibration.deadline)
        return exchange(peer) and "held"


@case(
    "flow/pause/finish-meanwhile",
    service="flow",
    requirements=("FLOW-007", "TCP-017"),
    accept={"fin": "pass"},
)
def test_finish_meanwhile(target: Target) -> str:
    """A FIN during a pause: what stood before it is answered when the pause is over, then comes the end."""
    with target.connect() as peer, target.connect() as other:
        peer.send(b"pause %g\none\ntwo\n" % BLINK)
        exchange(other, b"has this been read by now?\n")
        peer.send(b"three\n")
        peer.finish()
        peer.expect(b"one\ntwo\nthree\n", within=BLINK + target.calibration.deadline)
        return peer.ending()


@case("flow/pause/others-go-on", service="flow", requirements=("FLOW-007", "FLOW-009"), accept=UNHARMED)
def test_others_go_on(target: Target) -> str:
    """While some connections pause, those between them are answered, and new ones, too."""
    with several(target, 6) as peers:
        started = clock.exactly()
        for peer in peers[::2]:
            peer.send(b"pause %g\n" % (2 * PAUSE) + SENTINEL)
        for peer in peers[1::2]:
            peer.send(b"old\n")
            peer.expect(b"old\n", within=6 * PAUSE + target.calibration.deadline)
        with target.connect() as newcomer:
            exchange(newcomer, b"new\n")
        if (taken := clock.exactly() - started) > PAUSE:
            raise Violation("late", f"others had to wait {taken:.2f} s for pauses of {2 * PAUSE:g} s")
    return "unharmed"


@case("flow/pause/left-meanwhile", service="flow", requirements=("FLOW-007", "TCP-018"), accept=UNHARMED)
def test_left_meanwhile(target: Target) -> str:
    """Clients that are gone when their pause ends harm nobody."""
    with ExitStack() as stack, several(target, 3) as bystanders:
        for leave in (Peer.reset, Peer.close, Peer.finish) * 4:
            peer = stack.enter_context(target.connect())
            peer.send(b"pause %g\nnobody reads this\n" % BLINK)
            leave(peer)
        for peer in bystanders:
            peer.send(b"pause %g\nstill here\n" % (2 * BLINK))
        for peer in bystanders:
            peer.expect(b"still here\n", within=2 * BLINK + target.calibration.deadline)
            exchange(peer)
    return "unharmed"
