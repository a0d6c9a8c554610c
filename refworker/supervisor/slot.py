"""The place of one process: worker and id stay, processes come and go (LIFE-008, LIFE-041)."""

import os
import re
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from refworker.callbacks import logger
from refworker.supervisor import signals
from refworker.supervisor.agenda import Agenda
from refworker.supervisor.backoff import FIRST_DELAY, Backoff
from refworker.supervisor.channel import Channel, Message, MessageError
from refworker.supervisor.process import flush_output
from refworker.supervisor.states import SLOT, SlotEvent, SlotState, step
from refworker.worker import Worker


@dataclass(frozen=True, slots=True)
class Office:
    """What a slot needs of the master: its loop, its agenda, and whom to tell."""

    selector: selectors.BaseSelector
    agenda: Agenda
    become_child: Callable[["Slot", Channel], NoReturn]
    """Called in the forked child; never returns there."""
    heard: Callable[["Slot", Message], None]
    """Called with every message of the process that is not `ready`."""


class Slot:
    """One process of one worker, and the record of its predecessors."""

    def __init__(self, worker: Worker, number: int, office: Office) -> None:
        """`number` is the id of the worker's process, 0 to count - 1."""
        self.worker, self.number, self._office = worker, number, office
        self.address = listening(worker)
        self.state = SlotState.WAITING
        self.pid: int | None = None
        self.started = 0.0
        self.exits: Counter[int] = Counter()
        self.channel: Channel | None = None
        self._backoff = Backoff()
        self._due = office.agenda.later(0.0, partial(self.step, SlotEvent.DUE))
        self._lifetime, self._last_status = 0.0, 0

    def step(self, event: SlotEvent) -> None:
        """Take one line of the table in `states.py`."""
        self.state, action = step(SLOT, self.state, event)
        getattr(self, action)()

    # -- what the master calls ---------------------------------------------------------------------

    def send(self, message: Message) -> bool:
        """Send a message to the process; False if there is none, or it does not read."""
        return self.channel is not None and self.channel.send(message)

    def reap(self) -> None:
        """Look whether the process has ended. A stopped one has not (LIFE-049)."""
        if not self.pid:
            return
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            while self.channel and self._hear():
                pass  # its last words come before its end
            self._record(status)
            self.step(SlotEvent.EXITED)

    def end_at_once(self) -> None:
        """Kill the process and wait for it: the master itself has failed."""
        if self.pid:
            self.kill()
            self._record(os.waitpid(self.pid, 0)[1])

    def abandon(self) -> None:
        """In a forked child: close the master's end of the channel."""
        if self.channel:
            self.channel.close()

    def uptime(self) -> float:
        """Seconds since the process was forked; 0 if there is none."""
        return time.monotonic() - self.started if self.pid else 0.0

    # -- the actions of the table ------------------------------------------------------------------

    def nothing(self) -> None:
        """The new state says it all."""

    def fork(self) -> None:
        """Start a process. The system may refuse: that is a failure like a crash (LIFE-051)."""
        try:
            ours, theirs = (Channel(end) for end in socket.socketpair())
        except OSError as problem:
            return self._refused(problem)
        self.channel = ours
        flush_output()
        try:
            with signals.held_back():
                self.pid = os.fork() or self._office.become_child(self, theirs)
        except OSError as problem:
            self._close_channel()
            return self._refused(problem)
        finally:
            theirs.close()
        self.started = time.monotonic()
        self._office.selector.register(ours, selectors.EVENT_READ, partial(self._readable, ours))
        return None

    def replace(self) -> None:
        """A process that was ready has ended: in good order, or not."""
        pause = self._backoff.after_failure if self._last_status else self._backoff.after_success
        self._fork_in(pause(self._lifetime))

    def try_later(self) -> None:
        """A process could not be started, or ended before it was ready."""
        self._fork_in(self._backoff.after_failure())

    def tell_to_stop(self) -> None:
        """Ask; the deadline follows if it does not listen."""
        self.send({"do": "stop"})

    def cancel_fork(self) -> None:
        """No process is wanted any more."""
        self._due.cancel()

    def kill(self) -> None:
        """End a process that did not end. Its pid is ours until it is reaped (LIFE-076)."""
        assert self.pid
        os.kill(self.pid, signal.SIGKILL)

    # -- what happens in between -------------------------------------------------------------------

    def _refused(self, problem: OSError) -> None:
        logger.error("cannot fork a process for worker %s: %s", self.worker.name, problem)
        self.step(SlotEvent.FORK_FAILED)

    def _fork_in(self, delay: float) -> None:
        if delay >= FIRST_DELAY:
            logger.warning("worker[%s] id %d: next start in %.1f s", self.worker.name, self.number, delay)
        self._due = self._office.agenda.later(delay, partial(self.step, SlotEvent.DUE))

    def _record(self, status: int) -> None:
        """Note an end, and log it unless it was in good order (LIFE-045)."""
        if status:
            logger.error(
                "worker[%s:%d] exit with status %d (%s)", self.worker.name, self.pid, status, cause(status)
            )
        self.exits[status] += 1
        self._lifetime, self._last_status = time.monotonic() - self.started, status
        self.pid = None
        self._close_channel()

    def _readable(self, channel: Channel, mask: int) -> None:
        if channel is self.channel:  # and not one that was closed earlier in this round of the loop
            self._hear()

    def _hear(self) -> bool:
        """Take what the process says; False when nothing more will come."""
        assert self.channel
        try:
            messages = self.channel.receive()
        except (EOFError, MessageError):
            self._close_channel()
            return False
        for message in messages:
            if message.get("do") == "ready":
                self.step(SlotEvent.READY)
            else:
                self._office.heard(self, message)
        return bool(messages)

    def _close_channel(self) -> None:
        if self.channel:
            if self.channel.fileno() in self._office.selector.get_map():
                self._office.selector.unregister(self.channel)
            self.channel.close()
            self.channel = None


def listening(worker: Worker) -> str:
    """What a bound worker listens on, with the real port where 0 was asked for; `none` without listener."""
    if not worker.address:
        return "none"
    return re.sub(r":0$", lambda _: f":{worker.port}", worker.address)


def cause(status: int) -> str:
    """A raw wait status in words: `exit code 3`, `SIGKILL`."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal has a number only
        return f"signal {-code}"
