"""What was caught by what, and what is missing. Pure: the judging is done elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CAUGHT = frozenset({"fail", "weak"})
UNFIT = "unfit"
"""The outcome of a case whose service could not do the plainest exchange: fitness judged, not the case."""


@dataclass(frozen=True)
class Mutant:
    """One faulty server of the zoo."""

    name: str
    sections: tuple[str, ...]
    requirement: str
    sentence: str

    @property
    def is_degenerate(self) -> bool:
        """Whether it serves nothing at all rightly, and so must not get a single pass."""
        return self.sections == ("*",)


@dataclass(frozen=True)
class Judgement:
    """What the suite said of one faulty server: verdict and outcome by case id, and its exit status."""

    mutant: Mutant
    status: int
    cases: Mapping[str, tuple[str, str]]
    output: str = ""

    @property
    def kills(self) -> frozenset[str]:
        """The cases that caught it."""
        return frozenset(
            case for case, (verdict, outcome) in self.cases.items() if verdict in CAUGHT and outcome != UNFIT
        )

    def problem(self) -> str:
        """One line for a server that got away, or a suite that broke; empty for neither."""
        name = self.mutant.name
        if self.status not in (0, 1, 3):
            return f"{name}: the suite ended with status {self.status}: {self.output.strip()[-300:]}"
        passed = sorted(case for case, (verdict, _) in self.cases.items() if verdict == "pass")
        if self.mutant.is_degenerate:
            return f"{name}: degenerate, and yet passed {', '.join(passed)}" if passed else ""
        if not self.kills and self.status != 3:
            return f"{name}: not caught. {self.mutant.sentence} ({self.mutant.requirement})"
        return ""


@dataclass
class Matrix:
    """All judgements, and the cases that should have caught something."""

    cases: frozenset[str]
    judgements: list[Judgement] = field(default_factory=list)

    def problems(self) -> list[str]:
        """One line for each gap; a complete matrix has none."""
        killing = frozenset().union(*(each.kills for each in self.judgements))
        idle = [f"{case}: no faulty server fails it, so it proves nothing" for case in self.cases - killing]
        return [line for each in self.judgements if (line := each.problem())] + sorted(idle)

    def selection(self) -> dict[str, list[str]]:
        """A few cases for each server that together repeat the whole proof: the rarest catches first."""
        catchers: dict[str, list[str]] = {}
        for each in self.judgements:
            for case in each.kills:
                catchers.setdefault(case, []).append(each.mutant.name)
        chosen: dict[str, list[str]] = {}
        for case in sorted(catchers, key=lambda case: (len(catchers[case]), case)):
            least = min(catchers[case], key=lambda name: (len(chosen.get(name, [])), name))
            chosen.setdefault(least, []).append(case)
        for each in self.judgements:
            if each.kills and each.mutant.name not in chosen:
                chosen[each.mutant.name] = [rarest(each.kills, catchers)]
        return {name: sorted(chosen[name]) for name in sorted(chosen)}


def rarest(cases: Iterable[str], catchers: Mapping[str, list[str]]) -> str:
    """The case that catches the fewest servers: the sharpest one."""
    return min(cases, key=lambda case: (len(catchers[case]), case))
