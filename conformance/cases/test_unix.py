"""Unix stream sockets: an echo of lines, and clients with and without a name (UNIX-001, UNIX-003).

A stream socket is a stream socket: what TCP may do to bytes, a Unix socket may do too. Three things are its
own. Its kernel buffers are small, so that short writes come early; a client usually has no name at all; and
nothing is sent over a wire, so that the end of a connection is seen at once.
"""

from conformance.case import Violation, case
from conformance.cases.apart import put_together
from conformance.cases.echoing import (
    beside_a_sleeper,
    exchange_then,
    in_turns,
    last_words,
    several,
)
from conformance.cases.processes import run
from conformance.exploration import explore
from conformance.strategies import lines, split_streams
from conformance.target.view import Target
from conformance.wire import text
from conformance.wire.peer import Peer

SENTINEL = b"the line after\n"
ECHOED = {"echoed": "pass"}
UNHARMED = {"unharmed": "pass"}
MEBIBYTE = 1024 * 1024

FLOOD = text.encode(*(b"%01023d" % number for number in range(48 * 1024)))
"""48 MiB of numbered lines: more than a target may keep in memory for a client that does not read."""

CROWD = 100
"""Connections at once."""


exchange = exchange_then(SENTINEL)


# --- messages ----------------------------------------------------------------------------------------------


@case("unix/framing/byte-by-byte", service="unix", requirements=("UNIX-001",), accept=ECHOED)
def test_byte_by_byte(target: Target) -> str:
    """Every byte is a write of its own, and a line is a line: a stream has no records."""
    with target.connect() as peer:
        return exchange(peer, *(bytes([byte]) for byte in b"hello\nyou\n"))


@case("unix/framing/several-lines-in-a-write", service="unix", requirements=("UNIX-001",), accept=ECHOED)
def test_several_lines_in_a_write(target: Target) -> str:
    """Three lines and the beginning of a fourth in one write: three answers, and the tail waits."""
    with target.connect() as peer:
        peer.send(b"1\n2\n3\n4")
        peer.expect(b"1\n2\n3\n")
        peer.silent()
        return exchange(peer, b"\n", answer=b"4\n")


@case("unix/framing/any-split", service="unix", requirements=("UNIX-001",), accept=ECHOED, explores=True)
def test_any_split(target: Target) -> str:
    """However a stream of lines is cut into writes, the answers are the same."""

    def check(segments: list[bytes]) -> None:
        with target.connect() as peer:
            exchange(peer, *segments, answer=text.encode(*text.meaning(b"".join(segments))))

    explore(target, split_streams(lines()), check)
    return "echoed"


