"""Properties: a check that must hold for every example, with counterexamples shrunk by hypothesis.

Deterministic: the same seed gives the same examples, and nothing is kept between runs. No example is tried
twice: shrinking on a target that needs its time-out to show a failure is slow enough, and a target that fails
only now and then would make hypothesis doubt its own eyes.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Generic, Protocol, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import SearchStrategy

from conformance.case import Case
from conformance.outcomes import Violation
from conformance.target.view import Effort
from conformance.wire.transcript import Entry, Transcript

Example = TypeVar("Example")

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "conformance-hypothesis")  # not where the user works

SHRINKING = 20.0
"""Seconds spent on making a counterexample smaller."""

PHASES = (Phase.generate, Phase.shrink)
"""What is done: counterexamples are found, and made small."""

ROUND = 200
"""Examples in one round of fuzzing; rounds go on, each with the next seed, until the time is over."""


class Explorable(Protocol):
    """What is explored: a target, or a client."""

    case: Case
    effort: Effort
    transcript: Transcript


def explore(
    target: Explorable,
    strategy: SearchStrategy[Example],
    check: Callable[[Example], object],
    examples: int = 40,
) -> None:
    """Run `check` on generated examples; raises the Violation of the smallest counterexample found.

    With `--fuzz` it goes on with fresh seeds until the time for this property is over.
    """
    if not target.case.explores:
        raise TypeError(f"{target.case.id} is not marked with explores=True")
    seed, limit = target.effort.seed, monotonic() + target.effort.fuzz_seconds
    count = ROUND if target.effort.fuzz_seconds else examples
    _Search(target, check).run(strategy, seed, count)
    while monotonic() < limit:
        seed += 1
        _Search(target, check).run(strategy, seed, count)


@dataclass
class _Search(Generic[Example]):
    """One run of hypothesis, with a memory: what passed, what failed, and in which conversation."""

    target: Explorable
    check: Callable[[Example], object]
    failures: dict[str, Violation] = field(default_factory=dict)
    conversations: dict[str, list[Entry]] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    enough: float = float("inf")

    def run(self, strategy: SearchStrategy[Example], seed: int, count: int) -> None:
        """Search `count` examples; raises the Violation of the smallest counterexample, evidence restored."""

        @hypothesis.seed(seed)
        @hypothesis.settings(_settings(), max_examples=count)
        @hypothesis.given(strategy)
        def experiment(example: Example) -> None:
            self.attempt(example)

        try:
            experiment()
        except Violation as violation:
            smallest = next(key for key, known in self.failures.items() if known is violation)
            self.target.transcript.entries[:] = self.conversations[smallest]
            raise

    def attempt(self, example: Example) -> None:
        """Check one example, or fail as before. Once shrinking has had its time, nothing new is tried."""
        key = repr(example)
        if key in self.failures:
            raise self.failures[key]
        if key in self.passed or monotonic() > self.enough:
            return
        self.target.transcript.clear()
        try:
            self.check(example)
        except Violation as violation:
            self._remember(key, violation)
            raise
        self.passed.add(key)

    def _remember(self, key: str, violation: Violation) -> None:
        self.failures[key] = violation
        self.conversations[key] = list(self.target.transcript)
        self.enough = min(self.enough, monotonic() + SHRINKING)


def _settings() -> hypothesis.settings:
    return hypothesis.settings(
        database=None,
        deadline=None,
        phases=PHASES,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
