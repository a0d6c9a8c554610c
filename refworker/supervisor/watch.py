"""Who does not answer: the master asks its processes for a sign of life now and then.

A process whose loop is blocked cannot say so. It is told by a signal to write its stack to the log, which
works wherever it hangs, and it is replaced where the program has set a limit. Being busy for less than that
is no crime.
"""

import os
import time
from collections.abc import Collection

from refworker.callbacks import logger
from refworker.supervisor import signals
from refworker.supervisor.agenda import Agenda
from refworker.supervisor.child import Child
from refworker.supervisor.states import ChildState


class Watch:
    """Asks every process each `interval` seconds."""

    def __init__(
        self, children: Collection[Child], agenda: Agenda, report_after: float, kill_after: float | None
    ) -> None:
        """A process that owes an answer for `report_after` seconds is reported, after `kill_after` killed."""
        self._children, self._agenda = children, agenda
        self._report_after, self._kill_after = report_after, kill_after
        self._interval = min(report_after, kill_after / 2 if kill_after else report_after)
        agenda.later(self._interval, self._round)

    def _round(self) -> None:
        now = time.monotonic()
        for child in tuple(self._children):
            if child.state is ChildState.READY:
                self._look_at(child, now)
        self._agenda.later(self._interval, self._round)

    def _look_at(self, child: Child, now: float) -> None:
        if not child.asked:
            child.asked, child.reported = (now if child.send({"do": "ping"}) else 0.0), False
            return
        silent = now - child.asked
        if self._kill_after is not None and silent >= self._kill_after:
            logger.error("%s has not answered for %.1f s: it is killed", named(child), silent)
            child.kill()
        elif silent >= self._report_after and not child.reported:
            child.reported = True
            logger.error("%s has not answered for %.1f s; this is where it is:", named(child), silent)
            os.kill(child.pid, signals.REPORT)


def named(child: Child) -> str:
    """How the log names a process."""
    return f"worker[{child.label}:{child.pid}]"
