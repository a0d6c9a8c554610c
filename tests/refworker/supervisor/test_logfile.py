import fcntl
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refworker.supervisor import logfile
from refworker.supervisor.logfile import LogFile, formatter

PREFIX = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d pid:"


def record(text: str, **options: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": text, **options})


def python(program: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, which may fork as it likes."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **options)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogFile]:
    """A log file with room for 2000 bytes."""
    log = LogFile(tmp_path / "app.log", max_size=2000)
    yield log
    log.close()


# -- lines -----------------------------------------------------------------------------------------


def test_a_line_has_time_and_pid(log: LogFile) -> None:
    log.emit(record("hello"))
    assert re.fullmatch(rf"{PREFIX}{os.getpid()} hello\n", log.path.read_text())


def test_every_line_of_a_traceback_has_them_too() -> None:
    try:
        raise ValueError("on\npurpose")
    except ValueError:
        text = formatter().format(record("failed", exc_info=sys.exc_info()))
    lines = text.split("\n")
    assert len(lines) > 4
    assert all(re.match(PREFIX, line) for line in lines)
    assert lines[-1].endswith("purpose")


def test_text_that_is_no_unicode_is_written_all_the_same(log: LogFile) -> None:
    log.emit(record("name \udcff, 日本"))
    assert log.path.read_text(encoding="utf-8").endswith("name \\udcff, 日本\n")


def test_a_record_is_one_write(log: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda file, data: writes.append(data) or len(data))
    log.emit(record("first\nsecond"))
    assert len(writes) == 1
    assert writes[0].count(b"\n") == 2


# -- the file --------------------------------------------------------------------------------------


def test_a_missing_folder_is_made_and_the_file_is_not_for_others_to_write(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a" / "b" / "app.log")
    assert log.path.stat().st_mode & 0o777 == 0o644
    log.close()
    log.close()
    assert log.fileno() == -1


def test_a_file_that_is_there_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("before\n")
    log = LogFile(path)
    os.write(log.fileno(), b"after\n")
    log.close()
    assert path.read_text() == "before\nafter\n"


def test_a_device_has_no_size_to_limit() -> None:
    log = LogFile(Path("/dev/null"), max_size=1)
    log.emit(record("nothing is kept"))
    log.close()


@pytest.mark.parametrize("name", ["a_folder", "a_file/app.log", "a_socket"])
def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "a_file").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "a_socket"))
        with pytest.raises(OSError, match=rf"cannot open the log file .*/{name}: [A-Z]") as caught:
            LogFile(tmp_path / name)
    assert caught.value.errno


def test_it_keeps_no_descriptor_of_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="Is a directory"):
        LogFile(tmp_path)
    assert os.listdir("/proc/self/fd") == before


