"""`cron("30 2 * * *", function)`: runs at times of the day, as crontab(5) writes them.

A cron job is a timer that looks at the wall clock, at least once a minute, so it follows when the clock is
set. Two rules keep a run from coming twice or not at all, both as in Debian's cron:

* Set forward, or nobody looked (the process was busy, the machine slept): a run that is late by less than
  `FORGIVEN` is made up once, at once; a later one is not.
* Set back by less than `FORGIVEN`: what has run does not run again, the job waits until the clock has caught
  up. Set back further, the clock was wrong before: the job goes by the new time.

Which times an expression means, and what becomes of those that daylight saving leaves out or repeats, is the
business of the package cronsim (extra `cron`).
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from refworker import timer

LONGEST_NAP = 60.0
"""Seconds until a job looks at the wall clock again."""

FORGIVEN = 3 * 3600.0
"""Seconds by which a clock may be set without that a job is run twice or left out."""

now: Callable[[], float] = time.time
"""The wall clock: seconds since the epoch."""


class LocalZone(tzinfo):
    """The time of this system, with its daylight saving; the standard library has only the offset of now."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """What the system says about that local time."""
        return moment.replace(tzinfo=None).astimezone().utcoffset() if moment else None

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Nobody asks for it."""
        return None

    def tzname(self, moment: datetime | None) -> str:
        """Only for people."""
        return "local"

    def fromutc(self, moment: datetime) -> datetime:
        """The local time of a moment, `fold` included."""
        return datetime.fromtimestamp(moment.replace(tzinfo=UTC).timestamp()).replace(tzinfo=self)


class Job:
    """One expression, and what is called when its time has come."""

    def __init__(self, expression: str, callback: Callable[[], Any], zone: tzinfo) -> None:
        self._expression, self._callback, self._zone = expression, callback, zone
        self._plan(now())

    def look(self) -> Any:
        """Call the callback if it is time."""
        wall = now()
        if wall < self._planned - FORGIVEN:
            self._plan(wall)
        if wall < self._next:
            return None
        late = wall - self._next
        self._plan(wall)
        return self._callback() if late < FORGIVEN else None

    def look_again(self, due: float = 0.0, started: float = 0.0) -> float:
        """When to look next, by the clock of the timers. Times that have come during the job's own run are
        over.
        """
        wall = now()
        if wall >= self._next:
            self._plan(wall)
        return timer.clock() + min(self._next - wall, LONGEST_NAP)

    def _plan(self, wall: float) -> None:
        self._planned, self._next = wall, following(self._expression, wall, self._zone)


def cron(expression: str, callback: Callable[[], Any], *, timezone: tzinfo | str | None = None) -> int:
    """Call `callback()`, plain or async, at the times of a cron expression; returns a timer's id, for
    `Timer.delete`.

    `expression` has the five fields of crontab(5), or six with the seconds first. `timezone` is a tzinfo or a
    name such as `Europe/Riga`; by default the system's. Times that come while a run still goes on are left
    out.

    Raises ValueError for an expression or a time zone that cannot be meant, TypeError for what cannot be
    called, RuntimeError outside a running event loop, ImportError without the extra `cron`.
    """
    if not callable(callback):
        raise TypeError(f"a cron job calls a function, not {type(callback).__name__}")
    schedule, job = timer.schedule(), Job(expression, callback, zone_of(timezone))
    return schedule.add(job.look, job.look_again(), job.look_again)


def zone_of(timezone: tzinfo | str | None) -> tzinfo:
    """A time zone by its name. Raises ValueError."""
    if not isinstance(timezone, str):
        return timezone or LocalZone()
    try:
        return ZoneInfo(timezone)
    except (LookupError, ValueError, OSError):
        raise ValueError(
            f"unknown time zone {timezone!r}; write it as in Europe/Riga, or install tzdata"
        ) from None


def following(expression: str, wall: float, zone: tzinfo) -> float:
    """The first time of an expression after `wall`, both in seconds since the epoch. Raises ValueError."""
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise ImportError("cron() needs the package cronsim; pip install 'refworker[cron]'") from None
    try:
        for moment in CronSim(expression, datetime.fromtimestamp(wall, zone)):
            if (
                moment.timestamp() > wall
            ):  # it may be the first of two equal hours, with the second one running
                return moment.timestamp()
    except CronSimError as problem:
        raise ValueError(f"cannot read the cron expression {expression!r}: {problem}") from problem
    raise ValueError(f"the cron expression {expression!r} means no time in the next 50 years")
