"""What `status` and `connections` show: the master asks every process, waits a moment, and tells what it
knows itself.
"""

import os
from collections.abc import Callable, Collection
from typing import Any

from refworker.status import statistics
from refworker.supervisor.agenda import Agenda, Appointment
from refworker.supervisor.child import Child
from refworker.supervisor.states import ChildState
from refworker.timer import Timer

PATIENCE = 0.5
"""Seconds for the processes to answer; one that does not is busy (LIFE-091, LIFE-095)."""

COUNTERS = ("messages", "send_fail", "buffer_full", "buffer_drain")
"""What a process counts and never takes back: of these the master keeps the sums (see `Totals`)."""

Answers = dict[Child, dict[str, Any]]

# -- in the process --------------------------------------------------------------------------------


def counters() -> dict[str, Any]:
    """What this process has counted, and what it is holding now; memory in bytes."""
    return {
        **{name: getattr(statistics, name) for name in COUNTERS},
        "connections": statistics.connections,
        "timers": Timer.count(),
        "memory": resident(),
    }


def resident() -> int:
    """Bytes of memory that are this process's own or shared, 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # as bytes: a codec would be one more import
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def connection_rows() -> list[dict[str, Any]]:
    """One row for each open connection of this process (LIFE-097)."""
    return [connection_row(connection) for _, connection in sorted(statistics.living.items())]


def connection_row(connection: Any) -> dict[str, Any]:
    """What `connections` shows of one; sizes in bytes."""
    worker = getattr(connection.worker, "name", "")
    return {
        **({"worker": worker} if worker else {}),  # it may be one that this process runs beside its own
        "id": connection.id,
        "transport": connection.transport,
        "protocol": connection.protocol_name,
        "family": 6 if connection.is_ipv6() else 4 if connection.is_ipv4() else 0,
        "recv_queue": connection.get_recv_buffer_queue_size(),
        "send_queue": connection.get_send_buffer_queue_size(),
        "bytes_read": connection.bytes_read,
        "bytes_written": connection.bytes_written,
        "status": connection.status.name,
        "local": connection.get_local_address(),
        "remote": connection.get_remote_address(),
    }


# -- in the master ---------------------------------------------------------------------------------


class Inquiry:
    """One question to all processes at a time; who asks the same meanwhile shares its answers (LIFE-096)."""

    def __init__(self, question: str, children: Callable[[], Collection[Child]], agenda: Agenda) -> None:
        """`question` is status or connections."""
        self._question, self._children, self._agenda = question, children, agenda
        self._number = 0
        self._askers: list[Callable[[Answers], None]] = []
        self._missing: set[Child] = set()
        self._answers: Answers = {}
        self._deadline: Appointment | None = None

    def ask(self, asker: Callable[[Answers], None]) -> None:
        """Call `asker` with the answers, at most `PATIENCE` seconds from now."""
        self._askers.append(asker)
        if len(self._askers) == 1:
            self._begin()

    def answered(self, child: Child, answer: dict[str, Any]) -> None:
        """Take an answer; one to an earlier question comes too late."""
        if answer["id"] == f"{self._question} {self._number}" and child in self._missing:
            self._missing.remove(child)
            self._answers[child] = answer
            self._end_if_complete()

    def forget(self, child: Child) -> None:
        """A process has ended: nobody waits for its answer."""
        if child in self._missing:
            self._missing.remove(child)
            self._end_if_complete()

    def _begin(self) -> None:
        self._number += 1
        question = {"do": self._question, "id": f"{self._question} {self._number}"}
        self._answers = {}
        asked = [child for child in self._children() if child.state is not ChildState.STARTING]
        self._missing = {child for child in asked if child.send(question)}
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


class Totals:
    """Sums over all processes that there have ever been: they only grow, also over reloads."""

    def __init__(self, sums: dict[str, int] | None = None) -> None:
        """Go on from the sums of a former self."""
        self.sums: dict[str, int] = dict.fromkeys((*COUNTERS, "exits"), 0) | (sums or {})

    def bury(self, child: Child) -> None:
        """Add what a process that has ended told last."""
        self.sums["exits"] += 1
        for name in COUNTERS:
            self.sums[name] += child.counters.get(name, 0)

    def with_living(self, children: Collection[Child]) -> dict[str, int]:
        """The sums, the living included."""
        counted = {
            name: self.sums[name] + sum(child.counters.get(name, 0) for child in children)
            for name in COUNTERS
        }
        return self.sums | counted | {"starts": self.sums["exits"] + len(children)}


def state_of(child: Child, answered: bool) -> str:
    """The word of `status` for what a process is doing."""
    if child.state is ChildState.READY:
        return "idle" if answered else "busy"
    if child.state is ChildState.LEAVING:
        return "draining" if child.graceful else "stopping"
    return str(child.state.value)
