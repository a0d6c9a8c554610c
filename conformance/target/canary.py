"""After every case: does the target still serve, and has it kept its house in order?

The damage that a case does shows up later, on somebody else's connection. So each case is followed by a fresh
good exchange on its service and, where the suite started the target, by a look at its processes: alive, as
many as before, descriptors given back, memory within bounds. What is wrong is blamed on the case just run.
"""

from dataclasses import dataclass

from conformance.outcomes import Violation
from conformance.target import family
from conformance.target.fitness import exchange
from conformance.target.instance import Copy
from conformance.target.process import Process, wait_until
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript

SETTLE = 3.0
"""Seconds that a target has to close what a case left open."""

STEADY = 4
"""Looks in a row that have to show the same before a new copy counts as settled."""

SPARE_DESCRIPTORS = 32
"""More than this many new descriptors after a case are a leak; an accept queue or a log may need a few."""

SPARE_MEMORY = 64 * 1024 * 1024
"""Bytes that a target may keep after a case, besides twice its package limit for each process."""


@dataclass(frozen=True)
class Health:
    """A target before a case: how many children, and what all its processes hold."""

    children: int
    usage: family.Usage
    processes: int


def settle(copy: Copy) -> None:
    """Wait until a new copy has all its processes: it may accept connections before it has forked them."""
    if copy.process is None or not family.available():
        return
    process, seen = copy.process, list[tuple[int, int]]()

    def steady() -> bool:
        members = process.family()
        seen.append((len(members), family.usage(members).descriptors))
        return len(seen) > STEADY and len(set(seen[-STEADY:])) == 1

    wait_until(steady, SETTLE, poll=0.05)


def examine(copy: Copy) -> Health | None:
    """Take the measure before a case; None where the processes are out of reach."""
    if copy.process is None or not family.available():
        return None
    members = copy.process.family()
    return Health(len(copy.process.children()), family.usage(members), len(members))


def check(copy: Copy, service: str, before: Health | None) -> float:
    """The round trip of a good exchange, in seconds.

    Raises Violation `crash`, `hang`, `lost-children`, `leaks-descriptors` or `leaks-memory`.
    """
    if copy.process and not copy.process.alive():
        raise Violation("crash", f"the process ended; it printed: {copy.process.last_words()}")
    round_trip = _serves(copy, service)
    if copy.process and before:
        _same_children(copy.process, before)
        _holds_no_more(copy, copy.process, before)
    return round_trip


def _serves(copy: Copy, service: str) -> float:
    """A fresh good exchange; a failure is a crash where connections are refused, else a hang."""
    try:
        with Peer(copy.addresses[service], copy.calibration(service), Transcript()) as peer:
            return exchange(service, peer)
    except Violation as problem:
        name = {"refused": "crash", "reset": "crash", "fin": "crash"}.get(problem.outcome, "hang")
        raise Violation(name, f"after the case, a plain exchange fails: {problem}") from problem


def _same_children(process: Process, before: Health) -> None:
    if not wait_until(lambda: len(process.children()) >= before.children, SETTLE):
        now = len(process.children())
        raise Violation("lost-children", f"{before.children} child processes before, {now} after")


def _holds_no_more(copy: Copy, process: Process, before: Health) -> None:
    allowed = before.usage.memory + SPARE_MEMORY
    allowed += 2 * copy.spec.limits.get("max_package_size", 0) * before.processes
    most = before.usage.descriptors + SPARE_DESCRIPTORS
    held = [before.usage]

    def few() -> bool:
        held.append(family.usage(process.family()))
        return held[-1].descriptors <= most

    if not wait_until(few, SETTLE):
        raise Violation("leaks-descriptors", f"more than {most} open after the case")
    if (memory := held[-1].memory) > allowed:
        raise Violation(
            "leaks-memory", f"{memory >> 20} MiB resident after the case, {allowed >> 20} allowed"
        )
