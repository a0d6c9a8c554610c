"""From outcomes to verdicts, and from verdicts to an exit status: the tables of the contract, section 6.

A case names an outcome. Its own table says whether that outcome is right; if it is not, the level of the
requirement says how bad that is. Deviations of the target file have the last word.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

VERDICTS = ("pass", "fail", "weak", "info", "deviation", "fixed", "unsupported", "inconclusive", "error")
"""In the order of reports."""

LEVELS = ("MUST", "SHOULD", "MAY")
"""Strongest first."""

BROKEN = {"MUST": "fail", "SHOULD": "weak", "MAY": "info"}
"""The verdict when a requirement of this level is broken."""

FATAL = frozenset({"unfit", "not-started"})
"""Outcomes that say more about the target than about the case: exit status 3."""

CONFORMING, FAILED, WRONG_USAGE, UNFIT, INCONCLUSIVE, BROKE = range(6)
"""Exit statuses."""


@dataclass(frozen=True)
class Result:
    """What became of one case; it travels between test processes as a plain dictionary.

    `evidence` holds the events of the transcript as dictionaries, `ledger` what became of live traffic (see
    `ledger.plain`), `replay` the path of a saved replay file.
    """

    id: str
    verdict: str
    level: str
    requirements: tuple[str, ...]
    seconds: float = 0.0
    outcome: str = ""
    detail: str = ""
    replay: str | None = None
    evidence: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    ledger: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def section(self) -> str:
        """The first part of the id."""
        return self.id.split("/")[0]


def judge(outcome: str, accept: Mapping[str, str], level: str) -> str:
    """The verdict on a named outcome: what the case accepts it as, else what breaking this level means."""
    return accept.get(outcome, BROKEN[level])


def deviate(result: Result, deviations: Mapping[str, str]) -> Result:
    """Turn a failure that the target file admits into a deviation, with the reason it gives."""
    reason = _reason(result, deviations)
    if reason is None or result.verdict not in {"fail", "weak"} or result.outcome in FATAL:
        return result
    return replace(result, verdict="deviation", detail=f"{reason} [{result.outcome}: {result.detail}]")


def settle(results: Iterable[Result], deviations: Mapping[str, str]) -> list[Result]:
    """Mark as *fixed* what passes although it is listed; for a requirement, only when all its cases pass."""
    settled = list(results)
    for key in deviations:
        affected = [result for result in settled if key == result.id or key in result.requirements]
        if any(result.verdict == "deviation" for result in affected):
            continue
        passed = {result.id for result in affected if result.verdict == "pass"}
        settled = [replace(r, verdict="fixed") if r.id in passed else r for r in settled]
    return settled


def _reason(result: Result, deviations: Mapping[str, str]) -> str | None:
    for key in (result.id, *result.requirements):
        if key in deviations:
            return deviations[key]
    return None


def by_section(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results of each section, wherever they stand, in the order in which sections appear."""
    sections: dict[str, list[Result]] = {}
    for result in results:
        sections.setdefault(result.section, []).append(result)
    return sections


def totals(results: Iterable[Result]) -> dict[str, int]:
    """How many there are of every verdict, the ones that did not happen included."""
    counted = Counter(result.verdict for result in results)
    return {verdict: counted[verdict] for verdict in VERDICTS}


def exit_status(results: Sequence[Result], *, strict: bool = False) -> int:
    """The contract's exit status; `strict` lets *weak* and *fixed* fail the run."""
    if not results:
        return WRONG_USAGE
    count = totals(results)
    failed = count["fail"] + (count["weak"] + count["fixed"] if strict else 0)
    rules = (
        (BROKE, count["error"]),
        (UNFIT, any(result.outcome in FATAL for result in results)),
        (FAILED, failed),
        (INCONCLUSIVE, count["inconclusive"]),
    )
    return next((status for status, applies in rules if applies), CONFORMING)
