"""Hosts, and links: a link is one connection to one process of a host, and carries calls.

A new connection may stand and still lie in the listening queue of a host whose processes are all full; so it
carries no call before its hello is answered, and a host has never more than one such: clients queue up
fairly.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import Protocol

from refworker.client import AsyncTcpConnection
from refworker.connection import TcpConnection
from refworker.status import CONNECT_FAIL, Status
from refworker.tasks import wire
from refworker.tasks.call import Call

AMPLE = 400
"""Calls that the links of one host can have in flight, beyond which more connections only cost descriptors
(TASK-002): four links to a service of async functions.
"""

LATE = 5.0
"""Seconds after which an unanswered hello is no reason any more to try no other connection: the process that
took this one may hang. Where all processes are full, another connection has to queue up like this one.
"""

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds before the second attempt and at most, for a host that fails and for a call that is repeated."""


def backoff(attempts: int) -> float:
    """Seconds to wait after so many failed attempts: doubling, with jitter, so that clients do not march in
    step (TASK-007).
    """
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempts - 1, 30))
    return longest * random.uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pool may use; sizes in bytes, times in seconds."""

    max_connections: int
    max_waiting: int
    max_package_size: int
    idle_timeout: float
    connect_timeout: float


class Owner(Protocol):
    """Who gives calls to links, and takes them back: a pool."""

    limits: Limits

    def feed(self, link: "Link") -> None:
        """The link has room."""

    def closed(self, link: "Link", unsent: list[Call], unanswered: list[Call]) -> None:
        """The link is gone; these calls were not written, or not answered."""


class Host:
    """One address, its links, and how well it can be reached."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.links: list[Link] = []
        self.opening: Link | None = None
        """The link whose hello is not answered yet."""
        self.load = self.served = 0
        """Calls in flight, and calls ever: whoever has fewer gets the next one (TASK-019)."""
        self.problem = ""
        self._failures = 0
        self._ready_at = 0.0

    def may_open(self, limits: Limits) -> bool:
        """Whether one more link makes sense now."""
        if (self.opening and not self.opening.is_idle(LATE)) or len(self.links) >= limits.max_connections:
            return False
        enough = sum(link.concurrency for link in self.links) >= AMPLE
        return not enough and asyncio.get_running_loop().time() >= self._ready_at

    def open(self, owner: Owner) -> None:
        """Begin one more link."""
        self.opening = Link(self, owner)
        self.links.append(self.opening)

    def free_link(self) -> "Link | None":
        """The link with the fewest calls, if any has room; the first of equals, that the others fall idle."""
        best = None
        for link in self.links:
            if link.has_room() and (best is None or len(link.calls) < len(best.calls)):
                best = link
                if not link.calls:
                    break
        return best

    def reached(self) -> None:
        """A process of this host has answered a hello."""
        self.opening, self.problem, self._failures = None, "", 0

    def eject(self, problem: str) -> float:
        """No links for a while, longer with each failure in a row; returns the seconds."""
        self.problem = f"{self.address}: {problem}"
        self._failures += 1
        delay = backoff(self._failures)
        self._ready_at = asyncio.get_running_loop().time() + delay
        return delay

    def is_reachable(self) -> bool:
        """Whether a process has accepted a connection, or nothing speaks against it."""
        return not self.problem or any(link.concurrency for link in self.links)

    def __str__(self) -> str:
        if not self.is_reachable():
            return self.problem
        accepted = sum(link.concurrency > 0 for link in self.links)
        state = f"connections: {accepted}, all busy" if accepted else "every process is full"
        return f"{self.address}: {state}"


class Link:
    """One connection to one process: its calls in flight, and the lines that are about to leave."""

    def __init__(self, host: Host, owner: Owner) -> None:
        self.host, self._owner = host, owner
        self.calls: dict[int, Call] = {}
        self.concurrency = 0
        """Calls that may be in flight; 0 until the hello is answered."""
        self.problem = "it closed the connection instead of answering the hello"
        """Why the host is to blame if this link ends without an answer to its hello; empty: it is not."""
        self._unsent: list[Call] = []
        self._loop = asyncio.get_running_loop()
        self._last_used = self._loop.time()
        self._connection = self._connect(owner.limits)

    def _connect(self, limits: Limits) -> AsyncTcpConnection:
        connection = AsyncTcpConnection(
            self.host.address,
            on_connect=lambda connection: connection.send(wire.HELLO, raw=True) and None,
            on_message=self._received,
            on_error=self._failed,
            on_close=self._closed,
            on_buffer_drain=lambda connection: self._flush(),
        )
        connection.connect_timeout = limits.connect_timeout
        connection.max_package_size = limits.max_package_size
        connection.connect()
        return connection

    def has_room(self) -> bool:
        """Whether one more call may be in flight here."""
        return len(self.calls) < self.concurrency

    def is_idle(self, timeout: float) -> bool:
        """Whether nobody has waited for anything here for `timeout` seconds. Calls whose callers have given
        up do not count: the process may hang in them.
        """
        now = self._loop.time()
        if any(not call.future.done() for call in self.calls.values()):
            self._last_used = now
        return now - self._last_used >= timeout

    def take(self, call: Call) -> None:
        """Carry a call; those of one turn of the loop leave in one write."""
        self.calls[call.id] = call
        self.host.load += 1
        self.host.served += 1
        self._last_used = self._loop.time()
        self._unsent.append(call)
        if self.concurrency == 1:
            self._flush()  # no second one can come to share the write
        elif len(self._unsent) == 1:
            self._loop.call_soon(self._flush)

    def close(self, problem: str = "") -> None:
        """Give the slot back, at once; with a problem the host is to blame."""
        self.problem = problem
        self._connection.destroy()

    def _flush(self) -> None:
        """Write, unless the send buffer is full: `on_buffer_drain` comes back to it."""
        if self._unsent and self._connection.status is Status.ESTABLISHED:
            lines = b"".join([call.line for call in self._unsent])
            if self._connection.send(lines, raw=True) is not False:
                self._unsent = []

    # -- the connection's callbacks ------------------------------------------------------------------

    def _received(self, connection: TcpConnection, line: bytes) -> None:
        try:
            reply = wire.decode(line)
        except ValueError as problem:
            return self.close(f"it answers what is no reply: {problem}")
        call = self.calls.pop(reply["id"], None) if isinstance(reply.get("id"), int) else None
        if call:
            self.host.load -= 1
            call.settle(reply)
            self._owner.feed(self)
        elif not self.concurrency:
            self._greeted(wire.concurrency_of(reply))
        elif "goodbye" in reply:
            self._part()
        return None

    def _greeted(self, concurrency: int | None) -> None:
        if concurrency is None:
            return self.close("it does not answer the hello; is it a task worker?")
        self.concurrency = concurrency
        self.host.reached()
        return self._owner.feed(self)

    def _part(self) -> None:
        """The worker has answered whatever it began, so the rest can safely begin elsewhere."""
        self._unsent = list(self.calls.values())
        self.close()

    def _failed(self, connection: TcpConnection, code: int, reason: str) -> None:
        if code == CONNECT_FAIL:
            self.problem = reason

    def _closed(self, connection: TcpConnection) -> None:
        calls, self.calls = self.calls, {}
        unsent, self._unsent = self._unsent, []
        self.host.load -= len(calls)
        for call in unsent:
            del calls[call.id]
        self.host.links.remove(self)
        if self.host.opening is self:
            self.host.opening = None
        self._owner.closed(self, unsent, list(calls.values()))
