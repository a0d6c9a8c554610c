import os
import platform
import termios
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.supervisor.tables import (
    CONNECTIONS,
    EXITS,
    PROCESSES,
    START,
    connections_table,
    cut,
    flow,
    shortened,
    shown,
    size,
    start_table,
    status_table,
    table,
    terminal,
    text,
    transport,
)

from .reports import USUAL, process, status

TITLE = "refworker[app.py]"
WIDE, NARROW = 200, 80


def cells(lines: list[str], *columns: str) -> list[dict[str, str]]:
    """The rows below a head, cut where its words begin: how a program reads a table."""
    head = lines[0]
    assert all(name in head for name in columns), head
    starts = sorted(head.index(name) for name in columns)
    ends: list[int | None] = [*starts[1:], None]
    return [
        {head[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}
        for line in lines[1:]
    ]


def below(printed: str, first: str) -> list[str]:
    """The lines of a printed table from its head to the next rule or end."""
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:1] == [first])
    end = next((number for number in range(start, len(lines)) if lines[number].startswith("---")), len(lines))
    return lines[start:end]


# -- status ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["DAEMON", "DEBUG"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_global_part(mode: str, width: int) -> None:
    printed = status_table(TITLE, status(*USUAL["processes"], mode=mode), width)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1767225600.5))
    assert printed.startswith(f"{TITLE} status\nStart worker in {mode} mode.\n")
    for part in (
        "refworker/0.1.0   Python/3.11.7   ",
        f"{platform.system()}/{platform.release()}",
        f"start time:{since}   run 1 days 2 hours",
        "load average: 0.43, 0.6, 0.3",
        "2 workers   3 processes",
        "master pid 100   running   2 reloads",
    ):
        assert part in printed


def test_only_processes_that_there_are_are_counted() -> None:
    printed = status_table(TITLE, status(process(1), process(None, state="waiting")), WIDE)
    assert "2 workers   1 processes" in printed


def test_a_row_for_every_way_in_which_the_processes_of_a_worker_have_ended() -> None:
    rows = cells(below(status_table(TITLE, USUAL, WIDE), "name"), *EXITS)
    assert [(row["name"], row["exit_status"], row["exit_count"], row["meaning"]) for row in rows] == [
        ("echo", "9", "1", "SIGKILL"),
        ("echo", "0", "3", "exit code 0"),
        ("echo", "64000", "2", "exit code 250"),
        ("none", "0", "0", "none has ended"),
    ]
    assert {row["event-loop"] for row in rows} == {"asyncio"}


def test_process_rows_are_sorted_by_pid() -> None:
    rows = cells(below(status_table(TITLE, USUAL, WIDE), "pid"), *PROCESSES)
    assert [" ".join(row.values()) for row in rows] == [
        "24533 20.29M text://127.0.0.1:38111 echo 3 1 2 1234 0 [idle]",
        "24534 20.29M text://127.0.0.1:38111 echo 0 0 0 6 0 [idle]",
        "24600 N/A none none N/A N/A N/A N/A N/A [busy]",
    ]


@pytest.mark.parametrize(
    ("state", "label"),
    [("busy", "[busy]"), ("starting", "[starting]"), ("waiting", "[waiting]"), ("draining", "[draining]")],
)
def test_a_process_that_does_not_answer_is_busy_unless_the_master_knows_better(
    state: str, label: str
) -> None:
    (row,) = cells(below(status_table(TITLE, status(process(7, state=state)), WIDE), "pid"), *PROCESSES)
    assert row["status"] == label
    assert row["connections"] == "N/A"


def test_an_idle_process_that_did_not_answer_is_busy() -> None:
    silent = process(7, state="busy") | {"state": "idle"}
    (row,) = cells(below(status_table(TITLE, status(silent), WIDE), "pid"), *PROCESSES)
    assert row["status"] == "[busy]"


def test_a_place_without_a_process_comes_last() -> None:
    report = status(process(None, state="waiting"), process(7))
    rows = cells(below(status_table(TITLE, report, WIDE), "pid"), *PROCESSES)
    assert [row["pid"] for row in rows] == ["7", "N/A"]


@pytest.mark.parametrize("name", ["", "text://127.0.0.1:38111"])
def test_a_worker_that_is_called_as_its_address_has_no_name(name: str) -> None:
    (row,) = cells(below(status_table(TITLE, status(process(7, name)), WIDE), "pid"), *PROCESSES)
    assert row["name"] == "none"


def test_the_summary_adds_up_what_was_told() -> None:
    report = status(process(1, qps=10), process(2, qps=5, memory=1024**2 * 10), process(3, state="busy"))
    printed = status_table(TITLE, report, WIDE)
    (row,) = cells([below(printed, "pid")[0], printed.splitlines()[-1]], *PROCESSES)
    assert " ".join(row.values()) == "Summary 30.29M - - 6 2 4 2468 15 [Summary]"


