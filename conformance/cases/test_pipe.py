"""A connection piped both ways to the echo service `tcp`: an echo again, if the pipe holds (FLOW-008)."""

from conformance.case import Violation, case
from conformance.cases.echoing import (
    any_split,
    beside_a_sleeper,
    in_turns,
    last_words,
    pieces,
    pipelined,
    several,
)
from conformance.cases.patience import MEBIBYTE, SENTINEL, exchange, little_memory
from conformance.target.view import Target
from conformance.wire.peer import Peer

ECHOED = {"echoed": "pass"}
UNHARMED = {"unharmed": "pass"}

FLOOD = 96 * MEBIBYTE
"""More than all kernel buffers on the way there and back hold, twice as many as without a pipe."""

STREAM = 24 * MEBIBYTE
"""Enough that both ways of the pipe have to wait more than once."""

CROWD = 40


@case("pipe/stream/random-mebibyte", service="pipe", requirements=("FLOW-008", "TCP-001"), accept=ECHOED)
def test_random_mebibyte(target: Target) -> str:
    """A mebibyte of random bytes in random pieces comes back as it was."""
    with target.connect() as peer:
        return exchange(peer, *pieces(target, target.random.randbytes(MEBIBYTE), 41))


@case("pipe/stream/any-split", service="pipe", requirements=("FLOW-008",), accept=ECHOED, explores=True)
def test_any_split(target: Target) -> str:
    """However bytes are cut into segments, also the very first, the same come back."""
    return any_split(target, exchange)


@case("pipe/stream/pipelined", service="pipe", requirements=("FLOW-008",), accept=ECHOED)
def test_pipelined(target: Target) -> str:
    """Two thousand small writes without waiting for answers come back in that order."""
    return pipelined(target, exchange)


@case("pipe/stream/slow-reader", service="pipe", requirements=("FLOW-008", "FLOW-004"), accept=ECHOED)
def test_pipe_slow_reader(target: Target) -> str:
    """A client that writes while it can, then reads, and rests in between, loses nothing; twice."""
    stream = target.random.randbytes(STREAM)
    with target.connect() as peer:
        for _ in range(2):
            taken = peer.flood(stream)
            half = taken // 2
            peer.expect(stream[:half])
            peer.rest_a_while()
            peer.expect(stream[half:taken])
            exchange(peer, b"and on")
    return "echoed"


@case(
    "pipe/flow/bounded",
    service="pipe",
    requirements=("FLOW-008", "FLOW-002"),
    accept={"bounded": "pass"},
    needs=("process",),
)
def test_pipe_bounded(target: Target) -> str:
    """A client that does not read is soon not read either: nothing piles up in the pipe."""
    with target.connect(receive_buffer=4096) as peer, little_memory(target):
        if peer.flood(bytes(FLOOD)) == FLOOD:
            raise Violation("unbounded", f"{FLOOD >> 20} MiB were taken, and no answer was read")
    return "bounded"


@case("pipe/flow/others-are-served", service="pipe", requirements=("FLOW-008", "FLOW-009"), accept=UNHARMED)
def test_pipe_others_are_served(target: Target) -> str:
    """While one pipe is stuck, others, old and new, go on."""
    return beside_a_sleeper(target, exchange, bytes(FLOOD), count=4, receive_buffer=4096)


@case("pipe/order/many-at-once", service="pipe", requirements=("FLOW-008",), accept=ECHOED)
def test_many_at_once(target: Target) -> str:
    """Many pipes at once, written to in turns: each gives back its own bytes and no others."""
    return in_turns(target, exchange, CROWD, b";")


@case("pipe/start/all-in-one-breath", service="pipe", requirements=("FLOW-008",), accept={"fin": "pass"})
def test_all_in_one_breath(target: Target) -> str:
    """Bytes and FIN in the moment of the connection, before the other side of the pipe can stand."""
    for number in range(CROWD):
        with target.connect() as peer:
            if (ending := last_words(peer, b"first and last of %d" % number)) != "fin":
                return ending
    return "fin"


@case("pipe/start/much-at-once", service="pipe", requirements=("FLOW-008",), accept=ECHOED)
def test_much_at_once(target: Target) -> str:
    """Four mebibytes before the other side of the pipe can stand: none is lost, and all stay in order."""
    stream = target.random.randbytes(4 * MEBIBYTE)
    for _ in range(5):
        with target.connect() as peer:
            exchange(peer, stream)
    return "echoed"


@case("pipe/ending/half-close", service="pipe", requirements=("FLOW-008", "TCP-017"), accept={"fin": "pass"})
def test_half_close(target: Target) -> str:
    """A FIN is passed on as a FIN: the echo comes back all the same, and then the echo's own FIN."""
    with target.connect() as peer:
        exchange(peer, b"a pipe that stands")
        return last_words(peer, b"last words")


@case("pipe/ending/without-a-word", service="pipe", requirements=("FLOW-008",), accept={"fin": "pass"})
def test_pipe_without_a_word(target: Target) -> str:
    """A FIN as the first thing comes back as a FIN."""
    with target.connect() as peer:
        peer.finish()
        return peer.ending()


@case("pipe/ending/late-reader", service="pipe", requirements=("FLOW-008", "TCP-013"), accept={"fin": "pass"})
def test_late_reader(target: Target) -> str:
    """All the pipe takes, FIN, a rest, and only then reading: every byte, then FIN."""
    stream = target.random.randbytes(STREAM)
    with target.connect(receive_buffer=65536) as peer:
        taken = peer.flood(stream)
        peer.finish()
        peer.rest_a_while()
        peer.expect(stream[:taken])
        return peer.ending()


def leave_unanswered(peer: Peer) -> None:
    """Ask, and close with the answer unread."""
    peer.send(b"unanswered")


def break_off(peer: Peer) -> None:
    """Reset while bytes travel both ways."""
    peer.send(bytes(MEBIBYTE))
    peer.reset()


LEAVINGS = (Peer.close, Peer.reset, Peer.finish, leave_unanswered, break_off)
"""Ways in which a client leaves; after each its socket is closed."""


@case("pipe/ending/every-way", service="pipe", requirements=("FLOW-008", "TCP-004"), accept=UNHARMED)
def test_every_way(target: Target) -> str:
    """Clients leave in every way: nobody else notices, and the far side of their pipes goes with them."""
    with several(target, 4) as bystanders:
        for leave in LEAVINGS * 12:
            with target.connect() as peer:
                exchange(peer, b"stands")
                leave(peer)
        for peer in bystanders:
            exchange(peer, b"still here", SENTINEL)
    return "unharmed"
