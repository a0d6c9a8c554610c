"""The transcript of a case, cut to what a reader can take in, as plain data for reports."""

from collections.abc import Mapping
from typing import Any

from conformance.wire.render import as_hex, as_text
from conformance.wire.transcript import Entry, Transcript

HEAD, TAIL = 20, 40
"""Events kept from the beginning and the end; the end is where a failure shows."""

SHOWN = 256
"""Bytes kept of one event."""


def collect(transcript: Transcript) -> list[dict[str, Any]]:
    """The events as dictionaries: `at` (seconds), `peer`, `kind`, `data` (hex), `size` (bytes), `note`."""
    entries = list(transcript)
    if len(entries) <= HEAD + TAIL:
        return [_plain(entry) for entry in entries]
    left_out = Entry(entries[HEAD].at, 0, "note", note=f"{len(entries) - HEAD - TAIL} events left out")
    return [_plain(entry) for entry in (*entries[:HEAD], left_out, *entries[-TAIL:])]


def _plain(entry: Entry) -> dict[str, Any]:
    return {
        "at": round(entry.at, 4),
        "peer": entry.peer,
        "kind": entry.kind,
        "data": entry.data[:SHOWN].hex(),
        "size": len(entry.data),
        "note": entry.note,
    }


def row(event: Mapping[str, Any], shown: int) -> tuple[str, str, str, str, str]:
    """Time, connection, what happened, hex (or a note) and text of one event, for a table."""
    data = bytes.fromhex(event["data"])
    what = f"{event['kind']} {event['size']}" if event["size"] else str(event["kind"])
    who = f"#{event['peer']}" if event["peer"] else ""
    hexadecimal = as_hex(data, shown) if data else str(event["note"])
    return f"{event['at']:.3f}", who, what, hexadecimal, as_text(data, shown)
