"""Text for people: what `start`, `status` and `connections` print (LIFE-024, LIFE-088 to LIFE-098).

The columns are the manual's, in its order, and every cell begins under the head of its column, so that
programs find it. Nothing wraps: on a terminal that is too narrow, columns are left out, the least important
first (`SPARE`), and a line says which; if that is not enough the longest cells are cut in the middle, so that
an address keeps its port. Where the output is no terminal everything is there; programs are better served
by `--json`.
"""

import platform
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refworker.address import COMBINED
from refworker.supervisor.child import cause

GAPS = (2, 1)
"""Blanks between columns: the second number where the first leaves too little room."""

NO_TERMINAL = 1000
"""The width of an output that is no terminal: nothing is left out."""

NARROWEST = 8
"""A column that is no wider than this is not cut."""

UNKNOWN = "N/A"
"""What stands for a number that a process did not tell."""

START = ("event-loop", "proto", "user", "worker", "listen", "count", "state")
EXITS = ("name", "event-loop", "exit_status", "exit_count", "meaning")
PROCESSES = (
    *("pid", "memory", "listening", "name", "connections"),
    *("send_fail", "timers", "total_request", "qps", "status"),
)
CONNECTIONS = (
    *("PID", "Worker", "CID", "Trans", "Protocol", "ipv4", "ipv6", "Recv-Q", "Send-Q"),
    *("Bytes-R", "Bytes-W", "Status", "Local Address", "Foreign Address"),
)

SPARE = (
    *("event-loop", "proto", "meaning", "user"),
    *("qps", "timers", "send_fail", "memory", "listening"),
    *("ipv4", "ipv6", "Trans", "Protocol", "CID", "Recv-Q", "Bytes-R", "Bytes-W", "Send-Q"),
)
"""Columns that may be left out, the least important first."""

VALUES = ("memory", "connections", "send_fail", "timers", "messages", "qps")
"""What a process tells, in the order of the columns; the summary adds it up."""

SIZES = ("B", "KB", "MB", "GB", "TB")

Row = Sequence[Any]
Report = Mapping[str, Any]


# -- what the commands print -----------------------------------------------------------------------


def start_table(title: str, report: Report, program: str, width: int | None = None) -> str:
    """What `start` prints: one row a worker, in the order of their making. `report` is that of `status`, of
    which `master` and `workers` are looked at; `program` is how a user runs this one: `python app.py`.
    """
    width, master = width or terminal(), report["master"]
    grid = table(START, [start_row(master["event_loop"], each) for each in report["workers"]], width)
    stop = f'Input "{program} stop"' if master["mode"] == "DAEMON" else "Press Ctrl+C"
    return "\n".join(
        [
            f"{title} start in {master['mode']} mode",
            rule("REFWORKER", grid.width),
            *flow(versions(master), width),
            rule("WORKERS", grid.width),
            *grid.lines,
            rule("", grid.width),
            f"{stop} to stop. Start success.",
        ]
    )


def status_table(title: str, report: Report, width: int | None = None) -> str:
    """What `status` prints: the service, how processes have ended, one row a process, and the sums. `report`
    is the object that `status --json` prints.
    """
    width, master = width or terminal(), report["master"]
    processes = sorted(report["processes"], key=lambda each: each["pid"] or float("inf"))
    grid = table(PROCESSES, [*map(process_row, processes), summary(processes)], width)
    *rows, last = grid.rows
    return "\n".join(
        [
            f"{title} status",
            f"Start worker in {master['mode']} mode.",
            rule("GLOBAL STATUS", grid.width),
            *overview(report, width),
            *table(EXITS, exit_rows(report), width).lines,
            rule("PROCESS STATUS", grid.width),
            grid.head,
            *rows,
            rule("PROCESS STATUS", grid.width),
            last,
            *grid.note,
        ]
    )


def connections_table(report: Report, width: int | None = None) -> str:
    """What `connections` prints: one row a connection, by process and age; then the processes that did not
    answer.
    """
    width = width or terminal()
    found = sorted(report["connections"], key=lambda each: (each["pid"], each["id"]))
    grid = table(CONNECTIONS, [connection_row(each) for each in found], width)
    busy = ", ".join(map(str, sorted(report["busy"])))
    silent = f"[busy] {busy}: did not answer; the connections there are not listed"
    return "\n".join(
        [
            rule("REFWORKER CONNECTION STATUS", grid.width),
            *grid.lines,
            *(textwrap.wrap(silent, width) if busy else []),
        ]
    )


