"""A request's head: who is asked for what (RFC 9112 section 3).

One regular expression judges a whole head, one search takes the fields that decide how it travels (see
`manner.py`), where there is more of them than Host; the others are taken when somebody asks for them.

A `Head` says nothing but what its own bytes say, and never changes, so it serves for every request of a
connection that has the same.
"""

import re

from refworker.protocols.http.grammar import AUTHORITY, PLAIN, REQUEST, Fields, Refused, fields_of
from refworker.protocols.http.limits import Limits
from refworker.protocols.http.manner import DECISIVE, KNOWN, Found, Manner, manner_of
from refworker.protocols.http.pieces import HeadInPieces

ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)([^\r]*)")
TUNNEL = re.compile(AUTHORITY.pattern + rb"(?<=[0-9])")

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
"""The usual ones; every other token is a method, too, but for the two that are refused."""


class Head:
    """What a request says before its body. It never changes, since it may be shared."""

    __slots__ = ("_fields", "host", "manner", "method", "origin", "raw", "target")
    target: str
    """As it was sent: `/path?query`, `http://host/path`, or `*`."""
    origin: str
    """Path and query, whatever the form of the target; `*` for the server as a whole."""
    host: str
    """That of an absolute target goes before the field (section 3.2.2)."""

    def __init__(self, raw: bytes, limits: Limits) -> None:
        """`raw` is all up to the empty line, and that. Raises Refused."""
        if len(raw) > limits.surely and exceeds(raw, limits):
            check(raw, limits)
        if match := PLAIN.fullmatch(raw):
            method, target, host = match.groups()
            minor: bytes = b"1"
            found: Found = ((b"Host", host),)
        else:
            method, target, minor, found = parts_of(raw, limits)
        self.raw = raw
        self._fields: Fields | None = None
        self.target = self.origin = target.decode()
        self.method = METHODS.get(method) or self._unusual(method, target)
        manner = KNOWN.get((minor, found)) or manner_of(minor, found)
        self.manner: Manner = manner
        self.host = manner.host
        if target[0] != 47:  # a slash
            self._aim(target)

    def _unusual(self, method: bytes, target: bytes) -> str:
        if method == b"CONNECT" and not TUNNEL.fullmatch(target):
            raise Refused(400, "CONNECT needs a host and a port")
        if method in (b"CONNECT", b"TRACE"):
            raise Refused(501, f"{method.decode()} is not implemented")
        return method.decode()

    def _aim(self, target: bytes) -> None:
        """A target of another form than `/path` (section 3.2)."""
        match = ABSOLUTE.fullmatch(target)
        if match and AUTHORITY.fullmatch(match[1]):
            self.host = match[1].decode()
            rest = match[2].decode()
            nowhere = "*" if self.method == "OPTIONS" else "/"  # section 3.2.4
            self.origin = rest if rest.startswith("/") else "/" + rest if rest else nowhere
            self._fields = tuple(
                (name, self.host if name == "host" else value) for name, value in self.fields
            )
        elif target != b"*" or self.method != "OPTIONS":
            raise Refused(400, "the request target is malformed")

    @property
    def path(self) -> str:
        """Of the target, nothing decoded."""
        return self.origin.partition("?")[0]

    @property
    def query_string(self) -> str:
        """What follows the `?`, as it was sent."""
        return self.origin.partition("?")[2]

    @property
    def fields(self) -> Fields:
        """Every field line: names in lower case, values without the blanks around them."""
        if self._fields is None:
            self._fields = fields_of(self.raw[self.raw.index(b"\n") + 1 :])
        return self._fields

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of a field, whatever the case of its name; a repeated one's are joined with commas
        (RFC 9110 section 5.3).
        """
        wanted = name.lower()
        values = [value for known, value in self.fields if known == wanted]
        return ",".join(values) if values else default

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Head) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"<Head {self.method} {self.target}>"


def parts_of(raw: bytes, limits: Limits) -> tuple[bytes, bytes, bytes, Found]:
    """Method, target, minor version, and the fields that decide. Raises Refused."""
    match = REQUEST.fullmatch(raw)
    if match is None:
        check(raw, limits)
        raise AssertionError("a head cannot be both malformed and well formed")
    method, target, minor = match.groups()
    return method, target, minor, tuple(DECISIVE.findall(raw, match.end(3)))


def check(raw: bytes, limits: Limits) -> None:
    """Raise Refused for what is malformed or too large; slowly, but it says what is wrong."""
    HeadInPieces(limits).feed(b"\r\n" + raw)  # with the one empty line that may stand there


def exceeds(raw: bytes, limits: Limits) -> bool:
    """Whether a head may be larger than it is allowed to be."""
    size = min(limits.max_request_line, limits.max_header_size)
    return len(raw) > size or raw.count(b"\n") > limits.max_header_count + 2
