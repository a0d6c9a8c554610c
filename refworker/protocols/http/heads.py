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

SLASH = 47

ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)([^\r]*)")
TUNNEL = re.compile(AUTHORITY.pattern + rb"(?<=[0-9])")

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
"""The usual ones; every other token is a method, too, but for the two that are refused."""


class Head:
    """What a request says before its body. It never changes, since it may be shared."""

    __slots__ = ("_fields", "manner", "method", "raw", "target")

    def __init__(self, raw: bytes, method: str, target: str, manner: Manner) -> None:
        self.raw = raw
        """All up to the empty line, and that."""
        self.method = method
        self.target = target
        """As it was sent: `/path?query`, `http://host/path`, or `*`."""
        self.manner = manner
        self._fields: Fields | None = None

    @property
    def origin(self) -> str:
        """Path and query, whatever the form of the target; `*` for the server as a whole."""
        return self.target

    @property
    def host(self) -> str:
        """Who is asked, with a port if one was named; empty where HTTP/1.0 names none."""
        return self.manner.host

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
            self._fields = self._read_fields()
        return self._fields

    def _read_fields(self) -> Fields:
        return fields_of(self.raw[self.raw.index(b"\n") + 1 :])

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


class AbsoluteHead(Head):
    """One whose target names the host, which goes before the field (section 3.2.2)."""

    __slots__ = ("_host", "_origin")

    def __init__(self, raw: bytes, method: str, target: str, manner: Manner, match: re.Match[bytes]) -> None:
        """`match` is what `ABSOLUTE` finds in the target."""
        super().__init__(raw, method, target, manner)
        rest = match[2].decode()
        nowhere = "*" if method == "OPTIONS" else "/"  # section 3.2.4
        self._host = match[1].decode()
        self._origin = rest if rest.startswith("/") else "/" + rest if rest else nowhere

    @property
    def origin(self) -> str:
        """What follows the host."""
        return self._origin

    @property
    def host(self) -> str:
        """That of the target."""
        return self._host

    def _read_fields(self) -> Fields:
        fields = super()._read_fields()
        return tuple((name, self._host if name == "host" else value) for name, value in fields)


def read_head(raw: bytes, limits: Limits) -> Head:
    """The head of these bytes: all up to the empty line, and that. Raises Refused."""
    if len(raw) > limits.surely and exceeds(raw, limits):
        check(raw, limits)
    if match := PLAIN.fullmatch(raw):
        method, target, host = match.groups()
        manner = KNOWN.get(host) or manner_of(host)
    else:
        method, target, minor, found = parts_of(raw, limits)
        manner = KNOWN.get((minor, found)) or manner_of((minor, found))
    name = METHODS.get(method) or unusual_method(method, target)
    if target[0] == SLASH:
        return Head(raw, name, target.decode(), manner)
    return aimed_head(raw, name, target, manner)


def unusual_method(method: bytes, target: bytes) -> str:
    """The name of a method that few use. Raises Refused."""
    if method == b"CONNECT" and not TUNNEL.fullmatch(target):
        raise Refused(400, "CONNECT needs a host and a port")
    if method in (b"CONNECT", b"TRACE"):
        raise Refused(501, f"{method.decode()} is not implemented")
    return method.decode()


def aimed_head(raw: bytes, method: str, target: bytes, manner: Manner) -> Head:
    """The head with a target of another form than `/path` (section 3.2). Raises Refused."""
    match = ABSOLUTE.fullmatch(target)
    if match and AUTHORITY.fullmatch(match[1]):
        return AbsoluteHead(raw, method, target.decode(), manner, match)
    if target != b"*" or method != "OPTIONS":
        raise Refused(400, "the request target is malformed")
    return Head(raw, method, "*", manner)


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
