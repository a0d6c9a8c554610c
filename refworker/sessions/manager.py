"""From a request to its session, and back into the store when the request is answered.

An id that the store does not know is never taken over from a client: who can choose it could give it to
somebody else, and share that one's session (HAPI-013). The cookie is set by the answer; a session that begins
later has none to be set by, and is an error (HAPI-014).
"""

import asyncio
import inspect
import os
from collections.abc import Awaitable
from time import monotonic
from typing import Any, Protocol

from refworker.protocols.http.cookies import set_cookie
from refworker.sessions.session import ID, Session
from refworker.sessions.stores import FileStore, Store

LIFETIME = 1440.0
"""Seconds without a request until a session is over."""

GC_INTERVAL = 60.0
"""Seconds at least between two times that a process looks for sessions that are over."""


class Asked(Protocol):
    """What is needed of a request."""

    @property
    def answered(self) -> bool:
        """Whether its answer has begun."""

    def cookie(self, name: str) -> Any:
        """A cookie that came with it."""


class Sessions:
    """How a worker keeps sessions. The arguments about the cookie are those of `Response.cookie`."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        name: str = "PHPSID",
        lifetime: float = LIFETIME,
        max_age: int | None = None,
        path: str = "/",
        domain: str = "",
        secure: bool = False,
        http_only: bool = True,
        same_site: str = "Lax",
    ) -> None:
        """Raises ValueError for a cookie that no client would keep."""
        self.store = store or FileStore()
        self.waits = inspect.iscoroutinefunction(self.store.read)
        self.name, self.lifetime = name, lifetime
        self._cookie: dict[str, Any] = {
            "max_age": max_age, "path": path, "domain": domain, "secure": secure, "http_only": http_only,
            "same_site": same_site,
        }  # fmt: skip
        self.cookie(Session(""))
        self._collected = monotonic()
        self._is_open, self._opening = False, asyncio.Lock()

    def cookie(self, session: Session) -> str:
        """The value of Set-Cookie that gives a session to its client."""
        return set_cookie(self.name, session.id, **self._cookie)

    def known_id(self, request: Asked) -> str | None:
        """The id that a client has sent, if it is one."""
        key = request.cookie(self.name)
        return key if isinstance(key, str) and ID.fullmatch(key) else None

    def open(self, request: Asked) -> "Session | Awaitable[Session]":
        """The session of a request, a new one where there is none. To be awaited where the store is. Raises
        RuntimeError where the request is answered already.
        """
        if request.answered:
            raise RuntimeError("the request is answered: a session that begins now has no cookie")
        key = self.known_id(request)
        if self.waits:
            return self._awaited(key)
        if not self._is_open:
            self._hook("open", self.name)
            self._is_open = True
        return self._opened(key, self.store.read(key) if key else "")

    async def _awaited(self, key: str | None) -> Session:
        async with self._opening:
            if not self._is_open:
                await done(self._hook("open", self.name))
                self._is_open = True
        reading: Any = self.store.read(key) if key else None
        return self._opened(key, await reading if reading else "")

    async def close(self) -> None:
        """Let the store go, if there was a session; another one opens it again. Raises what the store
        raises.
        """
        if self._is_open:
            self._is_open = False
            await done(self._hook("close"))

    def _hook(self, name: str, *arguments: Any) -> Any:
        """A method that not every store has."""
        method = getattr(self.store, name, None)
        return method(*arguments) if method else None

    def _opened(self, key: str | None, text: str | None) -> Session:
        if key and text:
            return Session(key, text, self.save)
        return Session(new_id(), "", self.save)

    def save(self, session: Session) -> Any:
        """Keep a session, or let it live on where nothing has changed; an empty one is forgotten. To be
        awaited where the store is. Raises what the store raises, TypeError or ValueError for what it holds.
        """
        before, session.kept = session.kept, session.as_text()
        self._collect()
        if not session.kept:
            return self.store.destroy(session.id) if before else None
        if session.kept != before:
            return self.store.write(session.id, session.kept, self.lifetime)
        return self.store.update_timestamp(session.id, self.lifetime)

    def renew(self, session: Session, delete_old: bool) -> Any:
        """Give a session another id, as after a login: with `delete_old` who knew the old one knows nothing
        any more, without it the old session stands beside the new one until its time is over. To be awaited
        where the store is.
        """
        old, session.id, session.kept = session.id, new_id(), ""
        return self.store.destroy(old) if delete_old else None

    def _collect(self) -> None:
        if monotonic() - self._collected > GC_INTERVAL and not self.waits:
            self._collected = monotonic()
            self.store.gc()


async def done(result: Any) -> None:
    """Wait for what a method of a store has begun, if it is a coroutine."""
    if inspect.isawaitable(result):
        await result


def new_id() -> str:
    """160 random bits."""
    return os.urandom(20).hex()