@case("unix/framing/connections-apart", service="unix", requirements=("UNIX-001",), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Halves of lines on eight connections are put together each with its own."""
    return put_together(target, lambda number: (b"number %d, " % number, b"to the end\n"))


@case("unix/bytes/all-values", service="unix", requirements=("UNIX-001",), accept=ECHOED)
def test_all_values(target: Target) -> str:
    """All byte values but the line feed pass unchanged."""
    with target.connect() as peer:
        return exchange(peer, bytes(value for value in range(256) if value != 0x0A) + b"x\n")


@case("unix/bytes/large-random-stream", service="unix", requirements=("UNIX-001",), accept=ECHOED)
def test_large_random_stream(target: Target) -> str:
    """A mebibyte of random lines, written as fast as the target takes it, comes back whole and in order."""
    stream = target.random.randbytes(MEBIBYTE) + b"\n"
    with target.connect() as peer:
        return exchange(peer, stream, answer=text.encode(*text.meaning(stream)))


@case(
    "unix/limit/exact",
    service="unix",
    requirements=("UNIX-001",),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_limit_exact(target: Target) -> str:
    """A message of exactly the limit is accepted, though no kernel buffer holds it."""
    with target.connect() as peer:
        return exchange(peer, b"x" * target.limits["max_package_size"] + b"\n")


@case(
    "unix/limit/one-more",
    service="unix",
    requirements=("UNIX-001",),
    accept={"fin": "pass", "reset": "pass"},
    needs=("limits.max_package_size",),
)
def test_limit_one_more(target: Target) -> str:
    """A message one byte over the limit closes the connection: a local client is a client like others."""
    with target.connect() as peer:
        peer.send(b"x" * (target.limits["max_package_size"] + 1) + b"\n" + SENTINEL)
        return peer.ending()


# --- endings and flow --------------------------------------------------------------------------------------


@case("unix/ending/last-lines", service="unix", requirements=("UNIX-001",), accept={"fin": "pass"})
def test_last_lines(target: Target) -> str:
    """Lines and our end of the stream in one breath: the answers come, then the target's own end."""
    with target.connect() as peer:
        return last_words(peer, b"x\ny\n")


@case("unix/ending/tail", service="unix", requirements=("UNIX-001",), accept={"fin": "pass"})
def test_tail(target: Target) -> str:
    """A line that our end of the stream cuts off is no message."""
    with target.connect() as peer:
        return last_words(peer, b"whole\npart", b"whole\n")


@case("unix/ending/pending-output", service="unix", requirements=("UNIX-001",), accept={"fin": "pass"})
def test_pending_output(target: Target) -> str:
    """A client that writes all the target takes, ends its stream and reads late gets every answer."""
    with target.connect() as peer:
        taken = FLOOD[: peer.flood(FLOOD)]
        peer.finish()
        peer.expect(taken[: taken.rfind(b"\n") + 1])
        return peer.ending()


@case("unix/flow/bounded", service="unix", requirements=("UNIX-001",), accept={"bounded": "pass"})
def test_bounded(target: Target) -> str:
    """The target stops taking lines from a client that does not read its answers."""
    with target.connect() as peer:
        if peer.flood(FLOOD) == len(FLOOD):
            raise Violation("unbounded", f"{len(FLOOD) >> 20} MiB were taken, and no answer was read")
    return "bounded"


@case("unix/flow/slow-reader", service="unix", requirements=("UNIX-001",), accept=ECHOED)
def test_slow_reader(target: Target) -> str:
    """A client that first writes and then reads loses nothing, and goes on as before; twice."""
    with target.connect() as peer:
        for _ in range(2):
            taken = FLOOD[: peer.flood(FLOOD)] + b"\n"
            peer.send(b"\n")
            peer.expect(taken)
            exchange(peer, b"and on\n")
    return "echoed"


@case("unix/flow/others-are-served", service="unix", requirements=("UNIX-001",), accept=UNHARMED)
def test_others_are_served(target: Target) -> str:
    """While one client does not read, connections old and new are served."""
    return beside_a_sleeper(target, exchange, FLOOD, end=b"\n")


# --- clients -----------------------------------------------------------------------------------------------


@case("unix/clients/crowd", service="unix", requirements=("UNIX-001",), accept=ECHOED)
def test_crowd(target: Target) -> str:
    """A hundred connections at once, written to in turns: each gets its own answers and no others."""
    return in_turns(target, exchange, CROWD, b"\n")


def leave_unread(peer: Peer) -> None:
    """Close with the answer unread, which the target sees as a reset."""
    peer.send(b"unread\n")
    peer.receive(1)


def leave_unanswered(peer: Peer) -> None:
    """Ask, and close at once: the target writes to nobody."""
    peer.send(b"unanswered\n")


def leave_in_mid_line(peer: Peer) -> None:
    """Close in the middle of a line."""
    peer.send(b"half a li")


LEAVINGS = (Peer.close, Peer.finish, leave_unread, leave_unanswered, leave_in_mid_line)
"""Ways in which a client leaves; after each its socket is closed."""


@case("unix/clients/every-ending", service="unix", requirements=("UNIX-001",), accept=UNHARMED)
def test_every_ending(target: Target) -> str:
    """Clients leave in order, with answers unread or on their way, or in mid-line: nobody else notices."""
    with several(target, 8) as bystanders:
        for leave in LEAVINGS * 12:
            with target.connect() as peer:
                leave(peer)
        for peer in bystanders:
            exchange(peer, b"still here\n")
    return "unharmed"


@case("unix/clients/any-name", service="unix", requirements=("UNIX-003",), accept=ECHOED)
def test_any_name(target: Target) -> str:
    """Clients with a path, an abstract name, one that is no text, and without any are all served."""
    folder = target.copy.folder.path
    names = (f"{folder}/client.sock", f"{folder}/na\udcffme.sock", f"\0{folder}/abstract", "")
    for name in names:
        with target.connect(name=name) as peer:
            exchange(peer, b"my name is no matter\n")
    return "echoed"


@case(
    "unix/clients/listed",
    service="unix",
    requirements=("UNIX-003",),
    accept={"listed": "pass"},
    needs=("process", "connections"),
)
def test_listed(target: Target) -> str:
    """`connections` copes with clients of every name, and goes on to name those of other services."""
    names = ("", f"\0{target.copy.folder.path}/listed")
    with target.connect(name=names[0]) as nameless, target.connect(name=names[1]) as named:
        exchange(nameless, b"here\n")
        exchange(named, b"here\n")
        before = target.process.command("connections")
        with several(target, 8) as more:
            for peer in more:
                exchange(peer, b"here\n")
            after = target.process.command("connections")
    if before.returncode or after.returncode or run(target, "connections"):
        raise Violation("wrong-status", f"`connections` ended with {before.returncode}, {after.returncode}")
    return _grown(before.stdout, after.stdout)


def _grown(before: str, after: str) -> str:
    """Eight more connections are eight more lines, at least."""
    fewer, more = len(before.splitlines()), len(after.splitlines())
    if more < fewer + 8:
        raise Violation("not-listed", f"{fewer} lines, and {more} when eight more clients were there")
    return "listed"
