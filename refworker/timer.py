"""`Timer.add(1.5, function, args)`: timers of this process (manual: timer/add, timer/del).

A repeating timer keeps its rhythm: its runs are due at whole multiples of its interval from its making, so
delays never add up (TIMER-008). A run that comes late is made up once, as soon as possible; more that were
missed are not (TIMER-007), and an async callback never overlaps itself. An exception is logged, and a
repeating timer lives on.

All timers of an event loop wait in one heap, ordered by due time and then by age (TIMER-015); the loop itself
knows the next one only. The heap holds numbers, the functions are kept beside it: what is deleted is free at
once (LIFE-093) and cannot run any more, whatever is due in the same round (TIMER-004).
"""

import asyncio
import contextvars
import heapq
import math
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from refworker.callbacks import logger, spawn

SHORTEST = 0.001
"""Seconds between two runs of a repeating timer with interval 0: the loop must get its turn (TIMER-006)."""

LONGEST_NAP = 3600.0
"""Seconds until a schedule looks again, however far away the next timer is: event loops have limits."""

MANY = 64
"""Deleted timers whose numbers may stay in the heap, beyond as many as are pending."""

clock: Callable[[], float] = time.monotonic
"""Not the event loop's: uvloop's knows whole milliseconds only, and timers would run early (TIMER-002)."""

Following = Callable[[float, float], float]
"""When a timer that was due at the first time, and was started at the second, is due next."""

_ids = count(1)


class Entry:
    """One timer: what to call, and what is due after that."""

    def __init__(self, key: int, call: Callable[[], Any], following: Following | None) -> None:
        self.key, self.call, self.following = key, call, following
        self.context = contextvars.copy_context()
        self.task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        """Call the function, unless its last async run still goes on; its errors are logged."""
        if self.task:
            return
        try:
            result = self.call()
            if asyncio.iscoroutine(result):
                self.task = spawn(result)
                _running.add(self)
                self.task.add_done_callback(self.finished)
        except Exception:
            logger.exception("timer %d failed", self.key)

    def finished(self, task: asyncio.Task[Any]) -> None:
        """Take note of the end of an async run."""
        self.task = None
        _running.discard(self)
        problem = None if task.cancelled() else task.exception()
        if isinstance(problem, Exception):  # and no SystemExit, which ends the process by itself
            logger.error("timer %d failed", self.key, exc_info=problem)


_running: set[Entry] = set()
"""Timers with an async run going on: the event loop keeps only weak references to it."""


class Schedule:
    """The timers of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.entries: dict[int, Entry] = {}
        self._loop = loop
        self._heap: list[tuple[float, int]] = []
        self._newest = 0
        self._in_round = False
        self._wake_up: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    def add(self, call: Callable[[], Any], due: float, following: Following | None) -> int:
        """A new timer; without `following` it runs once. Returns its id."""
        self._newest = next(_ids)
        self.entries[self._newest] = Entry(self._newest, call, following)
        heapq.heappush(self._heap, (due, self._newest))
        self._arm()
        return self._newest

    def remove(self, key: int) -> bool:
        """Forget a timer; False where there is none of that id."""
        if self.entries.pop(key, None) is None:
            return False
        if len(self._heap) > 2 * len(self.entries) + MANY:
            self._heap = [each for each in self._heap if each[1] in self.entries]
            heapq.heapify(self._heap)
        return True

    def _arm(self) -> None:
        """Be woken when the first timer is due. A round does this at its end."""
        if self._in_round or not self._heap:
            return
        due = self._heap[0][0]
        if self._wake_up:
            if self._wakes_at <= due:
                return
            self._wake_up.cancel()
        nap = min(max(due - clock(), 0.0), LONGEST_NAP)
        self._wakes_at, self._wake_up = due, self._loop.call_later(nap, self._round)

    def _round(self) -> None:
        """Run what is due now; what those runs add has its turn in the next round."""
        self._wake_up, self._in_round = None, True
        last = clock(), self._newest
        try:
            while self._heap and self._heap[0] <= last:
                due, key = heapq.heappop(self._heap)
                if entry := self.entries.get(key):
                    self._run(entry, due)
        finally:  # also when a run ended the process: until its end it has timers
            self._in_round = False
            self._arm()

    def _run(self, entry: Entry, due: float) -> None:
        started = clock()
        if entry.following is None:
            del self.entries[entry.key]
        try:
            entry.context.run(entry.start)
        finally:
            if entry.following and entry.key in self.entries:  # it may have deleted itself
                heapq.heappush(self._heap, (entry.following(due, started), entry.key))


_schedules: dict[asyncio.AbstractEventLoop, Schedule] = {}


def schedule() -> Schedule:
    """The running event loop's. Raises RuntimeError where none runs: in the master, in another thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "a timer needs a running event loop; add it in on_worker_start or in another callback"
        ) from None
    if loop not in _schedules:
        for old in tuple(_schedules):
            if old.is_closed():
                del _schedules[old]
        _schedules[loop] = Schedule(loop)
    return _schedules[loop]


def every(interval: float) -> Following:
    """A rhythm: the first multiple of `interval` after the start."""

    def following(due: float, started: float) -> float:
        return due + ((started - due) // interval + 1) * interval

    return following


class Timer:
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
        seconds = checked(interval)
        if not callable(function):
            raise TypeError(f"a timer calls a function, not {type(function).__name__}")
        arguments = tuple(args or ())
        if persistent:
            seconds = max(seconds, SHORTEST)
        following = every(seconds) if persistent else None
        return schedule().add(lambda: function(*arguments), clock() + seconds, following)

    @staticmethod
    def delay(seconds: float, function: Callable[..., Any], args: Sequence[Any] | None = ()) -> int:
        """Call `function(*args)` once, in `seconds`; as `add` (TIMER-001)."""
        return Timer.add(seconds, function, args, persistent=False)

    @staticmethod
    def repeat(seconds: float, function: Callable[..., Any], args: Sequence[Any] | None = ()) -> int:
        """Call `function(*args)` every `seconds`; as `add` (TIMER-001)."""
        return Timer.add(seconds, function, args, persistent=True)

    @staticmethod
    def delete(timer_id: int) -> bool:
        """Cancel a timer; False for anything that is no id of a pending one. It never runs again, even if it
        was due; an async run that has begun goes on to its end.
        """
        found = _own()
        return type(timer_id) is int and found is not None and found.remove(timer_id)

    @staticmethod
    def delete_all() -> None:
        """Cancel every timer of this process, and nothing of the framework's own (TIMER-012)."""
        if found := _own():
            for timer_id in tuple(found.entries):
                found.remove(timer_id)

    @staticmethod
    def count() -> int:
        """How many timers are pending: single ones that have not run, and repeating ones (LIFE-093)."""
        found = _own()
        return len(found.entries) if found else 0

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Suspend the calling coroutine only (TIMER-013)."""
        await asyncio.sleep(seconds)


def _own() -> Schedule | None:
    """The schedule of the running event loop, if there is one."""
    try:
        return _schedules.get(asyncio.get_running_loop())
    except RuntimeError:
        return None


def checked(interval: float) -> float:
    """An interval in seconds. Raises ValueError for a number that is none, TypeError for no number."""
    try:
        if math.isfinite(interval) and interval >= 0:
            return float(interval)
    except OverflowError:
        pass  # an integer beyond all floats
    raise ValueError(f"a timer's interval is a number of seconds from 0 up, not {interval}")
