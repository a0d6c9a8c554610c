"""What can be asked about a connection: who is at its ends, and what waits in it (manual:
tcp-connection/get-remote-ip and relatives; TCP-006).
"""

import asyncio
import select
import socket
from contextlib import suppress
from typing import Any

from refworker.protocols.base import Codec

KEEPALIVE = ((socket.TCP_KEEPIDLE, 55), (socket.TCP_KEEPINTVL, 55), (socket.TCP_KEEPCNT, 1))
"""Seconds, seconds, probes (TCP-020)."""


class Endpoints:
    """The addresses of a connection; they stay readable after it is closed."""

    __slots__ = ()

    _transport: asyncio.Transport | None
    _backlog: list[bytes]
    _codec: Codec

    def get_remote_ip(self) -> str:
        """The peer's IP address, without brackets; empty for a Unix socket."""
        return self._endpoint("peername")[0]

    def get_remote_port(self) -> int:
        """The peer's port; 0 for a Unix socket."""
        return self._endpoint("peername")[1]

    def get_remote_address(self) -> str:
        """The peer as `ip:port` or `[ip]:port`."""
        return printable(*self._endpoint("peername"))

    def get_local_ip(self) -> str:
        """This side's IP address, without brackets."""
        return self._endpoint("sockname")[0]

    def get_local_port(self) -> int:
        """This side's port."""
        return self._endpoint("sockname")[1]

    def get_local_address(self) -> str:
        """This side as `ip:port` or `[ip]:port`."""
        return printable(*self._endpoint("sockname"))

    @property
    def protocol_name(self) -> str:
        """What lists of connections call the protocol: `Text`, `WebSocket`, or `tcp` for none."""
        return self._codec.name

    @property
    def transport_name(self) -> str:
        """What carries the protocol: `tcp`, or `ssl` for TLS over it."""
        return "ssl" if self._transport and self._transport.get_extra_info("ssl_object") else "tcp"

    def get_send_buffer_queue_size(self) -> int:
        """Bytes that were accepted and that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def get_recv_buffer_queue_size(self) -> int:
        """Bytes that were received and not delivered yet."""
        return sum(map(len, self._backlog)) + self._codec.unfinished()

    def _endpoint(self, which: str) -> tuple[str, int]:
        name = self._transport.get_extra_info(which) if self._transport else None
        if not isinstance(name, tuple):
            return "", 0
        # An IPv4 client of a dual-stack listener is an IPv4 client (TCP-007).
        return name[0].removeprefix("::ffff:"), name[1]


def printable(host: str, port: int) -> str:
    """`ip:port`, IPv6 in brackets; empty for an endpoint without address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else ""


def is_readable(transport: asyncio.Transport | None) -> bool:
    """Whether the kernel holds input, or an end of it, that the transport has not read yet; or TLS a part of
    a record.
    """
    if transport is None or transport.is_closing():
        return False
    if transport.get_extra_info("half_record"):
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


def tune(sock: Any) -> None:
    """No delay for small messages, and a probe for peers that vanished (TCP-020)."""
    with suppress(OSError):  # not a TCP socket
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
