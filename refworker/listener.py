"""Listening sockets: one function for each transport, and what an error of the kernel means (LIFE-033)."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from refworker.address import Address, AddressError, parse_address
from refworker.protocols.registry import Factory, server_codec

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


def parse(address: str, protocol: Any, transport: str) -> tuple[Address, Factory]:
    """The parts of a listening address and its codec. Raises AddressError."""
    target = parse_address(address, transport)
    if target.transport not in LISTEN:
        known = ", ".join(LISTEN)
        raise AddressError(f"{address!r}: a worker cannot listen on {target.transport}; it can on {known}")
    if target.port is None:
        raise AddressError(f"{address!r} has no port; write it as {target.scheme}://{target.host}:9000")
    try:
        return target, server_codec(target.scheme, protocol)
    except ValueError as problem:
        raise AddressError(f"{address!r}: {problem}") from None


def listen(target: Address, backlog: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket that does not block. Raises OSError."""
    return LISTEN[target.transport](target, backlog, reuse_port)


def listen_tcp(target: Address, backlog: int, reuse_port: bool) -> socket.socket:
    """For `tcp` and `ssl`; `[::]` takes IPv4 clients as well (TCP-007)."""
    return opened(inet(target, socket.SOCK_STREAM, reuse_port), backlog)


def inet(target: Address, kind: socket.SocketKind, reuse_port: bool) -> tuple[socket.socket, Any]:
    """A socket with the options of a server, and the name that it is to be bound to."""
    family, _, number, _, name = socket.getaddrinfo(target.host, target.port, type=kind)[0]
    listener = socket.socket(family, kind, number)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind is socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
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


def listen_unix(target: Address, backlog: int, reuse_port: bool) -> socket.socket:
    """For `unix`: a stream socket at a path. A file that a crashed server left is replaced, one on which
    somebody listens is an error (UNIX-002).
    """
    if len(os.fsencode(target.path)) > 107:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    remove_stale(target.path)
    return opened((socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), target.path), backlog)


def remove_stale(path: str) -> None:
    """Remove the socket at `path` if nobody listens there. Raises OSError for anything but a socket."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        if not is_alive(path):
            os.unlink(path)


def is_alive(path: str) -> bool:
    """Whether somebody listens on the Unix socket at `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            pass  # its queue is full, so somebody owns it
    return True


LISTEN: dict[str, Callable[[Address, int, bool], socket.socket]] = {
    "tcp": listen_tcp,
    "ssl": listen_tcp,
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
