"""The place of one process: worker and id stay, processes come and go (LIFE-008, LIFE-041).

While a place is renewed two processes share it: the old one serves until the new one is ready, so that at no
moment nobody does (LIFE-073).
"""

import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from refworker.callbacks import logger
from refworker.supervisor import signals
from refworker.supervisor.agenda import Appointment
from refworker.supervisor.backoff import FIRST_DELAY, Backoff
from refworker.supervisor.channel import Channel
from refworker.supervisor.child import Child, Farewell, Office
from refworker.supervisor.output import flush_output
from refworker.supervisor.states import SLOT, ChildEvent, SlotEvent, SlotState, step
from refworker.worker import Worker


@dataclass(frozen=True, slots=True)
class Bench:
    """What a slot asks of the master."""

    office: Office
    become_child: Callable[["Slot", Channel], NoReturn]
    """Called in the forked process; never returns there."""
    failed: Callable[["Slot", str], None]
    """Called when a process did not start, with the reason."""


class Slot:
    """One process of one worker, and its successor."""

    def __init__(self, worker: Worker, index: int, number: int, bench: Bench) -> None:
        """`index` counts the program's workers, `number` the worker's processes, both from 0."""
        self.worker, self.index, self.number, self.bench = worker, index, number, bench
        self.state = SlotState.WAITING
        self.current: Child | None = None
        self.successor: Child | None = None
        self.farewell = Farewell(0.0, "stop")
        self._last_status, self._lifetime = 0, 0.0
        self._backoff = Backoff()
        self._due: Appointment | None = None
        self._fork_in(0.0)

    def step(self, event: SlotEvent) -> None:
        """Take one line of the table in `states.py`."""
        self.state, action = step(SLOT, self.state, event)
        getattr(self, action)()

    # -- what the master calls ---------------------------------------------------------------------

    def adopt(self, child: Child) -> None:
        """Begin with a process that the master's former self has forked."""
        self.cancel_fork()
        self.current, child.place = child, self
        self.state = SlotState.READY

    def renew(self, farewell: Farewell) -> None:
        """Fork a successor; the present process is told farewell when that one is ready."""
        self.farewell = farewell
        self.step(SlotEvent.RENEW)

    def stop(self, farewell: Farewell) -> None:
        """Tell everybody farewell, and want nobody any more."""
        self.farewell = farewell
        self.step(SlotEvent.STOP)

    def changed(self, child: Child, event: ChildEvent) -> None:
        """One of our processes is ready, or has ended."""
        if event is ChildEvent.EXITED:
            self._last_status, self._lifetime = child.status, child.uptime()
        lost = self.state is SlotState.RENEWING and child is self.current
        self.step(SlotEvent.LOST if lost else SlotEvent[event.name])

    # -- the actions of the table ------------------------------------------------------------------

    def nothing(self) -> None:
        """The new state says it all."""

    def fork(self) -> None:
        """Start a process. The system may refuse: that is a failure like a crash (LIFE-051)."""
        try:
            child = self._forked()
        except OSError as problem:
            logger.error("cannot fork a process for worker %s: %s", self.worker.name, problem)
            return self.step(SlotEvent.FORK_FAILED)
        child.place, child.worker = self, self.index
        if self.state is SlotState.RENEWING:
            self.successor = child
        else:
            self.current = child
        return None

    def replace(self) -> None:
        """A process that was ready has ended: in good order, or not."""
        self.current = None
        pause = self._backoff.after_failure if self._last_status else self._backoff.after_success
        self._fork_in(pause(self._lifetime))

    def try_later(self) -> None:
        """A process could not be started, or ended before it was ready."""
        self.current = None
        self._fork_in(self._backoff.after_failure())
        self.bench.failed(self, "it did not become ready")

    def hand_over(self) -> None:
        """The successor serves; the old process may go."""
        old, self.current, self.successor = self.current, self.successor, None
        self._dismiss(old)

    def stay(self) -> None:
        """The successor did not start: the old process stays."""
        self.successor = None
        self.bench.failed(self, "its successor did not become ready")

    def succeed(self) -> None:
        """The old process has ended before its successor was ready."""
        self.current, self.successor = self.successor, None

    def give_up(self) -> None:
        """The old process stays after all."""
        successor, self.successor = self.successor, None
        self._dismiss(successor)

    def dismiss(self) -> None:
        """Nobody is wanted any more."""
        for child in (self.current, self.successor):
            self._dismiss(child)
        self.current = self.successor = None

    def cancel_fork(self) -> None:
        """No process is due any more."""
        if self._due:
            self._due.cancel()

    # -- what happens in between -------------------------------------------------------------------

    def _dismiss(self, child: Child | None) -> None:
        if child:
            child.place = None
            child.leave(self.farewell)

    def _forked(self) -> Child:
        ours, theirs = (Channel(end) for end in socket.socketpair())
        flush_output()
        try:
            with signals.held_back():
                pid = os.fork()
                if not pid:
                    ours.close()
                    self.bench.become_child(self, theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return Child(self.worker.name, self.number, pid, ours, self.bench.office)

    def _fork_in(self, delay: float) -> None:
        if delay >= FIRST_DELAY:
            logger.warning("worker[%s] id %d: next start in %.1f s", self.worker.name, self.number, delay)
        self._due = self.bench.office.agenda.later(delay, partial(self.step, SlotEvent.DUE))


def listening(worker: Worker) -> str:
    """What a bound worker listens on, with the real port where 0 was asked for; `none` without listener."""
    if not worker.address:
        return "none"
    return re.sub(r":0$", lambda _: f":{worker.port}", worker.address)
