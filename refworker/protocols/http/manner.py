"""How a request travels: what a few of its fields say about host, body and connection (RFC 9112 sections 3.2,
6 and 9).

What is ambiguous is refused, for whoever stands before this server may read it otherwise: two lengths, a
length and a coding, any coding but `chunked`.

These fields are nearly always the same, whatever else a request says. So what they mean is kept by their
bytes; it is a function of nothing else.
"""

import re
from typing import Any, NamedTuple

from refworker.protocols.http.grammar import AUTHORITY, Refused

DECISIVE = re.compile(
    rb"\n([HhCcTtEeUu](?i:ost|ontent-length|ransfer-encoding|onnection|xpect|pgrade)):[ \t]*([^\r]*)"
)
"""The fields that decide, searched from the end of the request line in a head that is well formed; and a few
names that nobody uses, such as `cost`, which mean nothing.
"""

Found = tuple[tuple[bytes, bytes], ...]
"""Names and values of those, as they stand in the head."""

Key = bytes | tuple[bytes, Found]
"""What decides: the minor version and those fields; or where Host alone does for HTTP/1.1, its value."""

KNOWN: dict[Key, "Manner"] = {}
KEPT, KEPT_SIZE = 1024, 1024
"""So many are kept, of no more bytes than these."""

LENGTH = re.compile(rb"0*([0-9]{1,19})")
DIGITS = re.compile(rb"[0-9]+")
CODINGS = frozenset({b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"})
"""Codings that a request may have and that are not implemented here (RFC 9112 section 7)."""

TOO_MUCH = 10**19
"""Stands for every length that no limit allows."""

CLOSE, KEEP_ALIVE = b"Connection: close\r\n", b"Connection: keep-alive\r\n"


class Manner(NamedTuple):
    """What the decisive fields mean."""

    version: str
    """`1.0` or `1.1`, which stands for every later 1.x, too."""
    host: str
    """With a port if one was named; empty where HTTP/1.0 names none."""
    length: int
    """Bytes of the body, 0 where none is announced."""
    chunked: bool
    keep_alive: bool
    """Whether the client wants to ask more here."""
    expects: bool
    """Whether it waits for a 100 before it sends the body (RFC 9110 section 10.1.1)."""
    upgrades: bool
    """Whether it asks for a WebSocket, and sends no body."""
    is_plain: bool
    """Neither a body nor an upgrade: the request is whole."""
    tail: bytes
    """The line about the connection that an ordinary answer has."""


def manner_of(key: Key) -> Manner:
    """What these fields mean. Raises Refused."""
    minor, found = (b"1", ((b"Host", key),)) if isinstance(key, bytes) else key
    manner = read(minor != b"0", [(name.lower(), value.strip(b" \t")) for name, value in found])
    keep(KNOWN, key, manner, sum(len(value) for _, value in found))
    return manner


def keep(kept: dict[Any, Any], key: Any, value: Any, size: int) -> None:
    """Keep what is a function of its key, if that has no more than `KEPT_SIZE` bytes; before there are more
    than `KEPT` all others go.
    """
    if size <= KEPT_SIZE:
        if len(kept) >= KEPT:
            kept.clear()
        kept[key] = value


def read(modern: bool, found: list[tuple[bytes, bytes]]) -> Manner:
    """The same, of names in lower case; `modern` is HTTP/1.1 and later."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in found:
        values.setdefault(name, []).append(value)
    host = host_of(modern, values.get(b"host", []))
    chunked = is_chunked(modern, values)
    length = length_of(values.get(b"content-length", []))
    options = words(values.get(b"connection", []))
    keep_alive = b"close" not in options and (modern or b"keep-alive" in options)
    asked = modern and b"upgrade" in options and b"websocket" in words(values.get(b"upgrade", []))
    upgrades = asked and not (length or chunked)
    return Manner(
        "1.1" if modern else "1.0",
        host,
        length,
        chunked,
        keep_alive,
        modern and expects(values.get(b"expect", [])),
        upgrades,
        not (length or chunked or upgrades),
        CLOSE if not keep_alive else b"" if modern else KEEP_ALIVE,
    )


def host_of(modern: bool, hosts: list[bytes]) -> str:
    """Who is asked (section 3.2)."""
    if len(hosts) > 1 or (modern and not hosts):
        raise Refused(400, "exactly one Host is needed")
    if hosts and not AUTHORITY.fullmatch(hosts[0]):
        raise Refused(400, "Host is malformed")
    return hosts[0].decode() if hosts else ""


def is_chunked(modern: bool, values: dict[bytes, list[bytes]]) -> bool:
    """Whether the body comes in chunks (section 6.1)."""
    codings = values.get(b"transfer-encoding")
    if codings is None:
        return False
    if not modern or b"content-length" in values or len(codings) > 1:
        raise Refused(400, "Transfer-Encoding stands where it must not")
    coding = codings[0].lower()
    if coding == b"chunked":
        return True
    *inner, outer = [part.strip(b" \t") for part in coding.split(b",")]
    if outer == b"chunked" and inner and CODINGS.issuperset(inner):
        raise Refused(501, "no transfer coding but chunked is implemented")
    raise Refused(400, "Transfer-Encoding is not chunked")


def length_of(lengths: list[bytes]) -> int:
    """The body's bytes (section 6.2)."""
    if not lengths:
        return 0
    if len(lengths) > 1 or not DIGITS.fullmatch(lengths[0]):
        raise Refused(400, "Content-Length is not one number")
    match = LENGTH.fullmatch(lengths[0])
    return int(match[1]) if match else TOO_MUCH


def expects(expectations: list[bytes]) -> bool:
    """Whether a 100 is waited for."""
    if expectations and words(expectations) != {b"100-continue"}:
        raise Refused(417, "only 100-continue can be expected")
    return bool(expectations)


def words(values: list[bytes]) -> set[bytes]:
    """The members of a comma list, in lower case."""
    return {word.strip(b" \t") for word in b",".join(values).lower().split(b",")}
