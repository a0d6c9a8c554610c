"""How long to wait, measured instead of guessed.

A fixed time-out is wrong twice: too long on a fast target, where every check of silence wastes it, and too
short on a loaded machine, where it invents failures. All waits derive from the round trip that this
target showed on this machine, between a floor that the scheduler needs and a ceiling that keeps a run short.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

NOISY = 0.5
"""Seconds. A plain exchange that takes longer says nothing about time any more."""


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@dataclass(frozen=True)
class Calibration:
    """Waits in seconds, all derived from `round_trip`, the median of a few plain exchanges."""

    round_trip: float = 0.005

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Calibration":
        """Calibrate from measured round trips, in seconds; at least one."""
        return cls(median(samples))

    @property
    def noisy(self) -> bool:
        """Whether waits would be a matter of luck: silence and deadlines tell nothing then."""
        return self.round_trip > NOISY

    @property
    def gap(self) -> float:
        """Between two segments, so that the target reads them apart."""
        return _clamp(self.round_trip, 0.002, 0.05)

    @property
    def quiet(self) -> float:
        """How long silence has to last to count as silence."""
        return _clamp(20 * self.round_trip, 0.08, 2.0)

    @property
    def deadline(self) -> float:
        """How long an answer that must come may take."""
        return _clamp(100 * self.round_trip, 2.0, 15.0)
