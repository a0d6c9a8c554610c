"""One function for many rows: `Dispatcher.map` (TASK-016).

A task feeds rows into calls while the window has room; outcomes queue up in the order of completion. The
place of a row in the window is free again when its outcome is taken, so a slow consumer holds up the rows,
and memory stays within the window.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from refworker.tasks.call import Call
from refworker.tasks.errors import TaskError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: a result, or an error."""

    row: Any
    result: Any = None
    error: TaskError | None = None


class FanOut:
    """The calls of one `map`."""

    def __init__(self, submit: Callable[[Any], Call], forget: Callable[[Call], None], window: int) -> None:
        """`submit` starts the call of a row, and may raise TaskError; `forget` ends one."""
        self._submit, self._forget = submit, forget
        self._room = asyncio.Semaphore(window)
        self._running: set[Call] = set()
        self._done: asyncio.Queue[Outcome | None] = asyncio.Queue()

    async def outcomes(self, rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Outcome, None]:
        """Every row's outcome. Raises what `rows` raises."""
        feeder = asyncio.create_task(self._feed(rows))
        feeder.add_done_callback(lambda _: self._done.put_nowait(None))
        fed = False
        try:
            while not fed or self._running or not self._done.empty():
                if outcome := await self._done.get():
                    self._room.release()
                    yield outcome
                else:
                    fed = True
                    feeder.result()
        finally:
            feeder.cancel()
            for call in tuple(self._running):
                call.future.cancel()

    async def _feed(self, rows: Iterable[Any] | AsyncIterable[Any]) -> None:
        await self._room.acquire()
        async for row in each(rows):
            try:
                call = self._submit(row)
            except TaskError as problem:
                self._done.put_nowait(Outcome(row, error=problem))
            else:
                self._running.add(call)
                call.future.add_done_callback(partial(self._finished, call, row))
            await self._room.acquire()

    def _finished(self, call: Call, row: Any, future: asyncio.Future[Any]) -> None:
        self._running.discard(call)
        self._forget(call)
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, TaskError):
            self._done.put_nowait(Outcome(row, error=error))
        else:
            self._done.put_nowait(Outcome(row, future.result()))


async def each(rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Rows of either kind of iterable."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def arguments(row: Any) -> dict[str, Any] | list[Any]:
    """A row as arguments: named, positional, or a single one."""
    if isinstance(row, dict):
        return row
    return list(row) if isinstance(row, (list, tuple)) else [row]
