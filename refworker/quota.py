"""How much a process may do before it makes room for a new one: the cure for what leaks (manual:
faq/max-requests).

    Worker("text://127.0.0.1:9000", quota=Quota(max_requests=10_000, jitter=0.1, max_memory=512 << 20))

A process that has used up its quota asks its master for a successor, serves on until that one is ready, and
then finishes what it has in hand: nobody waits, and nothing is lost. The processes of one worker are replaced
one at a time; the jitter keeps them from asking all at once.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits of one process's life; 0: none.

    `max_requests` in messages, of which up to the part `jitter` (0 to 1) is taken off at random, anew for
    each process; `max_memory` in bytes of resident memory. Raises ValueError for what cannot be meant.
    """

    max_requests: int = 0
    max_memory: int = 0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if self.max_requests < 0 or self.max_memory < 0 or not 0 <= self.jitter <= 1:
            raise ValueError(f"a quota has limits from 0 up, and a jitter from 0 to 1, not {self}")

    def drawn(self) -> "Quota":
        """The limits of one process, its jitter taken off."""
        off = int(self.max_requests * self.jitter * random.random())
        return Quota(self.max_requests - off, self.max_memory, 0)

    def exceeded(self, messages: int, memory: int) -> str:
        """Why a process that has served so many messages and holds so much memory should go; else empty."""
        if self.max_requests and messages >= self.max_requests:
            return f"{messages} messages served"
        if self.max_memory and memory >= self.max_memory:
            return f"{memory} bytes of memory held"
        return ""

    def __bool__(self) -> bool:
        return bool(self.max_requests or self.max_memory)
