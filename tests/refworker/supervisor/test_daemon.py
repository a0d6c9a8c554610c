"""`start -d`: away from the terminal, and back with a result."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .service import Make, Service, alive, eventually


@pytest.fixture
def daemon(service: Make) -> Iterator[Service]:
    """A service that is started as a daemon, and stopped in the end."""
    running = service(extra="worker.on_worker_start = lambda w: print('hello from', w.id)\n", end=END)
    yield running
    if running.pid_file.exists():
        running.command("stop")


END = "\nrun_all(stop_timeout=1.0, stdout_file='printed', log_file='log')\n"


def pid_of(running: Service) -> int:
    return int(running.pid_file.read_text())


def field(pid: int, index: int) -> int:
    """A number of /proc/PID/stat; 4 is the parent, 6 the session, 7 the terminal."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[index - 3])


def test_it_returns_when_the_service_serves_and_leaves_the_terminal(daemon: Service) -> None:
    done = daemon.command("start", "-d", cwd=daemon.folder)
    assert done.returncode == 0, done.stderr
    assert "Start success" in done.stdout
    pid = pid_of(daemon)
    assert field(pid, 6) not in (pid, os.getsid(0))
    assert field(pid, 7) == 0
    assert os.readlink(f"/proc/{pid}/cwd") == str(daemon.folder)
    for number, target in ((0, "/dev/null"), (1, "printed"), (2, "printed")):
        assert os.readlink(f"/proc/{pid}/fd/{number}").endswith(target)
    assert daemon.command("status").returncode == 0
    assert "DAEMON" in daemon.command("status").stdout
    assert (daemon.folder / "printed").read_text().count("hello from") == 2
    assert "start in DAEMON mode" in (daemon.folder / "log").read_text()
    assert daemon.command("stop").returncode == 0
    assert not alive(pid)
    assert "has been stopped" in (daemon.folder / "log").read_text()


def test_a_second_start_says_that_one_is_running(daemon: Service) -> None:
    assert daemon.command("start", "-d", cwd=daemon.folder).returncode == 0
    pid = pid_of(daemon)
    done = daemon.command("start", "-d", cwd=daemon.folder)
    assert (done.returncode, "already running" in done.stderr) == (1, True)
    assert pid_of(daemon) == pid


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("worker.on_worker_start = lambda w: 1 / 0\n", "worker echo does not start"),
        ("Worker('text://127.0.0.1:{port}')\n", "cannot listen on text://127.0.0.1:{port}"),
        ("Worker('', user='no-such-user')\n", "no-such-user"),
    ],
)
def test_it_says_why_it_does_not_start(daemon: Service, change: str, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        source = daemon.program.read_text().replace(END, change.replace("{port}", port) + END)
        daemon.program.write_text(source)
        done = daemon.command("start", "-d", cwd=daemon.folder)
    assert done.returncode == 1
    assert reason.replace("{port}", port) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    eventually(lambda: not daemon.pid_file.exists(), "the end of the daemon")
    assert daemon.command("status").returncode == 3


def test_an_output_file_that_cannot_be_opened_refuses_the_start(daemon: Service) -> None:
    (daemon.folder / "printed").mkdir()
    done = daemon.command("start", "-d", cwd=daemon.folder)
    assert done.returncode == 1
    assert "printed" in done.stderr


def test_a_reload_goes_on_as_a_daemon_with_new_files(daemon: Service) -> None:
    assert daemon.command("start", "-d", cwd=daemon.folder).returncode == 0
    pid = pid_of(daemon)
    for name in ("printed", "log"):
        (daemon.folder / name).rename(daemon.folder / f"{name}.1")
    assert daemon.command("reload", cwd=daemon.folder).returncode == 0
    assert pid_of(daemon) == pid
    assert (daemon.folder / "printed").read_text().count("hello from") == 2
    assert "reloaded" in (daemon.folder / "log").read_text()
    assert "DAEMON" in daemon.command("status").stdout


def test_restart_is_a_stop_and_a_start(daemon: Service) -> None:
    assert daemon.command("restart", "-d", cwd=daemon.folder).returncode == 0
    pid = pid_of(daemon)
    done = daemon.command("restart", "-d", "-g", cwd=daemon.folder)
    assert done.returncode == 0
    assert pid_of(daemon) != pid
    assert not alive(pid)
    assert "gracefully stopping" in done.stdout


def test_nobody_holds_the_pipe_of_the_command(daemon: Service) -> None:
    assert daemon.command("start", "-d", cwd=daemon.folder).returncode == 0
    pid = pid_of(daemon)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *children):
        kinds = [os.readlink(f"/proc/{each}/fd/{name}") for name in os.listdir(f"/proc/{each}/fd")]
        assert not [kind for kind in kinds if kind.startswith("pipe")]


def test_it_survives_the_end_of_its_terminal(daemon: Service) -> None:
    leader, terminal = os.openpty()
    child = os.fork()
    if not child:  # a shell, as it were, with a terminal of its own
        os.setsid()
        os.close(leader)
        for number in (0, 1, 2):
            os.dup2(terminal, number)
        os.chdir(daemon.folder)
        os.execv(os.path.realpath("/bin/sh"), ["sh", "-c", f"{daemon.python} {daemon.program} start -d"])
    os.close(terminal)
    said = b""
    try:
        while piece := os.read(leader, 1000):
            said += piece
    except OSError:
        pass  # the last one who had the terminal is gone
    os.close(leader)
    os.waitpid(child, 0)
    assert b"Start success" in said
    assert alive(pid_of(daemon))
    os.kill(pid_of(daemon), signal.SIGHUP)  # by hand it still means stop
    eventually(lambda: not daemon.pid_file.exists(), "the stop")
