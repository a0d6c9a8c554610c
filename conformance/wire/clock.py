"""The time that deadlines are made of: it stands still while this process does not run.

A virtual machine may sleep for seconds, and so may a process on a machine with too much to do. Who looks at
the clock then finds every deadline over, and would blame a target that slept as well. So waits are cut into
slices; where two looks at the clock are further apart than any slice, what is too much is not counted.
"""

import select
from collections.abc import Callable
from time import monotonic
from typing import Protocol

SLICE = 0.25
"""Seconds for which a wait goes on without a look at the clock."""

LONGEST = 0.5
"""Seconds between two looks that are counted at most."""


class Clock:
    """Seconds that go forward while somebody looks."""

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time, self._seen, self._lost = time, time(), 0.0

    def __call__(self) -> float:
        """The time, in seconds since some beginning."""
        now = self._time()
        self._lost += max(0.0, now - self._seen - LONGEST)
        self._seen = now
        return now - self._lost


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
