"""Raw TCP: an echo without any framing, and what it shows of connections and flow control (TCP, FLOW).

An echo tells everything about bytes: none lost, none added, none in the wrong place, none on the wrong
connection. What a server does to its own application (callbacks, counters, limits) it cannot tell.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import monotonic

from conformance.case import Violation, case
from conformance.cases.echoing import (
    any_split,
    beside_a_sleeper,
    exchange_then,
    in_turns,
    last_words,
    pieces,
    pipelined,
    several,
)
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire.peer import Peer

SENTINEL = b"the bytes after"
ECHOED = {"echoed": "pass"}
UNHARMED = {"unharmed": "pass"}
MEBIBYTE = 1024 * 1024

FLOOD = 48 * MEBIBYTE
"""More than all kernel buffers between two processes hold: a target that takes it keeps it in memory."""

VISITORS = 1500
"""Connections in groups: 64 KiB kept of each would be more than the canary lets pass."""

HICCUPS = 4
"""Of forty round trips so many may suffer from somebody else on this machine."""

CROWD = 100
"""Connections at once; more than any backlog that somebody set to a handful."""


exchange = exchange_then(SENTINEL)


@case("tcp/stream/random-mebibyte", service="tcp", requirements=("TCP-001",), accept=ECHOED)
def test_random_mebibyte(target: Target) -> str:
    """A mebibyte of random bytes in random splits comes back as it was."""
    with target.connect() as peer:
        return exchange(peer, *pieces(target, target.random.randbytes(MEBIBYTE), 40))


@case("tcp/stream/all-values", service="tcp", requirements=("TCP-001",), accept=ECHOED)
def test_all_values(target: Target) -> str:
    """All byte values, and line ends in every spelling, pass unchanged."""
    with target.connect() as peer:
        return exchange(peer, bytes(range(256)), b"\r\n\n\r\r\n\0\r\n", bytes(range(255, -1, -1)))


@case("tcp/stream/policy-file-request", service="tcp", requirements=("TCP-001",), accept=ECHOED)
def test_policy_file_request(target: Target) -> str:
    """What old browser plug-ins ask for is bytes like any others, with its NUL."""
    with target.connect() as peer:
        return exchange(peer, b"<policy-file-request/>\0")


@case("tcp/stream/byte-by-byte", service="tcp", requirements=("TCP-001",), accept=ECHOED)
def test_byte_by_byte(target: Target) -> str:
    """Each byte is answered when it comes: nothing waits for more."""
    with target.connect() as peer:
        for value in (0x00, 0x41, 0x0D, 0x0A, 0xFF):
            peer.send(bytes([value]))
            peer.expect(bytes([value]))
        return exchange(peer)


@case("tcp/stream/speaks-when-spoken-to", service="tcp", requirements=("TCP-001",), accept=ECHOED)
def test_speaks_when_spoken_to(target: Target) -> str:
    """A new connection is silent until its first byte."""
    with target.connect() as peer:
        peer.silent()
        return exchange(peer, b"first")


@case("tcp/stream/any-split", service="tcp", requirements=("TCP-001",), accept=ECHOED, explores=True)
def test_any_split(target: Target) -> str:
    """However bytes are cut into segments, the same come back."""
    return any_split(target, exchange)


@case("tcp/stream/pipelined", service="tcp", requirements=("TCP-001",), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """Two thousand small writes without waiting for answers come back in that order."""
    return pipelined(target, exchange)


@case(
    "tcp/isolation/equal-bytes-on-text",
    service="tcp",
    requirements=("TCP-002",),
    accept=ECHOED,
    needs=("endpoint.text",),
)
def test_equal_bytes_on_text(target: Target) -> str:
    """The text service has parsed the same bytes just before; here they are no line, and stay whole."""
    line = b"equal bytes\r\n"
    with target.connect("text") as reader:
        reader.send(line)
        reader.expect(b"equal bytes\n")
    with target.connect() as peer:
        return exchange(peer, line)


@case("tcp/isolation/connections-apart", service="tcp", requirements=("TCP-002", "TCP-018"), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Many connections at once, written to in turns: each gets its own bytes and no others."""
    return in_turns(target, exchange, CROWD, b";")


def leave_unanswered(peer: Peer) -> None:
    """Ask, and close with the answer unread."""
    peer.send(b"unanswered")


def break_off(peer: Peer) -> None:
    """Ask, and reset while the answer travels."""
    peer.send(b"broken off")
    peer.reset()


def reset_at_rest(peer: Peer) -> None:
    """Reset while the target waits for input."""
    exchange(peer, b"answered")
    peer.reset()


LEAVINGS = (Peer.close, Peer.reset, Peer.finish, leave_unanswered, break_off, reset_at_rest)
"""Ways in which a client leaves; after each its socket is closed."""


@case("tcp/life/every-ending", service="tcp", requirements=("TCP-004", "TCP-018"), accept=UNHARMED)
def test_every_ending(target: Target) -> str:
    """Clients leave by FIN, by reset, with answers unread, or without a word: nobody else notices."""
    with several(target, 8) as bystanders:
        for leave in LEAVINGS * 12:
            with target.connect() as peer:
                leave(peer)
        for peer in bystanders:
            exchange(peer, b"still here")
    return "unharmed"


