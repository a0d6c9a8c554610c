"""Which processes belong to a copy of the target.

A daemon leaves the session and the parent that it was started with. What it keeps is its environment, so
every copy is started with a variable of its own (`MARK`); descendants are followed too, for servers that
overwrite their environment with a process title. Such a server's children lose that tie as well when their
master dies: whoever was seen once is known again by pid and time of birth.

Copies of other test processes run beside this one, and this is asked several times for each case. So who was
found to be a stranger is not looked at again: nobody becomes kin who was not born so. Two kinds of processes
might, and are: our own descendants, of whom one may be about to become a command of the copy, and who is
named by its pid file, for whose sake all are looked at again.
"""

import os
from collections.abc import Collection, Mapping

from conformance.target.family import Being, carries, living

MARK = "CONFORMANCE_COPY"


class Kin:
    """The processes of one copy, wherever they have gone."""

    def __init__(self, mark: str, since: int = 0) -> None:
        """`since` is when the first process of the copy was `born`: who is older is none of them."""
        self.mark, self.since = mark, since
        self._seen: dict[int, int] = {}  # pid and birth of who was one of them once
        self._strangers: dict[int, int] = {}  # their pids and the inodes of these

    def members(self, roots: Collection[int]) -> set[int]:
        """Living processes: `roots`, who carries the mark or was seen before, and all their descendants."""
        beings = self._look(roots)
        found = {pid for pid, being in beings.items() if pid in roots or self._is_known(pid, being)}
        found = with_descendants(found, beings)
        self._remember(beings, found)
        near = with_descendants(found | {os.getpid()}, beings)
        self._strangers |= dict(being.place for pid, being in beings.items() if pid not in near)
        return found

    def children(self, pid: int) -> list[int]:
        """The living children of one of them, in the order of their pids."""
        beings = self._look([pid])
        found = sorted(child for child, being in beings.items() if being.parent == pid)
        self._remember(beings, found)
        return found

    def _look(self, roots: Collection[int]) -> dict[int, Being]:
        if any(pid in self._strangers for pid in roots):
            self._strangers.clear()
        return living(self.since, self._strangers)

    def _is_known(self, pid: int, being: Being) -> bool:
        return self._seen.get(pid) == being.birth or carries(pid, MARK, self.mark)

    def _remember(self, beings: Mapping[int, Being], pids: Collection[int]) -> None:
        self._seen |= {pid: beings[pid].birth for pid in pids}


def with_descendants(pids: Collection[int], beings: Mapping[int, Being]) -> set[int]:
    """These, and all that come from them."""
    found = set(pids)
    while more := {pid for pid, being in beings.items() if being.parent in found} - found:
        found |= more
    return found
