"""An event loop whose time passes only while it waits: hours in a moment, and to the millisecond."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from refworker import timer


class Clock:
    """The time, monotonic and in seconds. Moving it on is what a callback does that takes long."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def run(self, program: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a program in this time, timers included."""
        with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=self.loop) as runner:
            patch.setattr(timer, "clock", self)
            runner.run(program())

    def loop(self) -> asyncio.AbstractEventLoop:
        """A new event loop in this time."""
        return _Loop(self)


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        """Instead of waiting, let the time pass."""
        events = super().select(0)
        if not events:
            assert timeout is not None, "the program waits for ever"
            self._clock.now += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        super().__init__(_Selector(clock))
        self._now = clock

    def time(self) -> float:
        return self._now()


START = 1000.0


class Ticks:
    """Notes when it is called, in milliseconds since the start, and takes a while each time."""

    def __init__(self, clock: Clock, *lasting: float) -> None:
        self.clock, self.lasting = clock, iter(lasting)
        self.at: list[int] = []

    def __call__(self, *_: object) -> None:
        self.at.append(round((self.clock.now - START) * 1000))
        self.clock.now += next(self.lasting, 0)

    async def until(self, count: int) -> list[int]:
        """Wait for so many calls."""
        while len(self.at) < count:
            await asyncio.sleep(0.001)
        return self.at[:count]
