"""What a request asks of its connection: to keep its session, to send a file (`taking.py` has its body).

A file goes from the disk to the socket inside the kernel (sendfile(2)); over TLS in pieces. Either way no
more of it is in memory than a piece, whoever reads slowly holds up nobody else, and the next answer comes
behind it. A file that gets shorter meanwhile ends its connection: nothing is made up to fill the gap.
"""

import asyncio
import os
from collections.abc import Awaitable, Coroutine
from typing import Any

from refworker.callbacks import logger
from refworker.files import answer_with
from refworker.protocols.http import Request, Response
from refworker.protocols.http.heads import Head
from refworker.protocols.http.response import OpenFile, as_response
from refworker.sessions import Session, Sessions
from refworker.taking import Taking

STEP = 2 * 1024 * 1024
"""Bytes that are sent in one go, before others have their turn."""

PIECE = 256 * 1024
"""Bytes in memory, where the kernel cannot send a file by itself."""

PATIENCE = 60.0
"""Seconds without any progress after which a reader is given up."""


class Serving(Taking):
    """The part of a connection that serves requests of HTTP."""

    __slots__ = ("_delivery",)

    _delivery: asyncio.Task[None] | None
    _tasks: set[asyncio.Task[Any]]

    def _begin(self) -> None:
        super()._begin()
        self._delivery = None

    # -- sessions ----------------------------------------------------------------------------------

    def session_of(self, request: Request) -> Session | Awaitable[Session]:
        """The session of a request; its answer keeps it, and sets the cookie of a new one."""
        sessions = self._sessions()
        if (known := request.__dict__.get("_session")) is not None:
            return _at_once(known) if sessions.waits else known
        session = sessions.open(request)
        if isinstance(session, Session):
            return self._watched(session, request)
        return self._with_its_own(session, request)

    async def _with_its_own(self, session: Awaitable[Session], request: Request) -> Session:
        return self._watched(await session, request)

    def _watched(self, session: Session, request: Request) -> Session:
        if request.answered:  # while the store was waited for
            raise RuntimeError("the request is answered: its session has no cookie any more")
        sent = self._sessions().known_id(request)
        request._session = session  # type: ignore[attr-defined]
        request.conversation.on_answer = lambda message: self._with_session(session, sent, message)
        return session

    def _with_session(self, session: Session, sent: str | None, message: Any) -> Any:
        """Keep a session, and tell its client a new id."""
        saving = session.save()
        if asyncio.iscoroutine(saving):
            _saving.add(task := self._beside(saving))
            task.add_done_callback(_saving.discard)
        if session.id == sent:
            return message
        return as_response(message).copy().add_line("Set-Cookie", self._sessions().cookie(session))

    def renew_session_of(self, request: Request, delete_old: bool) -> Any:
        """Another id for it, to be awaited where the store is."""
        session = self.session_of(request)
        if isinstance(session, Session):
            return self._sessions().renew(session, delete_old)
        return self._renewed(session, delete_old)

    async def _renewed(self, session: Awaitable[Session], delete_old: bool) -> None:
        if (forgetting := self._sessions().renew(await session, delete_old)) is not None:
            await forgetting

    def _sessions(self) -> Sessions:
        if (sessions := getattr(self.worker, "sessions", None)) is None:
            sessions = self.worker.sessions = Sessions()
        return sessions

    async def _replied(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """What is returned leaves when its session is kept, also where that takes time."""
        result = await coroutine
        request = getattr(self._codec, "request", None)
        session = request.__dict__.get("_session") if result is not None and request else None
        if session and self._sessions().waits and (saving := session.save()) is not None:
            await saving
        self._reply(result)

    def _beside(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let something go on while others are served."""
        task = asyncio.get_running_loop().create_task(coroutine)
        _beside.add(task)
        task.add_done_callback(_done)
        return task

    # -- files -------------------------------------------------------------------------------------

    def with_file(self, response: Response, head: Head) -> Response:
        """The answer that a note about a file makes."""
        return answer_with(response, head)

    def deliver(self, file: OpenFile) -> None:
        """Send a file behind what is written, and close it, even where the sending never begins."""
        self._delivery = asyncio.get_running_loop().create_task(self._delivering(file))
        self._delivery.add_done_callback(lambda task: os.close(file.descriptor))

    async def _delivering(self, file: OpenFile) -> None:
        try:
            await self._written()
            await (self._in_pieces(file) if self.transport == "ssl" else self._by_kernel(file))
        except (OSError, TimeoutError) as problem:
            logger.info("connection %d: file not sent: %s", self.id, problem or "nobody reads it")
            self._delivery = None
            self.destroy()
        else:
            self._delivery = None
            self._codec.delivered()  # type: ignore[attr-defined]
            self._shut_late()

    async def _written(self) -> None:
        """Wait until the transport holds nothing."""
        while self._congested:
            self._waiting.append(room := asyncio.get_running_loop().create_future())
            async with asyncio.timeout(PATIENCE):
                await room

    async def _in_pieces(self, file: OpenFile) -> None:
        position, end = file.offset, file.offset + file.length
        while position < end:
            data = os.pread(file.descriptor, min(PIECE, end - position), position)
            _check(len(data))
            self._put(data)
            position += len(data)
            await self._written()

    async def _by_kernel(self, file: OpenFile) -> None:
        """The socket is the transport's own: a copy of its descriptor can be watched beside it."""
        loop = asyncio.get_running_loop()
        descriptor = os.dup(self._transport.get_extra_info("socket").fileno())
        pump = Pump(descriptor, file)
        loop.add_writer(descriptor, pump.step)
        try:
            await pump.finished()
        finally:
            self._pushed += pump.position - file.offset
            loop.remove_writer(descriptor)
            os.close(descriptor)

    def _let_go(self) -> None:
        """The connection is gone: nothing is sent any more, temporary files go when nobody is at work."""
        if self._delivery:
            self._delivery.cancel()
        if (release := getattr(self._codec, "release", None)) is None:
            return
        if not self._tasks:
            release()
        for task in self._tasks:
            task.add_done_callback(lambda task: release())

    def _shut_late(self) -> None:
        """End a connection that was told to behind its file; the connection knows how."""
        raise NotImplementedError

    def destroy(self) -> None:
        """Close at once; the connection knows how."""
        raise NotImplementedError


_beside: set[asyncio.Task[Any]] = set()
_saving: set[asyncio.Task[Any]] = set()


async def kept() -> None:
    """Wait for the sessions that are still on their way into a store."""
    loop = asyncio.get_running_loop()
    while under_way := [task for task in _saving if task.get_loop() is loop]:
        await asyncio.wait(under_way)


def _done(task: asyncio.Task[Any]) -> None:
    _beside.discard(task)
    if not task.cancelled() and (problem := task.exception()):
        logger.error("not done beside the connections", exc_info=problem)


async def _at_once(session: Session) -> Session:
    return session


def _check(count: int) -> None:
    if not count:
        raise OSError("the file has become shorter")


class Pump:
    """Sends a file as far as the socket takes it, each time that there is room."""

    __slots__ = ("_descriptor", "_done", "_end", "_source", "position")

    def __init__(self, descriptor: int, file: OpenFile) -> None:
        self._descriptor, self._source = descriptor, file.descriptor
        self.position, self._end = file.offset, file.offset + file.length
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def step(self) -> None:
        """There is room."""
        if self._done.done():
            return
        try:
            wanted = min(STEP, self._end - self.position)
            sent = os.sendfile(self._descriptor, self._source, self.position, wanted)
            _check(sent)
        except BlockingIOError:
            return
        except OSError as problem:
            self._done.set_exception(problem)
            return
        self.position += sent
        if self.position >= self._end:
            self._done.set_result(None)

    async def finished(self) -> None:
        """Wait for the end. Raises OSError, TimeoutError after `PATIENCE` without any progress."""
        while not self._done.done():
            before = self.position
            await asyncio.wait([self._done], timeout=PATIENCE)
            if self.position == before and not self._done.done():
                raise TimeoutError
        self._done.result()
