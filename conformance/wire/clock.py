"""The time that deadlines are made of: it stands still while this process, or the target, cannot run.

A virtual machine may sleep for seconds, and so may a process on a machine with too much to do. Who looks at
the clock then finds every deadline over, and would blame a target that slept as well. So waits are cut into
slices; where two looks at the clock are further apart than any slice, what is too much is not counted. Nor is
what processes of the target have waited for a processor: they were ready, and others had their turn.
"""

import select
from collections.abc import Callable
from time import monotonic
from typing import Protocol

SLICE = 0.1
"""Seconds for which a wait goes on without a look at the clock."""

LONGEST = 0.15
"""Seconds between two looks that are counted at most."""

GLANCE = 0.25
"""Seconds after which the target's processes are asked again how long they have waited."""

EXCUSED = 0.75
"""The part of a wait that they may excuse: who never comes to an end on a busy machine is late at last."""


Queue = Callable[[], float]
"""How many seconds some processes have waited for a processor so far, in sum."""


class Clock:
    """Seconds that go forward while somebody looks, and while those who are waited for can run."""

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time, self._seen, self._lost = time, time(), 0.0
        self._glanced, self._waited = 0.0, 0.0
        self._queues: set[Queue] = set()

    def __call__(self) -> float:
        """The time, in seconds since some beginning."""
        counted = self._look()
        return self._excused(counted) if self._queues and counted - self._glanced >= GLANCE else counted

    def exactly(self) -> float:
        """The time, whoever has been asked a moment ago: to measure what must not take long."""
        return self._excused(self._look())

    def _look(self) -> float:
        """The time without what this process has missed."""
        now = self._time()
        self._lost += max(0.0, now - self._seen - LONGEST)
        self._seen = now
        return now - self._lost

    def _excused(self, counted: float) -> float:
        """The time without what they have waited since the last glance, or as much of it as counts."""
        waited = sum(queue() for queue in self._queues)
        lost = min(max(0.0, waited - self._waited), EXCUSED * (counted - self._glanced))
        self._lost += lost
        self._glanced, self._waited = counted - lost, waited
        return self._glanced

    def attend(self, queue: Queue) -> None:
        """Excuse what these processes wait from now on."""
        self._settle(self._queues | {queue})

    def leave(self, queue: Queue) -> None:
        """Ask these no more: they are about to end, or have ended."""
        self._settle(self._queues - {queue})

    def _settle(self, queues: set[Queue]) -> None:
        self._queues = queues
        self._glanced, self._waited = self._seen - self._lost, sum(queue() for queue in queues)


clock = Clock()


class Pollable(Protocol):
    """A socket, or what has the shape of one."""

    def fileno(self) -> int:
        """Its descriptor."""


def ready(sock: Pollable, events: int, seconds: float) -> int:
    """The poll events that happened within so many seconds, 0 for none."""
    poll = select.poll()
    poll.register(sock, events)
    limit = clock() + seconds
    while True:
        left = max(0.0, limit - clock())
        if happened := poll.poll(1000 * min(left, SLICE)):
            return happened[0][1]
        if not left:
            return 0
