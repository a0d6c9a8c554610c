"""Load at its limits: no descriptor left, and ten thousand connections that say nothing (LOAD)."""

import resource
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from conformance.case import Unsupported, Violation, case
from conformance.cases.echoing import exchange_then, several
from conformance.load import allow_descriptors
from conformance.outcomes import Observation
from conformance.target import family
from conformance.target.view import Target
from conformance.wire.address import Address, dial
from conformance.wire.peer import LINGER_ZERO

exchange = exchange_then(b"the line after\n")

SPARE = 4
"""Descriptors that every process of the target may still open."""

NEWCOMERS = 60
"""More connections than those descriptors allow, and fewer than any sensible backlog."""

CROWD = 10_000
"""Idle connections, where the limits of this machine and of the target allow so many."""

RESERVE = 200
"""Descriptors that both sides need for other things."""

EACH = 100
"""Of the crowd every so many-th is served in the end."""

PATIENCE = 10.0
"""Seconds until a connection must stand."""

MOMENT = 1.0
"""Seconds for which the target's use of the processor is watched."""

BUSY = 0.5
"""Part of a processor. Whoever waits needs a hundredth of it; a loop without a pause takes all."""


@case(
    "load/descriptors/none-left",
    service="text",
    requirements=("LOAD-005",),
    accept={"served": "pass", "spins": "weak"},
    needs=("process",),
    fresh=True,
)
def test_descriptors_none_left(target: Target) -> str:
    """Without a descriptor for newcomers others are served, and newcomers when there is one again."""
    with several(target, 4) as residents:
        for peer in residents:
            exchange(peer, b"before\n")
        with scarce(target), several(target, NEWCOMERS):
            for peer in residents:
                exchange(peer, b"meanwhile\n")
            spent = time_spent(target, lambda: residents[0].silent(MOMENT))
        for peer in residents:
            exchange(peer, b"afterwards\n")
    with several(target, 4) as newcomers:
        for peer in newcomers:
            exchange(peer, b"at last\n")
    return Observation("spins" if spent > BUSY else "served", f"{spent:.0%} of a processor meanwhile")


@contextmanager
def scarce(target: Target) -> Iterator[None]:
    """The target's processes can open next to nothing. Raises Unsupported where that is not ours to say."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in target.process.family()}
    try:
        for pid, (_, hard) in before.items():
            few = family.usage([pid]).descriptors + SPARE
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(few, hard), hard))
        yield
    except PermissionError as problem:
        raise Unsupported("the target's processes belong to somebody else") from problem
    finally:
        for pid in before.keys() & target.process.family():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before[pid])


def time_spent(target: Target, wait: Callable[[], None]) -> float:
    """What part of a processor the target's processes take up meanwhile."""
    members = target.process.family()
    before = family.stints(members)
    wait()
    return family.strain(before, family.stints(members))


@case(
    "load/idle/ten-thousand",
    service="text",
    requirements=("LOAD-006",),
    accept={"served": "pass", "busy": "weak"},
    needs=("process",),
    fresh=True,
)
def test_idle_ten_thousand(target: Target) -> str:
    """Ten thousand connections, or as many as limits allow, wait at no cost of time, and are served."""
    number = room(target)
    with crowd(target.endpoint(), number) as connections, target.connect() as peer:
        exchange(peer, b"the last of them\n")
        spent = time_spent(target, lambda: peer.silent(MOMENT))
        served(connections[::EACH], target.calibration.deadline)
    return Observation(
        "busy" if spent > BUSY else "served", f"{number} connections, {spent:.0%} of a processor"
    )


def room(target: Target) -> int:
    """How many connections this process and each of the target's may have."""
    ours = allow_descriptors()
    theirs = [resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] for pid in target.process.family()]
    return max(RESERVE, min(CROWD, ours - RESERVE, *(limit - RESERVE for limit in theirs)))


@contextmanager
def crowd(address: Address, number: int) -> Iterator[list[socket.socket]]:
    """So many connections, closed by a reset, so that no port of ours waits. Raises Violation `refused`."""
    with ExitStack() as stack:
        connections: list[socket.socket] = []
        for _ in range(number):
            try:
                connection = dial(address, PATIENCE)
            except OSError as problem:
                raise Violation("refused", f"after {len(connections)} connections: {problem}") from problem
            if not isinstance(connection, socket.socket):
                raise Unsupported("ten thousand handshakes of TLS would be another case")
            stack.enter_context(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            connections.append(connection)
        yield connections


def served(connections: Iterable[socket.socket], patience: float) -> None:
    """A line on each comes back. Raises Violation `no-answer` or `wrong-answer`."""
    for number, connection in enumerate(connections):
        connection.settimeout(patience)
        connection.sendall(line := b"%d\n" % number)
        try:
            answer = connection.recv(len(line), socket.MSG_WAITALL)
        except OSError as problem:
            raise Violation("no-answer", f"to a line after a long silence: {problem}") from problem
        if answer != line:
            raise Violation("wrong-answer", f"{line!r} was due, {answer!r} came")
