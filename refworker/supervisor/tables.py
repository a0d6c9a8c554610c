"""Text for people: the start table and the status table, aligned (LIFE-024)."""

import os
import platform
import pwd
import time
from collections.abc import Iterable, Sequence
from typing import Any

from refworker import __version__
from refworker.supervisor.settings import Settings
from refworker.supervisor.slot import Slot

GAP = "  "

UNKNOWN = "-"
"""What stands for a number that a busy process did not tell."""

START_COLUMNS = ("event-loop", "proto", "user", "worker", "listen", "count", "state")
STATUS_COLUMNS = ("pid", "worker", "id", "listen", "uptime", "connections", "messages", "exits", "state")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lines with aligned columns: numbers to the right, everything else to the left."""
    aligned = []
    for name, *cells in zip(columns, *rows, strict=True):
        texts = [name, *map(str, cells)]
        width = max(map(len, texts))
        pad = str.rjust if cells and all(map(is_number, cells)) else str.ljust
        aligned.append([pad(text, width) for text in texts])
    return "\n".join(GAP.join(line).rstrip() for line in zip(*aligned, strict=True))


def is_number(cell: Any) -> bool:
    """Whether a cell belongs into a column of numbers."""
    return isinstance(cell, (int, float)) or cell == UNKNOWN


def start_table(settings: Settings, slots: Iterable[Slot]) -> str:
    """What `start` prints when every process is ready: one row a worker, in the order of their making."""
    firsts = [slot for slot in slots if slot.number == 0]
    rows = [
        (
            settings.loop,
            transport(slot.address),
            user_name(),
            slot.worker.name,
            slot.address,
            slot.worker.count,
            "[OK]",
        )
        for slot in firsts
    ]
    return "\n".join(
        [
            f"{settings.title} start in DEBUG mode",
            version_line(),
            table(START_COLUMNS, rows),
            "Press Ctrl+C to stop. Start success.",
        ]
    )


def status_table(title: str, report: dict[str, Any]) -> str:
    """What `status` prints for people."""
    master, processes = report["master"], report["processes"]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(master["started"]))
    return "\n".join(
        [
            f"{title} status",
            f"master pid {master['pid']}  {master['state']}  since {since}  ({duration(master['uptime'])})",
            f"refworker/{master['version']}  Python/{master['python']}  {master['event_loop']}",
            f"{master['workers']} workers  {len(processes)} processes",
            table(STATUS_COLUMNS, [status_row(process) for process in processes]),
        ]
    )


def status_row(process: dict[str, Any]) -> tuple[Any, ...]:
    """The cells of one process."""
    return (
        process["pid"] or UNKNOWN,
        process["worker"],
        process["id"],
        process["address"],
        duration(process["uptime"]),
        process.get("connections", UNKNOWN),
        process.get("messages", UNKNOWN),
        sum(process["exits"].values()),
        f"[{process['state']}]",
    )


def duration(seconds: float) -> str:
    """`12s`, `3m 05s`, `2h 07m`, `4d 11h`: two units tell enough."""
    whole = int(seconds)
    for unit, size, part, smaller in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // smaller:02}{part}"
    return f"{whole}s"


def transport(address: str) -> str:
    """What carries the protocol of an address; a worker without one counts as tcp, as in the manual."""
    scheme = address.partition("://")[0]
    return scheme if scheme in {"udp", "unix"} else "tcp"


def user_name() -> str:
    """Who runs this process: a name, or the number of a user without one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def version_line() -> str:
    """`refworker/0.1.0  Python/3.11.2  Linux/6.18` (LIFE-088)."""
    return (
        f"refworker/{__version__}  Python/{platform.python_version()}"
        f"  {platform.system()}/{platform.release()}"
    )
