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
import os
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

from refworker.address import Address
from refworker.callbacks import Callback, ConnectionCallbacks, Function, logger, set_callbacks
from refworker.connection import TcpConnection
from refworker.idle import watch_of
from refworker.listener import check, explained, listen, pace_of, parse, port_of
from refworker.protocols.http import Limits
from refworker.protocols.registry import Factory
from refworker.protocols.websocket import Wish
from refworker.quota import Quota
from refworker.sender import broadcast
from refworker.serving import kept
from refworker.sessions import Sessions
from refworker.socketfile import SocketFile, file_of
from refworker.status import statistics
from refworker.tls import Options, TlsError, options_of, server_context
from refworker.tls_layer import TlsLayer
from refworker.udp import Mailbox
from refworker.uploads import Uploads

EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""Errors of `accept` that time cures: the connection waits in the kernel's queue meanwhile."""

RETRY_ACCEPT = 0.5
"""Seconds until `accept` is tried again after one of these."""

_registered: list["Worker"] = []


def registered() -> list["Worker"]:
    """The workers of this program, in the order in which they were made: what `run_all` runs."""
    return list(_registered)


_beside: list["Worker"] = []


def beside() -> list["Worker"]:
    """The workers that listen in this process beside its own, the last one first: a stop ends them first."""
    return _beside[::-1]


