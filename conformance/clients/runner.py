"""The life of one case about a client: is it there, is it fit, the case, has it come back, the verdict.

A client that the suite started is replaced when a case has lost it; one that somebody else runs is waited for
once more, and when it does not come, nothing more is judged.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from conformance.case import Case
from conformance.clients.client import Client
from conformance.clients.command import Command
from conformance.clients.fitness import examine
from conformance.clients.gate import Gate, Lost
from conformance.outcomes import TargetDown, Violation
from conformance.runner import Ending, attempt, concluded
from conformance.target.calibration import Calibration
from conformance.target.view import Effort
from conformance.verdicts import Result, deviate
from conformance.wire.transcript import Transcript

ClientCall = Callable[[Client], object]
"""A case's function."""


@dataclass
class Bench:
    """A client, and what has been learnt about it.

    `level` gives the strongest level among requirement ids; `patience` is how many seconds the client may
    take to come back, `wait` how many for the first time. `unfit` is None before the client was examined,
    empty for a fit one; `lost` is the case from which it did not come back.
    """

    gate: Gate
    level: Callable[[tuple[str, ...]], str]
    command: Command | None = None
    deviations: dict[str, str] = field(default_factory=dict)
    effort: Effort = field(default_factory=Effort)
    wait: float = 60.0
    patience: float = 15.0
    calibration: Calibration = field(default_factory=Calibration)
    unfit: Ending | None = None
    examined: bool = False
    lost: str = ""
    given_up: bool = False

    def client(self, case: Case, transcript: Transcript) -> Client:
        """The client as a case sees it."""
        return Client(self.gate, case, self.effort, transcript, self.calibration, self.patience)


def run_case(case: Case, call: ClientCall, bench: Bench, transcript: Transcript) -> Result:
    """Run one case and judge it. Raises nothing of its own: a suite that breaks is the verdict *error*."""
    started, level = monotonic(), bench.level(case.requirements)
    try:
        ending = _absent(bench) or _fitness(case, bench) or _live(case, call, bench, transcript)
    except TargetDown as problem:
        ending = Ending("not-started", str(problem), "fail")
    except Exception:
        ending = Ending("suite-broke", traceback.format_exc(limit=-6), "error")
    return deviate(concluded(case, ending, level, monotonic() - started), bench.deviations)


def _absent(bench: Bench) -> Ending | None:
    """A client that was lost is started again, or waited for once more."""
    if bench.lost and not bench.given_up:
        try:
            if bench.command:
                bench.gate.forget()
                bench.command.restart()
            bench.gate.back(bench.patience)
        except (Lost, TargetDown):
            bench.given_up = True
        else:
            bench.lost = ""
    if bench.given_up:
        reason = f"the client has not come back since {bench.lost}: start it again"
        return Ending("inconclusive", reason, "inconclusive")
    return None


def _fitness(case: Case, bench: Bench) -> Ending | None:
    """Why the client is unfit, None for a fit one; examined once."""
    if not bench.examined:
        bench.examined, bench.unfit = True, _first_look(case, bench)
    return bench.unfit


def _first_look(case: Case, bench: Bench) -> Ending | None:
    try:
        if bench.command:
            bench.command.start()
        bench.gate.back(bench.wait)
    except (Lost, TargetDown) as problem:
        return Ending("not-started", f"no client has come to {bench.gate.url}: {problem}", "fail")
    try:
        bench.calibration = examine(bench.client(case, Transcript()))
        bench.gate.back(bench.patience)
    except Violation as problem:
        return Ending("unfit", f"the plainest exchange fails: {problem}", "fail")
    return None


def _live(case: Case, call: ClientCall, bench: Bench, transcript: Transcript) -> Ending:
    """The case itself; a client that does not come back from it outweighs whatever the case has seen."""
    client = bench.client(case, transcript)
    ending = attempt(case.id, lambda: call(client))
    try:
        bench.gate.back(bench.patience)
    except Lost as damage:
        bench.lost = case.id
        seen = "" if ending.outcome == damage.outcome else f" (the case itself: {ending.outcome})"
        return Ending(damage.outcome, f"{damage.detail}{seen}", violated=True)
    return ending
