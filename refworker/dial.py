"""The way to a peer: name resolution, this side's own address, and a proxy where one is wanted.

Nothing here blocks the loop: a silent resolver or proxy costs its own attempt, never another connection
(CLIENT-002, CLIENT-013).
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refworker.address import Address, AddressError, split_authority
from refworker.protocols.proxy import Negotiation, Refused, http_connect, socks5

READ = 16 * 1024
"""Bytes of a proxy's answer that are taken at once."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to get there. `local` is this side's `ip:port` (port 0: any), empty for the kernel's choice.

    `http_proxy` and `socks5_proxy` are `host:port`, the latter also `user:password@host:port`;
    `authorization` is the value of Proxy-Authorization. Raises AddressError for what cannot be meant.
    """

    local: str = ""
    http_proxy: str = ""
    socks5_proxy: str = ""
    authorization: str = ""

    def __post_init__(self) -> None:
        if self.http_proxy and self.socks5_proxy:
            raise AddressError("proxy_http and proxy_socks5 are both set; leave one of them out")
        if not self.authorization.isprintable():
            raise AddressError("proxy_authorization must be one line of printable characters")
        for name in (self.local, self.proxy):
            if name:
                endpoint(name)

    @property
    def proxy(self) -> str:
        """`host:port` of the proxy, empty for none."""
        return self.http_proxy or self.socks5_proxy.rpartition("@")[2]

    def first(self, host: str, port: int) -> tuple[str, int]:
        """The endpoint that is dialled: the proxy's, or the peer's own."""
        return endpoint(self.proxy) if self.proxy else (host, port)

    def negotiation(self, host: str, port: int) -> Negotiation | None:
        """What the proxy is to be asked."""
        if self.http_proxy:
            return http_connect(Address("", host, port).authority, self.authorization)
        if self.socks5_proxy:
            user, _, password = self.socks5_proxy.rpartition("@")[0].partition(":")
            return socks5(host, port, user, password)
        return None


def endpoint(text: str) -> tuple[str, int]:
    """The parts of `host:port`. Raises AddressError."""
    host, port = split_authority(text, text)
    if port is None:
        raise AddressError(f"{text!r} has no port; write it as {text}:1080")
    return host, port


async def dial(host: str, port: int, way: Way) -> tuple[socket.socket, bytes]:
    """A connected socket, and what came behind a proxy's last word. Raises OSError with the cause."""
    sock = await connected(*way.first(host, port), way.local)
    negotiation = way.negotiation(host, port)
    if negotiation is None:
        return sock, b""
    try:
        return sock, await negotiated(sock, negotiation)
    except Refused as problem:
        sock.close()
        raise OSError(f"proxy {way.proxy}: {problem}") from None
    except BaseException:
        sock.close()
        raise


async def connected(host: str, port: int, local: str) -> socket.socket:
    """A socket connected to the first address of `host` that answers. Raises OSError of the last one."""
    problem = OSError(f"{host} has no address")
    for family, kind, number, _, name in await resolved(host, port):
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            bind(sock, local)
            await asyncio.get_running_loop().sock_connect(sock, name)
        except OSError as latest:
            sock.close()
            problem = latest
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""What `getaddrinfo` says of one address: family, kind, number of the protocol, name, socket address."""


async def resolved(host: str, port: int) -> Sequence[Info]:
    """Every address of `host`: a number is one itself, a name is looked up in a thread. Raises OSError."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def bind(sock: socket.socket, local: str) -> None:
    """Leave from this side's `ip:port`. Raises OSError that names it."""
    if local:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(endpoint(local))
        except OSError as problem:
            raise OSError(f"local address {local}: {problem.strerror or problem}") from None


async def negotiated(sock: socket.socket, negotiation: Negotiation) -> bytes:
    """Drive a negotiation over a socket. Raises Refused."""
    loop = asyncio.get_running_loop()
    said = next(negotiation)
    while True:
        if said:
            await loop.sock_sendall(sock, said)
        try:
            said = negotiation.send(await loop.sock_recv(sock, READ))
        except StopIteration as end:
            behind: bytes = end.value
            return behind
