"""What two targets disagree about: a text to read, an object for programs, a replay file for each."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import __version__
from conformance.differential.behaviour import differences
from conformance.differential.contest import Disagreement
from conformance.replay import FORMAT as REPLAY_FORMAT
from conformance.replay import SCRIPT, steps
from conformance.wire.transcript import Entry

FORMAT = 1
AT_MOST = 2048
"""Octets shown of one stream."""


@dataclass(frozen=True)
class Summary:
    """A whole comparison: the targets' names and files, how many examples of each family, what came of it."""

    names: tuple[str, str]
    files: tuple[Path, Path]
    seed: int
    examples: dict[str, int]
    seconds: float
    disagreements: Sequence[Disagreement]
    replays: Sequence[Path]
    unsteady: int


def page(summary: Summary, number: int) -> list[str]:
    """One disagreement, in lines: the octets as Python spells them, and what each target made of them."""
    found = summary.disagreements[number]
    width = max(map(len, summary.names))
    unlike = differences(*found.behaviours)
    seen = zip(summary.names, found.behaviours, strict=True)
    return [
        f"{number + 1}. {found.family}: {len(found.stream)} bytes",
        *(f"     {line!r}"[:-1].replace("     b'", "     ", 1) for line in _lines(found.stream)),
        *(f"   {name:{width}}  {behaviour}" for name, behaviour in seen),
        *(f"   {name}: {mine!r} and {theirs!r}" for name, (mine, theirs) in unlike.items()),
        f"   replay  {summary.replays[number]}",
        "",
    ]


def _lines(stream: bytes) -> list[bytes]:
    return stream[:AT_MOST].splitlines(keepends=True)


def closing(summary: Summary) -> str:
    """The last line."""
    total, count = sum(summary.examples.values()), len(summary.disagreements)
    what = f"{count} disagreement{'' if count == 1 else 's'}" if count else "no disagreement"
    unsteady = f", {summary.unsteady} more that did not last" if summary.unsteady else ""
    return f"{what} in {total} examples{unsteady}, after {summary.seconds:.1f} s"


def write(path: Path, summary: Summary) -> None:
    """The results as one JSON object."""
    path.write_text(json.dumps(document(summary), indent=1) + "\n", encoding="utf-8")


def document(summary: Summary) -> dict[str, Any]:
    """The results as plain data; `bytes` are hex, without the sentinel behind them."""
    found = zip(summary.disagreements, summary.replays, strict=True)
    return {
        "format": FORMAT,
        "suite": __version__,
        "targets": list(summary.names),
        "seed": summary.seed,
        "seconds": round(summary.seconds, 3),
        "examples": summary.examples,
        "unsteady": summary.unsteady,
        "disagreements": [_row(each, replay) for each, replay in found],
    }


def _row(found: Disagreement, replay: Path) -> dict[str, Any]:
    return {
        "family": found.family,
        "bytes": found.stream.hex(),
        "behaviours": [each.plain for each in found.behaviours],
        "replay": str(replay),
    }


def save(folder: Path, number: int, found: Disagreement, files: tuple[Path, Path]) -> Path:
    """Write the replay file of one disagreement: both conversations, and then the comparison."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(SCRIPT), folder / SCRIPT.name)
    path = folder / f"diff.{found.family.replace('/', '.')}.{number}.json"
    path.write_text(json.dumps(_story(found, files), indent=1) + "\n", encoding="utf-8")
    return path


def _story(found: Disagreement, files: tuple[Path, Path]) -> dict[str, Any]:
    entries = [entry for entry in found.transcript if entry.kind in {"connect", "send"}]
    first, second = (entry for entry in entries if entry.kind == "connect")
    places = {str(each.peer): _place(each, file) for each, file in zip((first, second), files, strict=True)}
    compare = {"on": first.peer, "do": "compare", "with": second.peer, "after": 0.0}
    return {
        "format": REPLAY_FORMAT,
        "case": f"diff {found.family}",
        "outcome": "disagree",
        "detail": " and ".join(map(str, found.behaviours)),
        "target": None,
        "connections": places,
        "steps": [*steps(entries), compare],
    }


def _place(entry: Entry, file: Path) -> dict[str, str]:
    service, _, url = entry.note.partition(" ")
    return {"service": service, "url": url, "target": str(file.resolve())}