class Worker(ConnectionCallbacks):
    """One service: `count` processes that listen on `address` and call the callbacks (LIFE-001, LIFE-013)."""

    ssl_handshake_timeout = 10.0
    """Seconds until a client that does not finish its TLS handshake is dropped (TLS-005)."""

    on_worker_start = Callback()
    on_worker_reload = Callback()
    """A reload has come: before the process leaves, or instead where it is not `reloadable` (LIFE-063)."""
    on_worker_drain = Callback()
    """The process leaves: its connections still stand, and what is sent here is delivered."""
    on_worker_stop = Callback()
    """The connections are closed: the last thing that a process does."""
    on_worker_exit = Callback()
    """In the master, with worker, raw wait status and pid: a process has ended (LIFE-044)."""

    def __init__(
        self,
        address: str = "",
        *,
        name: str = "none",
        count: int = 1,
        protocol: Any = None,
        transport: str = "",
        context: Options | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_connections: int | None = None,
        backlog: int = 4096,
        stop_timeout: float = 2.0,
        user: str = "",
        group: str = "",
        reuse_port: bool = False,
        v6_only: bool = False,
        socket_mode: int | None = None,
        reloadable: bool = True,
        quota: Quota | None = None,
        idle_timeout: float | None = None,
        ping_interval: float | None = None,
        auth_timeout: float | None = None,
        life: str = "bytes",
        deflate: Wish = True,
        limits: Limits | None = None,
        sessions: Sessions | None = None,
        uploads: Uploads | None = None,
        **callbacks: Any,
    ) -> None:
        """Take notes; nothing is opened yet.

        `address` is `scheme://host:port`, or empty for a worker that only runs `on_worker_start`, timers and
        outgoing connections. `protocol` is a user's own (see `protocols/custom.py`). `transport` is what the
        scheme does not say: `tcp`, `udp`, `ssl`, or `unix` with a path for host and port. For `ssl` the
        certificate is in the manual's `context={"ssl": {"local_cert": …}}` (see `tls.py`), or in an
        `ssl_context`. A process with `max_connections` open ones accepts no more until one is closed.
        Processes run as `user` and `group` where the master is root. With `reuse_port` each process has a
        listening socket of its own, and the kernel spreads connections evenly (LIFE-011). `[::]` takes IPv4
        clients as well, unless it is to be `v6_only`. The file of a Unix socket gets the permissions
        `socket_mode`, such as 0o660, and belongs to `user` and `group`; it is removed when the service stops.
        A reload leaves the processes of a worker that is not `reloadable` alone. After its `quota` a process
        is replaced. All timeouts are in seconds. A connection that is silent for `idle_timeout` is closed;
        `life` says what breaks the silence, any `bytes` or only whole `messages`. A WebSocket that is silent
        for `ping_interval` is sent a Ping, and closed if that goes on for as long again, or until
        `idle_timeout`. Who is not known for whom he is by `connection.confirm()` within `auth_timeout` is
        closed. WebSockets compress where the client offers it, with little memory; `deflate=Deflate(…)` says
        how, `deflate=False` not to. `limits` are for HTTP: sizes and times; `sessions` and
        `uploads` say how it keeps those, else they are in files among the temporary ones. Raises AddressError
        for an address that cannot be meant, TypeError for an unknown callback, ValueError for options that do
        not go together.
        """
        if count < 1:
            raise ValueError(f"count is the number of processes, at least 1, not {count}")
        self.address, self.name, self.count = address, name or "none", count
        self.max_connections, self.backlog, self.stop_timeout = max_connections, backlog, stop_timeout
        self.user, self.group, self.quota = user, group, quota or Quota()
        self.reuse_port, self.reloadable = reuse_port, reloadable
        self.v6_only, self.socket_mode = v6_only, socket_mode
        self.sessions, self.uploads = sessions, uploads
        self.id = 0
        self.connections: dict[int, TcpConnection] = {}
        self._target: Address | None = None
        self._codec: Factory | None = None
        if address:
            self._target, self._codec = parse(address, protocol, transport, deflate, limits)
            check(self._target, reuse_port, socket_mode)
            if ping_interval is not None and self._target.scheme not in ("websocket", "wss"):
                raise ValueError(f"{address!r} has no Ping, as WebSockets have; use idle_timeout instead")
        pace = pace_of(self._target, limits)
        self.watch = watch_of(idle_timeout, ping_interval, auth_timeout, life, pace)
        self._ssl_options = options_of(
            address, self._target.transport if self._target else "", context, ssl_context
        )
        self._ssl_context = ssl_context
        self._socket: socket.socket | None = None  # this process's; in a master that forks: the first
        self.listeners: list[socket.socket] = []
        self._file: SocketFile | None = None
        self._parked: socket.socket | None = None  # what `unlisten` put away, since others hold it too
        self._port = 0
        self._mailbox: Mailbox | None = None
        self._accepting = self._paused = self._shared = False
        self._starting: set[asyncio.Task[Any]] = set()
        self._empty = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        set_callbacks(self, callbacks)
        _registered.append(self)

    # -- the master's side -------------------------------------------------------------------------

    def bind(self, inherited: Sequence[socket.socket] = ()) -> None:
        """Open the listening socket, or one for each process with `reuse_port`, where it is not `inherited`
        from a master that was this one, and read the certificate. Raises OSError with the cause and the cure
        (LIFE-033, TLS-009).
        """
        self.secure()
        self.listeners += inherited
        wanted = self.count if self.reuse_port else 1
        if self._target and len(self.listeners) < wanted:
            self._listen(wanted)
        if self.listeners:
            self._socket = self.listeners[0]
            self._port = port_of(self._socket)
            self._file = file_of(self._socket)

    def secure(self) -> None:
        """Read certificate and key, where TLS is wanted: here, while the process may still be root.

        Raises TlsError.
        """
        if not self._target or self._target.transport != "ssl":
            return
        try:
            self._ssl_context = self._ssl_context or server_context(self._ssl_options)
        except TlsError as problem:
            raise TlsError(f"cannot listen on {self.address}: {problem}") from problem

    def _listen(self, wanted: int) -> None:
        assert self._target
        while len(self.listeners) < wanted:
            port = port_of(self.listeners[0]) if self.listeners else self._target.port
            target = replace(self._target, port=port)
            try:
                self.listeners.append(self._opened(target))
            except OSError as problem:
                raise OSError(problem.errno, explained(self.address, self._target, problem)) from problem

    def _opened(self, target: Address) -> socket.socket:
        if target.transport == "unix":
            return listen(target, self.backlog, socket_mode=self.socket_mode)
        return listen(target, self.backlog, reuse_port=self.reuse_port, v6_only=self.v6_only)

    def give_to(self, uid: int, gid: int) -> None:
        """The file of a Unix socket belongs to those whom the processes run as. Raises OSError."""
        if self._target and self._file and os.geteuid() == 0:
            os.chown(self._target.path, uid, gid)

    def keep(self, number: int) -> None:
        """In the process `number`: of the listening sockets only its own is left open."""
        self.id, self._shared = number, True
        if self.listeners:
            self._socket = self.listeners.pop(number if self.reuse_port else 0)
            self._close_listeners()
            self.listeners = [self._socket]

    def release(self) -> None:
        """Close the listening socket in this process; others keep theirs. The file of a Unix socket goes with
        the process that has made it.
        """
        self._pause_accepting()
        if self._mailbox:
            self._mailbox.leave()
        if self._file:
            self._file.remove()
        self._close_listeners()
        self._socket = self._file = None

    def _close_listeners(self) -> None:
        while self.listeners:
            self.listeners.pop().close()
        if self._parked:
            self._parked.close()
            self._parked = None

    @property
    def transport(self) -> str:
        """How bytes travel here: `tcp`, `unix`; `tcp` for a worker without an address."""
        return self._target.transport if self._target else "tcp"

    @property
    def port(self) -> int:
        """The port of the last `bind`, also where the address said 0, and in processes that do not listen
        there. Raises RuntimeError before it.
        """
        if not self._port:
            raise RuntimeError(f"worker {self.name} listens on no port yet")
        return self._port

    @property
    def place(self) -> str:
        """What this worker listens on: two may share an address, over different transports."""
        return f"{self._target.transport} {self.address}" if self._target else ""

    # -- the process's side ------------------------------------------------------------------------

    async def start(self) -> None:
        """Run `on_worker_start`, then accept. Raises what `on_worker_start` raises (LIFE-035)."""
        await self._called(self.on_worker_start.function)
        self._go_on_accepting()

    def listen(self) -> None:
        """Listen and accept from now on, in this process alone: for a worker that was made when the process
        ran already, and after `unlisten` (manual: worker/listen; LIFE-108, LIFE-109). `on_worker_start` does
        not run. Raises OSError with the cause and the cure.
        """
        if self._target is None:
            raise RuntimeError(f"worker {self.name} has no address to listen on; give it one")
        if not self._socket:
            self._take_up()
        self._go_on_accepting()

    def _take_up(self) -> None:
        if self._parked:
            self._socket, self._parked = self._parked, None
            self.listeners = [self._socket]
            return
        self.bind()
        if not self._shared and self not in _beside:
            _beside.append(self)

    def unlisten(self) -> None:
        """Accept nobody until `listen`; open connections stay. A port that this process has opened itself is
        free again, one that it shares with others serves on there.
        """
        if self._shared and self._socket:
            self._pause_accepting()
            self._parked, self._socket, self.listeners = self._socket, None, []
        else:
            self.release()

    def pause_accept(self) -> None:
        """Accept nobody in this process until `resume_accept`: clients wait, or another process serves
        them.
        """
        self._paused = True
        self._pause_accepting()

    def resume_accept(self) -> None:
        """Accept again."""
        self._paused = False
        self._go_on_accepting()

    def broadcast(self, message: Any, to: Iterable[TcpConnection] | None = None) -> int:
        """Send one message to every connection of this process, or to some of them; how many took it
        (FAQ-010). Callbacks that close connections meanwhile do no harm.
        """
        return broadcast(message, self.connections.values() if to is None else to)

    async def stop(self, timeout: float | None = None) -> None:
        """Stop accepting, run `on_worker_drain`, let every connection finish what is in hand and close it,
        cut what is left after `timeout` seconds, run `on_worker_stop`, and let the store of sessions go.
        """
        if self._mailbox:
            await self._mailbox.empty()
        self.release()
        if self in _beside:
            _beside.remove(self)
        await self.tell("on_worker_drain")
        for connection in tuple(self.connections.values()):
            connection.leave()
        await self._emptied(self.stop_timeout if timeout is None else timeout)
        for connection in tuple(self.connections.values()):
            connection.destroy()
        if self._mailbox:
            self._mailbox.end()
        await self.tell("on_worker_stop")
        await self._close_sessions()

    async def _close_sessions(self) -> None:
        try:
            if self.sessions:
                await kept()
                await self.sessions.close()
        except Exception:
            logger.exception("the store of sessions of worker %s cannot be closed", self.name)

    def hurry(self, timeout: float) -> None:
        """Cut what is left of a stop that is under way to `timeout` seconds."""
        if self._patience and (due := self._patience.when()) is not None:
            self._patience.reschedule(min(due, asyncio.get_running_loop().time() + timeout))

    async def _emptied(self, timeout: float) -> None:
        if self._is_busy():
            self._empty.clear()  # it may have been empty before, between `unlisten` and `listen`
            try:
                async with asyncio.timeout(timeout) as self._patience:
                    await self._empty.wait()
            except TimeoutError:
                logger.info("worker %s: %d connections had to be cut", self.name, len(self.connections))

    def _is_busy(self) -> bool:
        return bool(self.connections or (self._mailbox and self._mailbox.handlers.in_hand))

    def _settled(self) -> None:
        if not self._socket and not self._is_busy():
            self._empty.set()

    async def tell(self, callback: str) -> None:
        """Run a callback about the process's life; an exception is logged, and ends nothing (LIFE-077,
        LIFE-085).
        """
        try:
            await self._called(getattr(self, callback).function)
        except Exception:
            logger.exception("%s of worker %s failed", callback, self.name)

    async def _called(self, callback: Function | None) -> None:
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
        if self._socket and not (self._accepting or self._paused or self._is_full()):
            self._watch(self._socket, True)
            self._accepting = True

    def _pause_accepting(self) -> None:
        if self._socket and self._accepting:
            self._watch(self._socket, False)
            self._accepting = False

    def _watch(self, listener: socket.socket, wanted: bool) -> None:
        """Take what comes to the socket, connections or datagrams, or let it wait."""
        loop = asyncio.get_running_loop()
        if listener.type == socket.SOCK_DGRAM:
            self._receive(listener, wanted)
        elif wanted:
            loop.add_reader(listener, self._accept)
        else:
            loop.remove_reader(listener)

    def _receive(self, listener: socket.socket, wanted: bool) -> None:
        assert self._codec
        if self._mailbox is None or self._mailbox.leaving:
            self._mailbox = Mailbox(listener, self._codec, self, self._settled)
        self._mailbox.want(wanted)

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
        task = loop.create_task(loop.connect_accepted_socket(lambda: self._secured(connection), accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    def _secured(self, connection: TcpConnection) -> asyncio.Protocol:
        """What the socket talks to: the connection itself, or TLS in front of it."""
        if context := self._ssl_context:
            return TlsLayer(connection, context, self.ssl_handshake_timeout)
        return connection

    def connection_closed(self, connection: TcpConnection) -> None:
        """A connection's last word: forget it, and accept another one."""
        self.connections.pop(connection.real_id, None)
        self._go_on_accepting()
        self._settled()
