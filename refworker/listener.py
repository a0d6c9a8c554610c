"""Listening sockets: one function for each transport, and what an error of the kernel means (LIFE-033)."""

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from refworker.address import Address, AddressError, parse_address
from refworker.protocols.http import Limits
from refworker.protocols.registry import Factory, server_codec
from refworker.protocols.websocket import Wish
from refworker.socketfile import remove_stale

CURES = {
    errno.EADDRINUSE: "stop the server that uses it, or choose another port (0: any free one)",
    errno.EACCES: "ports under 1024 need root; choose a higher one",
    errno.EADDRNOTAVAIL: "this machine does not have that address; 0.0.0.0 stands for all that it has",
}

UNIX_CURES = {
    errno.EADDRINUSE: "stop the server that uses it, or choose another path",
    errno.EACCES: "its folder must be writable for this user",
    errno.ENOENT: "its folder does not exist; make it first",
    errno.EEXIST: "what stands there is no socket; choose another path",
    errno.ENAMETOOLONG: "the kernel takes 107 bytes; choose a shorter path",
}

CONVERSATIONS = {"websocket": "WebSocket", "http": "HTTP"}
"""Schemes that cannot do without a connection."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How to listen: how many clients may wait, whether other sockets may share the port, whether `[::]` is
    for IPv6 alone, and the permission bits of a Unix socket's file (None: as the umask has it).
    """

    backlog: int
    reuse_port: bool = False
    v6_only: bool = False
    socket_mode: int | None = None


def parse(
    address: str, protocol: Any, transport: str, deflate: Wish = True, limits: Limits | None = None
) -> tuple[Address, Factory]:
    """The parts of a listening address and its codec. Raises AddressError."""
    target = parse_address(address, transport)
    if target.transport not in LISTEN:
        known = ", ".join(LISTEN)
        raise AddressError(f"{address!r}: a worker cannot listen on {target.transport}; it can on {known}")
    if target.port is None:
        raise AddressError(f"{address!r} has no port; write it as {target.scheme}://{target.host}:9000")
    if (target.transport, protocol) == ("udp", None) and (name := CONVERSATIONS.get(target.scheme)):
        raise AddressError(f"{address!r}: {name} is a conversation, and datagrams are none; use tcp")
    try:
        return target, server_codec(target.scheme, protocol, deflate, limits)
    except ValueError as problem:
        raise AddressError(f"{address!r}: {problem}") from None


def pace_of(target: Address | None, limits: Limits | None) -> float | None:
    """The shortest time that a protocol itself gives its clients, in seconds; None where it gives all they
    want.
    """
    return (limits or Limits()).shortest if target and target.scheme == "http" else None


def check(target: Address, reuse_port: bool, socket_mode: int | None) -> None:
    """Whether these may be asked of such an address. Raises ValueError."""
    if target.transport == "unix" and reuse_port:
        raise ValueError("reuse_port is for ports: processes share the one socket of a path; leave it out")
    if target.transport != "unix" and socket_mode is not None:
        raise ValueError("socket_mode is for Unix sockets: a port has no permissions; leave it out")
    if socket_mode is not None and not 0 <= socket_mode <= 0o777:
        raise ValueError(f"socket_mode is permission bits, 0o000 to 0o777, not {socket_mode:#o}")


def listen(target: Address, backlog: int, **options: Any) -> socket.socket:
    """A listening socket that does not block; `options` are those of `Manner`. Raises OSError."""
    return LISTEN[target.transport](target, Manner(backlog, **options))


def listen_tcp(target: Address, manner: Manner) -> socket.socket:
    """For `tcp`; `[::]` takes IPv4 clients as well, unless it is to be `v6_only` (TCP-007)."""
    return opened(inet(target, socket.SOCK_STREAM, manner), manner.backlog)


def listen_udp(target: Address, manner: Manner) -> socket.socket:
    """For `udp`; `[::]` takes IPv4 senders as well. There is no queue of visitors, so no `backlog`."""
    return opened(inet(target, socket.SOCK_DGRAM, manner), None)


def inet(target: Address, kind: socket.SocketKind, manner: Manner) -> tuple[socket.socket, Any]:
    """A socket with the options of a server, and the name that it is to be bound to."""
    family, _, number, _, name = socket.getaddrinfo(target.host, target.port, type=kind)[0]
    listener = socket.socket(family, kind, number)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind is socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, manner.reuse_port)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, manner.v6_only)
    return listener, name


def opened(named: tuple[socket.socket, Any], backlog: int | None) -> socket.socket:
    """The socket, bound and, with a `backlog`, listening."""
    listener, name = named
    try:
        listener.bind(name)
        if backlog is not None:
            listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def listen_unix(target: Address, manner: Manner) -> socket.socket:
    """For `unix`: a stream socket at a path. A file that a crashed server left is replaced, one on which
    somebody listens is an error (UNIX-002).
    """
    if len(os.fsencode(target.path)) > 107:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    remove_stale(target.path)
    listener = opened((socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), target.path), None)
    if manner.socket_mode is not None:
        os.chmod(target.path, manner.socket_mode)  # before anybody can come
    listener.listen(manner.backlog)
    return listener


LISTEN: dict[str, Callable[[Address, Manner], socket.socket]] = {
    "tcp": listen_tcp,
    "ssl": listen_tcp,
    "udp": listen_udp,
    "unix": listen_unix,
}


def port_of(listener: socket.socket) -> int:
    """The port of a bound socket; 0 for a Unix socket."""
    name = listener.getsockname()
    return int(name[1]) if isinstance(name, tuple) else 0


def explained(address: str, target: Address, problem: OSError) -> str:
    """The cause in one line, with the cure where it is known."""
    cures = UNIX_CURES if target.transport == "unix" else CURES
    cause = f"cannot listen on {address}: {problem.strerror or problem}"
    cure = cures.get(problem.errno or 0)
    return f"{cause}; {cure}" if cure else cause
