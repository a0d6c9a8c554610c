"""Replay files: a failure as data, to be sent again without the suite.

    {"format": 1, "case": "text/…", "outcome": "no-answer", "detail": "…",
     "connections": {"1": "tcp://127.0.0.1:9000"},
     "steps": [{"on": 1, "do": "send", "bytes": "6869", "after": 0.002},
               {"on": 1, "do": "expect", "bytes": "68690a"}, …]}

`bytes` is hex; each `send` is one segment, `after` the seconds since the step before. What is done:
`connect`, `send`, `finish` (FIN), `reset` (RST), `close`; what is expected: `expect` (exactly these bytes),
`silent` (for `seconds`), `ending` (the stream ends). `seen` steps tell what came when the file was written.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.verdicts import Result
from conformance.wire.transcript import Entry, Transcript

FORMAT = 1

WORTH_SAVING = frozenset({"fail", "weak", "deviation"})
"""Verdicts whose conversation is kept."""

ACTIONS = frozenset({"connect", "send", "finish", "reset", "close", "expect", "silent", "ending"})


def save(folder: Path, result: Result, transcript: Transcript) -> str | None:
    """Write the replay file of a failure; its path, or None where the bytes are not all known."""
    if not transcript.complete or not any(entry.kind == "send" for entry in transcript):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.id.replace('/', '.')}.json"
    path.write_text(json.dumps(document(result, transcript), indent=1) + "\n", encoding="utf-8")
    return str(path)


def document(result: Result, transcript: Transcript) -> dict[str, Any]:
    """The replay of one case as plain data."""
    return {
        "format": FORMAT,
        "case": result.id,
        "outcome": result.outcome,
        "detail": result.detail,
        "connections": {str(entry.peer): entry.note for entry in transcript if entry.kind == "connect"},
        "steps": list(_steps(transcript)),
    }


def _steps(transcript: Transcript) -> Iterator[dict[str, Any]]:
    before = 0.0
    for entry in transcript:
        yield {"on": entry.peer, **_step(entry), "after": round(max(0.0, entry.at - before), 4)}
        before = entry.at


def _step(entry: Entry) -> dict[str, Any]:
    """The step without its connection and its time."""
    if entry.kind not in ACTIONS:
        return {"do": "seen", "what": entry.kind, "bytes": entry.data.hex(), "note": entry.note}
    extra = {"seconds": float(entry.note)} if entry.kind == "silent" else {}
    return {"do": entry.kind, **({"bytes": entry.data.hex()} if entry.data else {}), **extra}
