"""A request's head: what it says, and how its body is framed (RFC 9112 sections 3 and 6).

One regular expression judges a whole head, one search takes the fields that decide about framing and
connection; the others are taken when somebody asks for them. What is ambiguous is refused, for whoever stands
before this server may read it otherwise: two lengths, a length and a coding, any coding but `chunked`.

`head_of` keeps what it has read, since clients repeat themselves: a `Head` says nothing but what its own
bytes say, and never changes.
"""

import re

from refworker.protocols.http.grammar import AUTHORITY, REQUEST, Fields, Refused, fields_of
from refworker.protocols.http.limits import Limits
from refworker.protocols.http.pieces import HeadInPieces

KEPT, KEPT_SIZE = 1024, 1024
"""So many heads are kept, none longer than so many bytes: 1 MiB at most for each set of limits."""

DECISIVE = re.compile(
    rb"\n(?i:(host|content-length|transfer-encoding|connection|expect|upgrade)):[ \t]*([^\r]*)"
)
ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)([^\r]*)")
LENGTH = re.compile(rb"0*([0-9]{1,19})")
DIGITS = re.compile(rb"[0-9]+")
CODINGS = frozenset({b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"})
"""Codings that a request may have and that are not implemented here (RFC 9112 section 7)."""

TOO_MUCH = 10**19
"""Stands for every length that no limit allows."""


class Head:
    """What a request says before its body. It never changes, since it may be shared."""

    __slots__ = (
        "_block", "_fields", "chunked", "expects", "host", "is_head", "keep_alive", "length", "method",
        "path", "query_string", "raw", "tail", "target", "upgrades", "version",
    )  # fmt: skip
    method: str
    target: str
    """As it was sent: `/path?query`, `http://host/path`, or `*`."""
    path: str
    """Of the target, nothing decoded; `*` for the server as a whole."""
    query_string: str
    version: str
    """`1.0` or `1.1`, which stands for every later 1.x, too."""
    host: str
    """With a port if one was named; that of an absolute target goes before the field (section 3.2.2)."""
    length: int
    """Bytes of the body, 0 where none is announced."""
    chunked: bool
    keep_alive: bool
    """Whether the client wants to ask more here."""
    expects: bool
    """Whether it waits for a 100 before it sends the body (RFC 9110 section 10.1.1)."""
    upgrades: bool
    """Whether it asks for a WebSocket."""
    is_head: bool
    tail: bytes
    """The fields about the connection that an ordinary answer has."""
    raw: bytes

    def __init__(self, raw: bytes) -> None:
        """Raises Refused; `raw` is known to be well formed, but for what the words mean."""
        match = REQUEST.fullmatch(raw)
        assert match
        method, target, minor, block = match.groups()
        self.raw = raw
        self._block = block
        self._fields: Fields | None = None
        self.method = method.decode()
        self.is_head = method == b"HEAD"
        self.version = "1.0" if minor == b"0" else "1.1"
        self.target = target.decode()
        found = [(name.lower(), value.strip(b" \t")) for name, value in DECISIVE.findall(raw, match.end(3))]
        authority = self._aim(target)
        self._address(authority, [value for name, value in found if name == b"host"])
        if len(found) > 1:
            self._read(dict(found), [name for name, _ in found])
        else:
            self._read({}, [])

    def _aim(self, target: bytes) -> bytes:
        """The target's path and query; gives its authority (section 3.2)."""
        authority = b""
        if self.method in ("CONNECT", "TRACE"):
            self._refuse_method(target)
        if target[0] != 47:  # a slash
            target, authority = self._other_form(target)
        path, _, query = target.partition(b"?")
        self.path, self.query_string = path.decode(), query.decode()
        return authority

    def _refuse_method(self, target: bytes) -> None:
        if self.method == "CONNECT" and not re.fullmatch(AUTHORITY.pattern + rb"(?<=[0-9])", target):
            raise Refused(400, "CONNECT needs a host and a port")
        raise Refused(501, f"{self.method} is not implemented")

    def _other_form(self, target: bytes) -> tuple[bytes, bytes]:
        match = ABSOLUTE.fullmatch(target)
        if match and AUTHORITY.fullmatch(match[1]):
            rest = match[2]
            if not rest and self.method == "OPTIONS":
                return b"*", match[1]  # RFC 9112 section 3.2.4
            return rest if rest.startswith(b"/") else b"/" + rest, match[1]
        if target == b"*" and self.method == "OPTIONS":
            return target, b""
        raise Refused(400, "the request target is malformed")

    def _address(self, authority: bytes, hosts: list[bytes]) -> None:
        """Who is asked (section 3.2)."""
        if len(hosts) > 1 or (not hosts and self.version != "1.0"):
            raise Refused(400, "exactly one Host is needed")
        if hosts and not AUTHORITY.fullmatch(hosts[0]):
            raise Refused(400, "Host is malformed")
        self.host = (authority or (hosts[0] if hosts else b"")).decode()
        if authority:
            self._fields = tuple(
                (name, self.host if name == "host" else value) for name, value in fields_of(self._block)
            )

    def _read(self, values: dict[bytes, bytes], names: list[bytes]) -> None:
        """Framing and connection: RFC 9112 sections 6 and 9."""
        modern = self.version != "1.0"
        self.chunked = self._is_chunked(values, names)
        self.length = self._length_of(values, names)
        options = self._all(b"connection") if names.count(b"connection") > 1 else words(values, b"connection")
        self.keep_alive = b"close" not in options and (modern or b"keep-alive" in options)
        self.tail = CONNECTION[self.keep_alive, modern]
        self.expects = modern and b"expect" in values
        if self.expects and values[b"expect"].lower() != b"100-continue":
            raise Refused(417, "only 100-continue can be expected")
        asked = modern and b"upgrade" in options and self.method == "GET"
        self.upgrades = asked and b"websocket" in self._all(b"upgrade") and not (self.length or self.chunked)

    def _all(self, name: bytes) -> set[bytes]:
        values = [value.encode("latin-1") for known, value in self.fields if known == name.decode()]
        return words({name: b",".join(values)}, name)

    def _is_chunked(self, values: dict[bytes, bytes], names: list[bytes]) -> bool:
        if b"transfer-encoding" not in values:
            return False
        if self.version == "1.0" or b"content-length" in values or names.count(b"transfer-encoding") > 1:
            raise Refused(400, "Transfer-Encoding stands where it must not")
        coding = values[b"transfer-encoding"].lower()
        if coding == b"chunked":
            return True
        *inner, outer = [part.strip(b" \t") for part in coding.split(b",")]
        if outer == b"chunked" and inner and CODINGS.issuperset(inner):
            raise Refused(501, "no transfer coding but chunked is implemented")
        raise Refused(400, "Transfer-Encoding is not chunked")

    def _length_of(self, values: dict[bytes, bytes], names: list[bytes]) -> int:
        value = values.get(b"content-length")
        if value is None:
            return 0
        if names.count(b"content-length") > 1 or not DIGITS.fullmatch(value):
            raise Refused(400, "Content-Length is not one number")
        match = LENGTH.fullmatch(value)
        return int(match[1]) if match else TOO_MUCH

    @property
    def fields(self) -> Fields:
        """Every field line: names in lower case, values without the blanks around them."""
        if self._fields is None:
            self._fields = fields_of(self._block)
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


CONNECTION = {
    (True, True): b"",
    (True, False): b"Connection: keep-alive\r\n",
    (False, True): b"Connection: close\r\n",
    (False, False): b"Connection: close\r\n",
}
"""Whether the client wants to ask more, whether it speaks 1.1 -> what its answer says of it (section 9)."""


def words(values: dict[bytes, bytes], name: bytes) -> set[bytes]:
    """The members of a comma list, in lower case."""
    value = values.get(name)
    return {word.strip(b" \t") for word in value.lower().split(b",")} if value else set()


def head_of(raw: bytes, limits: Limits) -> Head:
    """What these bytes say, the empty line at their end included. Raises Refused."""
    if (known := limits.heads.get(raw)) is not None:
        return known  # type: ignore[no-any-return]
    check(raw, limits)
    head = Head(raw)
    if len(raw) <= KEPT_SIZE:
        if len(limits.heads) >= KEPT:
            limits.heads.clear()
        limits.heads[raw] = head
    return head


def check(raw: bytes, limits: Limits) -> None:
    """Raise Refused for a head that is malformed or larger than it may be."""
    if len(raw) > min(limits.max_request_line, limits.max_header_size) or (
        raw.count(b"\n") > limits.max_header_count + 2 or not REQUEST.fullmatch(raw)
    ):
        HeadInPieces(limits).feed(b"\r\n" + raw)  # with the one empty line that may stand there