def test_a_service_without_processes_has_a_summary_of_nothing() -> None:
    assert status_table(TITLE, status(), WIDE).endswith("[Summary]")


def test_a_narrow_terminal_sees_the_most_important_columns_and_which_are_left_out() -> None:
    printed = status_table(TITLE, USUAL, NARROW)
    columns = ("pid", "memory", "listening", "name", "connections", "total_request", "status")
    rows = cells(below(printed, "pid"), *columns)
    assert " ".join(rows[0].values()) == "24533 20.29M text://127.0.0.1:38111 echo 3 1234 [idle]"
    assert printed.endswith("(left out: qps, timers, send_fail; a wider terminal has room for them)")


# -- start -----------------------------------------------------------------------------------------


def test_the_start_table_has_a_row_for_each_worker() -> None:
    printed = start_table(TITLE, USUAL, "python app.py", NARROW)
    rows = cells(below(printed, "event-loop"), *START)
    assert [" ".join(row.values()) for row in rows] == [
        "asyncio tcp root echo text://127.0.0.1:38111 2 [OK]",
        "asyncio tcp nobody none none 1 [OK]",
    ]
    assert printed.startswith(f"{TITLE} start in DEBUG mode\n")
    assert printed.endswith("\nPress Ctrl+C to stop. Start success.")


def test_a_daemon_says_how_it_is_stopped() -> None:
    printed = start_table(TITLE, status(mode="DAEMON"), "python app.py", NARROW)
    assert printed.startswith(f"{TITLE} start in DAEMON mode\n")
    assert printed.endswith('\nInput "python app.py stop" to stop. Start success.')


# -- connections -----------------------------------------------------------------------------------


def connection(pid: int = 75, number: int = 1, **known: Any) -> dict[str, Any]:
    return {
        "pid": pid,
        "worker": "echo",
        "id": number,
        "transport": "tcp",
        "protocol": "Text",
        "family": 4,
        "recv_queue": 0,
        "send_queue": 0,
        "bytes_read": 4,
        "bytes_written": 8,
        "status": "ESTABLISHED",
        "local": "127.0.0.1:38111",
        "remote": "127.0.0.1:60360",
        **known,
    }


def test_a_row_for_each_connection_by_process_and_age() -> None:
    found = [connection(75, 10), connection(75, 9), connection(9, 11, family=6, send_queue=2048)]
    printed = connections_table({"connections": found, "busy": []}, WIDE)
    rows = cells(below(printed, "PID"), *CONNECTIONS)
    assert [" ".join(row.values()) for row in rows] == [
        "9 echo 11 tcp Text 0 1 0B 2KB 4B 8B ESTABLISHED 127.0.0.1:38111 127.0.0.1:60360",
        "75 echo 9 tcp Text 1 0 0B 0B 4B 8B ESTABLISHED 127.0.0.1:38111 127.0.0.1:60360",
        "75 echo 10 tcp Text 1 0 0B 0B 4B 8B ESTABLISHED 127.0.0.1:38111 127.0.0.1:60360",
    ]


def test_a_unix_connection_has_no_family() -> None:
    unix = connection(family=0, transport="unix", local="unix:/a.sock", remote="unix:")
    (row,) = cells(below(connections_table({"connections": [unix], "busy": []}, WIDE), "PID"), *CONNECTIONS)
    assert (row["ipv4"], row["ipv6"], row["Foreign Address"]) == ("0", "0", "unix:")


def test_without_connections_only_the_head_is_there() -> None:
    rule, head = connections_table({"connections": [], "busy": []}, WIDE).splitlines()
    assert "REFWORKER CONNECTION STATUS" in rule
    assert head.split() == " ".join(CONNECTIONS).split()


def test_processes_that_did_not_answer_are_named() -> None:
    printed = connections_table({"connections": [], "busy": list(range(1030, 1000, -1))}, NARROW)
    assert "[busy] 1001, 1002," in printed
    assert " ".join(printed.splitlines()[-2:]).endswith(
        "did not answer; the connections there are not listed"
    )


def test_long_names_are_cut() -> None:
    report = {"connections": [connection(worker="a" * 15, protocol="b" * 16)], "busy": []}
    (row,) = cells(below(connections_table(report, WIDE), "PID"), *CONNECTIONS)
    assert (row["Worker"], row["Protocol"]) == ("a" * 12 + "..", "b" * 13 + "..")


