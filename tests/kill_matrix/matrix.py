"""What was caught by what, and what is missing. Pure: the judging is done elsewhere."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

Catch = tuple[str, str]
"""A faulty server, and a case that catches it."""

Selection = Mapping[str, Sequence[str]]
"""For faulty servers the cases that are to catch them."""

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
    target: str = "target.toml"

    @property
    def is_degenerate(self) -> bool:
        """Whether it serves nothing at all rightly, and so must not get a single pass."""
        return self.sections == ("*",)


@dataclass(frozen=True)
class Ending:
    """How one case ended, after how many seconds."""

    verdict: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Judgement:
    """What the suite said of one faulty server, and how long it took: endings by case id, and exit status."""

    mutant: Mutant
    status: int
    cases: Mapping[str, Ending]
    output: str = ""
    seconds: float = 0.0

    @property
    def kills(self) -> frozenset[str]:
        """The cases that caught it."""
        return frozenset(
            case for case, end in self.cases.items() if end.verdict in CAUGHT and end.outcome != UNFIT
        )

    def missed(self, known: Selection) -> frozenset[Catch]:
        """What has caught it before and did not do so now."""
        name = self.mutant.name
        return frozenset((name, case) for case in known.get(name, ()) if case not in self.kills)

    def joined(self, former: "Judgement") -> "Judgement":
        """This judgement, and what a former one of the same server has caught besides."""
        caught = {case: former.cases[case] for case in former.kills - self.kills}
        return replace(self, cases={**self.cases, **caught})

    def without(self, luck: Set[Catch]) -> "Judgement":
        """This judgement, less what it caught by luck."""
        kept = {case: end for case, end in self.cases.items() if (self.mutant.name, case) not in luck}
        return replace(self, cases=kept)

    def pace(self, case: str) -> tuple[float, str]:
        """Sorts what catches quickly before what catches slowly."""
        return self.cases[case].seconds, case

    def problem(self) -> str:
        """One line for a server that got away, or a suite that broke; empty for neither."""
        name = self.mutant.name
        if self.status not in (0, 1, 3):
            return f"{name}: the suite ended with status {self.status}: {self.output.strip()[-300:]}"
        passed = sorted(case for case, end in self.cases.items() if end.verdict == "pass")
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

    def killing(self) -> frozenset[str]:
        """The cases that caught something."""
        return frozenset().union(*(each.kills for each in self.judgements))

    def hiding(self, known: Selection) -> list[Judgement]:
        """What has to be judged again: who got away, or was not caught by a case that then caught nothing."""
        killing = self.killing()
        return [
            each
            for each in self.judgements
            if each.problem() or any(case not in killing for _, case in each.missed(known))
        ]

    def problems(self) -> list[str]:
        """One line for each gap; a complete matrix has none."""
        idle = self.cases - self.killing()
        lines = [f"{case}: no faulty server fails it, so it proves nothing" for case in idle]
        return [line for each in self.judgements if (line := each.problem())] + sorted(lines)

    def selection(self) -> dict[str, list[str]]:
        """For each server the cases that together repeat the proof: every catch where it is quickest."""
        chosen: dict[str, set[str]] = {}
        for case in self.killing():
            catchers = [each for each in self.judgements if case in each.kills]
            quickest = min(catchers, key=lambda each: each.pace(case))
            chosen.setdefault(quickest.mutant.name, set()).add(case)
        for each in self.judgements:
            if each.kills and each.mutant.name not in chosen:
                chosen[each.mutant.name] = {min(each.kills, key=each.pace)}
        return {name: sorted(chosen[name]) for name in sorted(chosen)}

    def forget(self, luck: Set[Catch]) -> None:
        """Drop the catches that did not repeat."""
        self.judgements[:] = [each.without(luck) for each in self.judgements]
