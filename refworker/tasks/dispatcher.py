"""`Dispatcher`: calls functions of task workers from inside any asyncio program.

    dispatcher = Dispatcher("text://127.0.0.1:9100")
    result = await dispatcher.call("send_mail", to="ada@example.org", subject="Hello")

    async for outcome in dispatcher.map("send_mail", rows, window=200, return_exceptions=True):
        ...

The connections are shared by all calls, and few: see `pool.py`. Nothing is opened before the first call, so a
dispatcher may be made before the program forks; each process then has connections of its own.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, Self

from refworker.address import AddressError, parse_address
from refworker.protocols.base import MAX_PACKAGE_SIZE
from refworker.tasks.call import Call
from refworker.tasks.fanout import FanOut, Outcome, arguments
from refworker.tasks.link import Limits
from refworker.tasks.pool import Pool


class Caller:
    """Calls with one time-out and one number of retries."""

    def __init__(self, pool: Pool, timeout: float, retries: int) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout is a number of seconds above 0, not {timeout}")
        if retries < 0:
            raise ValueError(f"retries is a number from 0 up, not {retries}")
        self._pool, self.timeout, self.retries = pool, timeout, retries

    def using(self, *, timeout: float | None = None, retries: int | None = None) -> "Caller":
        """The same connections, with other settings."""
        return Caller(
            self._pool,
            self.timeout if timeout is None else timeout,
            self.retries if retries is None else retries,
        )

    async def call(self, function: str, /, *args: Any, **named: Any) -> Any:
        """The result of `function`, with positional or with named arguments.

        Raises TaskFailed for what the function raised, and the other kinds of TaskError; TypeError for both
        kinds of arguments at once, which the wire does not know.
        """
        if args and named:
            raise TypeError(f"{function}: give positional or named arguments, not both")
        return await self.request(function, named or list(args))

    async def request(self, function: str, args: dict[str, Any] | list[Any]) -> Any:
        """As `call`, with the arguments as the wire has them."""
        call = self._pool.submit(function, args, self.timeout, self.retries)
        try:
            return await call.future
        finally:
            self._pool.forget(call)

    async def map(
        self,
        function: str,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        window: int = 200,
        return_exceptions: bool = False,
    ) -> AsyncIterator[Outcome]:
        """Call `function` for each row; outcomes come in the order of completion (TASK-016).

        A row is a dict of named arguments, a list or tuple of positional ones, or anything else as the only
        one. No more than `window` rows are under way: their calls unanswered, or their outcomes not taken.
        The first error is raised and gives up the rest, or with `return_exceptions` is an outcome like any
        other.
        """
        if window < 1:
            raise ValueError(f"window is a number of rows, at least 1, not {window}")

        def submit(row: Any) -> Call:
            return self._pool.submit(function, arguments(row), self.timeout, self.retries)

        async with aclosing(FanOut(submit, self._pool.forget, window).outcomes(rows)) as outcomes:
            async for outcome in outcomes:
                if outcome.error and not return_exceptions:
                    raise outcome.error
                yield outcome


class Dispatcher(Caller):
    """Calls to the task workers at one address, or at several."""

    def __init__(
        self,
        *addresses: str,
        timeout: float = 30.0,
        retries: int = 0,
        max_connections: int = 100,
        max_waiting: int = 10_000,
        max_package_size: int = MAX_PACKAGE_SIZE,
        idle_timeout: float = 1.0,
        connect_timeout: float = 5.0,
    ) -> None:
        """Take notes; the first call opens connections. All times are in seconds.

        `timeout` is for a call as a whole: waiting, running, and being repeated. `retries` is how often a
        call is sent again whose connection was lost after it had been written: only for functions that may
        run twice. `max_connections` is for each host, and reached only while calls wait; a connection that is
        not used for `idle_timeout` is closed. Calls beyond `max_waiting` that wait are refused with TaskBusy.
        `max_package_size` limits, in bytes, a request and a reply. Raises AddressError, ValueError.
        """
        limits = Limits(max_connections, max_waiting, max_package_size, idle_timeout, connect_timeout)
        super().__init__(Pool([checked(address) for address in addresses], limits), timeout, retries)
        if not addresses:
            raise ValueError("a dispatcher needs an address, for example text://127.0.0.1:9100")

    @property
    def connections(self) -> int:
        """Connections that are open now, or being opened."""
        return sum(len(host.links) for host in self._pool.hosts)

    def hurry(self, patience: float) -> None:
        """From now on a call that waits, and that no task worker can be reached for within `patience`
        seconds, fails with TaskUnreachable: for `on_worker_drain`, where the task workers leave too.
        """
        self._pool.hurry(patience)

    async def close(self) -> None:
        """Close every connection; calls that are under way end with TaskClosed."""
        self._pool.close()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


def checked(address: str) -> str:
    """The address of a task worker. Raises AddressError for any other."""
    target = parse_address(address)
    if target.scheme != "text" or not target.port:
        raise AddressError(f"{address!r} is no address of tasks; write it as text://host:port")
    return address
