"""What the master has to do later: a heap of appointments, whose first one is the patience of `select`."""

import heapq
import time
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Appointment:
    """One action at one time; `cancel` takes it back."""

    def __init__(self, due: float, number: int, action: Action) -> None:
        self.order = (due, number)
        self.action: Action | None = action

    def __lt__(self, other: "Appointment") -> bool:
        return self.order < other.order

    def cancel(self) -> None:
        """The action will not run; harmless when it already has."""
        self.action = None


class Agenda:
    """Appointments by the monotonic clock; of two that are due together the earlier made one runs first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = count()
        self._heap: list[Appointment] = []

    def later(self, delay: float, action: Action) -> Appointment:
        """Call `action` in `delay` seconds."""
        appointment = Appointment(self._clock() + delay, next(self._numbers), action)
        heapq.heappush(self._heap, appointment)
        return appointment

    def patience(self) -> float | None:
        """Seconds until the next appointment, None if there is none: an idle master sleeps (LIFE-053)."""
        while self._heap and self._heap[0].action is None:
            heapq.heappop(self._heap)
        return max(0.0, self._heap[0].order[0] - self._clock()) if self._heap else None

    def run_due(self) -> None:
        """Run what is due now; what those actions add has its turn in the next round."""
        now, due = self._clock(), []
        while self._heap and self._heap[0].order[0] <= now:
            due.append(heapq.heappop(self._heap))
        for appointment in due:
            if appointment.action:
                appointment.action()
