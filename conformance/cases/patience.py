"""What the cases about time and speed share: many connections, and ends that come when they are due."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from time import monotonic
from typing import NamedTuple

from conformance.case import Inconclusive, Violation
from conformance.cases.echoing import exchange_then
from conformance.target import family
from conformance.target.canary import SPARE_MEMORY
from conformance.target.view import Target
from conformance.wire.clock import clock
from conformance.wire.peer import Peer, watch

MEBIBYTE = 1024 * 1024
SOON = 0.85
"""The part of a limit within which one is in time, as the other side sees it, too."""

TELLING = 0.05
"""The part of a limit that the machine must have taken to have a part in somebody's being late."""

SENTINEL = b"the line behind\n"


exchange = exchange_then(SENTINEL)


def drip(target: Target, peers: Sequence[Peer], seconds: float, byte: bytes, pace: float) -> None:
    """Send a message that never ends, a byte every `pace` seconds, to who is still there, for `seconds` and
    as many more as an answer may take. Raises Violation as `run_out`.
    """
    limit = clock() + seconds + target.calibration.deadline
    while clock() < limit and (living := [peer for peer in peers if not peer.ended]):
        for peer in living:
            peer.send(byte)
        watch(living, min(pace, limit - clock()))
    _are_over(peers, seconds)


def run_out(target: Target, peers: Sequence[Peer], seconds: float) -> None:
    """Let so many seconds pass for all of them at once, and as many more as an answer may take, until all
    have ended. Raises Violation `unexpected-bytes` for what is said meanwhile, `open` for who stays.
    """
    watch(peers, seconds + target.calibration.deadline, clock)
    _are_over(peers, seconds)


def _are_over(peers: Sequence[Peer], seconds: float) -> None:
    for peer in peers:
        if peer.waiting:
            raise Violation("unexpected-bytes", f"silence was due, but {peer.waiting[:40]!r} came")
        if not peer.ended:
            raise Violation("open", f"not closed {seconds:g} s after it had to be, and an answer's time more")


@contextmanager
def in_time(seconds: float, since: float | None = None) -> Iterator[Callable[[], None]]:
    """Who speaks in here has to do so every so many seconds, and calls what this yields each time.

    `since` is when he began, by `monotonic`. Raises Inconclusive for the Violation of a target that may have
    found him late, where this machine has made him so.
    """
    laps = [moment(0.0 if since is None else monotonic() - since)]
    try:
        yield lambda: laps.append(moment())
    except Violation as violation:
        for before, after in pairwise([*laps, moment()]):
            if made_late(before, after, seconds):
                passed = f"the machine let {after.since(before).wall:.1f} s pass where {seconds:g} s"
                raise Inconclusive(f"{passed} were the limit ({violation})") from violation
        raise


class Moment(NamedTuple):
    """The time on the wall, and that of the deadlines, which the machine does not take from."""

    wall: float
    clock: float

    def since(self, before: "Moment") -> "Moment":
        """The seconds between two, by each."""
        return Moment(self.wall - before.wall, self.clock - before.clock)


def moment(ago: float = 0.0) -> Moment:
    """Now, or some seconds ago."""
    return Moment(monotonic() - ago, clock.exactly() - ago)


def made_late(before: Moment, after: Moment, seconds: float) -> bool:
    """Whether so many were nearly over, and the machine had a part in it."""
    passed = after.since(before)
    return passed.wall > SOON * seconds and passed.wall - passed.clock > TELLING * seconds


def not_early(target: Target, waits: Sequence[float], seconds: float) -> str:
    """None of these waits was shorter than it had to be: by what a silence needs to be noticed, clocks of
    different make may differ.
    """
    if min(waits) < seconds - target.calibration.quiet:
        raise Violation("early", f"closed after {min(waits):.3f} s, {seconds:g} s were due")
    return "closed"


@contextmanager
def little_memory(target: Target) -> Iterator[None]:
    """What happens inside costs the target's processes no more memory than a case may leave behind."""
    before = family.usage(target.process.family()).memory
    yield
    grown = family.usage(target.process.family()).memory - before
    if grown > SPARE_MEMORY:
        raise Violation("unbounded", f"{grown >> 20} MiB more resident, for clients that do not read")


@contextmanager
def little_at_most(target: Target) -> Iterator[None]:
    """What happens inside never costs a process more memory than a case may leave behind."""
    if target.copy.process is None or not family.available():
        yield
        return
    members = target.copy.process.family()
    family.forget_peak(members)
    before = {pid: family.peak([pid]) for pid in members}
    yield
    grown = max(family.peak([pid]) - peak for pid, peak in before.items())
    allowed = SPARE_MEMORY + 2 * target.limits["max_package_size"]
    if grown > allowed:
        raise Violation("unbounded", f"{grown >> 20} MiB more at the most, {allowed >> 20} allowed")


def left(since: float, seconds: float) -> float:
    """What is left of so many seconds since then."""
    return max(since + seconds - monotonic(), 0.0)
