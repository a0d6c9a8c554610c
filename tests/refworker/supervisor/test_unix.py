"""Unix sockets under a master, and what listens in a process beside its own worker, in real processes."""

import json
import os
import pwd
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from .service import PATIENCE, Make, Service, alive, eventually

UNIX = """
local = Worker("text:///{folder}/a.sock", transport="unix", name="local", count=2, on_message=answer, {more})
"""
BESIDE = """
@worker.on_worker_start
def inner(outer):
    global beside
    beside = Worker("text://{folder}/b.sock", transport="unix", name="beside", on_message=answer)
    beside.on_worker_start = lambda worker: print("must not start")
    beside.on_worker_stop = lambda worker: print("beside stops", flush=True)
    beside.listen()

worker.on_worker_stop = lambda worker: print("worker stops", flush=True)
worker.count = 1
COMMANDS["workers"] = lambda c: c.send([each.name for each in __import__("refworker").get_all_workers()])
COMMANDS["worker"] = lambda c: c.send([c.worker.name, c.worker.id, os.getpid()])
COMMANDS["unlisten"] = lambda c: (worker.unlisten(), c.send("ok"))
COMMANDS["listen"] = lambda c: (worker.listen(), c.send("ok"))
COMMANDS["pause"] = lambda c: (worker.pause_accept(), c.send("ok"))
COMMANDS["resume"] = lambda c: (worker.resume_accept(), c.send("ok"))
"""


@pytest.fixture
def local(service: Make, tmp_path: Path) -> Any:
    """Makes a service with a Unix socket `a.sock` beside its port."""

    def make(more: str = "", extra: str = "") -> Service:
        return service(extra=UNIX.format(folder=str(tmp_path)[1:], more=more) + extra).started()

    return make


def say(path: Path, line: str, name: str = "") -> str:
    """One exchange over a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        if name:
            client.bind(name)
        client.connect(str(path))
        client.sendall(f"{line}\n".encode())
        return client.makefile().readline().rstrip("\n")


def test_the_file_lives_as_long_as_the_service(local: Any, tmp_path: Path) -> None:
    running, path = local(), tmp_path / "a.sock"
    file = path.stat().st_ino
    assert say(path, "hello") == "hello"
    say(path, "exit 3")
    assert running.command("reload").returncode == 0
    assert running.command("start").returncode != 0
    assert say(path, "still here") == "still here"
    assert path.stat().st_ino == file
    assert running.command("stop").returncode == 0
    assert not path.exists()
    assert "Traceback" not in running.err


def test_what_a_crash_has_left_is_replaced(local: Any, tmp_path: Path) -> None:
    running, path = local(), tmp_path / "a.sock"
    children = running.children()
    running.master.kill()
    for child in children:
        os.kill(child, signal.SIGKILL)
    running.master.wait()
    eventually(lambda: not any(map(alive, children)), "their end")
    assert path.exists()
    running.start()
    eventually(lambda: running.out.count("Start success") == 2, "the second start")
    assert say(path, "hello") == "hello"


def test_a_living_socket_of_somebody_else_is_left_alone(local: Any, tmp_path: Path) -> None:
    running, path = local(), tmp_path / "a.sock"
    running.command("stop")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        done = running.command("start")
        assert done.returncode == 1
        assert "stop the server that uses it, or choose another path" in done.stdout + done.stderr
        assert path.exists()
        assert not running.pid_file.exists()


def test_a_socket_that_new_code_does_not_have_is_removed(local: Any, tmp_path: Path) -> None:
    running = local()
    program = running.program.read_text()
    running.program.write_text(program.replace("local = Worker", "[].append  # "))
    assert running.command("reload").returncode == 0, running.err
    assert not (tmp_path / "a.sock").exists()
    assert running.say("hello") == "hello"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_file_belongs_to_who_serves_there(local: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    local(more='user="nobody", socket_mode=0o660')
    found, nobody = (tmp_path / "a.sock").stat(), pwd.getpwnam("nobody")
    assert (found.st_uid, found.st_gid) == (nobody.pw_uid, nobody.pw_gid)
    assert stat.S_IMODE(found.st_mode) == 0o660


def test_tables_show_paths_and_nameless_clients(local: Any, tmp_path: Path) -> None:
    running, path = local(), tmp_path / "a.sock"
    (row,) = [line.split() for line in running.out.splitlines() if "a.sock" in line]
    assert (row[1], row[3], row[-2:]) == ("unix", "local", ["2", "[OK]"])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"hello\n")
        assert client.recv(10) == b"hello\n"
        shown = running.command("connections")
        assert shown.returncode == 0
        (row,) = [line.split() for line in shown.stdout.splitlines() if "local" in line]
        assert row[3:7] == ["unix", "Text", "0", "0"]
        assert row[-2:] == [str(path), "-"]


def test_a_worker_that_listens_beside_the_own_one(service: Make, tmp_path: Path) -> None:
    running = service(extra=BESIDE.format(folder=tmp_path)).started()
    (pid,) = running.children()
    assert json.loads(say(tmp_path / "b.sock", "worker")) == ["beside", 0, pid]
    assert json.loads(running.say("workers")) == ["echo", "beside"]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "b.sock"))
        client.sendall(b"hello\n")
        assert client.recv(10) == b"hello\n"
        (row,) = [
            line.split() for line in running.command("connections").stdout.splitlines() if "b.sock" in line
        ]
        assert row[:2] == [str(pid), "beside"]
        (process,) = running.status()["processes"]
        assert process["connections"] == 1
    running.command("stop")
    running.wait()
    assert not (tmp_path / "b.sock").exists()
    words = running.out.splitlines()
    assert "must not start" not in words
    assert words.index("beside stops") < words.index("worker stops")


def test_unlisten_and_listen_in_a_process_that_shares_its_port(service: Make, tmp_path: Path) -> None:
    running = service(extra=BESIDE.format(folder=tmp_path)).started()
    control = tmp_path / "b.sock"
    for off, on in (("unlisten", "listen"), ("pause", "resume")):
        assert say(control, off) == "ok"
        with socket.create_connection(("127.0.0.1", running.port()), PATIENCE) as waiting:
            waiting.sendall(b"hello\n")
            assert say(control, "time enough") == "time enough"  # for the process to accept, if it would
            eventually(lambda: running.status()["processes"][0]["connections"] == 0, "nobody but that one")
            assert say(control, on) == "ok"
            assert waiting.recv(10) == b"hello\n"
    assert running.command("stop").returncode == 0
    assert "Traceback" not in running.err
