"""What a handler answers: a `Response`, or pieces of one that is under way (manual: http/response; HAPI-004,
HAPI-005, HAPI-010).

A response knows its status, its fields and its body. How it is framed is decided for the request that it
answers, in `framing.py`: the application's own Content-Length, Transfer-Encoding and Connection are wishes.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Self

from refworker.protocols.base import as_bytes
from refworker.protocols.http.grammar import NAME, SENDABLE

HTML = b"text/html;charset=utf-8"
"""What a body is that says nothing else of itself."""

FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "date"})
"""Fields that are made for each answer, and not taken over."""

WISHES = frozenset({"transfer-encoding", "connection", "content-type"})
"""Fields that say how the application means its answer."""

REASONS = {status.value: status.phrase for status in HTTPStatus}

Value = str | Sequence[str]
"""One value, or one for each of several lines."""


class Response:
    """Status, fields and body. Names are compared without regard to case; what would break its line is left
    out.
    """

    __slots__ = ("__dict__", "body", "headers", "reason", "status")

    def __init__(
        self, status: int = 200, headers: Mapping[str, Value] | None = None, body: Any = b""
    ) -> None:
        self.status = status
        self.headers: dict[str, Value] = dict(headers) if headers else {}
        self.body = body
        self.reason: str | None = None
        """In place of the usual phrase."""

    def header(self, name: str, value: Value) -> Self:
        """Set a field, in place of what it was."""
        self.without_header(name)
        self.headers[name] = value
        return self

    with_header = header

    def with_headers(self, headers: Mapping[str, Value]) -> Self:
        """Set several fields."""
        for name, value in headers.items():
            self.header(name, value)
        return self

    def without_header(self, name: str) -> Self:
        """Take a field out."""
        for known in [known for known in self.headers if known.lower() == name.lower()]:
            del self.headers[known]
        return self

    def with_status(self, status: int, reason: str | None = None) -> Self:
        """Set the status, and another phrase than the usual one."""
        self.status, self.reason = status, reason
        return self

    def with_body(self, body: Any) -> Self:
        """Set the body."""
        self.body = body
        return self

    def get_header(self, name: str) -> Value | None:
        """What a field is, None where there is none."""
        found = [value for known, value in self.headers.items() if known.lower() == name.lower()]
        return found[0] if found else None

    def get_headers(self) -> dict[str, Value]:
        """All fields."""
        return self.headers

    def get_status_code(self) -> int:
        """The status."""
        return self.status

    def raw_body(self) -> bytes:
        """The body as it will be sent."""
        return payload_of(self.body)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


class Chunk:
    """A piece of a response that was begun with `Transfer-Encoding: chunked`; an empty one is its end."""

    __slots__ = ("data",)

    def __init__(self, data: Any = b"") -> None:
        self.data = as_bytes(data)


def payload_of(body: Any) -> bytes:
    """The bytes of a body: as of every message, and nothing for None. Raises TypeError."""
    return b"" if body is None else as_bytes(body)


def status_line(status: int, reason: str | None) -> bytes:
    """The first line. Raises ValueError for what is no status."""
    if not 100 <= status <= 999:
        raise ValueError(f"a status has three digits, not {status}")
    phrase = reason if reason is not None and SENDABLE.fullmatch(reason) else REASONS.get(status, "")
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("latin-1", "replace")


def field_line(name: str, value: str) -> bytes:
    """One line of a head; nothing for a name that is no token, and for a value that would break its line."""
    if not (NAME.fullmatch(name) and SENDABLE.fullmatch(value)):
        return b""
    return f"{name}: {value.strip()}\r\n".encode()


def lines_of(headers: Mapping[str, Value]) -> tuple[bytes, dict[str, str]]:
    """The lines of all fields but those about framing; and the values of those, and of Content-Type, by names
    in lower case.
    """
    lines: list[bytes] = []
    wishes: dict[str, str] = {}
    for name, value in headers.items():
        values = [value] if isinstance(value, str) else [str(each) for each in value]
        if name.lower() in WISHES:
            wishes[name.lower()] = ",".join(values)
        if name.lower() not in FRAMING:
            lines += [field_line(name, each) for each in values]
    return b"".join(lines), wishes
