import os

import pytest

from refworker.supervisor.tables import duration, status_table, table, transport, user_name


def test_numbers_stand_to_the_right_and_text_to_the_left() -> None:
    assert table(("name", "n"), [("a", 1), ("long name", 1000)]).splitlines() == [
        "name          n",
        "a             1",
        "long name  1000",
    ]


def test_a_number_that_nobody_told_keeps_the_column_a_column_of_numbers() -> None:
    assert table(("count",), [("-",), (7,)]).splitlines() == ["count", "    -", "    7"]


def test_a_table_without_rows_is_its_head() -> None:
    assert table(("name", "n"), []) == "name  n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (3600, "1h 00m"), (90061, "1d 01h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("address", "kind"),
    [("text://h:1", "tcp"), ("udp://h:1", "udp"), ("unix:///a", "unix"), ("none", "tcp")],
)
def test_transport(address: str, kind: str) -> None:
    assert transport(address) == kind


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 123456789)
    assert user_name() == "123456789"


def test_a_busy_process_has_no_numbers() -> None:
    master = {"pid": 1, "state": "running", "started": 0.0, "uptime": 65, "version": "1", "python": "3"}
    master |= {"event_loop": "asyncio", "workers": 1}
    row = {"worker": "echo", "id": 0, "address": "text://h:1", "uptime": 5, "exits": {"9": 2, "0": 1}}
    ready = row | {"pid": 12, "state": "ready", "connections": 4, "messages": 1234}
    busy = row | {"pid": None, "state": "waiting"}
    text = status_table("refworker[app.py]", {"master": master, "processes": [ready, busy]})
    assert text.splitlines()[-3:] == [
        "pid  worker  id  listen      uptime  connections  messages  exits  state",
        " 12  echo     0  text://h:1  5s                4      1234      3  [ready]",
        "  -  echo     0  text://h:1  5s                -         -      3  [waiting]",
    ]
    assert "1 workers  2 processes" in text
