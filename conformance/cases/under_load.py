"""Live traffic for lifecycle cases: clients of everything that the target offers, and their ledger.

    with live(target) as traffic:
        deed(target, traffic, "reload")
        renewed(target, before)
    uphold(ledger(target, traffic), NOTHING_LOST)

`live` returns when every client has had an answer, and at its end waits until every request has ended.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from conformance.case import CaseFunction, case
from conformance.cases.processes import run, settled
from conformance.ledger import Ledger
from conformance.outcomes import Violation
from conformance.target.fitness import exchange
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.traffic.habits import Habit, everyday
from conformance.traffic.loop import Traffic
from conformance.wire import http

ANYTHING = ("http", "websocket", "frame", "custom", "tcp")
"""Services that do where a target offers no `text`: the rule is about processes, whatever they speak."""

MOMENT = 0.15
"""Seconds at least that the end of an idle connection and a request on its way may lie apart."""

PATIENCE = 4.0
"""Seconds at least that an answer may take in the middle of everything, beyond the request's own time."""

RENEWAL = 12.0
"""Seconds in which a reload has to be over: the short deadline for whoever hangs, and a start."""

BEFORE, AFTER = 0.3, 0.3
"""Seconds of traffic before and after what is done to the target."""


def life(
    id: str,  # noqa: A002  the word of the contract
    *requirements: str,
    needs: tuple[str, ...] = (),
    service: str = "",
    outcome: str = "done",
) -> Callable[[CaseFunction], CaseFunction]:
    """A case on a fresh copy of a target, one right outcome; without a `service` it is about any of them."""
    return case(
        id,
        service=service or "text",
        instead=() if service else ANYTHING,
        requirements=requirements,
        accept={outcome: "pass"},
        needs=("process", *needs),
        fresh=True,
    )


# --- traffic -----------------------------------------------------------------------------------------------


def offered(target: Target, *, slow: bool = True) -> list[Habit]:
    """A client for every habit that goes with what the target offers."""
    return everyday(target.copy.addresses, routes(target), slow=slow)


def routes(target: Target) -> list[str]:
    """The routes that an `http` service answers as the contract says, beside `GET /`."""
    if "http" not in target.copy.addresses:
        return []
    tries = {"GET /sleep": ("GET", "/sleep?ms=1", b"slept", b""), "POST /echo": ("POST", "/echo", b"x", b"x")}
    return [name for name, exchange in tries.items() if _answers(target, *exchange)]


def _answers(target: Target, method: str, path: str, answer: bytes, body: bytes) -> bool:
    try:
        with target.connect("http") as peer:
            http.expect(peer, method, path, answer, body)
    except Violation:
        return False
    return True


@contextmanager
def live(target: Target, habits: Sequence[Habit] | None = None, after: float = AFTER) -> Iterator[Traffic]:
    """Clients at work around a block; afterwards every request has ended. Raises Violation, Inconclusive."""
    calibration = target.calibration
    traffic = Traffic(
        offered(target) if habits is None else habits,
        target.endpoint,
        moment=max(MOMENT, calibration.quiet),
        patience=max(PATIENCE, calibration.deadline),
    )
    with traffic:
        traffic.warm()
        traffic.flow(BEFORE)
        yield traffic
        traffic.flow(after)
        traffic.finish()


def ledger(
    target: Target, traffic: Traffic, old: frozenset[str] = frozenset(), leaving: float = -1.0
) -> Ledger:
    """What became of every request; the reports get it too."""
    drawn = target.transcript.ledger = traffic.ledger(old, leaving)
    return drawn


def deed(target: Target, traffic: Traffic, command: str) -> None:
    """Run a command of the target in the middle of the traffic. Raises Violation `wrong-status`."""
    traffic.mark(command)
    status = run(target, command, RENEWAL)
    traffic.mark(f"{command} returns")
    if status:
        raise Violation("wrong-status", f"`{command}` of a running service ended with status {status}")


# --- processes ---------------------------------------------------------------------------------------------


def helpers(target: Target, children: Sequence[int]) -> int:
    """How many children need not be workers, where the target file says how many workers there are."""
    declared = sum(target.workers.values())
    return max(0, len(children) - declared) if declared else 0


def renewed(target: Target, before: Sequence[int], within: float = RENEWAL) -> None:
    """All workers are new, and as many as before. Raises Violation `not-renewed`."""
    spared = helpers(target, before)

    def over() -> bool:
        now = target.process.children()
        return len(now) == len(before) and len(set(now) & set(before)) <= spared

    if not wait_until(over, within, poll=0.03):
        now = target.process.children()
        raise Violation(
            "not-renewed", f"children {sorted(before)} before, {now} after {within:g} s; all had to be new"
        )


def reloaded(target: Target, command: str = "reload") -> None:
    """Reload to the end. Raises Violation `wrong-status` or `not-renewed`."""
    before = settled(target)
    if status := run(target, command, RENEWAL):
        raise Violation("wrong-status", f"`{command}` of a running service ended with status {status}")
    renewed(target, before)


def answers(target: Target) -> None:
    """A plain exchange over a new connection to the case's own service. Raises Violation."""
    with target.connect() as peer:
        exchange(target.case.service, peer)
