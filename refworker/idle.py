"""Who is silent, who has not said who he is, and who is slower than his protocol lets him: `idle_timeout`,
`ping_interval`, `auth_timeout` and the times in `limits` of a worker (HB-001 to HB-003, FAQ-011, HTTP-78).

*The wheel.* A ring of slots, one for each short step of time. A connection stands in the slot of the moment
when it will be looked at; to note that something came is to write down the time, and moves nothing. Each step
empties one slot, and most of those found there have spoken meanwhile and move to a later one. So the price is
one timer for each worker, nothing for each message, and one look at a connection in each `idle_timeout`: a
hundred thousand silent connections cost as much as two thousand looks in a second.
"""

import asyncio
import math
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any, Generic, TypeVar

STEPS, LONGEST_STEP = 40, 0.5
"""A timeout is so many steps, of so many seconds at most: that late, and never early, is it noticed."""

Item = TypeVar("Item", bound=Hashable)


class Wheel(Generic[Item]):
    """Items by the time when they are due; all times in seconds of one clock."""

    def __init__(self, reach: float, step: float) -> None:
        """For times that are up to `reach` ahead; what lies beyond comes when that is over."""
        self.step = step
        self._ring: list[set[Item]] = [set() for _ in range(math.ceil(reach / step) + 2)]
        self._places: dict[Item, set[Item]] = {}
        self._turned = 0

    def __len__(self) -> int:
        return len(self._places)

    def put(self, item: Item, due: float) -> None:
        """Let `turn` give the item when it is due, and no earlier; an item stands in one place only."""
        self.remove(item)
        number = min(max(math.ceil(due / self.step), self._turned + 1), self._turned + len(self._ring) - 1)
        place = self._places[item] = self._ring[number % len(self._ring)]
        place.add(item)

    def remove(self, item: Item) -> None:
        """Forget the item, if it is there."""
        if place := self._places.pop(item, None):
            place.remove(item)

    def turn(self, now: float) -> list[Item]:
        """Take out what is due."""
        first, last = self._turned, math.floor(now / self.step)
        self._turned = max(first, last)
        found: list[Item] = []
        for number in range(max(first, last - len(self._ring)) + 1, last + 1):
            place = self._ring[number % len(self._ring)]
            found += place
            place.clear()
        for item in found:
            del self._places[item]
        return found


class Rounds(Generic[Item]):
    """A wheel that turns by itself while something stands in it, and calls `look` with what is due."""

    def __init__(self, reach: float, look: Callable[[Item], None]) -> None:
        self._wheel: Wheel[Item] = Wheel(reach, min(reach / STEPS, LONGEST_STEP))
        self._look = look
        self._timer: asyncio.TimerHandle | None = None

    @property
    def step(self) -> float:
        """Seconds between two looks around."""
        return self._wheel.step

    def put(self, item: Item, due: float) -> None:
        """Look at the item when it is due."""
        if self._timer is None:
            self._wheel.turn(monotonic())  # nothing stands there; the time goes on nevertheless
            self._wait()
        self._wheel.put(item, due)

    def remove(self, item: Item) -> None:
        """Do not look at the item any more."""
        self._wheel.remove(item)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._wheel.step, self._turn)

    def _turn(self) -> None:
        for item in self._wheel.turn(monotonic()):
            self._look(item)
        self._timer = None
        if self._wheel:
            self._wait()


def watch_of(
    idle_timeout: float | None,
    ping_interval: float | None,
    auth_timeout: float | None,
    life: str,
    pace: float | None = None,
) -> "Watch | None":
    """What the options of a worker ask for; None for nothing. Raises ValueError for what makes no sense."""
    timeouts = {"idle_timeout": idle_timeout, "ping_interval": ping_interval, "auth_timeout": auth_timeout}
    for name, seconds in timeouts.items():
        if seconds is not None and not 0 < seconds < math.inf:
            raise ValueError(f"{name} is a number of seconds above 0, or None, not {seconds}")
    if life not in ("bytes", "messages"):
        raise ValueError(f"life is what shows that a client lives, 'bytes' or 'messages', not {life!r}")
    wanted = any(seconds is not None for seconds in [*timeouts.values(), pace])
    return Watch(idle_timeout, ping_interval, auth_timeout, life, pace) if wanted else None


class Watch:
    """What one worker demands of its connections, in one process."""

    def __init__(
        self,
        idle_timeout: float | None,
        ping_interval: float | None,
        auth_timeout: float | None,
        life: str,
        pace: float | None = None,
    ) -> None:
        """`pace` is the shortest time that the protocol itself gives a peer, None where it gives all it
        wants.
        """
        self.bytes_count = life == "bytes"
        self._paced: Rounds[Any] | None = Rounds(pace, self._hurry) if pace else None
        self._limit = idle_timeout or 2 * (ping_interval or 0)
        self._interval = ping_interval or self._limit
        self._pings, self._auth = ping_interval is not None, auth_timeout
        self._rounds: Rounds[Any] = Rounds(self._limit or 1, self._look)
        self._newcomers: Rounds[Any] = Rounds(auth_timeout or 1, lambda connection: connection.close())

    def begin(self, connection: Any) -> None:
        """A connection stands."""
        connection.heard = now = monotonic()
        if self._limit:
            self._rounds.put(connection, now + min(self._interval, self._limit))
        if self._paced:
            self._paced.put(connection, now)
        if self._auth:
            self._newcomers.put(connection, now + self._auth)

    def confirm(self, connection: Any) -> None:
        """It has said who it is."""
        self._newcomers.remove(connection)

    def end(self, connection: Any) -> None:
        """It stands no longer."""
        self._newcomers.remove(connection)
        self._rounds.remove(connection)
        if self._paced:
            self._paced.remove(connection)

    def _hurry(self, connection: Any) -> None:
        """Close a connection whose peer has not said in time what its protocol waits for."""
        assert self._paced
        due = connection.due()
        if due is None:
            return
        if due > monotonic() or connection.has_unread():
            self._paced.put(connection, due)
        else:
            connection.expire()

    def _look(self, connection: Any) -> None:
        """Ping a connection that is silent, close one that is so for too long."""
        now = monotonic()
        if connection.is_busy():  # it is we who let it wait
            connection.heard = now
        silent = now - connection.heard
        if silent >= self._limit:
            self._judge(connection, now)
            return
        if self._pings and silent >= self._interval:
            connection.ping()
            silent = 0.0
        self._rounds.put(connection, min(now + self._interval - silent, connection.heard + self._limit))

    def _judge(self, connection: Any, now: float) -> None:
        """Close it, unless something has come that nobody has read yet, since this process was busy."""
        if connection.has_unread():
            self._rounds.put(connection, now + self._rounds.step)
        else:
            connection.close()