@case("tcp/life/many-visitors", service="tcp", requirements=("TCP-004",), accept=ECHOED)
def test_many_visitors(target: Target) -> str:
    """Visitors come and go in groups; what they leave behind would show in memory and descriptors."""
    for group in range(VISITORS // CROWD):
        with several(target, CROWD) as peers:
            for number, peer in enumerate(peers):
                peer.send(b"visitor %d of group %d" % (number, group))
            for number, peer in enumerate(peers):
                peer.expect(b"visitor %d of group %d" % (number, group))
    return "echoed"


@case("tcp/ending/after-echo", service="tcp", requirements=("TCP-017",), accept={"fin": "pass"})
def test_after_echo(target: Target) -> str:
    """Bytes and FIN in one breath: the bytes come back, then an orderly end."""
    with target.connect() as peer:
        return last_words(peer, b"last words")


@case("tcp/ending/without-a-word", service="tcp", requirements=("TCP-017",), accept={"fin": "pass"})
def test_without_a_word(target: Target) -> str:
    """A FIN as the first thing is answered by an orderly end."""
    with target.connect() as peer:
        peer.finish()
        return peer.ending()


@case(
    "tcp/ending/pending-output",
    service="tcp",
    requirements=("TCP-017", "TCP-013", "FLOW-001"),
    accept={"fin": "pass"},
)
def test_pending_output(target: Target) -> str:
    """A client that writes all the target takes, sends FIN and reads late gets every byte, then FIN."""
    stream = target.random.randbytes(FLOOD)
    with target.connect() as peer:
        taken = peer.flood(stream)
        peer.finish()
        peer.expect(stream[:taken])
        return peer.ending()


@case(
    "tcp/flow/bounded",
    service="tcp",
    requirements=("FLOW-002", "FLOW-003"),
    accept={"bounded": "pass"},
)
def test_bounded(target: Target) -> str:
    """The target stops taking bytes from a client that does not read its answers."""
    with target.connect() as peer:
        if peer.flood(bytes(FLOOD)) == FLOOD:
            raise Violation("unbounded", f"{FLOOD >> 20} MiB were taken, and no answer was read")
    return "bounded"


@case(
    "tcp/flow/slow-reader",
    service="tcp",
    requirements=("FLOW-001", "FLOW-002", "FLOW-004", "FLOW-007"),
    accept=ECHOED,
)
def test_slow_reader(target: Target) -> str:
    """A client that first writes and then reads loses nothing, and goes on as before; twice."""
    stream = target.random.randbytes(FLOOD)
    with target.connect() as peer:
        for _ in range(2):
            peer.expect(stream[: peer.flood(stream)])
            exchange(peer, b"and on")
    return "echoed"


@case("tcp/flow/others-are-served", service="tcp", requirements=("TCP-018", "FLOW-009"), accept=UNHARMED)
def test_others_are_served(target: Target) -> str:
    """While one client does not read, connections old and new are served."""
    return beside_a_sleeper(target, exchange, bytes(FLOOD))


@case(
    "tcp/flow/fairness",
    service="tcp",
    requirements=("FLOW-009",),
    accept={"fair": "pass", "late": "weak"},
)
def test_fairness(target: Target) -> str:
    """While one client writes and reads without a pause, others wait for their answers at most 100 ms."""
    with several(target, 4) as neighbours, target.connect() as busy, _streaming(busy):
        waits = [_round_trip(peer) for _ in range(10) for peer in neighbours]
    allowed = max(0.1, target.calibration.quiet)
    longest = sorted(waits)[-HICCUPS]
    return Observation("fair" if longest <= allowed else "late", f"{longest * 1000:.1f} ms")


@contextmanager
def _streaming(peer: Peer) -> Iterator[None]:
    """A thread that sends and reads as fast as the target lets it."""
    over = threading.Event()

    def stream() -> None:
        while not over.is_set() and not peer.ended:
            peer.send(bytes(MEBIBYTE // 4))
            peer.receive()

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _round_trip(peer: Peer) -> float:
    """Seconds for a small echo."""
    started = monotonic()
    peer.send(b"ping")
    peer.expect(b"ping")
    return monotonic() - started


@case(
    "tcp/options/no-delay",
    service="tcp",
    requirements=("TCP-020",),
    accept={"prompt": "pass", "delayed": "weak"},
)
def test_no_delay(target: Target) -> str:
    """Two small writes in a row come back without the 40 ms of Nagle and a late ACK."""
    waits = []
    with target.connect() as peer:
        for _ in range(20):
            started = monotonic()
            peer.send(b"one", b"two", gap=0.001)
            peer.expect(b"onetwo")
            waits.append(monotonic() - started)
    usual = median(waits)
    return Observation("prompt" if usual < 0.03 else "delayed", f"{usual * 1000:.1f} ms")


@case("tcp/robustness/reset-in-mid-stream", service="tcp", requirements=("TCP-018",), accept=UNHARMED)
def test_reset_in_mid_stream(target: Target) -> str:
    """A client that breaks off while bytes travel both ways harms nobody else."""
    with several(target, 4) as bystanders:
        for _ in range(8):
            with target.connect() as stranger:
                stranger.flood(bytes(4 * MEBIBYTE))
                stranger.reset()
        for peer in bystanders:
            exchange(peer, b"still here")
    return "unharmed"
