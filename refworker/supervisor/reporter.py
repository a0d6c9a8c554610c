"""The master's answers to `status` and `connections`."""

import os
import platform
import time
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from refworker import __version__
from refworker.supervisor.channel import Message
from refworker.supervisor.child import Child, Office
from refworker.supervisor.control import Session
from refworker.supervisor.heritage import Heritage
from refworker.supervisor.privileges import own_name
from refworker.supervisor.report import Answers, Inquiry, Totals, state_of
from refworker.supervisor.settings import Settings
from refworker.supervisor.slot import Slot, listening
from refworker.supervisor.states import MasterState, SlotState
from refworker.worker import Worker


class Service(Protocol):
    """What a report is about."""

    workers: Sequence[Worker]
    settings: Settings
    office: Office
    state: MasterState
    slots: list[Slot]
    exits: list[Any]
    life: Heritage


class Reporter:
    """Asks the processes, and adds what the master knows."""

    def __init__(self, service: Service) -> None:
        """`service` is complete by the time of the first question."""
        self._service = service
        self.totals = Totals(service.life.sums)
        self._inquiries = {
            question: Inquiry(question, self._children, service.office.agenda)
            for question in ("status", "connections")
        }

    def status(self, session: Session, request: Message) -> None:
        """Answer with the object that `status --json` prints."""
        self._inquiries["status"].ask(lambda answers: session.reply(self._status(answers)))

    def connections(self, session: Session, request: Message) -> None:
        """Answer with the object that `connections --json` prints."""
        self._inquiries["connections"].ask(lambda answers: session.reply(self._connections(answers)))

    def answered(self, child: Child, answer: Message) -> None:
        """A process has answered some question."""
        for inquiry in self._inquiries.values():
            inquiry.answered(child, answer)

    def forget(self, child: Child) -> None:
        """A process has ended."""
        self.totals.bury(child)
        for inquiry in self._inquiries.values():
            inquiry.forget(child)

    def _children(self) -> Collection[Child]:
        return self._service.office.children.values()

    def _status(self, answers: Answers) -> Message:
        """Times in seconds, `started` since the epoch, sizes in bytes."""
        service = self._service
        rows = [self._process(child, answers.get(child)) for child in self._children()]
        rows += [self._vacancy(slot) for slot in service.slots if slot.state is SlotState.WAITING]
        totals = self.totals.with_living(self._children())
        return self.overview() | {"processes": rows, "totals": totals}

    def overview(self) -> Message:
        """The service without its processes: what the start table shows."""
        workers = enumerate(self._service.workers)
        return {"master": self._master(), "workers": [self._worker(index, each) for index, each in workers]}

    def _master(self) -> Message:
        service = self._service
        return {
            "pid": os.getpid(),
            "title": service.settings.title,
            "state": service.state.value,
            "mode": "DAEMON" if service.life.daemon else "DEBUG",
            "version": __version__,
            "python": platform.python_version(),
            "event_loop": service.settings.loop,
            "started": service.life.started,
            "uptime": round(time.monotonic() - service.life.clock, 3),
            "load": [round(load, 2) for load in os.getloadavg()],
            "reloads": service.life.reloads,
        }

    def _worker(self, index: int, worker: Worker) -> Message:
        exits = self._service.exits[index]
        return {
            "name": worker.name,
            "address": listening(worker),
            "transport": worker.transport,
            "count": worker.count,
            "user": worker.user or own_name() or str(os.getuid()),
            "exits": {str(status): count for status, count in sorted(exits.items())},
        }

    def _process(self, child: Child, answer: Message | None) -> Message:
        workers = self._service.workers
        address = listening(workers[child.worker]) if child.worker >= 0 else "none"
        return {
            "pid": child.pid,
            "worker": child.label,
            "id": child.number,
            "address": address,
            "uptime": round(child.uptime(), 3),
            "state": state_of(child, answer is not None),
            **(answer["counters"] if answer else {}),
        }

    def _vacancy(self, slot: Slot) -> Message:
        return {
            "pid": None,
            "worker": slot.worker.name,
            "id": slot.number,
            "address": listening(slot.worker),
            "uptime": 0.0,
            "state": slot.state.value,
        }

    def _connections(self, answers: Answers) -> Message:
        rows = [
            {"pid": child.pid, "worker": child.label} | row
            for child, answer in sorted(answers.items(), key=lambda item: item[0].pid)
            for row in answer["connections"]
        ]
        busy = [child.pid for child in self._children() if child not in answers]
        return {"connections": rows, "busy": sorted(busy)}
