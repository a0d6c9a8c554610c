"""One call on its way: what the dispatcher and its pool know about it."""

import asyncio
from typing import Any

from refworker.tasks import wire
from refworker.tasks.errors import TaskError, TaskFailed


class Call:
    """A request, the future of its result, and the retries that it has left."""

    __slots__ = ("attempts", "deadline", "function", "future", "id", "line", "retries", "timeout")

    def __init__(
        self,
        identity: int,
        function: str,
        line: bytes,
        timeout: float,
        retries: int,
        future: asyncio.Future[Any],
    ) -> None:
        self.id, self.function, self.line = identity, function, line
        self.timeout, self.retries, self.future = timeout, retries, future
        self.attempts = 0
        self.deadline: asyncio.TimerHandle | None = None

    def settle(self, reply: dict[str, Any]) -> None:
        """Take the reply; nobody may wait for it any more."""
        if self.future.done():
            return
        if problem := wire.error_of(reply):
            self.future.set_exception(TaskFailed(*problem))
        else:
            self.future.set_result(reply["result"])

    def fail(self, problem: TaskError) -> None:
        """End without a result."""
        if not self.future.done():
            self.future.set_exception(problem)
