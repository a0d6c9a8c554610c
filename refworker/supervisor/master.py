"""The master: forks processes, watches over them, and answers the commands (LIFE-039).

One plain loop: `select` on the signal inbox, the channels of the processes and the control socket, with the
agenda's patience. The master runs no callback and no event loop, so nothing that a worker does can hold it
up; what happens when is in the table of `states.py`.
"""

import os
import selectors
import signal
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from refworker.callbacks import logger
from refworker.supervisor import signals
from refworker.supervisor.agenda import Agenda
from refworker.supervisor.channel import Channel, Message
from refworker.supervisor.control import ControlServer, Session
from refworker.supervisor.pidfile import PidFile
from refworker.supervisor.process import Process, live
from refworker.supervisor.report import Answers, Inquiry, master_row, row, worker_rows
from refworker.supervisor.settings import Settings
from refworker.supervisor.slot import Office, Slot
from refworker.supervisor.states import MASTER, MasterEvent, MasterState, SlotEvent, SlotState, step
from refworker.supervisor.tables import start_table
from refworker.worker import Worker


class Master:
    """One running service. Its workers are bound, its lock is held; `run` does the rest."""

    def __init__(self, workers: Sequence[Worker], settings: Settings, pid_file: PidFile) -> None:
        """Open the control socket and write the pid file (LIFE-032). Raises OSError."""
        self.workers, self.settings, self.pid_file = workers, settings, pid_file
        self.state = MasterState.STARTING
        self.started, self._clock = time.time(), time.monotonic()
        self.selector, self.agenda = selectors.DefaultSelector(), Agenda()
        pid_file.write()
        commands = {"status": self._status, "stop": self._stop}
        self.control = ControlServer(settings.control_path, commands, self.selector, self.agenda)
        self.inbox = signals.SignalInbox()
        self.selector.register(self.inbox, selectors.EVENT_READ, self._take_signals)
        office = Office(self.selector, self.agenda, self._become_child, self._heard)
        self.slots = [Slot(worker, number, office) for worker in workers for number in range(worker.count)]
        self.inquiry = Inquiry(self.slots, self.agenda)

    def run(self) -> int:
        """Fork, supervise, stop; returns the exit code: 0 after a requested stop, 1 when the master itself
        failed.
        """
        try:
            while self.state is not MasterState.STOPPED:
                self._round()
        except Exception:
            logger.exception("%s: the master failed and takes its processes with it", self.settings.title)
            self._end_at_once()
            return 1
        return 0

    def step(self, event: MasterEvent) -> None:
        """Take one line of the table in `states.py`."""
        self.state, action = step(MASTER, self.state, event)
        getattr(self, action)()

    # -- the loop ----------------------------------------------------------------------------------

    def _round(self) -> None:
        for key, mask in self.selector.select(self.agenda.patience()):
            key.data(mask)
        self.agenda.run_due()
        states = {slot.state for slot in self.slots}
        if states == {SlotState.READY}:
            self.step(MasterEvent.ALL_READY)
        elif states == {SlotState.GONE}:
            self.step(MasterEvent.ALL_GONE)

    def _take_signals(self, mask: int) -> None:
        for number in self.inbox.take():
            if number == signal.SIGCHLD:
                self._reap()
            else:
                logger.info("%s received signal %s", self.settings.title, number.name)
                self.step(MasterEvent.STOP)

    def _reap(self) -> None:
        for slot in self.slots:
            slot.reap()

    def _heard(self, slot: Slot, message: Message) -> None:
        """A process said something other than `ready`."""
        if message.get("do") == "answer":
            self.inquiry.answered(slot, message["id"], message["status"])
        elif message.get("do") == "stop":
            logger.info("worker[%s:%s] asks for the end of the service", slot.worker.name, slot.pid)
            self.step(MasterEvent.STOP)

    # -- the actions of the table ------------------------------------------------------------------

    def nothing(self) -> None:
        """The new state says it all."""

    def report_started(self) -> None:
        """Every process is ready for the first time: say so."""
        logger.info("%s start in DEBUG mode", self.settings.title)
        say(start_table(self.settings.title, self._report({}), f"python {self.settings.program}"))

    def stop_slots(self) -> None:
        """Tell all processes at once (LIFE-080); the master's copies of the listening sockets go first, so
        that nobody is left in a queue that nobody serves (LIFE-082).
        """
        logger.info("%s stopping", self.settings.title)
        for worker in self.workers:
            worker.release()
        for slot in self.slots:
            slot.step(SlotEvent.STOP)
        self.agenda.later(self.settings.stop_timeout, self._deadline)

    def kill_slots(self) -> None:
        """Those that have not ended will not."""
        for slot in self.slots:
            if slot.state is SlotState.STOPPING:
                slot.step(SlotEvent.DEADLINE)

    def finish(self) -> None:
        """Leave nothing behind (LIFE-087). The lock goes last: who gets it finds the ground clear."""
        self.control.close()
        self.inbox.close()
        self.selector.close()
        logger.info("%s has been stopped", self.settings.title)
        self.pid_file.remove()

    def _deadline(self) -> None:
        self.step(MasterEvent.DEADLINE)

    def _end_at_once(self) -> None:
        for slot in self.slots:
            slot.end_at_once()
        self.finish()

    # -- the commands ------------------------------------------------------------------------------

    def _stop(self, session: Session) -> None:
        """The session's end tells the client that the stop is done; `stop_timeout` how long that may take
        (LIFE-079).
        """
        logger.info("%s stop", self.settings.title)
        session.reply({"stopping": os.getpid(), "stop_timeout": self.settings.stop_timeout})
        self.step(MasterEvent.STOP)

    def _status(self, session: Session) -> None:
        self.inquiry.ask(lambda answers: session.reply(self._report(answers)))

    def _report(self, answers: Answers) -> dict[str, Any]:
        """The object that `status --json` prints."""
        uptime = time.monotonic() - self._clock
        return {
            "master": master_row(self.settings, self.state.value, self.started, uptime),
            "workers": worker_rows(self.slots),
            "processes": [row(slot, answers.get(slot)) for slot in self.slots],
        }

    # -- the other side of the fork ----------------------------------------------------------------

    def _become_child(self, slot: Slot, channel: Channel) -> NoReturn:
        live(lambda: self._child(slot, channel, master=os.getppid()))

    def _child(self, slot: Slot, channel: Channel, master: int) -> Process:
        self._abandon(slot)
        slot.worker.id = slot.number
        return Process(
            slot.worker,
            channel,
            master=master,
            stop_timeout=self.settings.stop_timeout,
            loop=self.settings.loop,
        )

    def _abandon(self, own: Slot) -> None:
        """Close every descriptor of the master: a process that keeps them keeps the lock, other processes'
        channels and other workers' ports alive.
        """
        self.selector.close()
        self.inbox.close()
        self.control.abandon()
        self.pid_file.close()
        for slot in self.slots:
            slot.abandon()
        for worker in self.workers:
            if worker is not own.worker:
                worker.release()


def say(text: str) -> None:
    """Print for whoever is there; a service does not end because its terminal has."""
    try:
        print(text, flush=True)
    except OSError:
        logger.info("%s", text)
