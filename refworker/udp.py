"""UDP: datagrams to and from anybody (manual: faq/how-to-create-udp-service, async-udp-connection/construct).

    Worker("udp://127.0.0.1:9000", on_message=lambda connection, message: connection.send(message))
    Worker("text://127.0.0.1:9000", transport="udp", on_message=...)    # messages inside datagrams

    client = AsyncUdpConnection("udp://127.0.0.1:9000", on_message=print)
    client.send("hello")

A datagram comes whole or not at all, so nothing outlives one: each has a protocol state and, for a worker, a
`UdpConnection` of its own, which is no more than the way back to its sender. What is incomplete at a
datagram's end, and whatever follows a broken length, is discarded (UDP-004, UDP-005).

The socket is read directly, a bounded number of datagrams for each time that the loop finds it readable:
asyncio's own transport reads one at a time.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from refworker.address import Address, AddressError, parse_address
from refworker.callbacks import ConnectionCallbacks, Function, logger, set_callbacks, spawn
from refworker.endpoints import Endpoints
from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Codec, Raw, Signal, as_bytes
from refworker.protocols.registry import Factory, client_codec
from refworker.status import CONNECT_FAIL, SEND_FAIL, Status, statistics

SPACE = 65536
"""Bytes for one datagram: more than any carries."""

BATCH = 64
"""So many datagrams are read at once, then everybody else has a turn."""

LAST_BATCHES = 64
"""So many batches are read at a stop: more than a kernel keeps by default, and no flood can hold it up."""

MANY = 1000
"""With so many async handlers under way nothing more is read: the kernel keeps what it can, no more."""

CLOSED, ESTABLISHED, INITIAL = Status.CLOSED, Status.ESTABLISHED, Status.INITIAL


class Handlers:
    """Calls callbacks, plain or async, and logs what they raise: it harms nobody else (UDP-006).

    `changed` is called when the number of async ones under way, `in_hand`, has changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.in_hand: set[asyncio.Task[Any]] = set()
        self._changed = changed

    def call(self, function: Function | None, *args: Any) -> None:
        """Call a callback, if set."""
        if function is not None:
            self.deliver(function, args[0], [args[1:]])

    def deliver(self, handler: Function, connection: "Datagrams", calls: Iterable[tuple[Any, ...]]) -> None:
        """Call once for each tuple of arguments, in order; an async handler ends before the next begins."""
        calls = iter(calls)
        try:
            for args in calls:
                result = handler(connection, *args)
                if result is not None and asyncio.iscoroutine(result):
                    self._await(self._go_on(result, handler, connection, calls))
                    return
        except Exception:
            logger.exception("udp: a callback failed, for %s", connection.get_remote_address())

    def deliver_one(self, handler: Function, connection: "Datagrams", message: bytes) -> None:
        """The same for a single message: nearly half of what a datagram costs beyond the system calls."""
        try:
            result = handler(connection, message)
            if result is not None and asyncio.iscoroutine(result):
                self._await(self._go_on(result, handler, connection, iter(())))
        except Exception:
            logger.exception("udp: a callback failed, for %s", connection.get_remote_address())

    async def _go_on(
        self, first: Any, handler: Function, connection: "Datagrams", calls: Iterator[tuple[Any, ...]]
    ) -> None:
        try:
            await first
            for args in calls:
                if asyncio.iscoroutine(result := handler(connection, *args)):
                    await result
        except Exception:
            logger.exception("udp: an async callback failed, for %s", connection.get_remote_address())

    def _await(self, work: Any) -> None:
        task = spawn(work)
        if not task.done():
            self.in_hand.add(task)  # the loop itself keeps only weak references
            task.add_done_callback(self._done)
            self._changed()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.in_hand.discard(task)
        self._changed()

    def cancel(self) -> None:
        """Give up what is under way."""
        for task in self.in_hand:
            task.cancel()


class Receiver:
    """Reads a datagram socket for as long as it is wanted, and while `handlers` can take more."""

    def __init__(self, sock: socket.socket, take: Callable[[bytes, Any], None]) -> None:
        """`take` gets each datagram and its sender, and raises nothing."""
        self.socket = sock
        self.handlers = Handlers(self.look)
        self._take = take
        self._wanted = self._reading = False

    def want(self, wanted: bool) -> None:
        """Begin to read, or stop."""
        self._wanted = wanted
        self.look()

    def look(self) -> None:
        """Read, or do not, as things are now."""
        wanted = self._wanted and len(self.handlers.in_hand) < MANY
        if wanted != self._reading:
            loop = asyncio.get_running_loop()
            loop.add_reader(self.socket, self.read) if wanted else loop.remove_reader(self.socket)
            self._reading = wanted

    def read(self) -> bool:
        """One batch of what the kernel holds; whether there may be more."""
        sock, receive, take, in_hand = self.socket, self.socket.recvfrom, self._take, self.handlers.in_hand
        for _ in range(BATCH):
            try:
                data, sender = receive(SPACE)
            except BlockingIOError:
                return False
            except OSError:
                continue  # what became of an earlier datagram: no news of the next (UDP-009)
            take(data, sender)
            if len(in_hand) >= MANY or sock.fileno() < 0:
                return False
        return True

    async def empty(self) -> None:
        """Read what the kernel holds now, with turns for everybody else in between."""
        for _ in range(LAST_BATCHES):
            if self.socket.fileno() < 0 or not self.read():
                return
            await asyncio.sleep(0)

    def close(self) -> None:
        """Read no more, and close the socket."""
        self.want(False)
        self.socket.close()