def test_a_narrow_terminal_sees_who_talks_with_whom() -> None:
    printed = connections_table({"connections": [connection()], "busy": []}, NARROW)
    rows = cells(below(printed, "PID")[:2], "PID", "Worker", "Status", "Local Address", "Foreign Address")
    assert rows[0]["Foreign Address"] == "127.0.0.1:60360"
    assert "\n(left out: ipv4, ipv6, Trans" in printed


@pytest.mark.parametrize(("name", "limit", "short"), [("abcd", 4, "abcd"), ("abcde", 4, "ab.."), ("", 4, "")])
def test_names(name: str, limit: int, short: str) -> None:
    assert shortened(name, limit) == short


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0B"),
        (1024, "1024B"),
        (1025, "1KB"),
        (1126, "1.1KB"),
        (1024**2, "1024KB"),
        (1024**2 + 1, "1MB"),
        (1.5 * 1024**3, "1.5GB"),
        (1024**4, "1024GB"),
        (5 * 1024**5, "5120TB"),
    ],
)
def test_sizes(count: float, written: str) -> None:
    assert size(count) == written


# -- lines -----------------------------------------------------------------------------------------


def test_every_cell_begins_under_its_head() -> None:
    grid = table(("name", "n"), [("a", 1), ("long name", 1000)], WIDE)
    assert grid.lines == ["name       n", "a          1", "long name  1000"]


def test_a_character_that_takes_two_columns_is_counted_as_two() -> None:
    grid = table(("a", "b"), [("日本", "x"), ("abcd", "y")], WIDE)
    assert grid.lines == ["a     b", "日本  x", "abcd  y"]


def test_a_narrow_terminal_gets_narrow_gaps_before_anything_is_left_out() -> None:
    assert table(("pid", "qps"), [("123456", "1234")], 11).lines == ["pid    qps", "123456 1234"]
    assert table(("pid", "qps"), [("123456", "1234")], 10).lines[:2] == ["pid", "123456"]


def test_the_longest_cells_are_cut_in_the_middle() -> None:
    address = "text://a-very-long-name.example.org:9000"
    head, row = table(("pid", "Local Address"), [("1", address)], 30).lines
    assert row == "1   text://a-ver..ple.org:9000"
    assert head == "pid Local Address"


@pytest.mark.parametrize(
    ("whole", "limit", "short"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefgh", 6, "ab..gh"),
        ("日本日本", 8, "日本日本"),
        ("日本日本", 7, "日..本"),
    ],
)
def test_cuts(whole: str, limit: int, short: str) -> None:
    assert cut(whole, limit) == short


def test_what_would_move_the_cursor_is_not_printed() -> None:
    assert text("a\x1b[2J\nb\udcff") == "a?[2J?b?"


def test_parts_flow_into_lines() -> None:
    assert flow(["one", "two", "three"], 9) == ["one   two", "three"]


NAMES = st.text(max_size=40)
PROCESS = st.builds(
    lambda pid, name, address, count: process(pid, name, address=address, messages=count, connections=count),
    st.integers(1, 4194304),
    NAMES,
    NAMES,
    st.integers(0, 10**12),
)


@given(st.lists(PROCESS, max_size=3), st.integers(NARROW, WIDE))
def test_no_line_of_a_status_wraps_and_all_of_it_can_be_printed(
    rows: list[dict[str, Any]], width: int
) -> None:
    printed = status_table(TITLE, status(*rows), width)
    assert max(map(shown, printed.split("\n"))) <= width
    assert printed.encode()


@given(
    st.builds(connection, st.integers(1, 4194304), local=NAMES, remote=NAMES, worker=NAMES, protocol=NAMES)
)
def test_no_line_of_the_connections_wraps(row: dict[str, Any]) -> None:
    for width in (NARROW, 120, WIDE):
        printed = connections_table({"connections": [row], "busy": [1, 2]}, width)
        assert max(map(shown, printed.split("\n"))) <= width


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 93))
    with os.fdopen(ours), os.fdopen(theirs, "w") as tty:
        monkeypatch.setattr("sys.stdout", tty)
        monkeypatch.setattr("sys.__stdout__", tty)
        monkeypatch.delenv("COLUMNS", raising=False)
        assert terminal() == 93
        monkeypatch.setenv("COLUMNS", "71")
        assert terminal() == 71


def test_where_there_is_no_terminal_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout", None)
    assert terminal() >= WIDE
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert terminal() >= WIDE


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("text://h:1", "tcp"),
        ("udp://h:1", "udp"),
        ("unix:///a", "unix"),
        ("ssl://h:1", "ssl"),
        ("wss://h:1", "ssl"),
        ("none", "tcp"),
    ],
)
def test_transport(address: str, kind: str) -> None:
    assert transport(address) == kind
