"""`TaskWorker`: a worker whose processes carry out functions by name, for clients anywhere (TASK-001).

    tasks = TaskWorker("text://127.0.0.1:9100", count=8)

    @tasks.function
    def send_mail(to, subject, body):
        ...                       # slow and blocking, as it likes: it has this process for itself

    run_all()

A connection is a slot. A process accepts as many connections as it has slots and then looks away, so the
kernel's listening queue hands the next one to a free process: a slow task never holds up a fast one behind
it. A plain function blocks its process, therefore one is enough to make the number of slots 1; where every
function is async there are 100.
"""

import asyncio
import inspect
import os
import random
import select
from collections.abc import Callable
from typing import Any, TypeVar, overload

from refworker.address import AddressError, parse_address
from refworker.callbacks import Function
from refworker.connection import TcpConnection
from refworker.tasks import wire
from refworker.tasks.conversation import Conversation, Functions
from refworker.worker import Worker

ASYNC_SLOTS = 100
"""Slots of a process whose functions are all async: enough to keep it busy, few enough to know its memory."""

COURTESY = 0.001
"""Seconds that a process waits before it takes one more connection: links live long, so it matters where they
go. They would all go to whoever wakes up first.
"""

AnyFunction = TypeVar("AnyFunction", bound=Function)


class TaskWorker(Worker):
    """`count` processes that listen on `address` and call functions."""

    def __init__(
        self,
        address: str = "text://127.0.0.1:9100",
        *,
        name: str = "task",
        count: int = 1,
        slots: int | None = None,
        turn: float = 1.0,
        **options: Any,
    ) -> None:
        """Take notes; `options` are those of Worker.

        `slots` is the number of connections that a process serves at once, and of requests that one
        connection may have in flight; None: 1 if any function is plain, else 100. A client keeps its slot
        while it uses it, but gives it up after one or two `turn`s, in seconds, if others wait. Raises
        AddressError, ValueError.
        """
        target = parse_address(address, options.get("transport", ""))
        if target.scheme != "text":
            raise AddressError(f"{address!r}: tasks are JSON lines; write it as text://host:port")
        if target.transport == "udp":
            raise AddressError(f"{address!r}: a connection is a slot, and datagrams have none; use tcp")
        if slots is not None and slots < 1:
            raise ValueError(f"slots is a number of connections, at least 1, not {slots}")
        super().__init__(address, name=name, count=count, **options)
        self.functions: Functions = {}
        self._slots, self._turn = slots, turn
        self._next_turn: asyncio.TimerHandle | None = None
        self._conversations: dict[TcpConnection, Conversation] = {}
        self.max_connections = self.slots
        self.on_connect = self._meet

    # -- functions -----------------------------------------------------------------------------------

    @overload
    def function(self, name: AnyFunction) -> AnyFunction: ...
    @overload
    def function(self, name: str) -> Callable[[AnyFunction], AnyFunction]: ...
    def function(self, name: Any) -> Any:
        """Decorator: `@tasks.function` takes the function's own name, `@tasks.function("name")` this one."""
        if isinstance(name, str):
            return lambda function: self.register(name, function)
        return self.register(name.__name__, name)

    def register(self, name: str, function: AnyFunction) -> AnyFunction:
        """Make a function callable as `name`; returns it. Raises TypeError for what cannot be called,
        ValueError for a name that is taken.
        """
        if not callable(function):
            raise TypeError(f"task {name!r} must be a function, not {type(function).__name__}")
        if name in self.functions:
            raise ValueError(f"there is a task {name!r} already")
        self.functions[name] = function
        self.max_connections = self.slots
        return function

    @property
    def slots(self) -> int:
        """Connections that a process serves at once, and requests in flight on each."""
        if self._slots is not None:
            return self._slots
        return ASYNC_SLOTS if all(map(is_async, self.functions.values())) else 1

    # -- connections ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """As for every worker; functions may still be registered in `on_worker_start`."""
        await super().start()
        self._share()

    async def stop(self, timeout: float | None = None) -> None:
        """Answer what has begun, send the rest back to clients that know a goodbye, and close."""
        if self._next_turn:
            self._next_turn.cancel()
        for conversation in tuple(self._conversations.values()):
            if conversation.greeted:
                conversation.leave()
        await super().stop(timeout)

    def _accept(self) -> None:
        """Step back for a moment if this process serves somebody: one that has nothing to do goes first."""
        if not self.connections:
            return super()._accept()
        self._pause_accepting()
        asyncio.get_running_loop().call_later(COURTESY, self._accept_now)
        return None

    def _accept_now(self) -> None:
        super()._accept()
        self._go_on_accepting()

    def _meet(self, connection: TcpConnection) -> None:
        hello = wire.hello(self.slots, os.getpid(), sorted(self.functions))
        self._conversations[connection] = Conversation(connection, self.functions, self.slots, hello)

    def connection_closed(self, connection: TcpConnection) -> None:
        """The slot is free."""
        self._conversations.pop(connection, None)
        super().connection_closed(connection)

    def _share(self) -> None:
        """Let the client that has been here longest queue up again, if others wait for a slot."""
        if self._is_full() and self._somebody_waits():
            guests = (each for each in self._conversations.values() if each.greeted)
            if longest := next(guests, None):
                longest.leave()
        # At random, that the processes of one worker do not free their slots all at once for a single client.
        delay = self._turn * random.uniform(1, 2)
        self._next_turn = asyncio.get_running_loop().call_later(delay, self._share)

    def _somebody_waits(self) -> bool:
        """Whether the listening queue holds a connection."""
        poll = select.poll()
        if self._socket:
            poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


def is_async(function: Function) -> bool:
    """Whether calling a function gives a coroutine."""
    called = getattr(function, "__call__", None)  # noqa: B004 - of an object that is called like a function
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
