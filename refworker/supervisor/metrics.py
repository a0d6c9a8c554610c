"""A status report for Prometheus, in its text format (version 0.0.4).

Counters come from the master's totals, which only grow, however often processes are replaced. What is known
of a process is a gauge with the labels `worker` and `id`, its place: while a reload has two processes for
one place, or two workers have one name, they are added up, since a series may be there only once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[Labels, float]

TOTALS = {
    "messages": "Messages delivered to on_message by all processes since the master started.",
    "send_fail": "Sends dropped because the connection was closed or its buffer full.",
    "buffer_full": "How often a send buffer reached its limit.",
    "buffer_drain": "How often a send buffer became empty again.",
    "exits": "Processes that have ended.",
    "starts": "Processes that have been started.",
}

OF_A_PROCESS = {
    "memory": ("memory_bytes", "Resident memory of the process."),
    "connections": ("connections", "Open connections."),
    "timers": ("timers", "Pending timers."),
    "messages": ("process_messages", "Messages delivered to on_message since this process started."),
    "send_fail": ("process_send_fail", "Sends dropped since this process started."),
    "bytes_read": ("process_bytes_read", "Bytes read since this process started."),
    "bytes_written": ("process_bytes_written", "Bytes written since this process started."),
}


def prometheus(report: Mapping[str, Any]) -> str:
    """The text that a scrape of Prometheus reads, of the object that `status --json` prints."""
    return "".join(_families(report))


def _families(report: Mapping[str, Any]) -> Iterable[str]:
    master, processes = report["master"], report["processes"]
    info = {name: str(master[name]) for name in ("version", "python", "event_loop", "mode")}
    yield family("info", "gauge", "What runs; always 1.", {tuple(info.items()): 1})
    yield family(
        "start_time_seconds", "gauge", "When the master started, since the epoch.", one(master["started"])
    )
    yield family("reloads_total", "counter", "Reloads since the master started.", one(master["reloads"]))
    for name, text in TOTALS.items():
        yield family(f"{name}_total", "counter", text, one(report["totals"][name]))
    text = "Processes that have ended, by their raw exit status."
    yield family("worker_exits_total", "counter", text, exits(report["workers"]))
    states = Counter[Labels]((("state", process["state"]),) for process in processes)
    yield family("processes", "gauge", "Processes by what they are doing.", states)
    for key, (name, text) in OF_A_PROCESS.items():
        yield family(name, "gauge", text, by_place(processes, key))


def one(value: float) -> Samples:
    """A series without labels."""
    return {(): value}


def exits(workers: Iterable[Mapping[str, Any]]) -> Samples:
    """How often the processes of a worker have ended with each status."""
    sums: Counter[Labels] = Counter()
    for worker in workers:
        for status, number in worker["exits"].items():
            sums[("worker", worker["name"]), ("status", status)] += number
    return sums


def by_place(processes: Iterable[Mapping[str, Any]], key: str) -> Samples:
    """A number of every process that told it, added up where two have one place."""
    sums: Counter[Labels] = Counter()
    for process in processes:
        if process.get(key) is not None:
            sums[("worker", process["worker"]), ("id", str(process["id"]))] += process[key]
    return sums


def family(name: str, kind: str, text: str, samples: Samples) -> str:
    """The lines of one metric; HELP and TYPE stand there even while nobody has told a number."""
    full = f"refworker_{name}"
    lines = [f"# HELP {full} {text}", f"# TYPE {full} {kind}"]
    lines += [f"{full}{braces(labels)} {value!r}" for labels, value in samples.items()]
    return "\n".join(lines) + "\n"


def braces(labels: Labels) -> str:
    """`{worker="echo",id="0"}`, or nothing without labels."""
    pairs = ",".join(f'{name}="{escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def escaped(value: str) -> str:
    """A label's value as the format wants it: backslash, quote and line feed are escaped."""
    value = value.encode("utf-8", "backslashreplace").decode()
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
