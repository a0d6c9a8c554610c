"""`Worker("text://127.0.0.1:9000")`: an address, callbacks, and the connections of this process (manual:
worker/construct).

    worker = Worker("text://127.0.0.1:9000", name="echo", count=2)

    @worker.on_message
    def echo(connection, message):
        connection.send(message)

    run_all()

or, without a master, inside any asyncio program:

    async with Worker("text://127.0.0.1:0", on_message=echo) as worker:
        print(worker.port)

The constructor only takes notes. The master calls `bind` and forks; each child calls `start`, and `stop` at
its end.
"""

import asyncio
import errno
import socket
from typing import Any, Self

from refworker.address import Address, AddressError, parse_address
from refworker.callbacks import Callback, ConnectionCallbacks, Function, logger, set_callbacks
from refworker.connection import TcpConnection
from refworker.protocols.registry import Factory, server_codec
from refworker.status import statistics

EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""Errors of `accept` that time cures: the connection waits in the kernel's queue meanwhile."""

RETRY_ACCEPT = 0.5
"""Seconds until `accept` is tried again after one of these."""

CURES = {
    errno.EADDRINUSE: "stop the server that uses it, or choose another port (0: any free one)",
    errno.EACCES: "ports under 1024 need root; choose a higher one",
    errno.EADDRNOTAVAIL: "this machine does not have that address; 0.0.0.0 stands for all that it has",
}

_registered: list["Worker"] = []


def registered() -> list["Worker"]:
    """The workers of this program, in the order in which they were made: what `run_all` runs."""
    return list(_registered)


