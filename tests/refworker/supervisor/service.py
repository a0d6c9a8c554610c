"""A real service in processes of its own, for tests: started from a program file in a fresh folder."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 10.0
"""Seconds for anything that is to happen; only a failing test takes so long."""

PROGRAM = """
import os, signal, subprocess, sys, time
from refworker.supervisor import context, reload_service, run_all, stop_all, stop_service
from refworker.worker import Worker

worker = Worker("text://127.0.0.1:0", name="echo", count=2)

@worker.on_message
def answer(connection, message):
    word, *rest = message.decode().split()
    if word in COMMANDS:
        COMMANDS[word](connection, *rest)
    else:
        connection.send(message)

def hang():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1000)

def spin():
    while True:
        pass

COMMANDS = {
    "who": lambda c: c.send({"pid": os.getpid(), "id": context().id, "name": context().name,
                             "master": context().master}),
    "files": lambda c: c.send(open_files()),
    "crash": lambda c: os._exit(7),
    "exit": lambda c, code: sys.exit(int(code)),
    "stop_all": lambda c, code: stop_all(int(code), "tired"),
    "stop_service": lambda c: stop_service(),
    "reload_service": lambda c: reload_service(),
    "block": lambda c, seconds: (time.sleep(float(seconds)), c.send("blocked"))[1],
    "hang": lambda c: hang(),
    "spin": lambda c: spin(),
    "run": lambda c, *words: c.send({"pid": subprocess.Popen(words, close_fds=False).pid}),
}

def open_files():
    kinds = []
    for name in os.listdir("/proc/self/fd"):
        try:
            kinds.append(os.readlink(f"/proc/self/fd/{name}").partition(":")[0])
        except FileNotFoundError:
            pass  # the folder that was being listed
    return sorted(kinds)
"""

END = "\nrun_all(stop_timeout=1.0)\nprint('AFTER run_all')\n"


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`; fails with `what` when there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not in time: {what}")


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Service:
    """One program file in `folder`, and what was started from it."""

    def __init__(self, folder: Path, extra: str = "", end: str = END) -> None:
        self.folder, self.program = folder, folder / "app.py"
        self.program.write_text(PROGRAM + extra + end)
        self.pid_file = folder / "refworker.app.py.pid"
        self.python = sys.executable
        self.master: subprocess.Popen[str] | None = None
        self.known: set[int] = set()

    def start(self, **options: Any) -> "Service":
        """Start the master in the foreground, its output in files; does not wait."""
        with (self.folder / "out").open("a") as out, (self.folder / "err").open("a") as err:
            command = [sys.executable, str(self.program), "start"]
            self.master = subprocess.Popen(command, stdout=out, stderr=err, text=True, **options)
        return self

    def started(self, **options: Any) -> "Service":
        """Start, and wait until the start table says that every process is ready."""
        self.start(**options)
        eventually(lambda: "Start success" in self.out or self.ended(), "the start")
        assert not self.ended(), self.err
        return self

    @property
    def out(self) -> str:
        """What the service printed."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """Its log."""
        return (self.folder / "err").read_text()

    def ended(self) -> bool:
        """Whether the master has ended."""
        assert self.master
        return self.master.poll() is not None

    def wait(self) -> int:
        """The exit code of the master."""
        assert self.master
        return self.master.wait(PATIENCE)

    def command(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of the program to its end."""
        return subprocess.run(
            [sys.executable, str(self.program), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **options,
        )

    def status(self) -> dict[str, Any]:
        """What the master says of itself and of its processes; `status --json` prints the same."""
        return self.asked({"command": "status"})

    def counted(self) -> int:
        """How many messages the processes have begun to handle."""
        return int(self.status()["totals"]["messages"])

    def children(self) -> set[int]:
        """The pids of the master's children, from the kernel."""
        assert self.master
        try:
            text = Path(f"/proc/{self.master.pid}/task/{self.master.pid}/children").read_text()
        except FileNotFoundError:
            return set()
        found = {int(pid) for pid in text.split()}
        self.known |= found
        return found

    def port(self) -> int:
        """The port that the start table shows."""
        return int(self.out.split("text://127.0.0.1:")[1].split()[0])

    def connect(self) -> socket.socket:
        """A client of the first worker."""
        return socket.create_connection(("127.0.0.1", self.port()), timeout=PATIENCE)

    def say(self, text: str) -> str:
        """Send one message over a connection of its own; the answer, empty where it closed instead."""
        with self.connect() as client:
            client.sendall(text.encode() + b"\n")
            try:
                return client.makefile().readline().rstrip()
            except ConnectionError:
                return ""

    def tell(self, text: str) -> socket.socket:
        """Send one message that nobody answers; the connection."""
        client = self.connect()
        client.sendall(text.encode() + b"\n")
        return client

    def asked(self, request: dict[str, Any]) -> dict[str, Any]:
        """The master's answer to one request. Much cheaper than a command, which is a process of its own."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.pid_file) + ".sock")
            client.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(client.makefile().readline())
        assert "error" not in answer, answer
        return answer

    def control(self, data: bytes) -> list[Any]:
        """Send bytes to the control socket; the answers until it is closed or nothing more comes."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.pid_file) + ".sock")
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in client.makefile()]

    def leftovers(self) -> list[str]:
        """Files in the folder that were not there before."""
        ours = {"app.py", "out", "err"}
        return sorted(path.name for path in self.folder.iterdir() if path.name not in ours)

    def close(self) -> None:
        """End what is left: the master and the children that it has had."""
        if self.master is None:
            return
        self.children()
        if not self.ended():
            self.master.kill()
            self.master.wait()
        for pid in filter(self.ours, self.known):
            os.kill(pid, signal.SIGKILL)

    def ours(self, pid: int) -> bool:
        """Whether a process still is one that this program started."""
        try:
            return str(self.program) in Path(f"/proc/{pid}/cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False


Make = Callable[..., Service]
"""The fixture `service`."""


def refuses(service: Service) -> bool:
    try:
        service.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def gone(service: Service) -> bool:
    """Neither processes, nor files, nor a listening port."""
    return not any(map(alive, service.known)) and not service.leftovers() and refuses(service)


def new_child(service: Service, before: set[int]) -> int:
    """The pid of the only process that was not there before, when the service is complete again."""

    def replacement() -> set[int] | None:
        now = service.children()
        return now - before if len(now) == len(before) and len(now - before) == 1 else None

    (pid,) = eventually(replacement, "a replacement")
    return int(pid)
