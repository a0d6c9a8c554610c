"""A worker process: everything that happens in the child after the fork.

It runs one event loop with one worker in it and talks with the master over a channel: it says `ready` once
after `on_worker_start`, answers `status`, and leaves when told so, when a signal says so (LIFE-055), or when
the channel ends because the master is gone. It never returns into the program that forked it.
"""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from refworker.callbacks import logger
from refworker.supervisor import log, orphan, signals
from refworker.supervisor.channel import Channel, Message
from refworker.supervisor.introspection import ServiceStatus, run_by
from refworker.supervisor.logfile import reopen_streams
from refworker.supervisor.output import flush_output
from refworker.supervisor.privileges import Identity
from refworker.supervisor.report import connection_rows, counters
from refworker.supervisor.settings import Settings
from refworker.supervisor.titles import set_title
from refworker.worker import Worker, beside

FAILED = 250
"""Exit code of a process that an exception ended (LIFE-043)."""

FLUSH_SHARE, STOP_SHARE = 0.75, 0.95
"""Which part of its time to leave a process gives its connections, and which part the whole takes at most: a
process that cuts its connections itself and exits 0 is better than one that is killed (LIFE-069, LIFE-070).
"""

QUOTA_CHECK = 0.25
"""Seconds between two looks at what a process has used of its quota; only where it has one."""

ORPHAN_MARGIN = 0.5
"""Seconds after stop_timeout at which an orphan that hangs is killed."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who this process is: index among its worker's processes, the worker's name, the master's pid."""

    id: int
    name: str
    master: int


_process: "Process | None" = None


def context() -> Context:
    """Who this process is. Raises RuntimeError outside a worker process."""
    process = _current()
    return Context(process.worker.id, process.worker.name, process.master)


def stop_all(code: int = 0, log: str = "") -> None:
    """End this process in good order, with exit code `code`; the master replaces it (LIFE-047).

    Returns at once; harmless when the process is stopping already. Only for the thread of the event loop.
    """
    process = _current()
    if code:
        logger.error("stopping, code [%d] %s", code, log)
    process.leave(code=code)


def stop_service() -> None:
    """Ask the master to stop the whole service, as the command `stop` does (LIFE-048)."""
    _current().channel.send({"do": "stop"})


def reload_service() -> None:
    """Ask the master for a reload, as the command `reload` does (LIFE-048)."""
    _current().channel.send({"do": "reload"})


def _current() -> "Process":
    if _process is None:
        raise RuntimeError("this is no worker process; it works in callbacks of a worker that run_all runs")
    return _process


def live(make: Callable[[], "Process"]) -> NoReturn:
    """In the child: be the process that `make` gives, from here to the end. No code of the program around the
    fork runs again (LIFE-034), whatever happens.
    """
    global _process
    code = FAILED
    try:
        _process = make()
        _process.settle()
        code = _process.run()
    except SystemExit as end:
        code = exit_code(end)
        logger.warning("worker process %d terminated itself, exit code %d", os.getpid(), code)
    except BaseException:
        logger.exception("worker process %d failed", os.getpid())
    finally:
        flush_output()
        os._exit(code)


