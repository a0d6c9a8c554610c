"""What a handler answers: a `Response`, or pieces of one that is under way (manual: http/response; HAPI-004,
HAPI-005, HAPI-010).

A response knows its status, its fields and its body. How it is framed is decided for the request that it
answers, in `framing.py`: the application's own Content-Length, Transfer-Encoding and Connection are wishes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePath
from typing import Any, Self
from urllib.parse import quote

from refworker.protocols.base import as_bytes
from refworker.protocols.http.cookies import set_cookie
from refworker.protocols.http.grammar import NAME, SENDABLE

JSON = "application/json"
HTML = b"text/html;charset=utf-8"
"""What a body is that says nothing else of itself."""

FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "date"})
"""Fields that are made for each answer, and not taken over."""

WISHES = frozenset({"transfer-encoding", "connection", "content-type"})
"""Fields that say how the application means its answer."""

MODERN, OLD = "1.1", "1.0"
"""Versions of the protocol that an answer may have."""

REASONS = {status.value: status.phrase for status in HTTPStatus}

Value = str | Sequence[str]
"""One value, or one for each of several lines."""


@dataclass(frozen=True, slots=True)
class File:
    """A note that the body is a file, or a part of it: up to its end with `length` 0. Of one that is open
    already the descriptor is named, and closed when it is sent.
    """

    path: str
    offset: int = 0
    length: int = 0
    descriptor: int | None = None


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A body: `length` octets of an open file. It is closed when they are sent."""

    descriptor: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Announced:
    """A body of `length` octets that comes in pieces: they are sent as they are, and `Chunk()` ends it. That
    it has this length is for whoever sends it to see to.
    """

    length: int


class Response:
    """Status, fields and body. Names are compared without regard to case; what would break its line is left
    out.
    """

    __slots__ = ("__dict__", "body", "headers", "reason", "status", "version")

    def __init__(
        self, status: int = 200, headers: Mapping[str, Value] | None = None, body: Any = b""
    ) -> None:
        self.status = status
        self.headers: dict[str, Value] = {**headers} if headers else {}
        self.body = body
        self.reason: str | None = None
        """In place of the usual phrase."""
        self.version = MODERN

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

    def with_protocol_version(self, version: str) -> Self:
        """Answer as a server of HTTP/`1.0` does: no chunks, no interim answers, and it is always said whether
        the connection goes on. That is for clients that are known to get 1.1 wrong (RFC 9110 section 2.5);
        others are told the version of the server, `1.1`, whatever their own is. Raises ValueError for any
        other.
        """
        if version not in (MODERN, OLD):
            raise ValueError(f"an answer has version {MODERN} or {OLD}, not {version!r}")
        self.version = version
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

    def get_reason_phrase(self) -> str:
        """The phrase behind the status, empty for one that has none."""
        return phrase_of(self.status, self.reason)

    def raw_body(self) -> bytes:
        """The body as it will be sent."""
        return payload_of(self.body)

    def cookie(
        self,
        name: str,
        value: str = "",
        max_age: int | None = None,
        path: str = "",
        domain: str = "",
        secure: bool = False,
        http_only: bool = False,
        same_site: str = "",
    ) -> Self:
        """Set one more cookie; `value` is percent-encoded, `max_age` is in seconds, and 0 deletes. Raises
        ValueError for one that clients would not keep, or take for another (HAPI-006).
        """
        line = set_cookie(name, value, max_age, path, domain, secure, http_only, same_site)
        return self.add_line("Set-Cookie", line)

    def add_line(self, name: str, value: str) -> Self:
        """One more line of a field, behind those that there are."""
        known = self.get_header(name) or ()
        return self.header(name, [*([known] if isinstance(known, str) else known), value])

    def with_file(self, path: str | PurePath, offset: int = 0, length: int = 0) -> Self:
        """Let the body be a file, or from `offset` on `length` bytes of it; 0 stands for the rest. What it
        is, how large, and since when, is said in fields that are not set otherwise. Conditions of the request
        and a Range are obeyed where the whole file is meant. A file that is missing is a 404, a part that is
        not there a 416 (HAPI-007, HAPI-008).
        """
        self.body = File(str(path), offset, length)
        return self

    def copy(self) -> "Response":
        """Another one that can be changed; the answer to one request must not change that to the next."""
        other = Response(self.status, self.headers, self.body)
        other.reason, other.version = self.reason, self.version
        return other

    @classmethod
    def json(cls, value: Any, status: int = 200) -> "Response":
        """A value as JSON. Raises TypeError or ValueError for what JSON does not have."""
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return cls(status, {"Content-Type": JSON}, text)

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> "Response":
        """Somewhere else: 303 to look there, 307 and 308 to ask the same there. What may not stand in a URL
        is percent-encoded. Raises ValueError for a status that is no redirection.
        """
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"{status} does not lead elsewhere")
        return cls(status, {"Location": quote(location, safe="%/:?#[]@!$&'()*+,;=~")})

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def as_response(message: Any) -> Response:
    """What a handler may return in place of a `Response`, as one. Raises TypeError."""
    if isinstance(message, Response):
        return message
    if isinstance(message, (dict, list)):
        return Response.json(message)
    return Response(200, {"Content-Type": HTML.decode()}, payload_of(message))


class Chunk:
    """A piece of a response that was begun with `Transfer-Encoding: chunked`; an empty one is its end."""

    __slots__ = ("data",)

    def __init__(self, data: Any = b"") -> None:
        self.data = as_bytes(data)


def payload_of(body: Any) -> bytes:
    """The bytes of a body: as of every message, and nothing for None. Raises TypeError."""
    return b"" if body is None else as_bytes(body)


def phrase_of(status: int, reason: str | None) -> str:
    """What stands behind the status: the usual phrase in place of one that would break the line."""
    return reason if reason is not None and SENDABLE.fullmatch(reason) else REASONS.get(status, "")


def status_line(status: int, reason: str | None, version: str = MODERN) -> bytes:
    """The first line. Raises ValueError for what is no status."""
    if not 100 <= status <= 999:
        raise ValueError(f"a status has three digits, not {status}")
    return f"HTTP/{version} {status} {phrase_of(status, reason)}\r\n".encode("latin-1", "replace")


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
