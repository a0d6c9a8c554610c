"""What the cases about time and speed share: many connections, and ends that come when they are due."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from conformance.case import Violation
from conformance.cases.echoing import exchange_then
from conformance.target import family
from conformance.target.canary import SPARE_MEMORY
from conformance.target.view import Target
from conformance.wire.peer import Peer, watch

MEBIBYTE = 1024 * 1024
SENTINEL = b"the line behind\n"


exchange = exchange_then(SENTINEL)


def drip(target: Target, peers: Sequence[Peer], seconds: float, byte: bytes, pace: float) -> None:
    """Send a message that never ends, a byte every `pace` seconds, to who is still there, for `seconds` and
    as many more as an answer may take. Raises Violation as `run_out`.
    """
    limit = monotonic() + seconds + target.calibration.deadline
    while monotonic() < limit and (living := [peer for peer in peers if not peer.ended]):
        for peer in living:
            peer.send(byte)
        watch(living, min(pace, limit - monotonic()))
    _are_over(peers, seconds)


def run_out(target: Target, peers: Sequence[Peer], seconds: float) -> None:
    """Let so many seconds pass for all of them at once, and as many more as an answer may take, until all
    have ended. Raises Violation `unexpected-bytes` for what is said meanwhile, `open` for who stays.
    """
    watch(peers, seconds + target.calibration.deadline)
    _are_over(peers, seconds)


def _are_over(peers: Sequence[Peer], seconds: float) -> None:
    for peer in peers:
        if peer.waiting:
            raise Violation("unexpected-bytes", f"silence was due, but {peer.waiting[:40]!r} came")
        if not peer.ended:
            raise Violation("open", f"not closed {seconds:g} s after it had to be, and an answer's time more")


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