class Process:
    """The worker in its event loop, and the channel to the master."""

    def __init__(
        self, worker: Worker, channel: Channel, settings: Settings, identity: Identity | None, master: int
    ) -> None:
        """`identity` is who the process becomes, None to stay; `master` the parent's pid."""
        self.worker, self.channel, self.master = worker, channel, master
        self.settings, self.identity = settings, identity
        self.label = f"worker[{worker.name}:{os.getpid()}]"
        self._code, self._reason, self.leaves_gracefully = 0, "", False
        self._ready = False
        self._leaving = asyncio.Event()
        self._start: asyncio.Task[None] | None = None
        self._limit: asyncio.Timeout | None = None
        self._timeout = 0.0

    def settle(self) -> None:
        """Become a process of its own: nothing of the master's signals is left, and its end is noticed."""
        run_by(self)
        signals.restore_defaults()
        if self.identity:
            self.identity.take()  # before the next line, since the kernel forgets it at such a change
        orphan.die_with(self.master, self.settings.stop_timeout + ORPHAN_MARGIN)
        set_title(f"refworker: worker process  {self.worker.name}  {self.worker.address or 'none'}")
        descriptor = log.descriptor()
        if descriptor >= 0:
            faulthandler.enable(descriptor)
            faulthandler.register(signals.REPORT, descriptor, all_threads=True)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)  # a print in a callback is seen when it happens

    @property
    def status(self) -> ServiceStatus:
        """What the program is told about where this process stands (LIFE-019)."""
        if self._leaving.is_set():
            return ServiceStatus.RELOADING if self._reason == "reload" else ServiceStatus.SHUTDOWN
        return ServiceStatus.RUNNING if self._ready else ServiceStatus.STARTING

    def run(self) -> int:
        """The whole life; returns the exit code."""
        with asyncio.Runner(loop_factory=loop_factory(self.settings.loop)) as runner:
            runner.run(self._live())
        return self._code

    def leave(
        self, timeout: float | None = None, reason: str = "stop", graceful: bool = False, code: int = 0
    ) -> None:
        """Finish what is in hand and end within `timeout` seconds, `stop_timeout` by default. The first call
        counts (LIFE-085), except that a later one may leave less time.
        """
        timeout = self.settings.stop_timeout if timeout is None else timeout
        if not self._leaving.is_set():
            self._code, self._timeout, self._reason, self.leaves_gracefully = code, timeout, reason, graceful
            self._leaving.set()
            if self._start:
                self._start.cancel()
        elif timeout < self._timeout:
            self._timeout = timeout
            for worker in (*beside(), self.worker):
                worker.hurry(timeout * FLUSH_SHARE)
            if self._limit:
                self._limit.reschedule(asyncio.get_running_loop().time() + timeout * STOP_SHARE)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.channel.sock, self._hear)
        loop.set_exception_handler(self._uncaught)
        for number in signals.COMMANDS:
            loop.add_signal_handler(number, self._signalled, number)
        signals.let_in()
        await self._begin()
        await self._leaving.wait()
        await self._end()
        self.channel.send({"do": "counted", "counters": counters()})

    async def _begin(self) -> None:
        """Run `on_worker_start` and say so; a stop meanwhile cancels it."""
        self._start = asyncio.create_task(self.worker.start())
        try:
            await self._start
        except asyncio.CancelledError:
            self.leave()
        except Exception:
            logger.exception("%s: on_worker_start failed", self.label)
            self.leave(code=FAILED)
        else:
            self._ready = True
            self.channel.send({"do": "ready"})
            if self.worker.quota:
                self._watch_quota()

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(self._timeout * STOP_SHARE) as self._limit:
                if self._reason == "reload":
                    await self.worker.tell("on_worker_reload")
                await self._stop(asyncio.get_running_loop().time() + self._timeout * FLUSH_SHARE)
        except TimeoutError:
            logger.error("%s: on_worker_drain or on_worker_stop did not end in time", self.label)
        except Exception:
            logger.exception("%s: the stop failed", self.label)

    async def _stop(self, due: float) -> None:
        """Stop what listens here beside this process's own worker, then that; `due` by the loop's clock."""
        loop = asyncio.get_running_loop()
        if others := beside():
            self.worker.release()
        for other in others:
            await other.stop((due - loop.time()) / 2)
        await self.worker.stop(due - loop.time())

    def _signalled(self, number: signal.Signals) -> None:
        graceful = number in signals.GRACEFUL
        timeout = self.settings.graceful_timeout if graceful else self.settings.stop_timeout
        if number not in signals.RELOADING:
            self.leave(timeout, graceful=graceful)
        elif self.worker.reloadable:
            self.leave(timeout, "reload", graceful)
        else:
            self._reloaded({})

    def _watch_quota(self) -> None:
        """Ask for a successor when the quota is used up, again and again until there is one."""
        loop, quota = asyncio.get_running_loop(), self.worker.quota.drawn()

        def look() -> None:
            now = counters()
            if why := quota.exceeded(now["messages"], now["memory"]):
                self.channel.send({"do": "retire", "why": why})
            if not self._leaving.is_set():
                loop.call_later(QUOTA_CHECK, look)

        look()

    def _uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Where asyncio lets a SystemExit through, uvloop hands it over here (LIFE-046)."""
        problem = context.get("exception")
        if isinstance(problem, SystemExit):
            logger.warning("%s terminated itself, exit code %d", self.label, exit_code(problem))
            self.leave(code=exit_code(problem))
        else:
            loop.default_exception_handler(context)

    def _hear(self) -> None:
        try:
            messages = self.channel.receive()
        except EOFError:
            asyncio.get_running_loop().remove_reader(self.channel.sock)
            logger.warning("%s: the master is gone", self.label)
            return self.leave()
        for message in messages:
            self.ORDERS[message["do"]](self, message)
        return None

    # -- what the master may say -------------------------------------------------------------------

    def _leave(self, message: Message) -> None:
        self.leave(message["timeout"], message["reason"], message["graceful"])

    def _tell(self, message: Message) -> None:
        answer = {"do": "answer", "id": message["id"], "counters": counters()}
        if message["do"] == "connections":
            answer["connections"] = connection_rows()
        self.channel.send(answer)

    def _alive(self, message: Message) -> None:
        self.channel.send({"do": "alive", "counters": counters()})

    def _reloaded(self, message: Message) -> None:
        """A reload leaves this process as it is; only where its output goes is looked up again (LIFE-064)."""
        if path := message.get("stdout_file"):
            reopen_streams(Path(path))
        task = asyncio.get_running_loop().create_task(self.worker.tell("on_worker_reload"))
        self._reloads = task  # the loop itself keeps only weak references

    ORDERS = {  # noqa: RUF012 - a table of methods
        "leave": _leave,
        "status": _tell,
        "connections": _tell,
        "ping": _alive,
        "reloaded": _reloaded,
    }


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop of that name; None is asyncio's own choice."""
    if name == "uvloop":
        import uvloop  # optional: the extra `fast`

        return uvloop.new_event_loop
    return None


def exit_code(end: SystemExit) -> int:
    """The exit code that Python gives a SystemExit: 0 for None, 1 for a text, else the number's low byte."""
    if end.code is None:
        return 0
    return end.code & 0xFF if isinstance(end.code, int) else 1