# -- rows ------------------------------------------------------------------------------------------


def start_row(event_loop: str, worker: Report) -> Row:
    """The cells of one worker."""
    address = worker["address"]
    proto = worker.get("transport") or transport(address)
    return event_loop, proto, worker["user"], worker["name"], address, worker["count"], "[OK]"


def exit_rows(report: Report) -> list[Row]:
    """How the processes of each worker have ended: a row for each raw wait status (LIFE-089)."""
    loop = report["master"]["event_loop"]
    return [
        (worker["name"], loop, status, count, cause(int(status)) if count else "none has ended")
        for worker in report["workers"]
        for status, count in (worker["exits"] or {"0": 0}).items()
    ]


def process_row(process: Report) -> Row:
    """The cells of one process; one that did not answer has no numbers, and is busy unless the master knows
    better (LIFE-091).
    """
    answered = has_answered(process)
    memory, *numbers = values(process) if answered else [UNKNOWN] * len(VALUES)
    state = "busy" if process["state"] == "idle" and not answered else process["state"]
    name = "none" if process["worker"] in {"", process["address"]} else process["worker"]
    return process["pid"] or UNKNOWN, memory, process["address"], name, *numbers, f"[{state}]"


def summary(processes: Iterable[Report]) -> Row:
    """The last row: the sums of the processes that have answered (LIFE-092)."""
    answers = list(filter(has_answered, processes))
    sums = {name: sum(each.get(name, 0) for each in answers) for name in VALUES}
    memory, *numbers = values(sums)
    return "Summary", memory, "-", "-", *numbers, "[Summary]"


def has_answered(process: Report) -> bool:
    """Whether a process has told its numbers."""
    return "connections" in process


def values(process: Report) -> list[Any]:
    """What a process tells: memory in MB, and numbers. Only `status -d` knows a rate (LIFE-094)."""
    told = {"qps": 0, "memory": UNKNOWN, **process}
    if told["memory"] != UNKNOWN:
        told["memory"] = f"{told['memory'] / 1024**2:.2f}M"
    return [told.get(name, UNKNOWN) for name in VALUES]


def connection_row(connection: Report) -> Row:
    """The cells of one connection (LIFE-097, LIFE-098)."""
    sizes = ("recv_queue", "send_queue", "bytes_read", "bytes_written")
    return (
        connection["pid"],
        shortened(connection["worker"], 14),
        connection["id"],
        connection["transport"],
        shortened(connection["protocol"], 15),
        *(int(connection["family"] == family) for family in (4, 6)),
        *(size(connection[name]) for name in sizes),
        *(connection[name] or "-" for name in ("status", "local", "remote")),  # Unix clients have no name
    )


