"""The life of one case: needs, fitness, the case itself, the canary, the verdict.

Knows nothing of pytest: the plugin hands it a case and a function, and gets a `Result`. A `Bench` keeps the
copy of the target that the cases of one test process share, and replaces it when a case has ruined it.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from conformance.case import Case
from conformance.outcomes import Inconclusive, TargetDown, Unsupported, Violation
from conformance.target import canary
from conformance.target.calibration import NOISY, Calibration
from conformance.target.file import TargetSpec
from conformance.target.fitness import examine
from conformance.target.instance import Copy
from conformance.target.view import Effort, Target, lacking
from conformance.verdicts import Result, deviate, judge
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript

NOISE = "inconclusive"
"""The outcome of a case whose answer the machine has hidden: it may be asked again."""

CaseCall = Callable[[Target], object]
"""The case's function, everything but the target already filled in."""


@dataclass
class Bench:
    """The target of one test process, and what has been learnt about it.

    `level` gives the strongest level among requirement ids. `unfit` has a reason for every service examined,
    empty for a fit one; `ruined` the case after which a service of a running target stopped to answer.
    """

    spec: TargetSpec
    level: Callable[[tuple[str, ...]], str]
    effort: Effort = field(default_factory=Effort)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    ruined: dict[str, str] = field(default_factory=dict)
    _shared: Copy | None = None
    _down: str = ""

    @contextmanager
    def copy(self, *, fresh: bool) -> Iterator[Copy]:
        """A running copy: the shared one, or one for this block alone. Raises TargetDown."""
        if self._down:
            raise TargetDown(self._down)
        try:
            if fresh and self.spec.process:
                with Copy(self.spec, self.calibrations) as own:
                    yield own
            else:
                yield self._share()
        except TargetDown as problem:
            self._down = str(problem)
            raise

    def _share(self) -> Copy:
        if self._shared is None:
            self._shared = Copy(self.spec, self.calibrations).__enter__()
            canary.settle(self._shared)
        return self._shared

    def discard(self) -> None:
        """Stop the shared copy: the run ends, or a case has damaged it."""
        if self._shared is not None:
            self._shared.__exit__(None, None, None)
            self._shared = None


@dataclass(frozen=True)
class Ending:
    """Why a case ended.

    `verdict` only where it does not follow from the outcome; `violated`: whatever the case accepts, this was
    raised as a violation, so an ending that comes before the answer is not taken for the ending after it.
    """

    outcome: str
    detail: str = ""
    verdict: str | None = None
    violated: bool = False


def run_case(case: Case, call: CaseCall, bench: Bench, transcript: Transcript) -> Result:
    """Run one case and judge it. Raises nothing of its own: a suite that breaks is the verdict *error*."""
    started, level = monotonic(), bench.level(case.requirements)
    case = case.on(bench.spec.endpoints)
    try:
        ending = _foregone(case, bench) or _start(case, call, bench, transcript)
    except TargetDown as problem:
        ending = Ending("not-started", str(problem), "fail")
    except Exception:
        ending = Ending("suite-broke", traceback.format_exc(limit=-6), "error")
    return deviate(concluded(case, ending, level, monotonic() - started), bench.spec.deviations)


def concluded(case: Case, ending: Ending, level: str, seconds: float) -> Result:
    """What an ending means for a case of this level."""
    verdict = ending.verdict or judge(ending.outcome, {} if ending.violated else case.accept, level)
    return Result(case.id, verdict, level, case.requirements, seconds, ending.outcome, ending.detail)


def _foregone(case: Case, bench: Bench) -> Ending | None:
    """An ending that is known without a copy of the target, and so without waiting for one."""
    if lack := lacking(case, bench.spec):
        return Ending("unsupported", lack, "unsupported")
    if unfit := bench.unfit.get(case.service):
        return Ending("unfit", unfit, "fail")
    return None


def _start(case: Case, call: CaseCall, bench: Bench, transcript: Transcript) -> Ending:
    with bench.copy(fresh=case.fresh) as copy:
        return _live(Target(copy, case, bench.effort, transcript), call, bench)


def _live(target: Target, call: CaseCall, bench: Bench) -> Ending:
    """Everything between a running copy and the reason why the case ended."""
    if ruined := _ruined(target, bench):
        return ruined
    if unfit := _fitness(target.copy, target.case.service, bench):
        return Ending("unfit", unfit, "fail")
    before = None if target.case.fresh else canary.examine(target.copy)
    ending = attempt(target.case.id, lambda: call(target))
    return ending if target.case.fresh else _canary(target, ending, before, bench)


def _ruined(target: Target, bench: Bench) -> Ending | None:
    """A target that the suite cannot restart may have been down since an earlier case: judge no further."""
    service = target.case.service
    if culprit := bench.ruined.get(service):
        try:
            canary.check(target.copy, service, None)
        except Violation:
            reason = f"{service} does not answer since {culprit}: restart the target"
            return Ending("target-gone", reason, "inconclusive")
        del bench.ruined[service]
    return None


def _unsure(reason: str) -> Ending:
    return Ending(NOISE, reason, "inconclusive")


def _fitness(copy: Copy, service: str, bench: Bench) -> str:
    """Why a service is unfit, empty for a fit one; examined once for each test process, on its first copy."""
    if service not in bench.unfit:
        try:
            bench.calibrations[service] = examine(
                service, lambda calibration: Peer(copy.addresses[service], calibration, Transcript())
            )
            bench.unfit[service] = ""
        except Violation as problem:
            bench.unfit[service] = f"the plainest exchange of the {service} service fails: {problem}"
    return bench.unfit[service]


def attempt(name: str, call: Callable[[], object]) -> Ending:
    """Why the function of a case ended. Raises TypeError where it names no outcome."""
    try:
        outcome = call()
    except Violation as violation:
        return Ending(violation.outcome, violation.detail, violated=True)
    except TargetDown as problem:  # it ran, and the case could not start it again: that is no end of the run
        return Ending("does-not-start", str(problem), violated=True)
    except Unsupported as reason:
        return Ending("unsupported", str(reason), "unsupported")
    except Inconclusive as reason:
        return _unsure(str(reason))
    if not isinstance(outcome, str):
        raise TypeError(f"{name} returned {outcome!r}, not the name of an outcome")
    return Ending(str(outcome), getattr(outcome, "detail", ""))


def _canary(target: Target, ending: Ending, before: canary.Health | None, bench: Bench) -> Ending:
    """Judge what the case left behind; damage outweighs whatever the case itself has seen."""
    service = target.case.service
    try:
        round_trip = canary.check(target.copy, service, before)
    except Violation as damage:
        if target.copy.process is None:
            bench.ruined[service] = target.case.id
        bench.discard()
        return Ending(damage.outcome, f"{damage.detail} (the case itself: {ending.outcome})", violated=True)
    if ending.outcome == "no-answer" and round_trip > NOISY:
        return _unsure(f"no answer in time, and now a plain exchange takes {round_trip:.1f} s")
    return ending
