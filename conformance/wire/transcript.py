"""What went over the wire during one case: the evidence of a failure and the source of its replay.

Every `Peer` writes here. Neighbouring entries of the same kind are merged where that loses nothing, and the
whole is bounded, so that a case that moves megabytes does not keep them twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

from conformance.ledger import Ledger

Kind = Literal[
    "connect", "send", "expect", "receive", "silent", "ending", "finish", "reset",
    "saw-fin", "saw-reset", "close", "note",
]  # fmt: skip

MAX_ENTRIES = 5_000
MAX_BYTES = 4 * 1024 * 1024


@dataclass
class Entry:
    """One event: seconds since the start of the case, number of the connection, what happened."""

    at: float
    peer: int
    kind: Kind
    data: bytes = b""
    note: str = ""


@dataclass
class Transcript:
    """The events of one case, oldest first. `complete` turns False once something had to be left out.

    What is received with a `note` stays an entry of its own: datagrams have boundaries. Live traffic leaves a
    `ledger` here instead of its bytes.
    """

    entries: list[Entry] = field(default_factory=list)
    complete: bool = True
    peers: int = 0
    ledger: Ledger | None = None
    _started: float = field(default_factory=monotonic)
    _size: int = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def clear(self) -> None:
        """Forget everything: the next example of a property begins."""
        self.entries.clear()
        self.complete, self.peers, self._size, self._started = True, 0, 0, monotonic()

    def new_peer(self, where: str) -> int:
        """Number a new connection; `where` is the service and its URL, blank separated."""
        self.peers += 1
        self.add(self.peers, "connect", note=where)
        return self.peers

    def add(self, peer: int, kind: Kind, data: bytes = b"", note: str = "") -> None:
        """Write one event down, unless the bounds are reached."""
        if len(self.entries) >= MAX_ENTRIES or self._size + len(data) > MAX_BYTES:
            self._leave_out(peer, kind, data)
            return
        self._size += len(data)
        last = self.entries[-1] if self.entries else None
        if kind == "receive" and not note and last is not None and (last.peer, last.kind) == (peer, kind):
            last.data += data
        else:
            self.entries.append(Entry(monotonic() - self._started, peer, kind, data, note))

    def _leave_out(self, peer: int, kind: Kind, data: bytes) -> None:
        """Say once that the conversation is longer than what is kept."""
        if self.complete:
            self.complete = False
            note = f"{kind} of {len(data)} bytes, and more, left out"
            self.entries.append(Entry(monotonic() - self._started, peer, "note", note=note))
