"""Addresses: `scheme://host:port`, where the scheme names a protocol (manual: worker/construct)."""

import re
from dataclasses import dataclass

SCHEME = re.compile(r"[a-z][a-z0-9]*", re.IGNORECASE)


class AddressError(ValueError):
    """An address that cannot be meant; the message says what is wrong and what a right one looks like."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of `scheme://host:port/path?query`; `host` is without brackets, `port` None where none is
    given.
    """

    scheme: str
    host: str
    port: int | None
    path: str = "/"

    @property
    def authority(self) -> str:
        """`host:port` as it stands in a URL, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Take an address apart. Raises AddressError."""
    scheme, separator, rest = text.partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        raise AddressError(
            f"{text!r} is no address; write it as scheme://host:port, for example text://127.0.0.1:9000"
        )
    authority, slash, path = rest.partition("/")
    host, port = split_authority(authority, text)
    return Address(scheme.lower(), host, port, slash + path or "/")


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
