"""The task worker's side of one connection: requests in, replies out, in the right order and number.

Every request counts as `running` from its line to the moment in which the connection takes its reply, and
the connection is held meanwhile, so that a peer's FIN, or the worker's stop, waits for the reply. With
`concurrency` requests running the connection reads no further: a client that sends too much, or that does not
read, stops itself.
"""

import asyncio
import inspect
from collections import deque
from collections.abc import Coroutine
from typing import Any

from refworker.callbacks import Function, logger, spawn
from refworker.connection import TcpConnection
from refworker.tasks import wire
from refworker.tasks.wire import Refusal, Request

Functions = dict[str, Function]


class Conversation:
    """What is running for one client."""

    def __init__(
        self, connection: TcpConnection, functions: Functions, concurrency: int, hello: bytes
    ) -> None:
        """`hello` is the answer to a client's hello."""
        self._connection, self._functions, self._concurrency = connection, functions, concurrency
        self._hello = hello
        self.greeted = False
        self._leaving = self._full = False
        self._running = 0
        self._queue: deque[Request] = deque()
        self._lines: list[bytes] = []
        self._calls: set[asyncio.Task[None]] = set()
        connection.on_message = self._received
        connection.on_buffer_drain = self._drained

    def leave(self) -> None:
        """Begin nothing more; say goodbye and close when every request that has begun is answered."""
        self._leaving = True
        self._connection.pause_recv()
        self._flush()

    # -- requests ------------------------------------------------------------------------------------

    def _received(self, connection: TcpConnection, line: bytes) -> None:
        request = wire.parse_request(line)
        self._running += 1
        connection.hold()
        if request.identity:
            self._begin(request)
        else:
            self._queue.append(request)
            if len(self._queue) == 1:
                self._advance()
        if self._running >= self._concurrency:
            connection.pause_recv()

    def _advance(self) -> None:
        """Requests without id run one after the other; the first in the queue is the one that runs."""
        while self._queue and self._begin(self._queue[0]):
            self._queue.popleft()

    def _begin(self, request: Request) -> bool:
        """Whether the request was answered at once; else its coroutine runs now."""
        reply = self._carry_out(request)
        if isinstance(reply, bytes):
            self._lines.append(reply)
            self._flush()
            return True
        call = spawn(self._await(request, reply))
        self._calls.add(call)  # the loop itself keeps only weak references
        call.add_done_callback(self._calls.discard)
        return False

    def _carry_out(self, request: Request) -> bytes | Coroutine[Any, Any, Any]:
        """The reply's line, or the coroutine that will give its result."""
        try:
            if request.refusal:
                raise request.refusal
            if request.function is None:
                self.greeted = True
                if self._connection.draining:
                    asyncio.get_running_loop().call_soon(self.leave)
                return self._hello
            result = self._call(request.function, request.args)
            return result if asyncio.iscoroutine(result) else self._result(request, result)
        except Exception as problem:
            return failure(request, problem)

    def _call(self, name: str, args: Any) -> Any:
        function = self._functions.get(name)
        if function is None:
            known = ", ".join(sorted(self._functions)) or "none"
            raise Refusal("UnknownFunction", f"unknown function {name!r}; there are: {known}")
        try:
            return function(**args) if isinstance(args, dict) else function(*args)
        except TypeError:
            check_arguments(name, function, args)
            raise

    async def _await(self, request: Request, coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            line = self._result(request, await coroutine)
        except (Exception, asyncio.CancelledError) as problem:
            line = failure(request, problem)
        self._collect(line)
        if not request.identity:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._queue.popleft()
        self._advance()

    def _result(self, request: Request, value: Any) -> bytes:
        return wire.result(request, value, self._connection.max_package_size)

    # -- replies -------------------------------------------------------------------------------------

    def _collect(self, line: bytes) -> None:
        """Replies that become ready in the same turn of the loop leave in one write."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(line)

    def _flush(self) -> None:
        """Hand the replies over; a connection that is full takes them when it has drained."""
        last = self._leaving and self._running == len(self._lines)
        if last:
            goodbye = wire.GOODBYE if self.greeted else b""
            self._connection.close(b"".join(self._lines) + goodbye, raw=True)
        elif self._lines and not self._full:
            self._full = self._connection.send(b"".join(self._lines), raw=True) is False
            if not self._full:
                self._answered()

    def _answered(self) -> None:
        lines, self._lines = self._lines, []
        self._running -= len(lines)
        for _ in lines:
            self._connection.release()
        if self._running < self._concurrency and not self._leaving:
            self._connection.resume_recv()

    def _drained(self, connection: TcpConnection) -> None:
        self._full = False
        self._flush()


def check_arguments(name: str, function: Function, args: Any) -> None:
    """Raise Refusal if a function cannot be called with these arguments; needed only after a TypeError."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # a builtin that does not tell
    try:
        signature.bind(**args) if isinstance(args, dict) else signature.bind(*args)
    except TypeError as problem:
        raise Refusal("InvalidArguments", f"{name}: {problem}; it takes {signature}") from None


def failure(request: Request, problem: BaseException) -> bytes:
    """The error reply; what a function raised goes to the log, with its traceback."""
    if isinstance(problem, Refusal):
        return wire.error(request, problem.kind, str(problem))
    logger.error("task %s failed", request.function, exc_info=problem)
    return wire.error(request, type(problem).__name__, str(problem))
