"""The master: forks processes, watches over them, and answers the commands (LIFE-039).

One plain loop: `select` on the signal inbox, the channels of the processes and the control socket, with the
agenda's patience. The master runs no callback of a connection and no event loop, so nothing that a worker
does can hold it up; what happens when is in the tables of `states.py`.
"""

import gc
import os
import selectors
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NoReturn

from refworker.callbacks import logger
from refworker.memory import keep_freed_memory
from refworker.supervisor import signals
from refworker.supervisor.agenda import Agenda
from refworker.supervisor.channel import Channel, Message
from refworker.supervisor.child import Child, Farewell, Office, log_end
from refworker.supervisor.control import ControlServer, Session
from refworker.supervisor.daemon import Herald
from refworker.supervisor.heritage import Heritage
from refworker.supervisor.introspection import STATUS, ServiceStatus, run_by
from refworker.supervisor.pidfile import PidFile
from refworker.supervisor.privileges import Identity, resolve
from refworker.supervisor.process import Process, live
from refworker.supervisor.reload import Reloader
from refworker.supervisor.reporter import Reporter
from refworker.supervisor.settings import Settings
from refworker.supervisor.slot import Bench, Slot
from refworker.supervisor.states import MASTER, ChildState, MasterEvent, MasterState, SlotState, step
from refworker.supervisor.tables import start_table
from refworker.supervisor.titles import set_title
from refworker.supervisor.watch import Watch
from refworker.worker import Worker

HOPELESS = 3
"""So many processes in a row that do not become ready end the start of a daemon: somebody waits for it."""


