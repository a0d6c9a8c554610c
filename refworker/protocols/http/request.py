"""What a handler gets: `on_message(connection, request)` (manual: http/request; HAPI-001)."""

from functools import cached_property
from typing import Any

from refworker.protocols.http.content import Content
from refworker.protocols.http.grammar import Fields
from refworker.protocols.http.heads import Head
from refworker.protocols.http.manner import Manner


class Request(Content):
    """One request, whole. Who sent it is the connection's to say: `connection.get_remote_ip()`."""

    __slots__ = ("__dict__", "conversation", "head", "raw_body", "trailers")

    def __init__(
        self, head: Head, raw_body: bytes = b"", trailers: Fields = (), conversation: Any = None
    ) -> None:
        self.head = head
        self.conversation = conversation
        self.raw_body = raw_body
        """The body, without its chunks."""
        self.trailers = trailers
        """Fields that came behind a chunked body. They are kept apart: nothing that a head decides may be
        said there (RFC 9110 section 6.5.1).
        """

    @property
    def method(self) -> str:
        """As it was sent: methods are case-sensitive."""
        return self.head.method

    @property
    def uri(self) -> str:
        """The request target as it was sent: `/path?query`, `http://host/path`, or `*`."""
        return self.head.target

    target = uri

    @property
    def path(self) -> str:
        """The path of the target, nothing decoded: `urllib.parse.unquote` does that."""
        return self.head.origin.partition("?")[0]

    @property
    def query_string(self) -> str:
        """What follows the `?`, as it was sent."""
        return self.head.query_string

    @property
    def protocol_version(self) -> str:
        """`1.1` or `1.0`."""
        return self.head.manner.version

    version = protocol_version

    @property
    def headers(self) -> Fields:
        """Every field line: names in lower case, values."""
        return self.head.fields

    @property
    def raw_head(self) -> bytes:
        """The head as it was sent, its empty line included."""
        return self.head.raw

    @property
    def body(self) -> bytes:
        """The body, as `raw_body`."""
        return self.raw_body

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants to ask more on this connection."""
        return self.head.manner.keep_alive

    def header(self, name: str | None = None, default: Any = None) -> Any:
        """The value of a field, whatever the case of its name; a repeated one's are joined with commas.
        Without a name a dictionary of all, by names in lower case.
        """
        return joined(self.headers) if name is None else self.head.get(name, default)

    def trailer(self, name: str | None = None, default: Any = None) -> Any:
        """The value of a trailer field, or all of them, in the same way."""
        fields = joined(self.trailers)
        return fields if name is None else fields.get(name.lower(), default)

    def host(self, without_port: bool = False) -> str:
        """Whom the client wants to talk to, as an absolute target or Host says it; empty where an HTTP/1.0
        client does not say.
        """
        host = self.head.host
        if without_port and not host.endswith("]"):
            return host.rpartition(":")[0] or host
        return host

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and (self.head, self.raw_body, self.trailers) == (
            other.head,
            other.raw_body,
            other.trailers,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}, {len(self.raw_body)} bytes>"


Parts = tuple[bytes, str, str, Manner]
"""What a `Head` is made of whose target is a path."""


class Bare(Request):
    """One without a body, as nearly all are: what else its head says is looked for when somebody asks."""

    __slots__ = ("manner", "method", "raw", "target")

    raw_body, trailers = b"", ()

    def __init__(self, parts: Parts, conversation: Any) -> None:
        self.raw, self.method, self.target, self.manner = parts  # type: ignore[misc]
        self.conversation = conversation

    @cached_property
    def head(self) -> Head:  # type: ignore[override]
        """All of it."""
        return self.conversation.head_of(self)  # type: ignore[no-any-return]

    @property
    def path(self) -> str:
        """As above."""
        return self.target.partition("?")[0]


def joined(fields: Fields) -> dict[str, str]:
    """Fields by their names, what is repeated with commas in between (RFC 9110 section 5.3)."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name, []).append(value)
    return {name: ",".join(each) for name, each in values.items()}
