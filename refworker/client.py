"""Outgoing connections: `AsyncTcpConnection("text://127.0.0.1:9000")` (manual:
async-tcp-connection/construct).

    connection = AsyncTcpConnection("text://127.0.0.1:9000", on_message=print)
    connection.on_close = lambda connection: connection.reconnect(1)
    connection.connect()
    connection.send("hello")     # queued until the connection stands

`connect` never blocks, and success or failure is reported later, never from inside it. The object, its
callbacks and its settings survive the connection: `reconnect` begins a new life of the same one.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from refworker.address import Address, AddressError, parse_address
from refworker.callbacks import set_callbacks
from refworker.connection import TcpConnection
from refworker.dial import Way, dial
from refworker.protocols.base import as_bytes
from refworker.protocols.registry import client_codec
from refworker.protocols.websocket import Headers, Wish, application_fields
from refworker.status import CONNECT_FAIL, Status
from refworker.tls import Options, client_context, options_of
from refworker.tls_layer import TlsLayer

DEFAULT_PORTS = {"ssl": 443}
"""By transport; 80 for any other (CLIENT-006)."""


class AsyncTcpConnection(TcpConnection):
    """An outgoing connection; schemes `tcp text frame ws wss` and users' own protocols."""

    connect_timeout = 30.0
    """Seconds that one attempt may take (CLIENT-010)."""
    ssl_handshake_timeout = 10.0
    """Seconds that the TLS handshake may take."""

    def __init__(
        self,
        address: str,
        *,
        protocol: Any = None,
        transport: str = "",
        local_address: str = "",
        proxy_http: str = "",
        proxy_socks5: str = "",
        proxy_authorization: str = "",
        context: Options | None = None,
        ssl_context: ssl.SSLContext | None = None,
        headers: Headers = (),
        websocket_origin: str = "",
        websocket_client_protocol: str = "",
        websocket_ping_interval: float | None = None,
        deflate: Wish = True,
        **callbacks: Any,
    ) -> None:
        """Performs no I/O; `callbacks` are `on_…` functions, `transport`, `context` and `ssl_context` are as
        for a worker. Over `ssl` the server's certificate is verified, unless the options say otherwise (see
        `tls.py`).

        `local_address` is this side's `ip:port` (port 0: any). `proxy_http` (HTTP CONNECT) and `proxy_socks5`
        are `host:port`, the latter also `user:password@host:port`; `proxy_authorization` is sent to the
        former.

        A WebSocket asks with these `headers`, and with an Origin and subprotocols where they are given
        (WSC-002); all three are attributes, too, and may be changed before the next `connect`. It pings every
        `websocket_ping_interval` seconds (WSC-012), and offers compression unless `deflate` is False. Raises
        AddressError for an address that cannot be meant.
        """
        target = parse_address(address, transport)
        if target.transport not in ("tcp", "ssl", "unix"):
            raise AddressError(f"{address!r}: a client cannot connect over {target.transport}")
        try:
            self._factory = client_codec(
                target.scheme, host_field(target), target.path, os.urandom, protocol, deflate
            )
        except ValueError as problem:
            raise AddressError(f"{address!r}: {problem}") from None
        self._target = target
        self._way = Way(local_address, proxy_http, proxy_socks5, proxy_authorization)
        self._behind = b""
        self._ssl_options = options_of(address, target.transport, context, ssl_context)
        self._ssl_context = ssl_context
        self._early: list[tuple[Any, bool]] = []
        self._early_size = 0
        self._attempt: asyncio.Task[None] | None = None
        self._appointment: asyncio.TimerHandle | None = None
        self._pinging: asyncio.TimerHandle | None = None
        self.headers, self.websocket_origin = headers, websocket_origin
        self.websocket_client_protocol = websocket_client_protocol
        self.websocket_ping_interval = websocket_ping_interval
        super().__init__(self._factory)
        set_callbacks(self, callbacks)

    def get_remote_host(self) -> str:
        """The host as it was given."""
        return self._target.host

    def get_remote_uri(self) -> str:
        """Path and query as they were given, `/` where none were."""
        return self._target.path

    @property
    def transport(self) -> str:
        """As the address said, also while there is no connection."""
        return self._target.transport

    def asked_for(self) -> list[tuple[str, str]]:
        """The fields of a WebSocket's request that are the application's."""
        more = {"Origin": self.websocket_origin, "Sec-WebSocket-Protocol": self.websocket_client_protocol}
        return application_fields(self.headers) + [(name, value) for name, value in more.items() if value]

    def connect(self) -> None:
        """Begin to connect; `on_connect`, or `on_error` and `on_close`, tell how it went. Does nothing while
        connected.
        """
        if self.status in (Status.CONNECTING, Status.ESTABLISHED, Status.ENDING):
            return
        self.cancel_reconnect()
        self._codec = self._factory(self, self.max_package_size)
        self._begin()
        self.status = Status.CONNECTING
        self._attempt = asyncio.get_running_loop().create_task(self._open())

    def reconnect(self, delay: float = 0) -> None:
        """Connect again in `delay` seconds; a second call replaces the first (CLIENT-007)."""
        self.cancel_reconnect()
        self._appointment = asyncio.get_running_loop().call_later(max(delay, 0), self.connect)

    def cancel_reconnect(self) -> None:
        """Forget a pending `reconnect`."""
        if self._appointment:
            self._appointment.cancel()
            self._appointment = None

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self.connect_timeout):
                await self._dial()
        except TimeoutError:
            self._connect_failed(f"no connection to {self._there()} within {self.connect_timeout:g} s")
        except OSError as problem:
            self._connect_failed(f"cannot connect to {self._there()}: {reason_of(problem)}")

    async def _dial(self) -> None:
        loop, target = asyncio.get_running_loop(), self._target
        if target.transport == "unix":
            await loop.create_unix_connection(lambda: self._door(self), target.path)
        else:
            sock, behind = await dial(target.host, self._port(), self._way)
            await self._begin_on(sock, behind)

    async def _begin_on(self, sock: socket.socket, behind: bytes) -> None:
        """Speak over a connected socket. Raises OSError."""
        protocol: asyncio.Protocol = self
        try:
            if self._target.transport == "ssl":
                protocol = self._secured()
                if behind:
                    raise OSError(f"proxy {self._way.proxy}: it said something before TLS began")
        except OSError:
            sock.close()
            raise
        self._behind = behind
        await asyncio.get_running_loop().create_connection(lambda: self._door(protocol), sock=sock)

    def _door(self, protocol: asyncio.Protocol) -> "Door":
        """Where this attempt's transport comes in."""
        attempt = asyncio.current_task()
        return Door(protocol, lambda: self._attempt is attempt)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As for every connection; what came behind a proxy's last word is read first (CLIENT-012)."""
        super().connection_made(transport)
        behind, self._behind = self._behind, b""
        if behind and self.status is Status.ESTABLISHED:
            self.data_received(behind)

    def _secured(self) -> TlsLayer:
        """TLS in front of this connection. Raises OSError for options that cannot be used."""
        context = self._ssl_context or client_context(self._ssl_options)
        name = self._ssl_options.get("peer_name") or self._target.host
        try:
            return TlsLayer(self, context, self.ssl_handshake_timeout, name)
        except ValueError as problem:
            raise OSError(f"{name!r} is no name for a server: {problem}") from problem

    def handshake_failed(self, reason: str) -> None:
        """TLS-006: an error, then the end."""
        self._connect_failed(f"no TLS with {self._there()}: {reason}")

    def _port(self) -> int:
        return self._target.port or DEFAULT_PORTS.get(self._target.transport, 80)

    def _there(self) -> str:
        """The other side, for a message."""
        target = self._target
        return target.path if target.transport == "unix" else f"{target.host}:{self._port()}"

    def _shake_hands(self) -> bool:
        """The server has agreed; from now on it is pinged, if that is wanted."""
        self._keep_pinging(first=True)
        return super()._shake_hands()

    def _keep_pinging(self, first: bool = False) -> None:
        if self.websocket_ping_interval and self.status is Status.ESTABLISHED:
            if not first:
                self.ping()
            loop = asyncio.get_running_loop()
            self._pinging = loop.call_later(self.websocket_ping_interval, self._keep_pinging)

    def _broken(self, error: str) -> None:
        """A handshake that fails is a connection that could not be made (WSC-003)."""
        super()._broken(error)
        if self._codec.overdue():
            self._tell("on_error", CONNECT_FAIL, error)

    def _closed(self) -> None:
        if self._pinging:
            self._pinging.cancel()
        super()._closed()

    def _connect_failed(self, reason: str) -> None:
        if self.status is Status.CONNECTING:
            self.status, self._attempt = Status.CLOSING, None
            self._tell("on_error", CONNECT_FAIL, reason)
            self._closed()

    def _say_first(self) -> None:
        """The protocol's opening, then what was sent early (CLIENT-005)."""
        super()._say_first()
        early, self._early, self._early_size = self._early, [], 0
        silent, self._silent = self._silent, False
        for message, raw in early:
            self.send(message, raw)
        if silent:
            self._fall_silent()
        if early and not self._congested:
            self._drained()

    def send(self, message: Any, raw: bool = False) -> bool | None:
        """As for every connection; before it is established messages are queued, up to
        `max_send_buffer_size`.
        """
        if self.status not in (Status.INITIAL, Status.CONNECTING):
            return super().send(message, raw)
        if self._silent:
            return False
        if self._early_size >= self.max_send_buffer_size:
            return self._refuse("send buffer full and drop package")
        self._early_size += len(as_bytes(message))
        self._early.append((message, raw))
        if self._early_size >= self.max_send_buffer_size:
            self._filled()
        return None

    def get_send_buffer_queue_size(self) -> int:
        """Bytes that were accepted and that the kernel has not taken yet, also those for a connection that
        does not stand yet.
        """
        return self._early_size + super().get_send_buffer_queue_size()

    def destroy(self) -> None:
        """Close at once; an attempt under way is given up (CLIENT-009)."""
        if self.status is Status.CONNECTING and self._attempt:
            self._attempt.cancel()
            self._attempt = None
        self._early.clear()
        self._early_size = 0
        super().destroy()


class Door(asyncio.Protocol):
    """Shut behind an attempt that was given up in the very moment in which its socket connected: the
    transport would come into the connection's next life.
    """

    def __init__(self, protocol: asyncio.Protocol, is_open: Callable[[], bool]) -> None:
        self._protocol, self._is_open = protocol, is_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the transport in, or send it away."""
        if self._is_open():
            transport.set_protocol(self._protocol)
            self._protocol.connection_made(transport)
        else:
            cast(asyncio.Transport, transport).abort()


def host_field(target: Address) -> str:
    """The Host field of a WebSocket's request, with the port unless it is the scheme's own (WSC-001)."""
    if target.transport == "unix":
        return "localhost"
    usual = target.port == DEFAULT_PORTS.get(target.transport, 80)
    return replace(target, port=None).authority if usual else target.authority


def reason_of(problem: OSError) -> str:
    """The system's own words for an error, without asyncio's around them."""
    if isinstance(problem, socket.gaierror):
        return problem.strerror or "no such host"
    return os.strerror(problem.errno) if problem.errno else str(problem)