class Worker(ConnectionCallbacks):
    """One service: `count` processes that listen on `address` and call the callbacks (LIFE-001, LIFE-013)."""

    on_worker_start = Callback()
    on_worker_stop = Callback()

    def __init__(
        self,
        address: str = "",
        *,
        name: str = "none",
        count: int = 1,
        protocol: Any = None,
        max_connections: int | None = None,
        backlog: int = 4096,
        stop_timeout: float = 2.0,
        **callbacks: Any,
    ) -> None:
        """Take notes; nothing is opened yet.

        `address` is `scheme://host:port`, or empty for a worker that only runs `on_worker_start`, timers and
        outgoing connections. `protocol` is a user's own (see `protocols/custom.py`). A process with
        `max_connections` open ones accepts no more until one is closed. Raises AddressError for an address
        that cannot be meant, TypeError for an unknown callback.
        """
        if count < 1:
            raise ValueError(f"count is the number of processes, at least 1, not {count}")
        self.address, self.name, self.count = address, name, count
        self.max_connections, self.backlog, self.stop_timeout = max_connections, backlog, stop_timeout
        self.id = 0
        self.connections: dict[int, TcpConnection] = {}
        self._target: Address | None = None
        self._codec: Factory | None = None
        if address:
            self._target, self._codec = parse(address, protocol)
        self._socket: socket.socket | None = None
        self._port = 0
        self._accepting = False
        self._starting: set[asyncio.Task[Any]] = set()
        self._empty = asyncio.Event()
        set_callbacks(self, callbacks)
        _registered.append(self)

    # -- the master's side -------------------------------------------------------------------------

    def bind(self) -> None:
        """Open the listening socket, if there is none yet. Raises OSError with the cause and the cure
        (LIFE-033).
        """
        if self._target and not self._socket:
            try:
                self._socket = listen(self._target, self.backlog)
            except OSError as problem:
                raise OSError(problem.errno, self._explained(problem)) from problem
            self._port = int(self._socket.getsockname()[1])

    def _explained(self, problem: OSError) -> str:
        cause = f"cannot listen on {self.address}: {problem.strerror or problem}"
        cure = CURES.get(problem.errno or 0)
        return f"{cause}; {cure}" if cure else cause

    def release(self) -> None:
        """Close the listening socket in this process; others keep theirs."""
        self._pause_accepting()
        if self._socket:
            self._socket.close()
            self._socket = None

    @property
    def port(self) -> int:
        """The port of the last `bind`, also where the address said 0, and in processes that do not listen
        there. Raises RuntimeError before it.
        """
        if not self._port:
            raise RuntimeError(f"worker {self.name} listens on no port yet")
        return self._port

    # -- the process's side ------------------------------------------------------------------------

    async def start(self) -> None:
        """Run `on_worker_start`, then accept. Raises what `on_worker_start` raises (LIFE-035)."""
        await self._tell(self.on_worker_start.function)
        self._go_on_accepting()

    async def stop(self, timeout: float | None = None) -> None:
        """Stop accepting, run `on_worker_stop`, close the connections; what is not closed after `timeout`
        seconds is destroyed.
        """
        self.release()
        try:
            await self._tell(self.on_worker_stop.function)
        except Exception:
            logger.exception("on_worker_stop of worker %s failed", self.name)
        for connection in tuple(self.connections.values()):
            connection.drain()
        await self._emptied(self.stop_timeout if timeout is None else timeout)
        for connection in tuple(self.connections.values()):
            connection.destroy()

    async def _emptied(self, timeout: float) -> None:
        if self.connections:
            try:
                async with asyncio.timeout(timeout):
                    await self._empty.wait()
            except TimeoutError:
                logger.info("worker %s: %d connections had to be cut", self.name, len(self.connections))

    async def _tell(self, callback: Function | None) -> None:
        if callback and asyncio.iscoroutine(result := callback(self)):
            await result

    def status(self) -> dict[str, Any]:
        """What `status` shows of this process."""
        return {
            "connections": statistics.connections,
            "messages": statistics.messages,
            "send_fail": statistics.send_fail,
            "buffer_full": statistics.buffer_full,
            "buffer_drain": statistics.buffer_drain,
        }

    async def __aenter__(self) -> Self:
        if self in _registered:
            _registered.remove(self)  # it has found its program; `run_all` is not to run it too
        self.bind()
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    # -- accepting ---------------------------------------------------------------------------------

    def _go_on_accepting(self) -> None:
        if self._socket and not self._accepting and not self._is_full():
            asyncio.get_running_loop().add_reader(self._socket, self._accept)
            self._accepting = True

    def _pause_accepting(self) -> None:
        if self._socket and self._accepting:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._accepting = False

    def _is_full(self) -> bool:
        return self.max_connections is not None and len(self.connections) >= self.max_connections

    def _accept(self) -> None:
        """Take one connection: the next process of this worker may be freer than this one."""
        if not self._socket:
            return
        try:
            accepted, _ = self._socket.accept()
        except OSError as problem:
            self._not_accepted(problem)
        else:
            accepted.setblocking(False)
            self._adopt(accepted)
            if self._is_full():
                self._pause_accepting()

    def _not_accepted(self, problem: OSError) -> None:
        # Another process was faster, or the client left again: nothing to do. Out of resources: look away for
        # a while.
        if problem.errno in EXHAUSTED:
            logger.error(
                "worker %s cannot accept: %s; trying again in %s s", self.name, problem, RETRY_ACCEPT
            )
            self._pause_accepting()
            asyncio.get_running_loop().call_later(RETRY_ACCEPT, self._go_on_accepting)

    def _adopt(self, accepted: socket.socket) -> None:
        assert self._codec
        connection = TcpConnection(self._codec, self)
        connection.take_over(self)
        self.connections[connection.real_id] = connection
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(lambda: connection, accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    def connection_closed(self, connection: TcpConnection) -> None:
        """A connection's last word: forget it, and accept another one."""
        self.connections.pop(connection.real_id, None)
        self._go_on_accepting()
        if not self.connections and not self._socket:
            self._empty.set()


def parse(address: str, protocol: Any) -> tuple[Address, Factory]:
    """The parts of a listening address and its codec. Raises AddressError."""
    target = parse_address(address)
    if target.port is None:
        raise AddressError(f"{address!r} has no port; write it as {target.scheme}://{target.host}:9000")
    try:
        return target, server_codec(target.scheme, protocol)
    except ValueError as problem:
        raise AddressError(f"{address!r}: {problem}") from None


def listen(target: Address, backlog: int) -> socket.socket:
    """A listening socket; `[::]` takes IPv4 clients as well (TCP-007). Raises OSError."""
    family, kind, number, _, name = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, number)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(name)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
