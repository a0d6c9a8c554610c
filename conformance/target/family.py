"""Which processes belong to a copy of the target, and what they use: read from Linux's /proc (proc(5)).

A daemon leaves the session and the parent that it was started with. What it keeps is its environment, so
every copy is started with a variable of its own (`MARK`); descendants are followed too, for servers that
overwrite their environment with a process title.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MARK = "CONFORMANCE_COPY"
PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
GONE = frozenset("ZX")
"""States of processes that have ended and wait for a parent to take notice."""


def available() -> bool:
    """Whether this system tells about processes the way this module asks."""
    return (PROC / "self" / "stat").exists()


def family(roots: Iterable[int], mark: str) -> set[int]:
    """Living processes that carry `mark` in their environment, `roots`, and all descendants of both."""
    parents = _living()
    found = {pid for pid in parents if pid in set(roots) or _carries(pid, mark)}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def children(pid: int) -> list[int]:
    """The living children of a process, in the order of their pids."""
    return sorted(child for child, parent in _living().items() if parent == pid)


def is_living(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    return _parent(pid) is not None


@dataclass(frozen=True)
class Usage:
    """What processes hold together: resident bytes and open descriptors."""

    memory: int
    descriptors: int


def usage(pids: Iterable[int]) -> Usage:
    """The sum over `pids`; those that are gone count nothing."""
    held = list(pids)
    return Usage(sum(map(_memory, held)), sum(map(_descriptors, held)))


def _living() -> dict[int, int]:
    """Parent by pid, of every living process."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return {pid: parent for pid in pids if (parent := _parent(pid)) is not None}


def _parent(pid: int) -> int | None:
    """The parent of a living process. Its name may hold blanks and brackets: cut at the last one."""
    try:
        state, parent = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state in GONE else int(parent)


def _carries(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False


def _memory(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(PROC / str(pid) / "fd"))
    except OSError:
        return 0