def overview(report: Report, width: int) -> list[str]:
    """The service as a whole (LIFE-088)."""
    master = report["master"]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(master["started"]))
    hours = int(master["uptime"] // 3600)
    load = ", ".join(f"{round(each, 2)}" for each in master["load"])
    running = [process for process in report["processes"] if process["pid"]]
    groups = [
        versions(master),
        [f"start time:{since}", f"run {hours // 24} days {hours % 24} hours", f"load average: {load}"],
        [f"{len(report['workers'])} workers", f"{len(running)} processes"],
        [f"master pid {master['pid']}", master["state"], f"{master['reloads']} reloads"],
    ]
    return [line for group in groups for line in flow(group, width)]


def versions(master: Report) -> list[str]:
    """What runs on what."""
    system = f"{platform.system()}/{platform.release()}"
    return [f"refworker/{master['version']}", f"Python/{master['python']}", system]


# -- cells -----------------------------------------------------------------------------------------


def transport(address: str) -> str:
    """What carries the protocol of an address; a worker without one counts as tcp, as in the manual."""
    return COMBINED.get(address.partition("://")[0], ("", "tcp"))[1]


def size(count: float) -> str:
    """`1024B`, `1KB` (from 1025 bytes on), `1.5MB`: one decimal at most, as the manual writes it."""
    unit = 0
    while count > 1024 and unit < len(SIZES) - 1:
        count, unit = count / 1024, unit + 1
    return f"{round(count, 1)}".removesuffix(".0") + SIZES[unit]


def shortened(name: str, limit: int) -> str:
    """A name of at most `limit` characters; of a longer one the beginning (LIFE-098)."""
    return name if len(name) <= limit else f"{name[: limit - 2]}.."


def text(cell: Any) -> str:
    """A cell as text that any terminal can show, and nothing that would move its cursor."""
    printable = "".join(each if each.isprintable() else "?" for each in str(cell))
    return printable.encode("utf-8", "replace").decode()


def shown(cell: str) -> int:
    """How many columns of a terminal a text takes: some characters take two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in cell)


def cut(cell: str, limit: int) -> str:
    """At most `limit` columns: both ends of the text and two dots between them."""
    if shown(cell) <= limit:
        return cell
    middle = len(cell) // 2
    head, tail = cell[:middle], cell[middle:]
    while shown(head) + shown(tail) > limit - 2:
        head, tail = (head[:-1], tail) if shown(head) > shown(tail) else (head, tail[1:])
    return f"{head}..{tail}"


# -- lines -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grid:
    """A table in lines."""

    head: str
    rows: list[str]
    note: list[str]
    """Which columns were left out, if any, in a line or two."""

    @property
    def lines(self) -> list[str]:
        """All of it."""
        return [self.head, *self.rows, *self.note]

    @property
    def width(self) -> int:
        """Of the longest line."""
        return max(map(shown, [self.head, *self.rows]))


def table(columns: Sequence[str], rows: Sequence[Row], width: int) -> Grid:
    """Aligned columns in lines of at most `width`."""
    cells = {name: [name, *map(text, column)] for name, *column in zip(columns, *rows, strict=True)}
    left_out = []
    for name in filter(cells.__contains__, SPARE):
        if needed(cells, GAPS[1]) > width:
            left_out.append(name)
            del cells[name]
    limit = widest(list(map(breadth, cells.values())), width - GAPS[1] * (len(cells) - 1))
    cells = {name: [cut(cell, limit) for cell in column] for name, column in cells.items()}
    gap = GAPS[0] if needed(cells, GAPS[0]) <= width else GAPS[1]
    return Grid(*aligned(cells, gap), note(left_out, width))


def aligned(cells: Mapping[str, list[str]], gap: int) -> tuple[str, list[str]]:
    """The head and the rows of a table, every cell padded to its column."""
    padded = [
        [cell + " " * (breadth(column) + gap - shown(cell)) for cell in column] for column in cells.values()
    ]
    head, *rows = ("".join(line).rstrip() for line in zip(*padded, strict=True))
    return head, rows


def note(left_out: Sequence[str], width: int) -> list[str]:
    """What a reader with a narrow terminal does not see."""
    words = f"(left out: {', '.join(left_out)}; a wider terminal has room for them)"
    return textwrap.wrap(words, width, break_on_hyphens=False) if left_out else []


def breadth(column: Sequence[str]) -> int:
    """The columns of a terminal that the widest cell takes."""
    return max(map(shown, column))


def needed(cells: Mapping[str, list[str]], gap: int) -> int:
    """The width of a whole table."""
    return sum(map(breadth, cells.values())) + gap * (len(cells) - 1)


def widest(columns: Sequence[int], width: int) -> int:
    """How broad a column may be, so that all together are no broader than `width`."""
    limit = max(columns)
    while limit > NARROWEST and sum(min(column, limit) for column in columns) > width:
        limit -= 1
    return limit


def rule(title: str, width: int) -> str:
    """A line with its title in the middle."""
    return title.center(width, "-")


def flow(parts: Sequence[str], width: int) -> list[str]:
    """Parts beside one another, as many as fit into a line."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(longer := f"{lines[-1]}   {part}") <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def terminal() -> int:
    """The width of the terminal, as COLUMNS or the terminal itself says. A pipe has no width, whatever
    COLUMNS says of the terminal around it.
    """
    if sys.stdout is None or not sys.stdout.isatty():
        return NO_TERMINAL
    return shutil.get_terminal_size((NO_TERMINAL, 24)).columns
