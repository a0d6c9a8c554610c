"""What a master hands over to its next self when it executes the program again (see `program.py`).

Descriptors stay open over an execve and processes stay children; here stands which is which. Written by the
old code and read by the new, which may be another version of this package: so it is plain JSON, and what a
reader does not know it leaves alone.
"""

import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from refworker.socketfile import file_of
from refworker.supervisor.channel import Channel
from refworker.supervisor.child import Child, Office
from refworker.supervisor.states import ChildState
from refworker.worker import Worker

Key = tuple[str, str, int]
"""A worker's name, what it listens on, and which one of those it is that share both."""


@dataclass
class Heritage:
    """The life of a service so far. `graceful` and `sessions` are those of the reload that is under way."""

    started: float
    clock: float
    daemon: bool
    pid_file: str = ""
    reloads: int = 0
    graceful: bool = False
    again: bool = False
    """Whether one more reload was asked for meanwhile."""
    sums: dict[str, int] = field(default_factory=dict)
    exits: dict[str, dict[str, int]] = field(default_factory=dict)
    lock: int = -1
    control: int = -1
    sessions: list[dict[str, Any]] = field(default_factory=list)
    listeners: dict[str, list[int]] = field(default_factory=dict)
    children: list[dict[str, Any]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @classmethod
    def read(cls, record: dict[str, Any]) -> "Heritage":
        """From what `program.inherit` gave."""
        return cls(**{name: value for name, value in record.items() if name in cls.__dataclass_fields__})

    @property
    def inherited(self) -> bool:
        """Whether there was a former self."""
        return self.lock >= 0

    def sockets(self, worker: Worker) -> list[socket.socket]:
        """The sockets of a worker's place, taken out of the heritage."""
        return [socket.socket(fileno=number) for number in self.listeners.pop(worker.place, [])]

    def close_rest(self) -> None:
        """Addresses that no worker of the new program has: refuse from now on."""
        for numbers in self.listeners.values():
            for number in numbers:
                with socket.socket(fileno=number) as listener:
                    if file := file_of(listener):
                        file.remove()
        self.listeners.clear()


def keys(workers: Sequence[Worker]) -> list[Key]:
    """By what each worker is known over a reload."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for worker in workers:
        name = worker.name, worker.place
        found.append((*name, seen[name]))
        seen[name] += 1
    return found


def key_text(key: Key) -> str:
    """A key of a JSON object."""
    return "\n".join(map(str, key))


def record(child: Child, key: Key) -> dict[str, Any]:
    """One process, as JSON."""
    return {
        "pid": child.pid,
        "channel": child.channel.fileno(),
        "worker": list(key),
        "number": child.number,
        "started": child.started,
        "state": child.state.name,
        "left": child.lifetime_left() if child.state is ChildState.LEAVING else None,
        "graceful": child.graceful,
        "counters": child.counters,
    }


def revive(row: dict[str, Any], office: Office) -> Child:
    """The process of a record, with its clock running on."""
    channel = Channel(socket.socket(fileno=row["channel"]))
    child = Child(row["worker"][0], row["number"], row["pid"], channel, office)
    child.started, child.counters, child.graceful = row["started"], row["counters"], row["graceful"]
    child.state = ChildState[row["state"]]
    if row["left"] is not None:
        child.watch_deadline(row["left"])
    return child


def begun(*, daemon: bool = False) -> Heritage:
    """The life of a service that begins."""
    return Heritage(time.time(), time.monotonic(), daemon)
