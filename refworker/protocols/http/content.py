"""What a request says beyond its framing: parameters, a form, JSON, cookies, files, a session (HAPI-001 to
HAPI-003; manual: http/request).

Everything is read when it is asked for, once. What is malformed is refused with 400, unless the handler
catches that: `Refused` is an exception like every other.
"""

import json
from collections.abc import Awaitable, Mapping
from functools import cached_property
from typing import Any, NoReturn

from refworker.protocols.http.cookies import read_cookies
from refworker.protocols.http.grammar import Refused
from refworker.protocols.http.heads import Head
from refworker.protocols.http.mediatype import read_value
from refworker.protocols.http.query import nested, parse_query

MULTIPART = "multipart/form-data"


class Content:
    """The part of a request that an application asks about."""

    __slots__ = ()

    head: Head
    raw_body: bytes
    conversation: Any
    """Who has read the request, and will hear the answer; None for one that was made by hand."""

    @property
    def connection(self) -> Any:
        """Where it came from."""
        return self.conversation.host if self.conversation else None

    @property
    def answered(self) -> bool:
        """Whether its answer has begun."""
        return self.conversation is not None and not self.conversation.awaits(self)

    @cached_property
    def _query(self) -> dict[str, Any]:
        try:
            return parse_query(self.head.query_string)
        except ValueError as problem:
            raise Refused(400, str(problem)) from None

    @cached_property
    def media_type(self) -> tuple[str, dict[str, str]]:
        """Content-Type without and with its parameters; empty where there is none, or a malformed one."""
        try:
            return read_value(self.head.get("content-type", "") or "")
        except ValueError:
            return "", {}

    @cached_property
    def form(self) -> dict[str, Any]:
        """The fields of a form, files excepted, by PHP's bracket rules. Raises Refused."""
        if self.media_type[0] == MULTIPART:
            return nested([(part.field, part.text()) for part in self.parts if part.name is None])
        try:
            return parse_query(self.raw_body.decode(errors="replace"))
        except ValueError as problem:
            raise Refused(400, str(problem)) from None

    @cached_property
    def json(self) -> Any:
        """The body as JSON (RFC 8259), whatever its type. Raises Refused."""
        try:
            return json.loads(self.raw_body.decode(), parse_constant=_no_number)
        except (ValueError, RecursionError) as problem:
            raise Refused(400, f"the body is not JSON: {problem}") from None

    @cached_property
    def parts(self) -> list[Any]:
        """Every part of a multipart form in its order, an `Upload` each; none where the body is not one.
        Raises Refused.
        """
        kind, parameters = self.media_type
        if kind != MULTIPART:
            return []
        return self.connection.taken_in(self, parameters.get("boundary", ""))  # type: ignore[no-any-return]

    @cached_property
    def files(self) -> dict[str, Any]:
        """The files of a form by their fields: an `Upload`, or what brackets in the names make of several."""
        return nested([(part.field, part) for part in self.parts if part.name is not None])

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies by name; values as they were sent: `urllib.parse.unquote` decodes what
        `Response.cookie` has encoded.
        """
        return read_cookies(value for name, value in self.head.fields if name == "cookie")

    def get(self, name: str | None = None, default: Any = None) -> Any:
        """A parameter of the query, or all of them. Raises Refused."""
        return _one(self._query, name, default)

    def post(self, name: str | None = None, default: Any = None) -> Any:
        """A value of the body, or all of them: of JSON where the Content-Type names that, else of a form.
        Raises Refused.
        """
        return _one(self._posted, name, default)

    @cached_property
    def _posted(self) -> Any:
        if "json" not in (self.head.get("content-type") or "").lower():
            return self.form
        return self.json if isinstance(self.json, (dict, list)) else [self.json]

    def cookie(self, name: str | None = None, default: Any = None) -> Any:
        """A cookie, or all of them."""
        return _one(self.cookies, name, default)

    def file(self, name: str | None = None, default: Any = None) -> Any:
        """A file of the form, or all of them. Raises Refused."""
        return _one(self.files, name, default)

    def session(self) -> Any:
        """The session of this client, a new one where there is none; with a store that has to be waited for,
        `await request.session()`. Raises RuntimeError behind the answer (HAPI-014).
        """
        return self.connection.session_of(self)

    def session_id(self) -> Any:
        """The id of that session, to be awaited where the session is."""
        session = self.session()
        return _id_of(session) if isinstance(session, Awaitable) else session.id

    def session_regenerate_id(self, delete_old: bool = False) -> Any:
        """Give the session another id, as after every login; the old one is forgotten with `delete_old`."""
        return self.connection.renew_session_of(self, delete_old)


async def _id_of(session: Awaitable[Any]) -> str:
    return str((await session).id)


def _one(values: Any, name: str | None, default: Any) -> Any:
    if name is None:
        return values
    return values.get(name, default) if isinstance(values, Mapping) else default


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
