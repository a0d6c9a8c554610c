"""A request whose body is taken while it comes, and is never in memory as a whole."""

from collections.abc import AsyncIterator
from typing import Any

from refworker.protocols.http.grammar import Fields
from refworker.protocols.http.heads import Head
from refworker.protocols.http.request import Request


class Streamed(Request):
    """What `on_body` gets, and `on_message` where a large form went to files."""

    __slots__ = ("max_body_size", "taker")

    def __init__(self, head: Head, conversation: Any = None, max_body_size: float = 0) -> None:
        self.head, self.conversation = head, conversation
        self.trailers: Fields = ()
        self.max_body_size = max_body_size
        """Bytes that the body may have, `math.inf` for any number (413); `on_body` may change it."""
        self.taker: Any = None
        """Who takes it."""

    @property
    def raw_body(self) -> bytes:  # type: ignore[override]
        """Raises RuntimeError: it is not kept."""
        raise RuntimeError(
            "this body is taken while it comes: request.stream() gives it to a handler of on_body;"
            " a large form is in request.parts, and Uploads(at_once=…) says what is large"
        )

    async def stream(self) -> AsyncIterator[bytes]:
        """The pieces of the body, as they come: nothing is read before it is asked for. Raises
        ConnectionResetError where the rest will not come, or nobody wants it since the answer has gone.
        """
        while data := await self.taker.next():
            yield data

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}, a body that is not kept>"
