import re
from collections.abc import Iterator

import pytest

from refworker.supervisor.metrics import escaped, prometheus

from .reports import USUAL, process, status

Sample = tuple[str, tuple[tuple[str, str], ...]]

LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
LINE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def unescaped(text: str) -> str:
    return re.sub(r"\\.", lambda found: ESCAPES[found[0]], text)


def parsed(text: str) -> dict[Sample, float]:
    """The samples of a text, read strictly: HELP, TYPE and samples of one metric stand together, in this
    order and once; every series is there once.
    """
    assert text.endswith("\n")
    samples: dict[Sample, float] = {}
    seen: set[str] = set()
    for name, kind, lines in families(text.split("\n")[:-1]):
        assert name not in seen
        assert (kind == "counter") == name.endswith("_total")
        seen.add(name)
        for line in lines:
            found = LINE.fullmatch(line)
            assert found, line
            assert found[1] == name
            key = name, tuple((label, unescaped(value)) for label, value in re.findall(LABEL, found[2] or ""))
            assert key not in samples, key
            samples[key] = float(found[7])
            assert kind == "gauge" or samples[key] >= 0
    return samples


def families(lines: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    starts = [number for number, line in enumerate(lines) if line.startswith("# HELP ")]
    assert starts[0] == 0
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        help_line, type_line, *samples = lines[start:end]
        _, _, name, text = help_line.split(" ", 3)
        assert text
        hash_sign, word, named, kind = type_line.split(" ")
        assert (hash_sign, word, named) == ("#", "TYPE", name)
        yield name, kind, samples


def place(worker: str, number: int) -> tuple[tuple[str, str], ...]:
    return ("worker", worker), ("id", f"{number}")


def test_counters_come_from_the_totals() -> None:
    samples = parsed(prometheus(USUAL))
    for name, value in USUAL["totals"].items():
        assert samples[f"refworker_{name}_total", ()] == value
    assert samples["refworker_reloads_total", ()] == 2
    assert samples["refworker_start_time_seconds", ()] == 1767225600.5


def test_exits_are_counted_by_worker_and_status() -> None:
    samples = parsed(prometheus(USUAL))
    found = {
        labels: value for (name, labels), value in samples.items() if name == "refworker_worker_exits_total"
    }
    statuses = {"9": 1, "0": 3, "64000": 2}
    assert found == {(("worker", "echo"), ("status", key)): value for key, value in statuses.items()}


def test_what_a_process_told_is_a_gauge_at_its_place() -> None:
    samples = parsed(prometheus(USUAL))
    assert samples["refworker_connections", place("echo", 0)] == 3
    assert samples["refworker_connections", place("echo", 1)] == 0
    assert samples["refworker_memory_bytes", place("echo", 0)] == 20 * 1024 * 1024 + 300_000
    assert samples["refworker_process_messages", place("echo", 1)] == 6
    assert ("refworker_connections", place("none", 0)) not in samples


def test_processes_are_counted_by_state() -> None:
    samples = parsed(prometheus(USUAL))
    assert samples["refworker_processes", (("state", "idle"),)] == 2
    assert samples["refworker_processes", (("state", "busy"),)] == 1


def test_what_runs_stands_in_labels() -> None:
    labels = (("version", "0.1.0"), ("python", "3.11.7"), ("event_loop", "asyncio"), ("mode", "DEBUG"))
    assert parsed(prometheus(USUAL))["refworker_info", labels] == 1


def test_two_processes_at_one_place_are_one_series() -> None:
    old, new = process(1, connections=2), process(2, connections=5)
    assert parsed(prometheus(status(old, new)))["refworker_connections", place("echo", 0)] == 7


@pytest.mark.parametrize("name", ['"', "\\", "\n", '\\"\n\\n', "日本", "a,b={}", " "])
def test_any_name_survives(name: str) -> None:
    assert parsed(prometheus(status(process(1, name))))["refworker_timers", place(name, 0)] == 2


def test_a_name_that_is_no_unicode_is_made_one() -> None:
    assert escaped("\udcff") == r"\\udcff"


def test_a_service_without_processes_is_a_text_as_well() -> None:
    samples = parsed(prometheus(status()))
    assert not [labels for _, labels in samples if "id" in dict(labels)]
