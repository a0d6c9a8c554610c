"""`conformance diff A.toml [B.toml]`: the same streams to two targets; see the package."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import filter as filter_names
from pathlib import Path
from time import monotonic

from conformance.differential import report
from conformance.differential.contest import Contest, Disagreement, Side
from conformance.differential.grammar import FAMILIES, examples
from conformance.outcomes import TargetDown, Violation
from conformance.target import canary, family
from conformance.target.file import TargetSpec
from conformance.target.fitness import examine
from conformance.target.instance import Copy
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript

SERVICE = "http"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Two target files, read; which families, how many examples of each, and where replay files go."""

    files: tuple[Path, Path]
    specs: tuple[TargetSpec, TargetSpec]
    families: Sequence[str]
    examples: int
    seed: int
    replays: Path


def chosen(globs: Sequence[str]) -> list[str]:
    """The families that are wanted: all where nothing is said."""
    wanted = {name for glob in globs for name in filter_names(FAMILIES, glob)}
    return [name for name in FAMILIES if name in wanted or not globs]


def run(plan: Plan, say: Say) -> report.Summary:
    """Compare; what is found is said at once. Raises TargetDown for a target that is not there, or unfit."""
    started = monotonic()
    with family.swept(), ExitStack() as stack:
        one, other = (_side(stack.enter_context(Copy(spec))) for spec in plan.specs)
        contest = Contest((one, other))
        say(f"{one.name} and {other.name}: {len(plan.families)} families, seed {plan.seed}")
        found = [each for name in plan.families for each in _compared(contest, plan, name, say)]
    replays = [report.save(plan.replays, number, each, plan.files) for number, each in enumerate(found, 1)]
    counts = dict.fromkeys(plan.families, plan.examples)
    seconds = monotonic() - started
    names = (one.name, other.name)
    return report.Summary(names, plan.files, plan.seed, counts, seconds, found, replays, contest.unsteady)


def _side(copy: Copy) -> Side:
    """A target that answers the plainest request, and how fast it does."""
    if SERVICE not in copy.addresses:
        raise TargetDown(f"{copy.spec.name} offers no {SERVICE!r} service")
    canary.settle(copy)
    address = copy.addresses[SERVICE]
    try:
        calibration = examine(SERVICE, lambda waits: Peer(address, waits, Transcript(), SERVICE))
    except Violation as problem:
        raise TargetDown(f"{copy.spec.name} is unfit: {problem}") from problem
    return Side(copy.spec.name, address, calibration)


def _compared(contest: Contest, plan: Plan, name: str, say: Say) -> list[Disagreement]:
    """One family, with a line about it."""
    found = list(contest.disagreements(name, examples(name, plan.examples, plan.seed)))
    say(f"{name:20} {len(found) or '·'}")
    return found
