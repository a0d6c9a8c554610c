"""The results as one JSON object: the stable part, for programs (contract, section 8)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.target.file import TargetSpec
from conformance.verdicts import Result, totals

FORMAT = 1


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
    }
