"""What can be asked about a connection: who is at its ends, and what waits in it (manual:
tcp-connection/get-remote-ip and relatives; TCP-006).
"""

import asyncio
import os
import select
import socket
from contextlib import suppress
from typing import Any

from refworker.protocols.base import Codec
from refworker.status import Status

KEEPALIVE = ((socket.TCP_KEEPIDLE, 55), (socket.TCP_KEEPINTVL, 55), (socket.TCP_KEEPCNT, 1))
"""Seconds, seconds, probes (TCP-020)."""


# Made and let go once: from then on glibc takes what is smaller from its heap. Otherwise the 256 KiB that an
# event loop offers to every `recv` may be mapped, moved and unmapped again for each message, which costs more
# than the message (malloc(3), M_MMAP_THRESHOLD: the threshold follows what is freed).
bytes(2**20)


class Endpoints:
    """The addresses of a connection; they stay readable after it is closed."""

    __slots__ = ()

    id: int
    status: Status
    _transport: asyncio.Transport | None
    _backlog: list[bytes]
    _codec: Codec

    @property
    def transport(self) -> str:
        """How its bytes travel: `tcp`, `ssl` for TLS over it, or `unix`."""
        ask = self._transport.get_extra_info if self._transport else lambda name: None
        if ask("ssl_object"):
            return "ssl"
        sock = ask("socket")
        return "unix" if sock is not None and sock.family == socket.AF_UNIX else "tcp"

    def get_status(self, as_number: bool = True) -> int | str:
        """The manual's status number, or its upper-case name (TCP-005)."""
        return int(self.status) if as_number else self.status.name

    def to_dict(self) -> dict[str, Any]:
        """What JSON says about a connection: `connection.send(connection.to_dict())` (TCP-008)."""
        return {
            "id": self.id,
            "status": self.get_status(),
            "transport": self.transport,
            "get_remote_ip": self.get_remote_ip(),
            "remote_port": self.get_remote_port(),
            "get_remote_address": self.get_remote_address(),
            "get_local_ip": self.get_local_ip(),
            "get_local_port": self.get_local_port(),
            "get_local_address": self.get_local_address(),
            "is_ipv4": self.is_ipv4(),
            "is_ipv6": self.is_ipv6(),
        }

    def is_ipv4(self) -> bool:
        """Whether the peer came by IPv4, also where the listener is a dual one (TCP-007)."""
        return bool(ip := self.get_remote_ip()) and ":" not in ip

    def is_ipv6(self) -> bool:
        """Whether the peer came by IPv6."""
        return ":" in self.get_remote_ip()

    def get_remote_ip(self) -> str:
        """The peer's IP address, without brackets; empty for a Unix socket."""
        return self._endpoint("peername")[0]

    def get_remote_port(self) -> int:
        """The peer's port; 0 for a Unix socket."""
        return self._endpoint("peername")[1]

    def get_remote_address(self) -> str:
        """The peer as `ip:port` or `[ip]:port`; the path of a Unix socket, empty where it has no name."""
        return self._address("peername")

    def get_local_ip(self) -> str:
        """This side's IP address, without brackets."""
        return self._endpoint("sockname")[0]

    def get_local_port(self) -> int:
        """This side's port."""
        return self._endpoint("sockname")[1]

    def get_local_address(self) -> str:
        """This side as `ip:port` or `[ip]:port`, or the path of a Unix socket."""
        return self._address("sockname")

    @property
    def max_package_size(self) -> int:
        """Limit of one received message's payload in bytes; may be set."""
        return self._codec.max_package_size

    @max_package_size.setter
    def max_package_size(self, size: int) -> None:
        self._codec.max_package_size = size

    @property
    def protocol_name(self) -> str:
        """What lists of connections call the protocol: `Text`, `WebSocket`, or `tcp` for none."""
        return self._codec.name

    def get_send_buffer_queue_size(self) -> int:
        """Bytes that were accepted and that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    def get_recv_buffer_queue_size(self) -> int:
        """Bytes that were received and not delivered yet."""
        return sum(map(len, self._backlog)) + self._codec.unfinished()

    def _address(self, which: str) -> str:
        name = self._name(which)
        return path_of(name) if isinstance(name, (str, bytes)) else printable(*plain(name))

    def _endpoint(self, which: str) -> tuple[str, int]:
        return plain(self._name(which))

    def _name(self, which: str) -> Any:
        """What the socket calls itself (`sockname`) or its peer (`peername`); None before there is one."""
        return self._transport.get_extra_info(which) if self._transport else None


def plain(name: Any) -> tuple[str, int]:
    """IP address and port of a socket's name; nothing for what has none. An IPv4 client of a dual-stack
    listener is an IPv4 client (TCP-007).
    """
    return (name[0].removeprefix("::ffff:"), name[1]) if isinstance(name, tuple) else ("", 0)


def printable(host: str, port: int) -> str:
    """`ip:port`, IPv6 in brackets; empty for an endpoint without address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else ""


def path_of(name: str | bytes) -> str:
    """The name of a Unix socket as text that JSON can carry; one without a file begins with `@`, as netstat
    writes it (UNIX-003).
    """
    return os.fsencode(name).replace(b"\0", b"@").decode(errors="replace")


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
