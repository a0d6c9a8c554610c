"""All clients of live traffic in one selector loop, in a thread of its own, while the case does its deeds.

One loop, because its clock is the ledger's clock: what it reads it reads at once, and before it sends it has
read everything that was there. Where the machine holds the loop up for longer than `HELD_UP` the times of the
ledger mean nothing, and the case is inconclusive.
"""

import select
import threading
from collections.abc import Callable, Sequence
from time import monotonic, sleep

from conformance.ledger import Ledger, Mark, draw_up
from conformance.outcomes import Inconclusive, Violation
from conformance.traffic.habits import Habit
from conformance.traffic.lane import Lane
from conformance.wire.address import Address

HELD_UP = 0.75
"""Seconds that the loop may come late: no deadline in a ledger is shorter than several times that."""

TURN = 0.05
"""Seconds without anything to do after which the loop looks whether it is to end."""

LATE = 0.1
"""Seconds in which answers that come twice may still come, when everybody has had his."""


class Traffic:
    """Clients at work, from `__enter__` to `finish`. `moment` and `patience` in seconds, see the ledger."""

    def __init__(
        self,
        habits: Sequence[Habit],
        address: Callable[[str], Address],
        *,
        moment: float,
        patience: float,
    ) -> None:
        self.moment = moment
        self.patience = patience
        self.lanes = [
            Lane(number, habit, address(habit.service), patience, wake_at=number * 0.003)
            for number, habit in enumerate(habits, 1)
        ]
        self.marks: list[Mark] = []
        self.lag = 0.0
        self._interest: dict[int, int] = {}
        self._poller = select.poll()
        self._started = monotonic()
        self._stop = threading.Event()
        self._trouble: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def __enter__(self) -> "Traffic":
        self._started = monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def now(self) -> float:
        """Seconds since the traffic began."""
        return monotonic() - self._started

    def mark(self, what: str) -> float:
        """Note that something happens now; the time of it."""
        now = self.now
        self.marks.append(Mark(now, what))
        return now

    def warm(self) -> None:
        """Wait until every client has had an answer. Raises Violation `no-answer`."""
        limit = self.now + self.patience
        while not all(lane.served for lane in self.lanes):
            if self.now > limit:
                dumb = [lane.habit.name for lane in self.lanes if not lane.served]
                raise Violation("no-answer", f"before anything was done to it: {'; '.join(dumb)}")
            sleep(0.01)

    def flow(self, seconds: float) -> None:
        """Let the clients go on for a while."""
        sleep(seconds)

    def finish(self) -> None:
        """No new requests; wait until every one that is on its way has ended, and a moment longer.

        Raises Inconclusive where the machine has held the loop up.
        """
        for lane in self.lanes:
            lane.leaving = True
        limit = self.now + 2 * self.patience
        while not all(lane.done for lane in self.lanes) and self.now < limit:
            sleep(0.01)
        sleep(LATE)
        self._stop.set()
        self._thread.join()
        if self._trouble:
            raise self._trouble[0]
        if self.lag > HELD_UP:
            raise Inconclusive(f"the machine held the clients up for {self.lag:.2f} s")

    def ledger(self, old: frozenset[str] = frozenset(), leaving: float = -1.0) -> Ledger:
        """What became of every request that has ended, see `ledger.classify`."""
        stories = [story for lane in self.lanes for story in lane.stories if story.ended_at]
        names = {lane.number: lane.habit.name for lane in self.lanes}
        return draw_up(stories, self.moment, tuple(self.marks), names, old, leaving)

    # --- the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._turn()
        except BaseException as problem:
            self._trouble.append(problem)
        finally:
            for lane in self.lanes:
                lane.close()

    def _turn(self) -> None:
        """Wait, read what there is, then send what is due."""
        open_lanes = {lane.socket.fileno(): lane for lane in self.lanes if lane.socket is not None}
        poll = self._poll({descriptor: lane.interest for descriptor, lane in open_lanes.items()})
        wake = min((lane.wake_at for lane in self.lanes), default=TURN)
        ready = poll.poll(1000 * max(0.0, min(TURN, wake - self.now)))
        now = self.now
        for descriptor, events in ready:
            open_lanes[descriptor].ready(events, now)
        for lane in self.lanes:
            if lane.wake_at <= now:
                self.lag = max(self.lag, now - lane.wake_at)
                lane.due(now)

    def _poll(self, interest: dict[int, int]) -> select.poll:
        """A poll object for these descriptors; the last one, where nothing has changed."""
        if interest != self._interest:
            self._interest, self._poller = interest, select.poll()
            for descriptor, events in interest.items():
                self._poller.register(descriptor, events)
        return self._poller
