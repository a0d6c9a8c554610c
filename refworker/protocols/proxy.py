"""Asking a proxy for a way through: HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

Both are a *negotiation*: a generator that yields the bytes to send, is sent what came back (in pieces of any
size, `b""` for the end), and returns the bytes behind the proxy's last word. They are the other side's first
ones, and belong to the protocol. `Refused` says in one line why there is no way through.
"""

import re
from collections.abc import Generator

Negotiation = Generator[bytes, bytes, bytes]

MAX_HEAD = 16 * 1024
"""Bytes of a proxy's head, at most: as much as any HTTP head here may have."""

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?\r?\n")

CAUSES = {
    1: "general failure",
    2: "connection not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}
"""SOCKS5 replies (RFC 1928 section 6)."""

VERSION, LOGIN, CONNECT, NAME = 5, 1, 1, 3
NO_AUTHENTICATION, USER_AND_PASSWORD = 0, 2
ADDRESS_SIZE = {1: 4, 4: 16}
"""Address type of a reply -> bytes; a name (3) carries its length."""


class Refused(Exception):
    """The proxy gives no way through."""


def http_connect(authority: str, authorization: str = "") -> Negotiation:
    """Ask an HTTP proxy for a tunnel to `host:port`; any 2xx opens it. `authorization` is the value of
    Proxy-Authorization.
    """
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    head = bytearray(received((yield "".join(f"{line}\r\n" for line in [*lines, ""]).encode())))
    while (end := re.search(rb"\r?\n\r?\n", head)) is None:
        if len(head) > MAX_HEAD:
            raise Refused(f"its answer has no end in {MAX_HEAD} bytes")
        head += received((yield b""))
    check_status(bytes(head))
    return bytes(head[end.end() :])


def check_status(head: bytes) -> None:
    """Raises Refused unless the status line says 2xx."""
    status = STATUS_LINE.match(head)
    if not status:
        raise Refused(f"its answer is no HTTP: {head[:40]!r}")
    if not status[1].startswith(b"2"):
        raise Refused(
            f"it answers {status[1].decode()} {(status[2] or b'').decode(errors='replace')}".rstrip()
        )


def socks5(host: str, port: int, user: str = "", password: str = "") -> Negotiation:
    """Ask a SOCKS5 proxy for a connection to `host`, which it resolves itself."""
    methods = bytes([NO_AUTHENTICATION, USER_AND_PASSWORD] if user else [NO_AUTHENTICATION])
    waiting = bytearray(received((yield bytes([VERSION, len(methods)]) + methods)))
    version, method = yield from exactly(2, waiting)
    if version != VERSION or method not in methods:
        raise Refused("it accepts no way to log in that we have" if version == VERSION else "it is no SOCKS5")
    if method == USER_AND_PASSWORD:
        yield from log_in(user, password, waiting)
    waiting += received((yield bytes([VERSION, CONNECT, 0, NAME]) + counted(host) + port.to_bytes(2)))
    yield from reply(waiting)
    return bytes(waiting)


def log_in(user: str, password: str, waiting: bytearray) -> Generator[bytes, bytes, None]:
    """The sub-negotiation of RFC 1929."""
    waiting += received((yield bytes([LOGIN]) + counted(user) + counted(password)))
    if (yield from exactly(2, waiting))[1]:
        raise Refused("it does not accept this user and password")


def reply(waiting: bytearray) -> Generator[bytes, bytes, None]:
    """The answer to CONNECT; the address in it is nobody's business."""
    version, code, _, kind = yield from exactly(4, waiting)
    if version != VERSION:
        raise Refused("it is no SOCKS5")
    if code:
        raise Refused(CAUSES.get(code, f"reply {code}"))
    size = ADDRESS_SIZE[kind] if kind in ADDRESS_SIZE else (yield from exactly(1, waiting))[0]
    yield from exactly(size + 2, waiting)


def exactly(count: int, waiting: bytearray) -> Generator[bytes, bytes, bytes]:
    """The next `count` bytes of the proxy."""
    while len(waiting) < count:
        waiting += received((yield b""))
    taken = bytes(waiting[:count])
    del waiting[:count]
    return taken


def received(data: bytes) -> bytes:
    """What came. Raises Refused for the end."""
    if not data:
        raise Refused("it closed the connection")
    return data


def counted(text: str) -> bytes:
    """A string behind its length. Raises Refused for one that does not fit into a byte's count."""
    data = text.encode()
    if len(data) > 255:
        raise Refused(f"SOCKS5 takes 255 bytes of a name, not {len(data)}")
    return bytes([len(data)]) + data
