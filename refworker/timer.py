"""`Timer.add(1.5, function, args)`: timers of this process (manual: timer/add, timer/del).

A repeating timer keeps its rhythm: a run is due one interval after the last one was due, but runs that were
missed are not made up (TIMER-007, TIMER-008), and an async callback never overlaps itself. An exception is
logged, and a repeating timer lives on.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from refworker.callbacks import logger, spawn

SHORTEST = 0.001
"""Seconds between two runs of a repeating timer with interval 0: the loop must get its turn (TIMER-006)."""


class _Entry:
    """One timer: what to call, when, and the handle that the loop gave."""

    def __init__(self, key: int, interval: float, call: Callable[[], Any], persistent: bool) -> None:
        self.key, self.call, self.persistent = key, call, persistent
        self.interval = max(interval, SHORTEST) if persistent else interval
        self.loop = asyncio.get_running_loop()
        self.due = self.loop.time() + interval
        self.handle = self.loop.call_at(self.due, self.run)
        self.task: asyncio.Task[Any] | None = None

    def run(self) -> None:
        """One run, then the next appointment; an async run that is still going on lets this one pass."""
        if self.persistent:
            self.due = max(self.loop.time(), self.due + self.interval)
            self.handle = self.loop.call_at(self.due, self.run)
        else:
            _timers.pop(self.key, None)
        if self.task is None or self.task.done():
            self.start()

    def start(self) -> None:
        """Call the function; its errors are logged."""
        try:
            result = self.call()
            if asyncio.iscoroutine(result):
                self.task = spawn(result)
                self.task.add_done_callback(self.finished)
        except Exception:
            logger.exception("timer %d failed", self.key)

    def finished(self, task: asyncio.Task[Any]) -> None:
        """Report the end of an async run."""
        if not task.cancelled() and (problem := task.exception()):
            logger.error("timer %d failed", self.key, exc_info=problem)


_timers: dict[int, _Entry] = {}
_ids = count(1)


class Timer:
    @staticmethod
    def count() -> int:
        """Pending timers."""
        return len(_timers)

    """The timers of this process. Ids are positive integers and never reused (TIMER-003)."""

    @staticmethod
    def add(
        interval: float,
        function: Callable[..., Any],
        args: Sequence[Any] | None = (),
        persistent: bool = True,
    ) -> int:
        """Call `function(*args)` every `interval` seconds, or once if not `persistent`; returns the timer's
        id.

        Raises ValueError for an interval that is negative or not finite, TypeError for what cannot be called,
        RuntimeError outside a running event loop.
        """
        if not (math.isfinite(interval) and interval >= 0):
            raise ValueError(f"a timer's interval is a number of seconds from 0 up, not {interval}")
        if not callable(function):
            raise TypeError(f"a timer calls a function, not {type(function).__name__}")
        key, arguments = next(_ids), tuple(args or ())
        _timers[key] = _Entry(key, interval, lambda: function(*arguments), persistent)
        return key

    @staticmethod
    def delete(timer_id: int) -> bool:
        """Cancel a timer; False where there is none of that id (any more). It never runs again, even if it
        was due.
        """
        entry = _timers.pop(timer_id, None)
        if entry is None:
            return False
        entry.persistent = False
        entry.handle.cancel()
        return True

    @staticmethod
    def delete_all() -> None:
        """Cancel every timer of this process."""
        for timer_id in tuple(_timers):
            Timer.delete(timer_id)

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Suspend the calling coroutine only (TIMER-013)."""
        await asyncio.sleep(seconds)
