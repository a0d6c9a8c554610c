"""`status` and the control socket of a real service."""

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .service import Make, eventually

OTHER_USER = 65534


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_status_counts(service: Make) -> None:
    running = service(extra="worker.count = 1\n").started()
    clients = [running.connect() for _ in range(2)]
    for client in clients:
        client.sendall(b"one\ntwo\n")
        assert client.makefile().readline() == "one\n"
    (process,) = eventually(
        lambda: [row for row in running.status()["processes"] if row["messages"] == 4], "four messages"
    )
    assert process["connections"] == 2
    assert process["worker"] == "echo"
    assert process["state"] == "idle"
    assert process["uptime"] > 0
    assert process["memory"] > 1_000_000
    assert running.status()["workers"][0]["exits"] == {}
    for client in clients:
        client.close()


def test_status_describes_the_master(service: Make) -> None:
    running = service().started()
    master = running.status()["master"]
    assert running.master
    assert master["pid"] == running.master.pid
    assert master["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (master["mode"], master["reloads"]) == ("DEBUG", 0)
    assert running.command("status").stdout.count("[idle]") == 2
    assert json.loads(running.command("status", "--json").stdout)["master"]["pid"] == master["pid"]


def test_the_control_socket_is_private(service: Make) -> None:
    running = service().started()
    assert stat.S_IMODE(Path(f"{running.pid_file}.sock").stat().st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("words", ["status", "stop", "start"])
def test_another_user_is_told_so(service: Make, public: Path, words: str) -> None:
    running = service(folder=public).started()
    code = (
        "import os, subprocess, sys, refworker.supervisor\n"  # what root alone may read, perhaps
        "sys.modules['__main__'].__file__, source = sys.argv[1], open(sys.argv.pop(1)).read()\n"
        f"os.setuid({OTHER_USER})\n"
        "exec(source)\n"
    )
    command = [sys.executable, "-c", code, str(running.program), words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "ermission" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not running.ended()


MALFORMED = {
    b"nonsense\n": "not JSON",
    b"[1]\n": "not a JSON object",
    b"{}\n": "unknown command 'None'",
    b'{"command": "explode"}\n': "unknown command 'explode'; known are status, connections, stop, reload",
    b'{"command": ["stop"]}\n': "unknown command",
    b'{"command": "\xff"}\n': "not JSON",
    b"[" * 3000 + b"\n": "not JSON",
    b"x" * 10000: "longer than",
}


def test_malformed_requests_harm_nobody(service: Make) -> None:
    running = service().started()
    for sent, complaint in MALFORMED.items():
        (answer,) = running.control(sent)
        assert complaint in answer["error"], sent
        assert running.status()["master"]["state"] == "running", sent


def test_many_silent_clients_do_not_exhaust_the_master(service: Make) -> None:
    running = service().started()
    clients = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"{running.pid_file}.sock")
        clients.append(client)
    assert running.say("hello") == "hello"
    for client in clients:
        client.close()
    eventually(lambda: running.command("status").returncode == 0, "a free session")


def test_several_clients_may_ask_at_once(service: Make) -> None:
    running = service().started()
    clients = []
    for _ in range(5):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(f"{running.pid_file}.sock")
        client.sendall(b'{"command": "status"}\n{"command": "status"}\n')
        clients.append(client)
    for client in clients:
        lines = client.makefile()
        for _ in range(2):
            assert len(json.loads(lines.readline())["processes"]) == 2
        client.close()
