"""The dispatcher's engine of direct connections: calls that wait, and the hosts whose links carry them.

A call goes to the host with the least to do, on a link that has room; else it waits, and while calls wait the
pool grows, by one connection at a time for each host. Invariant: while a call waits, no link has room.
Whoever makes room feeds the link.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from typing import Any

from refworker.tasks import wire
from refworker.tasks.call import Call
from refworker.tasks.errors import (
    TaskBusy,
    TaskClosed,
    TaskConnectionLost,
    TaskError,
    TaskInvalid,
    TaskTimeout,
    TaskUnreachable,
)
from refworker.tasks.link import Host, Limits, Link, backoff

SWEEPS = 4
"""Looks for idle links in one `idle_timeout`: a link is given back at most a quarter late."""


class Pool:
    """Calls in, results out."""

    def __init__(self, addresses: Sequence[str], limits: Limits) -> None:
        """Opens nothing; the first call does."""
        self.limits = limits
        self.hosts = [Host(address) for address in addresses]
        self._waiting: OrderedDict[int, Call] = OrderedDict()
        self._resting: dict[int, Call] = {}
        """Calls that will be repeated after a pause."""
        self._ids = count(1)
        self._is_closed = False
        self._patience: float | None = None
        self._next_sweep: asyncio.TimerHandle | None = None

    # -- calls ---------------------------------------------------------------------------------------

    def submit(self, function: str, args: Any, timeout: float, retries: int) -> Call:
        """Send a call on its way; whoever waits for its future calls `forget` in the end. Raises TaskInvalid,
        TaskBusy, TaskClosed.
        """
        if self._is_closed:
            raise TaskClosed(f"{function}: the dispatcher is closed")
        identity, loop = next(self._ids), asyncio.get_running_loop()
        line = self._line(function, args, identity)
        call = Call(identity, function, line, timeout, retries, loop.create_future())
        self._place(call)
        call.deadline = loop.call_later(timeout, self._expire, call)
        return call

    def _line(self, function: str, args: Any, identity: int) -> bytes:
        try:
            line = wire.request(function, args, identity)
        except wire.UNSENDABLE as problem:
            raise TaskInvalid(f"{function}: JSON cannot carry the arguments: {problem}") from None
        if len(line) > self.limits.max_package_size:
            limit = self.limits.max_package_size
            raise TaskInvalid(
                f"{function}: the arguments take {len(line)} bytes; max_package_size is {limit}"
            )
        return line

    def forget(self, call: Call) -> None:
        """Nobody waits for the call any more; where it runs, its place stays taken until it is answered."""
        if call.deadline:
            call.deadline.cancel()
        if self._waiting:
            self._waiting.pop(call.id, None)

    def _place(self, call: Call) -> None:
        link = None if self._waiting else self._free_link()
        if link:
            return link.take(call)
        if len(self._waiting) >= self.limits.max_waiting:
            raise TaskBusy(
                f"{call.function}: {len(self._waiting)} calls wait already (max_waiting); try again later"
            )
        self._wait(call)
        return self._grow()

    def _wait(self, call: Call) -> None:
        self._waiting[call.id] = call
        if self._patience is not None:
            asyncio.get_running_loop().call_later(self._patience, self._give_up, call)

    def hurry(self, patience: float) -> None:
        """From now on a call that waits gives up after `patience` seconds if no host can be reached."""
        self._patience = patience
        for call in tuple(self._waiting.values()):
            self._wait(call)

    def _give_up(self, call: Call) -> None:
        if call.id in self._waiting and not any(host.is_reachable() for host in self.hosts):
            self._expire(call, self._patience)

    def _again(self, call: Call) -> None:
        """Place a call that had its turn before those that have not; it has been admitted once."""
        self._resting.pop(call.id, None)
        if call.future.done():
            return None
        if link := self._free_link():
            return link.take(call)
        self._wait(call)
        self._waiting.move_to_end(call.id, last=False)
        return self._grow()

    def _expire(self, call: Call, seconds: float | None = None) -> None:
        within = f"within {seconds or call.timeout:g} s"
        hosts = "; ".join(map(str, self.hosts))
        problem: TaskError
        if self._waiting.pop(call.id, None) is None:
            problem = TaskTimeout(f"{call.function}: no answer {within}")
        elif any(host.is_reachable() for host in self.hosts):
            problem = TaskTimeout(f"{call.function}: no task worker was free {within} ({hosts})")
        else:
            problem = TaskUnreachable(f"{call.function}: no task worker could be reached {within} ({hosts})")
        call.fail(problem)

    # -- links ---------------------------------------------------------------------------------------

    def _free_link(self) -> Link | None:
        if len(self.hosts) == 1:
            return self.hosts[0].free_link()
        self._meet_hosts()
        links = (host.free_link() for host in sorted(self.hosts, key=lambda host: (host.load, host.served)))
        return next(filter(None, links), None)

    def _meet_hosts(self) -> None:
        """Every host that can be reached has one link at least: else the first would get everything."""
        for host in self.hosts:
            if not host.links:
                self._open(host)

    def _grow(self) -> None:
        """One more link for each host, while calls wait."""
        if self._waiting:
            for host in self.hosts:
                self._open(host)

    def _open(self, host: Host) -> None:
        if not self._is_closed and host.may_open(self.limits):
            host.open(self)
            self._sweep_later()

    def feed(self, link: Link) -> None:
        """Give a link that has room what waits."""
        if self._waiting:
            while self._waiting and link.has_room():
                link.take(self._waiting.popitem(last=False)[1])
            self._grow()

    def closed(self, link: Link, unsent: list[Call], unanswered: list[Call]) -> None:
        """A link is gone: what it has not written goes elsewhere, what it has is lost, or repeated."""
        if not link.concurrency and link.problem:
            delay = link.host.eject(link.problem)
            asyncio.get_running_loop().call_later(delay, self._grow)
        for call in unanswered:
            self._lost(call, link.host)
        for call in reversed(unsent):  # each goes to the front
            self._again(call)
        self._grow()

    def _lost(self, call: Call, host: Host) -> None:
        if call.future.done():
            return
        if call.attempts >= call.retries:
            reason = f"{call.function}: the connection to {host.address} was lost; it may have run, or not"
            call.fail(TaskConnectionLost(reason))
        else:
            call.attempts += 1
            self._resting[call.id] = call
            asyncio.get_running_loop().call_later(backoff(call.attempts), self._again, call)

    # -- the end of links ----------------------------------------------------------------------------

    def _sweep_later(self) -> None:
        if not self._next_sweep:
            delay = self.limits.idle_timeout / SWEEPS
            self._next_sweep = asyncio.get_running_loop().call_later(delay, self._sweep)

    def _sweep(self) -> None:
        """Give idle links back, so that other clients get their slots. The one whose turn is to come, while
        calls wait for it, is not idle; but it may be late, then another one is opened.
        """
        self._next_sweep = None
        self._grow()
        for host in self.hosts:
            for link in tuple(host.links):
                if not (self._waiting and link is host.opening) and link.is_idle(self.limits.idle_timeout):
                    link.close()
        if any(host.links for host in self.hosts):
            self._sweep_later()

    def close(self) -> None:
        """End every call with TaskClosed, and every link."""
        self._is_closed = True
        links = [link for host in self.hosts for link in host.links]
        in_flight = (call for link in links for call in link.calls.values())
        for call in (*in_flight, *self._waiting.values(), *self._resting.values()):
            call.fail(TaskClosed(f"{call.function}: the dispatcher was closed before the answer"))
        self._waiting.clear()
        for link in links:
            link.close()
        if self._next_sweep:
            self._next_sweep.cancel()
