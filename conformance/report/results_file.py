"""The results as one JSON object: the stable part, for programs (contract, section 8)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.ledger import ANSWERED
from conformance.target.file import TargetSpec
from conformance.verdicts import Result, totals

FORMAT = 1

UNANSWERED = 20
"""Requests of one ledger that are listed; the HTML report shows more."""


@dataclass(frozen=True)
class Summary:
    """Everything that reports are made from."""

    spec: TargetSpec
    seed: int
    seconds: float
    results: Sequence[Result]


def write(path: Path, summary: Summary) -> None:
    """Write the JSON file. Raises OSError."""
    path.write_text(json.dumps(document(summary), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def document(summary: Summary) -> dict[str, Any]:
    """The object of the contract; totals name every verdict, also those that did not happen."""
    return {
        "format": FORMAT,
        "suite": __version__,
        "target": {"name": summary.spec.name, "language": summary.spec.language},
        "seed": summary.seed,
        "seconds": round(summary.seconds, 1),
        "totals": totals(summary.results),
        "cases": [_case(result) for result in summary.results],
    }


def _case(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "verdict": result.verdict,
        "level": result.level,
        "requirements": list(result.requirements),
        "seconds": round(result.seconds, 3),
        "outcome": result.outcome,
        "detail": result.detail,
        "replay": result.replay,
        **({"ledger": _ledger(result.ledger)} if result.ledger else {}),
    }


def _ledger(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """How many requests ended in which way, what was done meanwhile, and those that were not answered."""
    unusual = [entry for entry in ledger["entries"] if entry["ending"] not in ANSWERED]
    return {"counts": ledger["counts"], "marks": ledger["marks"], "unanswered": unusual[:UNANSWERED]}
