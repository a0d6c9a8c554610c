"""What `status` shows: the master asks every process, waits a moment, and tells what it knows itself."""

import os
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from refworker import __version__
from refworker.supervisor.agenda import Agenda, Appointment
from refworker.supervisor.privileges import own_name
from refworker.supervisor.settings import Settings
from refworker.supervisor.slot import Slot, listening
from refworker.supervisor.states import SlotState
from refworker.worker import Worker

PATIENCE = 0.5
"""Seconds for the processes to answer; one that does not is busy (LIFE-091, LIFE-095)."""

Answers = dict[Slot, dict[str, Any]]


class Inquiry:
    """One question to all processes at a time; who asks meanwhile shares its answers (LIFE-096)."""

    def __init__(self, slots: Sequence[Slot], agenda: Agenda) -> None:
        self._slots, self._agenda = slots, agenda
        self._number = 0
        self._askers: list[Callable[[Answers], None]] = []
        self._missing: set[Slot] = set()
        self._answers: Answers = {}
        self._deadline: Appointment | None = None

    def ask(self, asker: Callable[[Answers], None]) -> None:
        """Call `asker` with the answers, at most `PATIENCE` seconds from now."""
        self._askers.append(asker)
        if len(self._askers) == 1:
            self._begin()

    def answered(self, slot: Slot, number: int, status: dict[str, Any]) -> None:
        """Take an answer; one to an earlier question comes too late."""
        if number == self._number and slot in self._missing:
            self._missing.remove(slot)
            self._answers[slot] = status
            self._end_if_complete()

    def _begin(self) -> None:
        self._number += 1
        question = {"do": "status", "id": self._number}
        self._answers = {}
        self._missing = {slot for slot in self._slots if slot.send(question)}
        self._deadline = self._agenda.later(PATIENCE, self._end)
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        if not self._missing:
            self._end()

    def _end(self) -> None:
        if self._deadline:
            self._deadline.cancel()
        askers, self._askers, self._missing = self._askers, [], set()
        for asker in askers:
            asker(self._answers)


STATES = {SlotState.READY: "idle"}
"""What a report calls a state that it does not call by its own name."""


def master_row(settings: Settings, state: str, started: float, uptime: float) -> dict[str, Any]:
    """What the master knows of itself; times in seconds, `started` since the epoch."""
    return {
        "pid": os.getpid(),
        "title": settings.title,
        "state": state,
        "mode": "DEBUG",
        "version": __version__,
        "python": platform.python_version(),
        "event_loop": settings.loop,
        "started": started,
        "uptime": round(uptime, 3),
        "load": os.getloadavg(),
        "reloads": 0,
    }


def worker_rows(slots: Sequence[Slot]) -> list[dict[str, Any]]:
    """The workers in the order of their making, and how their processes have ended, by raw wait status."""
    exits: dict[Worker, Counter[int]] = {}
    for slot in slots:
        exits.setdefault(slot.worker, Counter()).update(slot.exits)
    return [
        {
            "name": worker.name,
            "address": listening(worker),
            "count": worker.count,
            "user": own_name() or str(os.geteuid()),
            "exits": {str(status): count for status, count in sorted(ends.items())},
        }
        for worker, ends in exits.items()
    ]


def row(slot: Slot, answer: dict[str, Any] | None) -> dict[str, Any]:
    """One slot: what the master knows, and what the process counts, if it answered."""
    silent = answer is None and slot.state is SlotState.READY
    return {
        "pid": slot.pid,
        "worker": slot.worker.name,
        "id": slot.number,
        "address": slot.address,
        "uptime": round(slot.uptime(), 3),
        "exits": {str(status): count for status, count in sorted(slot.exits.items())},
        "state": "busy" if silent else STATES.get(slot.state, slot.state.value),
        **(answer or {}),
    }