class Datagrams(ConnectionCallbacks, Endpoints):
    """What both sides have in common: a message out as a datagram, a datagram in as messages."""

    __slots__ = ("_codec", "status")

    transport: ClassVar[str] = "udp"
    _codec: Codec
    status: Status

    def send(self, message: Any, raw: bool = False) -> bool:
        """Send one message as a datagram of its own; `raw` sends bytes as they are, without the protocol's
        framing.

        True: the kernel has it. False: it cannot be encoded (the log says why), is larger than 65507 bytes,
        the kernel refused it, or the connection is closed (UDP-002, UDP-008).
        """
        if self.status is CLOSED:
            return False
        try:
            data = as_bytes(message) if raw else self._codec.encode(message)
        except Exception:
            logger.exception("udp, to %s: message not sent", self.get_remote_address())
            return False
        try:
            self._transmit(data)
        except OSError as problem:
            return self._not_sent(problem)
        return True

    def _not_sent(self, problem: OSError) -> bool:
        statistics.send_fail += 1
        self._report(SEND_FAIL, problem.strerror or str(problem))
        return False

    def _transmit(self, data: bytes) -> None:
        """One datagram. Raises OSError."""
        raise NotImplementedError

    def _report(self, code: int, reason: str) -> None:
        """Call `on_error`."""
        raise NotImplementedError

    def _messages(self, data: bytes) -> Iterator[tuple[Any]]:
        """The messages of one datagram, until it breaks the protocol or this object is closed (UDP-004)."""
        if not data and not isinstance(self._codec, Raw):
            return  # codecs are never fed nothing
        for item in self._codec.feed(data):
            if isinstance(item, Close):
                logger.warning("datagram from %s: %s", self.get_remote_address(), item.error)
                return
            if item is not False and not isinstance(item, Signal):
                statistics.messages += 1
                yield (item,)
            if self.status is CLOSED:
                return

    @property
    def protocol_name(self) -> str:
        """`Text`, or `udp` for none."""
        return "udp" if isinstance(self._codec, Raw) else self._codec.name

    def consume_recv_buffer(self, count: int) -> None:
        """Drop `count` bytes of the datagram; for a custom protocol's `input` (CUSTOM-010)."""
        self._codec.consume(count)  # type: ignore[attr-defined]

    def get_send_buffer_queue_size(self) -> int:
        """Always 0: a datagram goes to the kernel at once, or not at all."""
        return 0

    def get_recv_buffer_queue_size(self) -> int:
        """Always 0: nothing is kept."""
        return 0


class UdpConnection(Datagrams):
    """The way back to the sender of one datagram: what a worker's `on_message` gets."""

    __slots__ = ("_mailbox", "_peer")

    default_max_package_size: ClassVar[int] = MAX_PACKAGE_SIZE

    def __init__(self, mailbox: "Mailbox", peer: Any, codec: Codec | None = None) -> None:
        self._mailbox = mailbox
        self._peer = peer
        self.status = ESTABLISHED
        self._codec = codec or mailbox.codec(self, self.default_max_package_size)

    def send(self, message: Any, raw: bool = False) -> bool:
        """As for every datagram; bytes without a protocol take the short way."""
        mailbox = self._mailbox
        if type(message) is bytes and self._codec is mailbox.raw and self.status is ESTABLISHED:
            try:
                mailbox.sendto(message, self._peer)
            except OSError as problem:
                return self._not_sent(problem)
            return True
        return super().send(message, raw)

    def _transmit(self, data: bytes) -> None:
        self._mailbox.sendto(data, self._peer)

    def _report(self, code: int, reason: str) -> None:
        self._mailbox.report(self, code, reason)

    def close(self, data: Any = None, raw: bool = False) -> None:
        """Send `data` if given, and have no more to do with this datagram; the service goes on (UDP-003)."""
        if data is not None:
            self.send(data, raw)
        self.status = CLOSED

    def _name(self, which: str) -> Any:
        return self._peer if which == "peername" else self._mailbox.name


