"""Which processes there are, and what they use: read from Linux's /proc (proc(5)). Whose they are says
`kin.py`.
"""

import contextlib
import os
import re
import signal
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from types import MappingProxyType
from typing import NamedTuple

RUN = "CONFORMANCE_RUN"
"""The variable that everything carries that a run has started: every copy, and helpers of pytest."""

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
GONE = frozenset((b"Z", b"X"))
"""States of processes that have ended and wait for a parent to take notice."""

PARENT, USER, SYSTEM, BIRTH = 1, 11, 12, 19
"""Places in `/proc/PID/stat`, counted from the state."""

READY = [b"R"]
"""The state of a thread that runs, or waits for a processor."""

TURN, MOMENT = 2.0, 0.002
"""Seconds in which a thread that is ready gets a processor, and between two looks whether it did."""

LOOKS = 10
"""So often a look is tried that takes no longer than that."""

NANO = 1e9
"""`schedstat` counts nanoseconds."""

RESET_PEAK = "5"
"""What `/proc/PID/clear_refs` understands as the wish to measure VmHWM anew."""

LISTEN, TAKES = "0A", "07"
"""The states of a listening socket in `/proc/net/tcp`, and of an open one in `/proc/net/udp`."""

PIECE = 16 * 1024
"""Bytes read at once; less than that is the last of a file."""


def available() -> bool:
    """Whether this system tells about processes the way this module asks."""
    return (PROC / "self" / "stat").exists()


@contextlib.contextmanager
def swept() -> Iterator[None]:
    """A run: whatever is started in it carries a mark, and what is left of that at the end is killed."""
    os.environ[RUN] = run = uuid.uuid4().hex
    try:
        yield
    finally:
        sweep(run)


def sweep(run: str) -> None:
    """Kill what a run has left: broken off, it may lose processes that would have ended their daemons."""
    if not available():
        return
    for pid in living(born(os.getpid()) or 0):
        if pid != os.getpid() and carries(pid, RUN, run):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def is_living(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    return bool(_status(pid))


def born(pid: int) -> int | None:
    """When a living process was started, in clock ticks: no two processes share pid and birth."""
    status = _status(pid)
    return int(status[BIRTH]) if status else None


def worked(pid: int) -> float:
    """Seconds of processor time that a process has used, utime and stime of proc(5); 0 when it is gone."""
    status = _status(pid)
    return (int(status[USER]) + int(status[SYSTEM])) / TICKS if status else 0.0


class Stint(NamedTuple):
    """What a thread has had up to a moment. On a busy machine it takes long to look at several threads, so
    each has a moment of its own.
    """

    ran: float
    """Seconds on a processor."""
    waited: float
    """Seconds in which it was ready and waited for one."""
    moment: float


def stints(pids: Iterable[int]) -> dict[int, Stint]:
    """What the threads of these processes have had so far, from `/proc/PID/task/TID/schedstat`.

    A kernel that does not tell leaves a process its `worked`, as if nothing ever waited.
    """
    found: dict[int, Stint] = {}
    for pid in pids:
        for thread in _threads(pid):
            numbers, moment = _scheduled(f"{PROC}/{pid}/task/{thread}")
            ran, waited, *_ = numbers.split() or (None, None)
            if ran and waited:
                found[thread] = Stint(int(ran) / NANO, int(waited) / NANO, moment)
            elif thread == pid:
                found[thread] = Stint(worked(pid), 0.0, moment)
    return found


def queued(pids: Iterable[int]) -> float:
    """Seconds in which the threads of these processes were ready and waited for a processor, in sum. A wait
    counts when it is over; 0 where the kernel does not tell.
    """
    tasks = (f"{PROC}/{pid}/task/{thread}" for pid in pids for thread in _threads(pid))
    found = (_read(f"{task}/schedstat").split() for task in tasks)
    return sum(int(numbers[1]) for numbers in found if len(numbers) > 1) / NANO


def _scheduled(task: str) -> tuple[bytes, float]:
    """What `schedstat` says, and when. It counts a wait when it is over, so who is ready gets its turn
    first.
    """
    first, began = _look(f"{task}/schedstat")
    while (found := _look(f"{task}/schedstat"))[0] == first and found[1] < began + TURN:
        if _read(f"{task}/stat").rpartition(b")")[2].split(None, 1)[:1] != READY:
            break
        sleep(MOMENT)
    return found


def _look(path: str) -> tuple[bytes, float]:
    """A file of a process, and the moment at which it said so: once more, where we lost our own processor
    meanwhile.
    """
    for _ in range(LOOKS):
        began = monotonic()
        found = _read(path)
        if (moment := monotonic()) - began < MOMENT:
            break
    return found, moment


def strain(before: Mapping[int, Stint], after: Mapping[int, Stint]) -> float:
    """What part of a processor threads take up, in sum, each as if it had one to itself: a busy machine makes
    nobody idle.
    """
    return sum(_strain(before[thread], stint) for thread, stint in after.items() if thread in before)


def _strain(first: Stint, last: Stint) -> float:
    """Of the time in which a thread did not wait for a processor, the part in which it had one."""
    ran, waited, seconds = (then - now for now, then in zip(first, last, strict=True))
    return ran / max(ran, seconds - waited) if ran else 0.0


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"{PROC}/{pid}/task")]
    except OSError:
        return []


