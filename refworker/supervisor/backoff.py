"""How long a slot waits before it forks again (LIFE-042)."""

FIRST_DELAY = 0.1
"""Seconds before the second attempt; the first failure is repaired at once (LIFE-041)."""

LONGEST_DELAY = 5.0
"""Seconds at most: so soon a service recovers when the cause of its crashes is gone."""

STABLE_AFTER = 10.0
"""Seconds of life after which earlier failures are forgotten."""

SPACING = 0.25
"""Seconds between two starts of a slot whose processes end in good order: no cause to punish them (a worker
may end itself every so many requests, LIFE-047), but never a loop of forks.
"""


class Backoff:
    """The memory of one slot: 0, 0.1, 0.2, 0.4 … 5 seconds, back to 0 after a stable life."""

    def __init__(self) -> None:
        self._failures = 0

    def after_failure(self, lifetime: float = 0.0) -> float:
        """Seconds to wait after a process that failed when it was `lifetime` seconds old."""
        self._failures = 1 if lifetime >= STABLE_AFTER else self._failures + 1
        if self._failures == 1:
            return 0.0
        # 30 doublings are far beyond the longest delay; more would overflow some day.
        return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures - 2, 30))

    def after_success(self, lifetime: float) -> float:
        """Seconds to wait after a process that was ready and ended with exit code 0."""
        return max(0.0, SPACING - lifetime)
