"""Supervision under live traffic: who suffers when a process dies, errs, halts or loses its master."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from conformance.case import Inconclusive, Unsupported, Violation
from conformance.cases.processes import all_gone, kill, no_ports, repaired, settled, staff
from conformance.cases.tasks import client
from conformance.cases.under_load import answers, ledger, life, live, reloaded
from conformance.ledger import BROKEN, MAD, NO_MADNESS, NOBODY_REFUSED, NOTHING_LOST, Rule, uphold
from conformance.target import family
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.traffic.habits import Habit

CALLERS = 10
"""Clients with a connection of their own, so that every process has some."""

WATCHED = 3.0
"""Seconds for which an idle service is watched."""

MASTER_WAKES, WORKER_WAKES = 2.0, 3.0
"""Times that an idle process may wake up in a second, by voluntary_ctxt_switches of proc(5)."""

TURNS = 3
"""So many times in a row it must be seen."""

BUSY = 0.1
"""The share of a processor that an idle process may use: whoever spins gives none up, and so never wakes."""

THROWS = 10

RUBBISH: Mapping[str, bytes] = {
    "frame": b"\x00\x00\x00\x01rubbish",
    "websocket": b"GET nonsense\r\n\r\n\x00\xff\xff\xff",
    "relay": b"\xff\xff\xff\xff no handshake\r\n\r\n",
    "task": b"\xff\xfe{]\n" * 3,
    "http": b"\x16\x03\x01\x02\x00 no request\r\n\r\n",
}
"""By service: bytes that no client of it would send."""


# --- a process dies ----------------------------------------------------------------------------------------


@life("lifecycle/crash/under-load", "LIFE-041")
def test_crash_under_load(target: Target) -> str:
    """While a process is killed under live traffic nobody is refused, and no answer is wrong or twice."""
    before = staff(target)
    with live(target) as traffic:
        traffic.mark(f"SIGKILL to {before[0]}")
        kill(target.process, before[0])
        repaired(target.process, set(before), before[0])
    uphold(ledger(target, traffic), NOBODY_REFUSED)
    return "done"


@life("lifecycle/crash/only-its-connections", "LIFE-041", service="task")
def test_only_its_connections(target: Target) -> str:
    """When a process is killed only the connections to it suffer, all others go on undisturbed."""
    settled(target)
    with live(target, [Habit("task", "worker") for _ in range(CALLERS)]) as traffic:
        served_by = {lane.number: lane.stories[-2].by for lane in traffic.lanes}
        victim = next(pid for pid in served_by.values() if pid)
        traffic.mark(f"SIGKILL to {victim}")
        kill(target.process, int(victim))
    others = {number for number, pid in served_by.items() if pid != victim}
    if not others:
        raise Unsupported("all connections went to one process")
    rule = Rule(
        f"clients of other processes than {victim} notice nothing",
        BROKEN | MAD | {"refused", "raced"},
        lambda story: story.lane in others,
    )
    uphold(ledger(target, traffic), rule)
    if left := [lane.number for lane in traffic.lanes if lane.number in others and lane.departures]:
        raise Violation("disturbed", f"{victim} died, and connections to others ended: clients {left}")
    return "done"


@life("lifecycle/crash/throws-under-load", "LIFE-112", service="task")
def test_throws_under_load(target: Target) -> str:
    """Unexpected errors in handlers cost their own connections at most: all others lose nothing."""
    with live(target) as traffic:
        for _ in range(THROWS):
            traffic.mark("throw")
            _throw(target)
    uphold(ledger(target, traffic), NOTHING_LOST)
    return "done"


def _throw(target: Target) -> None:
    """An error in a handler: an error reply, or the end of this connection."""
    with client(target) as caller:
        caller.call("throw", id=1)
        caller.peer.receive()


@life("lifecycle/crash/malformed-input", "LIFE-113")
def test_malformed_input(target: Target) -> str:
    """Bytes that no client would send end their own connection at most, and no process."""
    before = settled(target)
    for service in RUBBISH.keys() & target.copy.addresses.keys():
        with target.connect(service) as peer:
            peer.send(RUBBISH[service])
            peer.finish()
            peer.rest()
    if (now := settled(target)) != before:
        raise Violation("died", f"children {before} before, {now} after malformed input")
    answers(target)
    return "done"


# --- the master dies ---------------------------------------------------------------------------------------


@life("lifecycle/master/killed-under-load", "LIFE-050")
def test_master_killed(target: Target) -> str:
    """When the master is killed under live traffic nobody serves on, and until then no answer is wrong."""
    settled(target)
    with live(target) as traffic:
        traffic.mark("SIGKILL to the master")
        target.process.signal(signal.SIGKILL)
        all_gone(target)
        no_ports(target)
    uphold(ledger(target, traffic), NO_MADNESS)
    return "done"


# --- a process is halted -----------------------------------------------------------------------------------


@life("lifecycle/frozen/goes-on", "LIFE-049", service="task")
def test_goes_on(target: Target) -> str:
    """A process that was halted and goes on answers what it was asked meanwhile."""
    settled(target)
    with client(target) as caller:
        pid = caller.ask("worker")["pid"]
        kill(target.process, pid, signal.SIGSTOP)
        try:
            caller.call("worker")
            caller.peer.silent()
        finally:
            kill(target.process, pid, signal.SIGCONT)
        reply = caller.reply()
    if reply.get("result", {}).get("pid") != pid:
        raise Violation("wrong-answer", f"process {pid} was halted, {reply!r:.120} came")
    return "done"


@life("lifecycle/frozen/reloaded", "LIFE-049", "LIFE-067", needs=("reload",))
def test_frozen_reloaded(target: Target) -> str:
    """A reload replaces a halted process too."""
    kill(target.process, staff(target)[0], signal.SIGSTOP)
    reloaded(target)
    return "done"


# --- nothing to do -----------------------------------------------------------------------------------------


@life("lifecycle/idle/master", "LIFE-053")
def test_idle_master(target: Target) -> str:
    """A master that has nothing to do sleeps."""
    settled(target)
    return _sleeps([target.process.pid], MASTER_WAKES)


@life("lifecycle/idle/workers", "LIFE-053")
def test_idle_workers(target: Target) -> str:
    """Workers that have nothing to do sleep, but for a look around now and then."""
    return _sleeps(staff(target), WORKER_WAKES)


def _sleeps(pids: list[int], limit: float) -> str:
    """None of these processes wakes up more often than that, or is busy: seen so many times in a row, for a
    start leaves something to do for a while. Raises Violation `wakes`, `busy`.
    """
    for _ in range(TURNS - 1):
        with suppress(Violation):
            return _once(pids, limit)
    return _once(pids, limit)


def _once(pids: list[int], limit: float) -> str:
    wait_until(lambda: False, 0.5)  # what a start or the last look has left to do
    before, began = [(_wakes(pid), family.stints([pid])) for pid in pids], monotonic()
    wait_until(lambda: False, WATCHED)
    for pid, (first, stints) in zip(pids, before, strict=True):
        rate = (_wakes(pid) - first) / (monotonic() - began)
        share = family.strain(stints, family.stints([pid]))
        if rate > limit:
            raise Violation("wakes", f"process {pid} wakes up {rate:.1f} times a second with nothing to do")
        if share > BUSY:
            raise Violation("busy", f"process {pid} uses {share:.0%} of a processor with nothing to do")
    return "done"


def _wakes(pid: int) -> int:
    """How often a process has given up the processor because it had to wait. Raises Unsupported."""
    if not Path("/proc").exists():
        raise Unsupported("this system has no /proc to tell how often a process wakes up")
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as gone:
        raise Inconclusive(f"process {pid} has gone: {os.strerror(gone.errno or 0)}") from gone
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
