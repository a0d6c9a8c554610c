"""Bodies that are taken while they come: who does that, and how an application gets one piece by piece.

    @site.on_body                      # as soon as the head of a request with a body is there
    def choose(connection, request):
        if request.path != "/backup":
            return None                # collected, as usual, and then a request of on_message
        request.max_body_size = 2**40  # else it is max_package_size
        return store(request)

    async def store(request):
        async for piece in request.stream():
            ...
        return Response(201)           # the answer, as that of every handler; it may leave at any time

Nothing is read before it is asked for, so a slow disk slows down the client, and costs no memory. Raising
`Refused` in `on_body` refuses the request before its body is sent.
"""

import asyncio
import math
from collections.abc import Coroutine
from time import monotonic
from typing import Any

from refworker.answering import Answering
from refworker.callbacks import logger
from refworker.protocols.http import Request, Streamed
from refworker.protocols.http.content import MULTIPART
from refworker.protocols.http.grammar import Fields, Refused
from refworker.protocols.http.heads import Head
from refworker.protocols.http.intake import Taker
from refworker.sender import ESTABLISHED
from refworker.status import statistics
from refworker.uploads import USUAL, Form, Upload, Uploads, remove


class Stream:
    """Takes a body for an application that asks for each piece of it."""

    def __init__(self, connection: "Taking", request: Streamed, handling: Any) -> None:
        """`handling` is what answers: a coroutine, or the answer."""
        is_answer = not asyncio.iscoroutine(handling)  # a refusal of its own, for a body of any size
        self.request, self.limit = request, math.inf if is_answer else request.max_body_size
        request.taker = self
        self.is_whole = False
        self._connection, self._handling = connection, handling
        self._piece = b""
        self._is_over = self._is_asked = False
        self._news = asyncio.Event()

    def begin(self) -> None:
        """Let the application go its way."""
        handling, self._handling = self._handling, None
        self._connection.go_along(self.request, handling)

    async def next(self) -> bytes:
        """The next piece, b"" behind the last one. Raises ConnectionResetError where there will be none."""
        while not (self._piece or self.is_whole):
            if self._is_over:
                raise ConnectionResetError("the rest of the body does not come any more")
            if not self._is_asked:
                self._is_asked = True
                self.request.conversation.pull()
            self._news.clear()
            await self._news.wait()
        piece, self._piece = self._piece, b""
        return piece

    def write(self, data: bytes) -> None:
        """A piece: the one before was taken."""
        if not self._is_over:
            self._piece, self._is_asked = data, False
            self._news.set()

    def finish(self, trailers: Fields) -> None:
        """All of it has come."""
        self.request.trailers = trailers
        self.is_whole = True
        self._news.set()

    def abandon(self) -> None:
        """The answer has gone, or the client: no more will come."""
        if asyncio.iscoroutine(self._handling):  # it has not begun, and never will
            self._handling.close()
        if not self.is_whole:
            self._is_over, self._piece = True, b""
            self._news.set()


class Taking(Answering):
    """The part of a connection that finds somebody for a body."""

    __slots__ = ("heard",)

    worker: Any
    heard: float
    """When the peer showed last that it lives, where somebody wants to know."""
    _on_body: Any

    @property
    def uploads(self) -> Uploads:
        """How forms are taken in."""
        return getattr(self.worker, "uploads", None) or USUAL

    def taker_for(self, head: Head) -> Taker | None:
        """Who takes the body of this request while it comes; None: it is collected. Raises Refused."""
        manner, uploads = head.manner, self.uploads
        is_small = manner.length <= uploads.at_once and not manner.chunked
        if is_small and self._on_body is None:
            return None
        request = Streamed(head, self._codec, self._codec.max_package_size)
        if (handling := self._chosen(request)) is not None:
            return Stream(self, request, handling)
        kind, parameters = request.media_type
        if is_small or kind != MULTIPART:
            return None
        return Form(uploads, request, parameters.get("boundary", ""))

    def _chosen(self, request: Streamed) -> Any:
        """What the application wants to do with a body. Raises Refused."""
        try:
            return self._on_body(self, request) if self._on_body else None
        except Refused:
            raise
        except Exception:
            logger.exception("connection %d: on_body failed", self.id)
            raise Refused(500, "the service made a mistake") from None

    def taken_in(self, request: Request, boundary: str) -> list[Upload]:
        """The parts of a form; their temporary files go when the request is answered. Raises Malformed,
        OSError.
        """
        if isinstance(request, Streamed) and isinstance(request.taker, Form):
            return request.taker.parts()
        parts = self.uploads.read(boundary, request.raw_body)
        if request.conversation.awaits(request):
            request.conversation.on_end = lambda: remove(parts)
        return parts

    def go_along(self, request: Streamed, handling: Any) -> None:
        """A request is answered while its body comes, which is a message, too."""
        statistics.messages += 1
        self.heard = monotonic()
        self._beside(self._streamed(request, handling))

    async def _streamed(self, request: Streamed, handling: Any) -> None:
        try:
            await self._replied(self._own(request, handling))
        except Exception as problem:
            if request is request.conversation.request and self.status is ESTABLISHED:
                self._failed("on_body", problem)
            elif not isinstance(problem, ConnectionError):  # else it has only learnt that its client is gone
                logger.error("connection %d: on_body failed", self.id, exc_info=problem)

    async def _own(self, request: Streamed, handling: Any) -> Any:
        """What answers this request, and no later one."""
        result = await handling if asyncio.iscoroutine(handling) else handling
        return result if request.conversation.awaits(request) else None

    def say(self, words: bytes) -> None:
        """Write what stands between a request and its answer."""
        if self.status is ESTABLISHED:
            self._write(words)

    def part(self) -> None:
        """Close behind what is written, when this is done."""
        asyncio.get_running_loop().call_soon(self.close)

    def _failed(self, what: str, problem: BaseException | None = None) -> bool:
        """Say so, and end the connection, unless there is an answer; the connection knows how."""
        raise NotImplementedError

    def _beside(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let something go on while others are served; the connection knows how."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is queued, then close; the connection knows how."""
        raise NotImplementedError