def listeners(pids: Iterable[int], port: int) -> set[int]:
    """Those who hold a socket that listens on this TCP port, their own or an inherited one."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _sockets(table, port, LISTEN)}
    return {pid for pid in pids if not sockets.isdisjoint(_open_files(pid))}


def _open_files(pid: int) -> list[str]:
    """What the descriptors of a process stand for; nothing for those that are gone."""
    found = []
    with contextlib.suppress(OSError):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(descriptor))
    return found


def takes_datagrams(port: int) -> bool:
    """Whether there is a datagram socket on this port; True where the system does not tell."""
    return not available() or any(_sockets(table, port, TAKES) for table in ("udp", "udp6"))


def _sockets(table: str, port: int, state: str) -> list[str]:
    """The inodes of the sockets on a port that are in a state; columns 1, 3 and 9 are address, state and
    inode.
    """
    path = PROC / "net" / table
    rows = [line.split() for line in path.read_text().splitlines()[1:]] if path.exists() else []
    return [row[9] for row in rows if row[3] == state and row[1].endswith(f":{port:04X}")]


@dataclass(frozen=True)
class Usage:
    """What processes hold together: resident bytes and open descriptors."""

    memory: int
    descriptors: int


def usage(pids: Iterable[int]) -> Usage:
    """The sum over `pids`; those that are gone count nothing."""
    held = list(pids)
    return Usage(sum(map(_memory, held)), sum(map(_descriptors, held)))


def peak(pids: Iterable[int]) -> int:
    """The most bytes that each has had resident since `forget_peak`, in sum; VmHWM of proc(5)."""
    return sum(map(_peak, pids))


def forget_peak(pids: Iterable[int]) -> None:
    """Begin to measure `peak` anew: it becomes what is resident now."""
    for pid in pids:
        with contextlib.suppress(OSError):
            (PROC / str(pid) / "clear_refs").write_text(RESET_PEAK)


Place = tuple[int, int]
"""Pid, and inode of `/proc/PID`: a pid that is used again has another inode."""


class Being(NamedTuple):
    """A living process."""

    place: Place
    parent: int
    birth: int


_births: dict[Place, int] = {}
"""When processes were born. Who is too old to matter, as most are on a busy machine, is not read again."""


def living(since: int = 0, skipped: Mapping[int, int] = MappingProxyType({})) -> dict[int, Being]:
    """By pid every living process that was born at `since` or later, and is not among the places skipped."""
    places = {(int(each.name), each.inode()) for each in os.scandir(PROC) if each.name.isdigit()}
    for gone in _births.keys() - places:
        _births.pop(gone, None)
    new = [place for place in places if skipped.get(place[0]) != place[1]]
    found = ((place, _known(place)) for place in new if _births.get(place, since) >= since)
    return {
        place[0]: Being(place, int(status[PARENT]), birth)
        for place, status in found
        if status and (birth := int(status[BIRTH])) >= since
    }


def _known(place: Place) -> list[bytes]:
    """The fields of a living process, whose birth is remembered."""
    if status := _status(place[0]):
        _births[place] = int(status[BIRTH])
    return status


def _status(pid: int) -> list[bytes]:
    """The fields of a living process from its state to its birth; its name may hold blanks and brackets: cut
    there.
    """
    found = _read(f"{PROC}/{pid}/stat").rpartition(b")")[2].split(None, BIRTH + 1)
    return [] if not found or found[0] in GONE else found


def _read(path: str) -> bytes:
    """A file of a process, empty when it is gone. With few calls, for a case that waits reads thousands."""
    found = b""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while len(found) % PIECE == 0 and (piece := os.read(descriptor, PIECE)):
                found += piece
        finally:
            os.close(descriptor)
    except OSError:
        return b""
    return found


def carries(pid: int, name: str, value: str) -> bool:
    """Whether a process has this variable in its environment, where it has not overwritten that."""
    return f"{name}={value}".encode() in _read(f"{PROC}/{pid}/environ")


def _memory(pid: int) -> int:
    pages = _read(f"{PROC}/{pid}/statm").split()
    return int(pages[1]) * PAGE if pages else 0


def _peak(pid: int) -> int:
    found = re.search(rb"VmHWM:\s*(\d+) kB", _read(f"{PROC}/{pid}/status"))
    return int(found[1]) * 1024 if found else 0


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"{PROC}/{pid}/fd"))
    except OSError:
        return 0
