"""One process as its master sees it: a pid, a channel, and the way from its fork to its grave."""

import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from refworker.callbacks import logger
from refworker.supervisor.agenda import Agenda, Appointment
from refworker.supervisor.channel import Channel, Message, MessageError
from refworker.supervisor.states import CHILD, ChildEvent, ChildState, step


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a process that is replaced or stopped is told to go: seconds, why, and whether that is long."""

    timeout: float
    reason: str
    graceful: bool = False


class Place(Protocol):
    """Who hears about a process's way: its slot."""

    def changed(self, child: "Child", event: ChildEvent) -> None:
        """The process is ready, or was reaped."""


@dataclass(slots=True)
class Office:
    """What the processes need of the master: its loop, its agenda, and whom to tell."""

    selector: selectors.BaseSelector
    agenda: Agenda
    heard: Callable[["Child", Message], None]
    """Called with every message that is not `ready`."""
    buried: Callable[["Child"], None]
    """Called with every process that has ended."""
    children: dict[int, "Child"] = field(default_factory=dict)
    """All living processes by pid, those that leave included."""


class Child:
    """One process of one worker."""

    def __init__(self, label: str, number: int, pid: int, channel: Channel, office: Office) -> None:
        """`label` is the worker's name, `number` the id of the process among the worker's."""
        self.label, self.number, self.pid, self.channel = label, number, pid, channel
        self.office = office
        self.state = ChildState.STARTING
        self.place: Place | None = None
        self.started = time.monotonic()
        self.counters: dict[str, Any] = {}
        """What it told last about its work."""
        self.worker = 0
        """Which of the program's workers it belongs to, in the order of their making."""
        self.asked = 0.0
        """Since when it owes the master a sign of life; 0: it does not."""
        self.reported = self.graceful = False
        self.farewell = Farewell(0.0, "stop")
        self.status = 0
        """How it ended: the raw wait status."""
        self._deadline: Appointment | None = None
        self._due = float("inf")
        office.children[pid] = self
        office.selector.register(channel, selectors.EVENT_READ, lambda mask: self._hear())

    def step(self, event: ChildEvent) -> None:
        """Take one line of the table in `states.py`."""
        self.state, action = step(CHILD, self.state, event)
        getattr(self, action)()

    def send(self, message: Message) -> bool:
        """Send a message to the process; False if it does not read."""
        return self.channel.send(message)

    def leave(self, farewell: Farewell) -> None:
        """Tell the process to finish and go."""
        self.farewell, self.graceful = farewell, farewell.graceful
        self.step(ChildEvent.LEAVE)

    def uptime(self) -> float:
        """Seconds since the process was forked."""
        return time.monotonic() - self.started

    def lifetime_left(self) -> float:
        """Seconds until a process that leaves is killed."""
        return max(0.0, self._due - time.monotonic())

    # -- the actions of the table ------------------------------------------------------------------

    def nothing(self) -> None:
        """The new state says it all."""

    def welcome(self) -> None:
        """It serves."""
        if self.place:
            self.place.changed(self, ChildEvent.READY)

    def tell_to_leave(self) -> None:
        """Ask; the deadline follows if it does not listen. The earliest deadline counts."""
        self.send({"do": "leave", **asdict(self.farewell)})
        self.watch_deadline(self.farewell.timeout)

    def watch_deadline(self, patience: float) -> None:
        """Kill the process in `patience` seconds, or when that was due already."""
        due = time.monotonic() + patience
        if due < self._due:
            self._due = due
            if self._deadline:
                self._deadline.cancel()
            self._deadline = self.office.agenda.later(patience, lambda: self.step(ChildEvent.DEADLINE))

    def kill(self) -> None:
        """End a process that did not end. Its pid is ours until it is reaped (LIFE-076)."""
        os.kill(self.pid, signal.SIGKILL)

    def bury(self) -> None:
        """Forget it, and tell its slot."""
        if self._deadline:
            self._deadline.cancel()
        self.close_channel()
        del self.office.children[self.pid]
        if self.place:
            self.place.changed(self, ChildEvent.EXITED)

    # -- what happens in between -------------------------------------------------------------------

    def reap(self) -> None:
        """Take the end of the process from the kernel. A stopped process has not ended (LIFE-049)."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.ended(status)

    def ended(self, status: int) -> None:
        """The process is gone: hear its last words, then bury it."""
        while self.channel.fileno() >= 0 and self._hear():
            pass
        self.status = status
        self.office.buried(self)
        self.step(ChildEvent.EXITED)

    def _hear(self) -> bool:
        """Take what the process says; False when nothing more will come."""
        if self.channel.fileno() < 0:
            return False  # closed earlier in this round of the loop
        try:
            messages = self.channel.receive()
        except (EOFError, MessageError):
            self.close_channel()
            return False
        for message in messages:
            if message.get("do") == "ready":
                self.step(ChildEvent.READY)
            else:
                self.office.heard(self, message)
        return bool(messages)

    def close_channel(self) -> None:
        """Close the master's end; harmless when it is closed."""
        if self.channel.fileno() >= 0:
            self.office.selector.unregister(self.channel)
            self.channel.close()


def cause(status: int) -> str:
    """A raw wait status in words: `exit code 3`, `SIGKILL`."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal has a number only
        return f"signal {-code}"


def log_end(child: Child) -> None:
    """One line for an end that was not in good order (LIFE-045)."""
    if child.status:
        how = cause(child.status)
        logger.error("worker[%s:%d] exit with status %d (%s)", child.label, child.pid, child.status, how)
