"""A worker process: everything that happens in the child after the fork.

It runs one event loop with one worker in it and talks with the master over a channel: it says `ready` once
after `on_worker_start`, answers `status`, and stops when told so, when a signal says so (LIFE-055), or when
the channel ends because the master is gone. It never returns into the program that forked it.
"""

import asyncio
import faulthandler
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from refworker.callbacks import logger
from refworker.supervisor import orphan, signals
from refworker.supervisor.channel import Channel, Message
from refworker.worker import Worker

FAILED = 250
"""Exit code of a process that an exception ended (LIFE-043)."""

FLUSH_SHARE, STOP_SHARE = 0.8, 0.9
"""Which part of stop_timeout connections have to flush, and the whole stop has to end: a process that cuts
its connections itself and exits 0 is better than one that is killed (LIFE-069, LIFE-070).
"""

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
    process.stop(code)


def stop_service() -> None:
    """Ask the master to stop the whole service, as the command `stop` does (LIFE-048)."""
    _current().channel.send({"do": "stop"})


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
        self,
        worker: Worker,
        channel: Channel,
        *,
        master: int,
        stop_timeout: float,
        loop: str,
    ) -> None:
        """`master` is the parent's pid, `stop_timeout` the seconds until it kills, `loop` as in Settings."""
        self.worker, self.channel, self.master = worker, channel, master
        self.stop_timeout, self.loop = stop_timeout, loop
        self.label = f"worker[{worker.name}:{os.getpid()}]"
        self._code = 0
        self._stopping = asyncio.Event()
        self._start: asyncio.Task[None] | None = None

    def settle(self) -> None:
        """Become a process of its own: nothing of the master's signals is left, and its end is noticed."""
        signals.restore_defaults()
        orphan.die_with(self.master, self.stop_timeout + ORPHAN_MARGIN)
        if sys.stderr:
            faulthandler.enable()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)  # a print in a callback is seen when it happens

    def run(self) -> int:
        """The whole life; returns the exit code."""
        with asyncio.Runner(loop_factory=loop_factory(self.loop)) as runner:
            runner.run(self._live())
        return self._code

    def stop(self, code: int = 0) -> None:
        """Begin the end; the first call counts (LIFE-085)."""
        if not self._stopping.is_set():
            self._code = code
            self._stopping.set()
            if self._start:
                self._start.cancel()

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.channel.sock, self._hear)
        loop.set_exception_handler(self._uncaught)
        for number in signals.STOPPING:
            loop.add_signal_handler(number, self.stop)
        signals.let_in()
        await self._begin()
        await self._stopping.wait()
        await self._end()

    async def _begin(self) -> None:
        """Run `on_worker_start` and say so; a stop meanwhile cancels it."""
        self._start = asyncio.create_task(self.worker.start())
        try:
            await self._start
        except asyncio.CancelledError:
            self.stop()
        except Exception:
            logger.exception("%s: on_worker_start failed", self.label)
            self.stop(FAILED)
        else:
            self.channel.send({"do": "ready"})

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(self.stop_timeout * STOP_SHARE):
                await self.worker.stop(self.stop_timeout * FLUSH_SHARE)
        except TimeoutError:
            logger.error("%s: on_worker_stop did not end in time", self.label)
        except Exception:
            logger.exception("%s: the stop failed", self.label)

    def _uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Where asyncio lets a SystemExit through, uvloop hands it over here (LIFE-046)."""
        problem = context.get("exception")
        if isinstance(problem, SystemExit):
            logger.warning("%s terminated itself, exit code %d", self.label, exit_code(problem))
            self.stop(exit_code(problem))
        else:
            loop.default_exception_handler(context)

    def _hear(self) -> None:
        try:
            messages = self.channel.receive()
        except EOFError:
            asyncio.get_running_loop().remove_reader(self.channel.sock)
            logger.warning("%s: the master is gone", self.label)
            return self.stop()
        for message in messages:
            self._obey(message)
        return None

    def _obey(self, message: Message) -> None:
        if message["do"] == "stop":
            self.stop()
        elif message["do"] == "status":
            self.channel.send({"do": "answer", "id": message["id"], "status": self.worker.status()})


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


def flush_output() -> None:
    """Write out what was printed: before a fork, that it is not printed twice; at the end, that it is not
    lost (LIFE-023).
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # the reader has gone or the stream is closed: nothing to save
