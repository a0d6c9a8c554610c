"""The suite's hand inside a private namespace: `python agent.py`, JSON lines in, JSON lines out.

It runs as the second process there; the first, its parent, only reaps, and ends with it, which makes the
kernel end everybody else. Process groups know no namespaces: kill(2) of group 0 reaches members outside. So
every program gets a session of its own here. Standard library only; it imports nothing of the suite.

    {"do": "start", "argv": [...], "cwd":, "env":}       -> {"pid":}
    {"do": "run", "argv": [...], "cwd":, "env":, "within":} -> {"status":, "output":}   status null: it hangs
    {"do": "bystander"}                                  -> {"pid":}
    {"do": "spawn_as", "pid":}                           -> {"pid":}      one with that number, if it can be
    {"do": "alive", "pid":}                              -> {"alive":}
    {"do": "children", "pid":}                           -> {"pids": [...]}
    {"do": "accepts", "host":, "port":}                  -> {"accepts":}
"""

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
SLEEP = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(300)"]

Answer = dict[str, Any]


def main() -> None:
    """Split into the reaper and the agent; the agent's end is everybody's."""
    agent = os.fork()
    if not agent:
        os.setsid()
    else:
        sys.stdin.close()
        while os.waitpid(-1, 0)[0] != agent:
            pass
        os._exit(0)
    _loopback()
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(DEEDS[order.pop("do")](**order)), flush=True)


def _loopback() -> None:
    """A new network namespace has a loopback device that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def start(argv: list[str], cwd: str, env: dict[str, str]) -> Answer:
    """Begin a program and leave it running."""
    quiet = subprocess.DEVNULL
    begun = subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    return {"pid": begun.pid}


def run(argv: list[str], cwd: str, env: dict[str, str], within: float) -> Answer:
    """Run a program to its end."""
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=within,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return {"status": None, "output": ""}
    return {"status": done.returncode, "output": done.stdout.decode(errors="replace")}


def bystander() -> Answer:
    """A process that has nothing to do with anything."""
    return {"pid": subprocess.Popen(SLEEP, stdin=subprocess.DEVNULL, start_new_session=True).pid}


def spawn_as(pid: int) -> Answer:
    """A bystander with a pid of our choice (ns_last_pid, proc(5)); another pid where it is taken."""
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1), encoding="ascii")
    return bystander()


def alive(pid: int) -> Answer:
    """Whether a process lives, and is no zombie."""
    return {"alive": _state(pid) not in {"", "Z", "X"}}


def children(pid: int) -> Answer:
    """The living children of a process."""
    pids = sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {
        "pids": [child for child in pids if _parent(child) == pid and _state(child) not in {"", "Z", "X"}]
    }


def accepts(host: str, port: int) -> Answer:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1.0):
        return {"accepts": True}
    return {"accepts": False}


def _stat(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return []


def _state(pid: int) -> str:
    return (_stat(pid) or [""])[0]


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["", "0"])[1])


DEEDS: dict[str, Callable[..., Answer]] = {
    "start": start,
    "run": run,
    "bystander": bystander,
    "spawn_as": spawn_as,
    "alive": alive,
    "children": children,
    "accepts": accepts,
}

if __name__ == "__main__":
    main()
