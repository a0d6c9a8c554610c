"""Reload: new code, and nobody notices but those who see the new version.

1. A process of its own runs the program as it is now; if it does not work, nothing has happened.
2. The master executes the program in its own place: same pid, same children, same listening sockets.
3. It forks new processes beside the old ones, first one for each worker, then the rest.
4. An old process is told to leave when the one that takes its place is ready.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from refworker.callbacks import logger
from refworker.supervisor import heritage as legacy
from refworker.supervisor import program, signals
from refworker.supervisor.channel import Message
from refworker.supervisor.check import Check
from refworker.supervisor.child import Farewell, Office
from refworker.supervisor.control import ControlServer, Session
from refworker.supervisor.heritage import Heritage, key_text
from refworker.supervisor.pidfile import PidFile
from refworker.supervisor.reporter import Reporter
from refworker.supervisor.settings import Settings
from refworker.supervisor.slot import Slot
from refworker.supervisor.states import ChildState, MasterEvent, MasterState, SlotEvent, SlotState
from refworker.worker import Worker


class Reloader:
    """The part of a master that reloads."""

    workers: Sequence[Worker]
    settings: Settings
    pid_file: PidFile
    control: ControlServer
    office: Office
    reporter: Reporter
    state: MasterState
    slots: list[Slot]
    exits: list[Counter[int]]
    step: Callable[[MasterEvent], None]

    def __init__(self, life: Heritage) -> None:
        """`life` is the service's so far."""
        self.life = life
        self.check: Check | None = None
        self.graceful, self.problem = life.graceful, ""
        self.waiting: list[Session] = []
        """Who waits for the end of a reload."""
        self.reserve: list[Slot] = []
        """Slots that are renewed when the first of each worker have shown that the new code works."""

    def call(self, name: str, callback: Callable[..., Any], *args: Any) -> bool:
        """Call a callback of the program in the master; False where it raised, which is logged."""
        try:
            callback(*args)
        except Exception:
            logger.exception("%s failed", name)
            return False
        return True

    def ask_for_reload(self, graceful: bool) -> None:
        """A signal, a command or a process wants new code; `graceful`: with all the time for old requests."""
        self.graceful = graceful
        self.step(MasterEvent.RELOAD)

    def reload(self, session: Session, request: Message) -> None:
        """The answer comes when the new processes serve, or with the reason why they do not."""
        logger.info("%s reload", self.settings.title)
        self.waiting.append(session)
        self.ask_for_reload(bool(request.get("graceful")))

    def note_reload(self) -> None:
        """One more, when this one is done (LIFE-057)."""
        self.life.again = True

    def refuse_reload(self) -> None:
        """Nothing is to be reloaded any more."""
        self._answer_reload({"error": "the service is stopping"})

    def check_program(self) -> None:
        """Try the new program in a process of its own first."""
        logger.info("%s reloading", self.settings.title)
        self.life.graceful, self.life.again = self.graceful, False
        places = [worker.place for worker in self.workers]
        try:
            self.check = Check(places, self.office.selector, self.office.agenda, self._checked)
        except OSError as problem:
            self._checked(f"the program cannot be run: {problem.strerror}")

    def _checked(self, reason: str) -> None:
        self.problem = reason
        self.step(MasterEvent.REFUSED if reason else MasterEvent.CHECKED)

    def report_refusal(self) -> None:
        """The old program goes on."""
        logger.error("%s: reload refused, the old code serves on. %s", self.settings.title, self.problem)
        self._answer_reload({"error": f"the old code serves on. {self.problem}"})
        self.reload_again()

    def execute_again(self) -> None:
        """Become the new program: same process, same children, same sockets."""
        signals.hold_back()
        try:
            descriptors = self._bequeath()
            program.execute(vars(self.life), descriptors)
        except OSError as problem:
            signals.let_in()
            self.problem = f"the program cannot be executed: {problem.strerror}"
            self.step(MasterEvent.REFUSED)

    def _bequeath(self) -> list[int]:
        """Write everything that lasts into the heritage; returns the descriptors that must stay open."""
        life, names = self.life, legacy.keys(self.workers)
        life.lock, life.control = self.pid_file.fileno(), self.control.fileno()
        life.pid_file = str(self.settings.pid_file)
        life.sums = self.reporter.totals.sums
        life.exits = {
            key_text(key): {str(status): count for status, count in exits.items()}
            for key, exits in zip(names, self.exits, strict=True)
        }
        life.sessions = self.control.bequeath()
        life.listeners = {}
        for worker in self.workers:
            life.listeners.setdefault(worker.place, []).extend(each.fileno() for each in worker.listeners)
        life.children = [
            legacy.record(child, names[child.worker] if child.worker >= 0 else (child.label, "", -1))
            for child in self.office.children.values()
            if child.channel.fileno() >= 0
        ]
        life.descriptors = [
            life.lock,
            life.control,
            *(session["descriptor"] for session in life.sessions),
            *(number for numbers in life.listeners.values() for number in numbers),
            *(child["channel"] for child in life.children),
        ]
        return life.descriptors

    def prepare(self) -> None:
        """The new code's first word, before anything is made of its workers (LIFE-063)."""
        self.life.reloads += 1
        callback = self.settings.on_master_reload
        if callback and not self.call("on_master_reload", callback):
            self.problem = "on_master_reload failed; see the log"
        for worker in self.workers:
            worker.bind()  # more processes may want more sockets

    def take_over(self) -> None:
        """Be the new self of a master: the old processes serve until new ones are ready."""
        life = self.life
        for key, counter in zip(legacy.keys(self.workers), self.exits, strict=True):
            counter.update({int(status): n for status, n in life.exits.get(key_text(key), {}).items()})
        self._adopt_children()
        self.waiting = self.control.resume(life.sessions, "reload")
        if self.problem:
            self.step(MasterEvent.ABORTED)
        else:
            self._begin_renewal()

    def _adopt_children(self) -> None:
        """Old processes keep their places as far as the new program has these."""
        places = {(slot.index, slot.number): slot for slot in self.slots}
        indices = {key: index for index, key in enumerate(legacy.keys(self.workers))}
        for row in self.life.children:
            child = legacy.revive(row, self.office)
            child.worker = indices.get(tuple(row["worker"]), -1)
            slot = places.get((child.worker, child.number))
            if slot and child.state is ChildState.READY:
                slot.adopt(child)
            elif child.state is ChildState.STARTING:
                child.leave(self._reload_farewell())  # with old code: it shall not serve at all

    def _begin_renewal(self) -> None:
        """First one process of each worker: if the new code does not start, the others stay as they are
        (LIFE-074).
        """
        for slot in self.slots:
            if not slot.worker.reloadable and slot.current:
                slot.current.send({"do": "reloaded", "stdout_file": self._stdout_file()})
        old = [slot for slot in self.slots if slot.worker.reloadable and slot.state is SlotState.READY]
        self.reserve = [slot for slot in old if slot.number]
        self.renew([slot for slot in old if not slot.number])

    def _stdout_file(self) -> str:
        return str(self.settings.stdout_file) if self.life.daemon else ""

    def renew(self, slots: Sequence[Slot]) -> None:
        """Fork successors; a slot whose process has ended meanwhile forks by itself."""
        for slot in slots:
            if slot.state is SlotState.READY:
                slot.renew(self._reload_farewell())

    def _reload_farewell(self) -> Farewell:
        settings, graceful = self.settings, self.life.graceful
        timeout = settings.graceful_timeout if graceful else settings.stop_timeout
        return Farewell(timeout, "reload", graceful)

    def report_reloaded(self) -> None:
        """New processes serve everywhere; those that have no place any more may go."""
        for child in tuple(self.office.children.values()):
            if child.place is None and child.state is ChildState.READY:
                child.leave(self._reload_farewell())
        logger.info("%s reloaded", self.settings.title)
        self._answer_reload({"reloaded": os.getpid()})
        self.reload_again()

    def abort_reload(self) -> None:
        """The processes of the old program that are still there stay."""
        self.reserve = []
        for slot in self.slots:
            if slot.state is SlotState.RENEWING:
                slot.step(SlotEvent.GIVE_UP)
        self.report_refusal()

    def _answer_reload(self, answer: dict[str, Any]) -> None:
        waiting, self.waiting = self.waiting, []
        for session in waiting:
            session.reply(answer)

    def reload_again(self) -> None:
        """Begin the reload that was asked for meanwhile, if one was."""
        if self.life.again:
            self.life.again = False
            self.step(MasterEvent.RELOAD)
