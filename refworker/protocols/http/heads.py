"""A request's head: who is asked for what (RFC 9112 section 3).

One regular expression judges a whole head, one search takes the fields that decide how it travels (see
`manner.py`); the others are taken when somebody asks for them.

`head_of` keeps what it has read, since clients repeat themselves: a `Head` says nothing but what its own
bytes say, and never changes.
"""

import re

from refworker.protocols.http.grammar import AUTHORITY, REQUEST, Fields, Refused, fields_of
from refworker.protocols.http.limits import Limits
from refworker.protocols.http.manner import DECISIVE, Manner, manner_of
from refworker.protocols.http.pieces import HeadInPieces

KEPT, KEPT_SIZE = 1024, 1024
"""So many heads are kept, none longer than so many bytes: 1 MiB at most for each set of limits."""

ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)([^\r]*)")
TUNNEL = re.compile(AUTHORITY.pattern + rb"(?<=[0-9])")

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
"""The usual ones; every other token is a method, too, but for the two that are refused."""


class Head:
    """What a request says before its body. It never changes, since it may be shared."""

    __slots__ = ("_fields", "_origin", "host", "manner", "method", "raw", "target")
    target: str
    """As it was sent: `/path?query`, `http://host/path`, or `*`."""
    host: str
    """That of an absolute target goes before the field (section 3.2.2)."""

    def __init__(self, raw: bytes, method: bytes, target: bytes, minor: bytes, line: int, keep: bool) -> None:
        """The parts of a well-formed head; the request line ends at `line`. Raises Refused."""
        self.raw = raw
        self._fields: Fields | None = None
        self.target = self._origin = target.decode()
        known = METHODS.get(method)
        self.method = known or self._unusual(method, target)
        self.manner: Manner = manner_of(minor, tuple(DECISIVE.findall(raw, line)), keep)
        self.host = self.manner.host
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
            self._origin = rest if rest.startswith("/") else "/" + rest if rest else nowhere
            self._fields = tuple(
                (name, self.host if name == "host" else value) for name, value in self.fields
            )
        elif target != b"*" or self.method != "OPTIONS":
            raise Refused(400, "the request target is malformed")

    @property
    def path(self) -> str:
        """Of the target, nothing decoded; `*` for the server as a whole."""
        return self._origin.partition("?")[0]

    @property
    def query_string(self) -> str:
        """What follows the `?`, as it was sent."""
        return self._origin.partition("?")[2]

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


def head_of(raw: bytes, limits: Limits) -> Head:
    """What these bytes say, the empty line at their end included. Raises Refused."""
    head: Head | None = limits.heads.get(raw)
    if head is not None:
        return head
    match = REQUEST.fullmatch(raw)
    if match is None or (len(raw) > limits.surely and exceeds(raw, limits)):
        HeadInPieces(limits).feed(b"\r\n" + raw)  # with the one empty line that may stand there
    assert match
    method, target, minor = match.groups()
    keep = len(raw) <= KEPT_SIZE
    head = Head(raw, method, target, minor, match.end(3), keep)
    if keep:
        if len(limits.heads) >= KEPT:
            limits.heads.clear()
        limits.heads[raw] = head
    return head


def exceeds(raw: bytes, limits: Limits) -> bool:
    """Whether a head may be larger than it is allowed to be."""
    size = min(limits.max_request_line, limits.max_header_size)
    return len(raw) > size or raw.count(b"\n") > limits.max_header_count + 2
