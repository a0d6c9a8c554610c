import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.target import leash
from tests.kill_matrix.forked import Popen

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
"""Processes of pytest-xdist have a thread; it holds nothing that a fork asks for."""

SHOWS = """
import os, sys
from pathlib import Path
print(sys.argv, os.getcwd(), dict(os.environ))
print([Path("/proc/self", name).read_text().split("\\0")[:5] for name in ("cmdline", "environ")])
print(sorted(os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")), os.getsid(0) == os.getpid())
print("to stderr", file=sys.stderr)
sys.exit(7)
"""
WAITS = """
import time
print("waits", flush=True)
while True:
    time.sleep(60)
"""


def forked(folder: Path, script: str, *words: str, leashed_to: int = 0) -> Popen:
    (folder / "main.py").write_text(script, "utf-8")
    held = [sys.executable, "-I", "-S", leash.__file__, str(leashed_to)] if leashed_to else []
    return Popen(
        [*held, sys.executable, "main.py", *words],
        cwd=folder,
        env={"COLOUR": "blue"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_fork_is_what_a_new_interpreter_would_be(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    with forked(folder, SHOWS, "start", "now") as process:
        out, err = process.communicate()
    expected = [f"{['main.py', 'start', 'now']} {folder} {{'COLOUR': 'blue'}}"]
    expected += [str([[sys.executable, "main.py", "start", "now", ""], ["COLOUR=blue", "", "", "", ""]])]
    expected += ["['0', '1', '2'] 4 True"]  # the fourth is that of the listing itself
    assert out.splitlines() == expected, err
    assert err == "to stderr\n"
    assert process.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_signals_end_a_fork(tmp_path: Path, number: signal.Signals) -> None:
    with forked(tmp_path, WAITS, leashed_to=os.getpid()) as process:
        assert process.stdout
        assert process.stdout.readline() == "waits\n"
        process.send_signal(number)
        assert process.wait() == -number


def test_an_error_is_told_as_an_interpreter_tells_it(tmp_path: Path) -> None:
    with forked(tmp_path, "1 / 0") as process:
        _, err = process.communicate()
    assert err.endswith("ZeroDivisionError: division by zero\n")
    assert process.returncode == 1


def test_a_fork_whose_parent_has_gone_does_not_start(tmp_path: Path) -> None:
    with forked(tmp_path, WAITS, leashed_to=1) as process:
        out, err = process.communicate()
    assert not out
    assert "the suite has gone" in err


def test_what_is_no_script_of_a_zoo_is_started_as_ever() -> None:
    with Popen(["sh", "-c", "exit 3"]) as process:
        assert process.wait() == 3
