"""Addresses: `scheme://host:port`, and how their bytes travel (manual: worker/construct, worker/transport).

The scheme names a protocol (`text`), a transport (`udp`, `unix`, `ssl`), or both at once (`wss`). What it
does not say, the argument `transport` does: `text` over `udp`, `frame` over `ssl`, `websocket` over `unix`.
"""

import re
from dataclasses import dataclass

SCHEME = re.compile(r"[a-z][a-z0-9]*", re.IGNORECASE)

TRANSPORTS = ("tcp", "udp", "unix", "ssl")

COMBINED = {
    "udp": ("tcp", "udp"),
    "unix": ("tcp", "unix"),
    "ssl": ("tcp", "ssl"),
    "tls": ("tcp", "ssl"),
    "wss": ("wss", "ssl"),
    "https": ("http", "ssl"),
}
"""Schemes that say how bytes travel -> the protocol's own scheme, and the transport. `tcp` is no protocol:
bytes as they come.
"""


class AddressError(ValueError):
    """An address that cannot be meant; the message says what is wrong and what a right one looks like."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of `scheme://host:port/path?query`; `host` is without brackets, `port` None where none is
    given. For `unix`, `path` is the socket's, `host` is empty and `port` 0.
    """

    scheme: str
    host: str
    port: int | None
    path: str = "/"
    transport: str = "tcp"

    @property
    def authority(self) -> str:
        """`host:port` as it stands in a URL, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_address(text: str, transport: str = "") -> Address:
    """Take an address apart. `transport` is what the caller was told beside it, if anything. Raises
    AddressError.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        raise AddressError(
            f"{text!r} is no address; write it as scheme://host:port, for example text://127.0.0.1:9000"
        )
    protocol, implied = COMBINED.get(scheme.lower(), (scheme.lower(), ""))
    transport = agreed(text, implied, transport)
    if transport == "unix":
        return Address(protocol, "", 0, socket_path(rest, text), transport)
    authority, slash, path = rest.partition("/")
    host, port = split_authority(authority, text)
    return Address(protocol, host, port, slash + path or "/", transport)


def agreed(text: str, implied: str, told: str) -> str:
    """The transport that the scheme implies, or that was told beside it; they must not contradict."""
    if told and told not in TRANSPORTS:
        raise AddressError(f"transport {told!r} is unknown; choose one of {', '.join(TRANSPORTS)}")
    if told and implied and told != implied:
        raise AddressError(f"{text!r} says {implied}, transport says {told}; leave one of them out")
    return told or implied or "tcp"


def socket_path(rest: str, text: str) -> str:
    """The path of a Unix socket."""
    if not rest.startswith("/"):
        raise AddressError(f"{text!r} has no absolute path; write it as unix:///path/to/socket")
    return rest


def split_authority(authority: str, text: str) -> tuple[str, int | None]:
    """Host and port of `host:port` or `[ipv6]:port`; `text` is the whole address, for the error."""
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        port = tail[1:] if tail.startswith(":") else ""
        if not bracket or (tail and not tail.startswith(":")):
            raise AddressError(f"{text!r} has a broken IPv6 address; write it as text://[::1]:9000")
    else:
        host, _, port = authority.partition(":")
    if not host:
        raise AddressError(
            f"{text!r} has no host; use 127.0.0.1 for this machine only, or 0.0.0.0 for every interface"
        )
    if not host.isprintable() or " " in host:
        raise AddressError(f"{text!r} has blanks or control characters in its host; leave them out")
    return host, checked_port(port, text)


def checked_port(port: str, text: str) -> int | None:
    """The port as a number, None for an empty one."""
    if not port:
        return None
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise AddressError(
            f"{text!r} has the port {port!r}; a port is a number from 0 to 65535 (0: any free one)"
        )
    return int(port)
