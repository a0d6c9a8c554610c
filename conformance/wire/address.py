"""Endpoint URLs, and the one place where a connection to one is opened.

`tcp://host:port`, `udp://host:port`, `unix:///path`, `tls://host:port`, and for WebSocket and HTTP services
`ws://host:port/path`, `wss://`, `http://`, `https://`.
"""

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from conformance.wire.tls import TlsStream

TRANSPORTS = {
    "tcp": "tcp",
    "ws": "tcp",
    "http": "tcp",
    "udp": "udp",
    "unix": "unix",
    "tls": "tls",
    "wss": "tls",
    "https": "tls",
}
"""Scheme of an endpoint -> how its bytes travel."""


@dataclass(frozen=True)
class Address:
    """A parsed endpoint. For `unix`, `host` is the path of the socket and `port` is 0."""

    url: str
    transport: str
    host: str
    port: int
    path: str = "/"

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read an endpoint URL. Raises ValueError, with a cure, for anything else."""
        parts = urlsplit(url)
        transport = TRANSPORTS.get(parts.scheme)
        if transport is None:
            raise ValueError(f"{url!r} has no known scheme; use one of {', '.join(TRANSPORTS)}")
        if transport == "unix":
            return cls._parse_unix(url, parts.netloc + parts.path)
        return cls(url, transport, *_host_and_port(url), parts.path or "/")

    @classmethod
    def _parse_unix(cls, url: str, path: str) -> "Address":
        if not path.startswith("/"):
            raise ValueError(f"{url!r} has no absolute path; write unix:///path/to/socket")
        return cls(url, "unix", path, 0)

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around IPv6, as the HTTP `Host` field wants it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or not port:
        raise ValueError(
            f"{url!r} has no host and port from 1 to 65535; write {parts.scheme}://127.0.0.1:9000"
        )
    return parts.hostname, port


def dial(
    address: Address,
    timeout: float,
    receive_buffer: int = 0,
    name: str = "",
    context: ssl.SSLContext | None = None,
) -> socket.socket | TlsStream:
    """Open a connection, within `timeout` seconds. Raises OSError when nobody answers.

    TCP_NODELAY is set, so that every write of the suite leaves as a segment of its own. `receive_buffer` sets
    the bytes that the kernel keeps unread (0: its own choice), before the window is negotiated. `name` is
    that of our end of a Unix connection, a path or behind a NUL an abstract name; without it there is none.
    Certificates are not verified, unless a `context` says so: a target under test signs its own.
    """
    if address.transport == "unix":
        return _dial_unix(address.host, timeout, name)
    if address.transport == "udp":
        return _dial_udp(address, timeout)
    connection = _dial_tcp(address, timeout, receive_buffer)
    return _secured(connection, address.host, timeout, context) if address.transport == "tls" else connection


def _dial_tcp(address: Address, timeout: float, receive_buffer: int) -> socket.socket:
    family, kind, proto, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    connection = socket.socket(family, kind, proto)
    connection.settimeout(timeout)
    try:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(where)
    except OSError:
        connection.close()
        raise
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _dial_unix(path: str, timeout: float, name: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        if name:
            connection.bind(name)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _dial_udp(address: Address, timeout: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_DGRAM)
    connection.settimeout(timeout)
    connection.connect((address.host, address.port))
    return connection


def _secured(
    connection: socket.socket, host: str, timeout: float, context: ssl.SSLContext | None
) -> TlsStream:
    try:
        return TlsStream(connection, host, timeout, context)
    except OSError:
        connection.close()
        raise