def test_a_file_renamed_while_it_is_opened_is_not_mistaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, really, calls = tmp_path / "app.log", os.open, 0

    def rotate(name: Path, *args: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            path.rename(tmp_path / "app.log.1")
            path.touch()
        return really(name, *args)

    monkeypatch.setattr(os, "open", rotate)
    log = LogFile(path)
    log.emit(record("to the new one"))
    log.close()
    assert path.read_text().endswith("to the new one\n")
    assert (tmp_path / "app.log.1").read_text() == ""


# -- its size --------------------------------------------------------------------------------------


def fill(log: LogFile, count: int) -> None:
    """Write lines of 100 bytes; what they say."""
    texts = [
        f"{number:05}".ljust(100 - 1 - len(f"2026-11-23 02:39:56 pid:{os.getpid()} "))
        for number in range(count)
    ]
    for text in texts:
        log.emit(record(text))
    return texts


def numbers(path: Path) -> list[int]:
    return [int(line.split("pid:")[1].split()[1]) for line in path.read_text().splitlines()]


def test_up_to_the_limit_nothing_is_dropped(log: LogFile) -> None:
    fill(log, 20)
    assert log.path.stat().st_size == 2000
    assert numbers(log.path) == list(range(20))


def test_beyond_it_the_older_half_is(log: LogFile) -> None:
    inode = log.path.stat().st_ino
    fill(log, 21)
    assert numbers(log.path) == list(range(11, 21))
    assert log.path.stat().st_ino == inode
    fill(log, 1)
    assert numbers(log.path) == [*range(11, 21), 0]


def test_zero_is_no_limit(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "app.log", max_size=0)
    fill(log, 100)
    log.close()
    assert numbers(log.path) == list(range(100))


def test_a_block_at_a_time_gives_the_same(log: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "BLOCK", 7)
    fill(log, 21)
    assert numbers(log.path) == list(range(11, 21))


def test_the_newest_line_is_kept_however_long_it_is(log: LogFile) -> None:
    log.emit(record("short"))
    log.emit(record("x" * 5000))
    assert len(log.path.read_text()) > 5000
    log.emit(record("next"))
    assert re.fullmatch(rf"{PREFIX}\d+ next\n", log.path.read_text())


def test_a_shortening_that_fails_half_way_loses_nothing_of_the_newer_half(
    log: LogFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError("on purpose")

    monkeypatch.setattr(os, "ftruncate", fail)
    fill(log, 21)
    assert set(range(11, 21)) <= set(numbers(log.path))
    assert "on purpose" in capsys.readouterr().err


# -- several processes -----------------------------------------------------------------------------

WRITERS = """
import logging, os, sys
from pathlib import Path
from refworker.supervisor.logfile import LogFile

path, inherited = Path(sys.argv[1]), sys.argv[4] == "True"
processes, lines = int(sys.argv[2]), int(sys.argv[3])
log = LogFile(path, 10_000)
for process in range(processes):
    if not os.fork():
        log = log if inherited else LogFile(path, 10_000)
        for number in range(lines):
            log.emit(logging.makeLogRecord({"msg": f"{process} {number} end"}))
        os._exit(0)
for process in range(processes):
    assert os.wait()[1] == 0
"""


@pytest.mark.parametrize("inherited", [True, False])
def test_no_line_of_any_process_is_lost_or_torn(tmp_path: Path, inherited: bool) -> None:
    path = tmp_path / "app.log"
    done = python(WRITERS, path, 4, 3000, inherited)
    assert (done.returncode, done.stderr) == (0, "")
    seen: dict[str, list[int]] = {}
    for line in path.read_text().splitlines():
        found = re.fullmatch(rf"{PREFIX}\d+ (\d) (\d+) end", line)
        assert found, line
        seen.setdefault(found[1], []).append(int(found[2]))
    assert len(seen) > 0
    for own in seen.values():  # what is dropped is older than all that is kept: no gap, up to the last line
        assert own == list(range(own[0], 3000))
    assert path.stat().st_size < 4 * 10_000


HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


class Holder:
    """Another process that holds a lock of the log until `let_go`."""

    def __init__(self, path: Path, how: int) -> None:
        command = [sys.executable, "-c", HOLDER, str(path), str(how)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == "held\n"

    def let_go(self) -> None:
        self.process.communicate(timeout=30)


MEANWHILE = """
import logging, os, sys, time
from pathlib import Path
from refworker.supervisor.logfile import LogFile

path, inherited = Path(sys.argv[1]), sys.argv[2] == "True"
say, hear = os.pipe()[::-1]
truncate, log = os.ftruncate, LogFile(path, 2000)

def emit(text):
    log.emit(logging.makeLogRecord({"msg": text}))

def waits_for_the_lock(pid):
    return any("->" in line and f" {pid} " in line for line in open("/proc/locks"))

def slow_truncate(file, size):  # until the other process waits, or has written although it should wait
    before = os.fstat(file).st_size
    os.write(say, b"!")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and os.fstat(file).st_size == before and not waits_for_the_lock(writer):
        pass
    truncate(file, size)

writer = os.fork()
if not writer:
    log = log if inherited else LogFile(path, 2000)
    os.read(hear, 1)
    emit("late")
    os._exit(0)
os.ftruncate = slow_truncate
for _ in range(3):
    emit("x" * 900)
os.waitpid(writer, 0)
"""


@pytest.mark.parametrize("inherited", [True, False])
def test_who_shortens_is_waited_for(tmp_path: Path, inherited: bool) -> None:
    done = python(MEANWHILE, tmp_path / "app.log", inherited)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "app.log").read_text().endswith(" late\n")


def test_who_writes_is_not_waited_for_but_nothing_is_dropped_meanwhile(log: LogFile) -> None:
    holder = Holder(log.path, fcntl.LOCK_SH)
    fill(log, 30)
    assert numbers(log.path) == list(range(30))
    holder.let_go()
    log.emit(record("99999"))
    assert numbers(log.path) == [*range(16, 30), 99999]


# -- the streams of a daemon -----------------------------------------------------------------------

DAEMON = """
import os, subprocess, sys
from pathlib import Path
from refworker.supervisor.logfile import reopen_streams

out = Path(sys.argv[1])
for number in map(int, sys.argv[2:]):
    os.close(number)
print("for the terminal", end="") if 1 not in map(int, sys.argv[2:]) else None
reopen_streams(out)
print("printed", flush=True)
os.write(2, b"erred\\n")
subprocess.run(["sh", "-c", "echo of a child; echo of a child >&2; cat"], check=True)
names = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
assert names == ["/dev/null", str(out), str(out)], names
assert len(os.listdir("/proc/self/fd")) == 4, os.listdir("/proc/self/fd")
out.rename(out.with_suffix(".1"))
reopen_streams(out)
os.write(1, b"to the new one\\n")
"""


@pytest.mark.parametrize("closed", [(), (0,), (2,), (0, 2), (0, 1, 2)])
def test_streams_go_to_the_file_also_where_some_were_closed(tmp_path: Path, closed: tuple[int, ...]) -> None:
    out = tmp_path / "out"
    out.write_text("before\n")
    done = python(DAEMON, out, *closed)
    assert (done.returncode, done.stderr) == (0, ""), out.read_text()
    assert done.stdout == ("" if 1 in closed else "for the terminal")
    assert out.with_suffix(".1").read_text() == "before\nprinted\nerred\nof a child\nof a child\n"
    assert out.read_text() == "to the new one\n"
    assert out.stat().st_mode & 0o777 == 0o644


def test_streams_stay_where_the_file_cannot_be_opened(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd"), os.readlink("/proc/self/fd/1")
    with pytest.raises(OSError, match=r"cannot open the stdout_file .*: Is a directory; choose a file"):
        logfile.reopen_streams(tmp_path)
    assert (os.listdir("/proc/self/fd"), os.readlink("/proc/self/fd/1")) == before
