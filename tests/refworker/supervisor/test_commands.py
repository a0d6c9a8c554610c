"""The grammar in this process; what the commands do is in `test_master.py`."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from refworker.supervisor.channel import Channel
from refworker.supervisor.commands import COMMANDS, CommandError, asked, ended, main, parsed
from refworker.supervisor.settings import SettingError, Settings, make_settings

DEFAULTS = {
    "pid_file": None,
    "log_file": None,
    "log_file_max_size": 0,
    "stdout_file": "/dev/null",
    "daemonize": False,
    "stop_timeout": 2.0,
    "graceful_timeout": 30.0,
    "busy_report": 5.0,
    "busy_timeout": None,
    "loop": "asyncio",
    "on_master_reload": None,
    "on_master_stop": None,
}


def made(**options: Any) -> Settings:
    """Settings with everything else by default."""
    return make_settings(**(DEFAULTS | options))


SETTINGS = made(pid_file="/no/such/app.pid")


@pytest.mark.parametrize(
    ("argv", "name", "options"),
    [
        (["start"], "start", set()),
        (["status", "--json"], "status", {"--json"}),
        (["--json", "status"], "status", {"--json"}),
        (["stop", "start"], "stop", set()),
        (["-d", "restart", "-g"], "restart", {"-d", "-g"}),
        (["start", "-q", "--daemon"], "start", {"--daemon"}),
        (["status", "-d", "--prometheus"], "status", {"-d", "--prometheus"}),
        (["word", "--port=80", "-", "--", "start", "more"], "start", set()),
    ],
)
def test_words_in_any_order(argv: list[str], name: str, options: set[str]) -> None:
    assert parsed(argv, "app.py") == (COMMANDS[name], options)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "a command is missing"),
        (["bogus"], "unknown command 'bogus'"),
        (["start", "-g"], "start has no option -g"),
        (["reload", "-x"], "reload has no option -x"),
        (["reload", "--prometheus"], "reload has no option --prometheus"),
        (["stop", "--json"], "stop has no option --json"),
    ],
)
def test_wrong_usage_is_one_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SETTINGS, [], argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert message in line
    assert "usage: " in line
    assert all(name in line for name in COMMANDS)


@pytest.mark.parametrize("argv", [["--help"], ["start", "-h"]])
def test_help_does_nothing_else(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SETTINGS, [], argv) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert all(name in printed.out for name in COMMANDS)


@pytest.mark.parametrize(
    ("command", "code"),
    [("stop", 0), ("status", 3), ("connections", 3), ("reload", 3), ("start", 1), ("restart", 1)],
)
def test_no_service_there(command: str, code: int) -> None:
    assert main(SETTINGS, [], [command]) == code


def test_a_master_that_does_not_answer() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with pytest.raises(CommandError, match="does not answer"):
        asked(channel, {"command": "stop"}, 0.01)
    channel.close()
    theirs.close()


@pytest.mark.parametrize(
    ("answer", "message"), [(b"", "not running any more"), (b"?\n", "not JSON"), (b'{"error": "no"}\n', "no")]
)
def test_a_master_that_answers_badly(answer: bytes, message: str) -> None:
    ours, theirs = socket.socketpair()
    theirs.send(answer)
    theirs.close()
    channel = Channel(ours)
    with pytest.raises(CommandError, match=message):
        asked(channel, {"command": "stop"}, 5.0)
    channel.close()


def test_the_end_of_a_process_is_its_end_and_not_the_end_of_its_socket(tmp_path: Path) -> None:
    program = (
        "import socket, sys, time\n"
        "server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); server.listen()\n"
        "print('listening', flush=True); client = server.accept()[0]; client.close()\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "socket")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdout.readline()
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(tmp_path / "socket"))
    channel = Channel(sock)
    assert not ended(channel, 0.05)
    process.stdin.close()
    assert ended(channel, 10.0)
    channel.close()
    process.stdout.close()
    process.wait()


@pytest.mark.parametrize("name", ["stop_timeout", "graceful_timeout", "busy_report", "busy_timeout"])
@pytest.mark.parametrize("timeout", [-1.0, float("nan"), float("inf")])
def test_a_time_that_cannot_be_meant(name: str, timeout: float) -> None:
    with pytest.raises(SettingError, match=name):
        made(**{name: timeout})


def test_the_loop_is_chosen_by_argument_before_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFWORKER_LOOP", "nonsense")
    with pytest.raises(SettingError, match="unknown event loop 'nonsense'"):
        made(loop=None)
    assert made().loop == "asyncio"


def test_uvloop_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"pip install 'refworker\[fast\]'"):
        made(loop="uvloop")


def test_paths_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = made(pid_file="run/app.pid", log_file="app.log")
    assert settings.pid_file == tmp_path / "run" / "app.pid"
    assert settings.log_file == tmp_path / "app.log"
    assert settings.control_path == tmp_path / "run" / "app.pid.sock"