class Mailbox(Receiver):
    """A worker's datagram socket, in one process."""

    def __init__(
        self,
        sock: socket.socket,
        codec: Factory,
        callbacks: ConnectionCallbacks,
        settled: Callable[[], None],
    ) -> None:
        """The descriptor is a copy: replies that are owed go out after the worker has let go of its own.
        `settled` is called whenever an async handler has begun or ended.
        """
        super().__init__(sock.dup(), self._deliver)
        self.socket.setblocking(False)
        self._settled = settled
        self.leaving = False
        self.name = sock.getsockname()
        self.codec = codec
        self._callbacks = callbacks
        self.raw: Codec | None = None  # the codec without protocol keeps no state: one does for all
        self.sendto = self.socket.sendto

    def _deliver(self, data: bytes, sender: Any) -> None:
        handler: Function | None = getattr(self._callbacks, "_on_message", None)
        if handler is None:
            return
        connection = UdpConnection(self, sender, self.raw)
        if self.raw is not None:
            statistics.messages += 1
            self.handlers.deliver_one(handler, connection, data)
            return
        if isinstance(connection._codec, Raw):
            self.raw = connection._codec
        self.handlers.deliver(handler, connection, connection._messages(data))

    def look(self) -> None:
        """Read, or do not, and let the worker see whether it may stop."""
        super().look()
        if self.leaving and not self.handlers.in_hand:
            self.socket.close()
        self._settled()

    def leave(self) -> None:
        """Read no more, and close the socket when nothing is owed."""
        self.leaving = True
        self.want(False)

    def end(self) -> None:
        """Give up what is owed."""
        self.handlers.cancel()
        self.close()

    def report(self, connection: UdpConnection, code: int, reason: str) -> None:
        """Call the worker's `on_error`."""
        self.handlers.call(getattr(self._callbacks, "_on_error", None), connection, code, reason)


class AsyncUdpConnection(Datagrams):
    """A UDP client; schemes `udp text frame` and users' own protocols (UDP-007).

    There is no connection to lose: `connect` only chooses who is meant. What the kernel reports of earlier
    datagrams (nobody listens there) raises nothing and ends nothing (UDP-009).
    """

    def __init__(self, address: str, *, protocol: Any = None, **callbacks: Any) -> None:
        """Performs no I/O. Raises AddressError for an address that cannot be meant."""
        target = parse_address(address, "udp")
        if target.port is None:
            raise AddressError(f"{address!r} has no port; write it as {address}:9000")
        if target.scheme == "ws" and protocol is None:
            raise AddressError(f"{address!r}: WebSocket is a conversation, and datagrams are none; use tcp")
        try:
            factory = client_codec(target.scheme, target.authority, target.path, os.urandom, protocol)
        except ValueError as problem:
            raise AddressError(f"{address!r}: {problem}") from None
        self._target, self._factory = target, factory
        self._receiver: Receiver | None = None
        self._handlers = Handlers(lambda: None)
        self._names: dict[str, Any] = {}
        self._codec = factory(self, UdpConnection.default_max_package_size)
        self.status = INITIAL
        set_callbacks(self, callbacks)

    def connect(self) -> None:
        """Choose the peer, and run `on_connect`; or `on_error` and `on_close` where its host is not found.
        Does nothing while connected. A host's name is looked up at once, which may take a while; an IP
        address takes none.
        """
        if self.status is ESTABLISHED:
            return
        try:
            sock = connected(self._target)
        except OSError as problem:
            reason = f"cannot send to {self._target.authority}: {problem.strerror or problem}"
            self._report(CONNECT_FAIL, reason)
            self.close()
        else:
            self._connected(sock)

    def _connected(self, sock: socket.socket) -> None:
        self._names = {"peername": sock.getpeername(), "sockname": sock.getsockname()}
        self._receiver = Receiver(sock, self._take)
        self._receiver.want(True)
        self.status = ESTABLISHED
        self._tell("on_connect")

    def send(self, message: Any, raw: bool = False) -> bool:
        """As for every datagram; connects first where that has not been done."""
        if self.status is INITIAL:
            self.connect()
        return super().send(message, raw)

    def _transmit(self, data: bytes) -> None:
        assert self._receiver
        try:
            self._receiver.socket.send(data)
        except ConnectionRefusedError:  # that was about an earlier datagram, and this one has not left yet
            self._receiver.socket.send(data)

    def _take(self, data: bytes, sender: Any) -> None:
        """One datagram of the peer: the kernel lets no other in."""
        handler: Function | None = getattr(self, "_on_message", None)
        if handler is None or not self._receiver:
            return
        if not isinstance(self._codec, Raw):
            self._codec = self._factory(self, self.max_package_size)
        self._receiver.handlers.deliver(handler, self, self._messages(data))

    def close(self, data: Any = None, raw: bool = False) -> None:
        """Send `data` if given, run `on_close` once, and end: later sends return False (UDP-008)."""
        if self.status is CLOSED:
            return
        if data is not None:
            self.send(data, raw)
        self.status = CLOSED
        if self._receiver:
            self._receiver.close()
        self._tell("on_close")

    destroy = close

    def _tell(self, name: str, *args: Any) -> None:
        self._handlers.call(getattr(self, f"_{name}", None), self, *args)

    def _report(self, code: int, reason: str) -> None:
        self._tell("on_error", code, reason)

    def _name(self, which: str) -> Any:
        return self._names.get(which)


def connected(target: Address) -> socket.socket:
    """A datagram socket that knows one peer only, and does not block. Raises OSError."""
    family, kind, number, _, name = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind, number)
    try:
        sock.connect(name)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