class Master(Reloader):
    """One running service. Its workers are bound, its lock is held; `run` does the rest."""

    def __init__(
        self,
        workers: Sequence[Worker],
        settings: Settings,
        pid_file: PidFile,
        herald: Herald,
        heritage: Heritage,
    ) -> None:
        """Open the control socket and write the pid file (LIFE-032); with a past, take it over. Raises
        OSError, SettingError.
        """
        self.workers, self.settings, self.pid_file, self.herald = workers, settings, pid_file, herald
        super().__init__(heritage)
        self.identities = [resolve(worker.user, worker.group) for worker in workers]
        for worker, identity in zip(workers, self.identities, strict=True):
            if identity:
                worker.give_to(identity.uid, identity.gid)
        self.state = MasterState.RELOADING if heritage.inherited else MasterState.STARTING
        self.leaves_gracefully = False
        self.worker: Worker | None = None  # it is of none of them
        run_by(self)
        self.selector, self.agenda = selectors.DefaultSelector(), Agenda()
        self.office = Office(self.selector, self.agenda, self._heard, self._buried)
        self.reporter = Reporter(self)
        pid_file.write()
        self.control = self._open_control()
        self.inbox = signals.SignalInbox()
        self.selector.register(self.inbox, selectors.EVENT_READ, self._take_signals)
        self.exits = [Counter[int]() for _ in workers]
        self.failures = 0
        if heritage.inherited:
            self.prepare()
        gc.freeze()  # no collection in a worker touches, and so copies, what is there now: fork shares it
        keep_freed_memory()
        self.slots = self._make_slots()
        set_title(f"refworker: master process  {settings.program}")
        watch = settings.busy_report, settings.busy_timeout
        Watch(self.office.children.values(), self.agenda, *watch)
        if heritage.inherited:
            self.take_over()
            self._reap()
        signals.let_in()

    def _open_control(self) -> ControlServer:
        commands: dict[str, Callable[[Session, Message], None]] = {
            "status": self.reporter.status,
            "connections": self.reporter.connections,
            "stop": self._stop,
            "reload": self.reload,
        }
        path, inherited = self.settings.control_path, self.life.control
        return ControlServer(path, commands, self.selector, self.agenda, inherited)

    def _make_slots(self) -> list[Slot]:
        bench = Bench(self.office, self._become_child, self._not_started)
        return [
            Slot(worker, index, number, bench)
            for index, worker in enumerate(self.workers)
            for number in range(worker.count)
        ]

    def run(self) -> int:
        """Fork, supervise, stop; returns the exit code: 0 after a requested stop, 1 when the master itself
        failed.
        """
        try:
            self._look_around()  # after a reload there may be nothing to wait for
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

    @property
    def status(self) -> ServiceStatus:
        """What the program is told about where the master stands (LIFE-019)."""
        return STATUS[self.state]

    # -- the loop ----------------------------------------------------------------------------------

    def _round(self) -> None:
        for key, mask in self.selector.select(self.agenda.patience()):
            key.data(mask)
        self.agenda.run_due()
        self._look_around()

    def _look_around(self) -> None:
        states = {slot.state for slot in self.slots}
        if states == {SlotState.READY}:
            self._all_ready()
        elif states == {SlotState.GONE} and not self.office.children:
            self.step(MasterEvent.ALL_GONE)

    def _all_ready(self) -> None:
        self.failures = 0
        if self.reserve:
            reserve, self.reserve = self.reserve, []
            self.renew(reserve)
        else:
            self.step(MasterEvent.ALL_READY)

    def _take_signals(self, mask: int) -> None:
        for number in self.inbox.take():
            if number == signal.SIGCHLD:
                self._reap()
            else:
                logger.info("%s received signal %s", self.settings.title, number.name)
                self._signalled(number)

    def _signalled(self, number: signal.Signals) -> None:
        if number in signals.RELOADING:
            self.ask_for_reload(number in signals.GRACEFUL)
        elif number == signal.SIGINT and self.state is MasterState.STOPPING:
            self.step(MasterEvent.FORCE)
        else:
            graceful = number in signals.GRACEFUL
            self.step(MasterEvent.STOP_GRACEFULLY if graceful else MasterEvent.STOP)

    def _reap(self) -> None:
        """Bury whoever has ended: our processes, a check, and orphans that were given to us as process 1 of a
        container.
        """
        while (ended := peeked()) is not None:
            if child := self.office.children.get(ended):
                child.reap()
            elif self.check and ended == self.check.pid:
                check, self.check = self.check, None
                check.reap()
            else:
                os.waitpid(ended, 0)

    def _heard(self, child: Child, message: Message) -> None:
        """A process said something other than `ready`."""
        child.counters = message.get("counters", child.counters)
        child.asked = 0.0
        match message["do"]:
            case "answer":
                self.reporter.answered(child, message)
            case "stop":
                logger.info("worker[%s:%s] asks for the end of the service", child.label, child.pid)
                self.step(MasterEvent.STOP)
            case "reload":
                logger.info("worker[%s:%s] asks for a reload", child.label, child.pid)
                self.ask_for_reload(False)
            case "retire":
                self._retire(child, message["why"])

    def _buried(self, child: Child) -> None:
        """A process has ended: for the log, the statistics, and the program (LIFE-044)."""
        log_end(child)
        self.reporter.forget(child)
        if child.worker < 0:
            return  # of a worker that the new program does not have
        self.exits[child.worker][child.status] += 1
        worker = self.workers[child.worker]
        if callback := worker.on_worker_exit.function:
            self.call("on_worker_exit", callback, worker, child.status, child.pid)

    def _retire(self, child: Child, why: str) -> None:
        """Give a process that has used up its quota a successor, one process of a worker at a time. It asks
        again, so nothing is to be remembered here.
        """
        slot = child.place
        busy = any(each.state is SlotState.RENEWING for each in self.slots if each.index == child.worker)
        if self.state is MasterState.RUNNING and isinstance(slot, Slot) and not busy:
            logger.info("worker[%s:%d] is replaced: %s", child.label, child.pid, why)
            slot.renew(Farewell(self.settings.graceful_timeout, "retire", graceful=True))

    # -- start -------------------------------------------------------------------------------------

    def nothing(self) -> None:
        """The new state says it all."""

    def report_started(self) -> None:
        """Every process is ready for the first time: say so."""
        mode = "DAEMON" if self.life.daemon else "DEBUG"
        logger.info("%s start in %s mode", self.settings.title, mode)
        title, program = self.settings.title, f"python {self.settings.program}"
        self.herald.started(start_table(title, self.reporter.overview(), program))
        self.reload_again()

    def _not_started(self, slot: Slot, what: str) -> None:
        """A process did not become ready."""
        self.failures += 1
        if self.state is MasterState.RELOADING:
            self.problem = f"worker {slot.worker.name}: {what}; see the log"
            self.step(MasterEvent.ABORTED)
        elif self.state is MasterState.STARTING and self.herald.awaited and self.failures >= HOPELESS:
            self.herald.failed(f"worker {slot.worker.name} does not start: {what}; see the log")
            self.step(MasterEvent.STOP)

    # -- stop --------------------------------------------------------------------------------------

    def _stop(self, session: Session, request: Message) -> None:
        """The session's end tells the client that the stop is done; `timeout` how long that may take
        (LIFE-079).
        """
        logger.info("%s stop", self.settings.title)
        graceful = bool(request.get("graceful"))
        settings = self.settings
        timeout = settings.graceful_timeout if graceful else settings.stop_timeout
        session.reply({"stopping": os.getpid(), "timeout": timeout})
        self.step(MasterEvent.STOP_GRACEFULLY if graceful else MasterEvent.STOP)

    def stop_now(self) -> None:
        """Tell all processes at once (LIFE-080)."""
        self._stop_all(Farewell(self.settings.stop_timeout, "stop"))

    def stop_gracefully(self) -> None:
        """The same, with all the time that they may need (LIFE-081)."""
        self._stop_all(Farewell(self.settings.graceful_timeout, "stop", graceful=True))

    def _stop_all(self, farewell: Farewell) -> None:
        self.leaves_gracefully = farewell.graceful
        logger.info("%s %sstopping", self.settings.title, "gracefully " if farewell.graceful else "")
        if self.check:
            self.check.cancel()
            self.check = None
        for worker in self.workers:  # so that nobody is left in a queue that nobody serves (LIFE-082)
            worker.release()
        self.refuse_reload()
        for slot in self.slots:
            slot.stop(farewell)
        self._tell_rest(farewell)

    def hurry(self) -> None:
        """A stop that was to be graceful has become urgent."""
        self.leaves_gracefully = False
        logger.info("%s stopping", self.settings.title)
        self._tell_rest(Farewell(self.settings.stop_timeout, "stop"))

    def _tell_rest(self, farewell: Farewell) -> None:
        """Those that are leaving already, and may have been given longer."""
        for child in self.office.children.values():
            if child.lifetime_left() > farewell.timeout or child.state is ChildState.READY:
                child.leave(farewell)

    def kill_all(self) -> None:
        """Somebody insists."""
        for child in self.office.children.values():
            child.kill()

    def finish(self) -> None:
        """Leave nothing behind (LIFE-087). The lock goes last: who gets it finds the ground clear."""
        self.herald.failed("the service was stopped before it was ready")
        self.control.close()
        self.inbox.close()
        self.selector.close()
        for worker in self.workers:
            worker.release()
        logger.info("%s has been stopped", self.settings.title)
        self.pid_file.remove()
        if callback := self.settings.on_master_stop:
            self.call("on_master_stop", callback)

    def _end_at_once(self) -> None:
        for child in self.office.children.values():
            child.kill()
            os.waitpid(child.pid, 0)
        self.finish()

    # -- the other side of the fork ----------------------------------------------------------------

    def _become_child(self, slot: Slot, channel: Channel) -> NoReturn:
        live(lambda: self._process(slot, channel, self.identities[slot.index], os.getppid()))

    def _process(self, slot: Slot, channel: Channel, identity: Identity | None, master: int) -> Process:
        self._abandon(slot)
        return Process(slot.worker, channel, self.settings, identity, master)

    def _abandon(self, own: Slot) -> None:
        """Close every descriptor of the master: a process that keeps them keeps the lock, other processes'
        channels and other workers' ports alive.
        """
        self.selector.close()
        self.inbox.close()
        self.control.abandon()
        self.pid_file.close()
        self.herald.abandon()
        for child in self.office.children.values():
            child.channel.close()
        for worker in self.workers:
            if worker is not own.worker:
                worker.release()
        own.worker.keep(own.number)


def peeked() -> int | None:
    """The pid of a child that has ended and is not reaped yet, None if there is none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None
