"""How fast a large file goes out, beside nginx: `python -m tests.bench static`.

100 MB of random bytes in the page cache, one process each, sendfile on both sides, one client that throws
away what it reads. The unit is bytes a second on one connection; the target is at least 0.8 of nginx's.
"""

import asyncio
import grp
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from conformance.target.process import wait_until
from tests.bench.measure import cpu_seconds
from tests.bench.pipes import listens

SIZE = 100 * 1000 * 1000
SLICE = bytearray(1024 * 1024)
TARGET = 0.8
START = 15.0
"""Seconds in which a server has to listen."""

CONFIGURATION = """
{user}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    sendfile on;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
    }}
}}
"""


async def refworker(folder: str) -> None:
    """Ours, as its documentation would have it."""
    from refworker import Worker
    from refworker.components.static import StaticFiles

    async with Worker("http://127.0.0.1:0", on_message=StaticFiles(f"{folder}/files")) as worker:
        print(worker.port, flush=True)
        await asyncio.Event().wait()


def compare_static(rounds: int) -> None:
    """Both in turns, then the table."""
    names = [
        "refworker",
        *(["nginx"] if shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") else []),
    ]
    rates: dict[str, list[float]] = {name: [] for name in names}
    costs: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        (Path(folder) / "files").mkdir()
        (Path(folder) / "files" / "large").write_bytes(os.urandom(SIZE))
        os.chmod(folder, 0o755)
        servers = {name: stack.enter_context(serving(name, folder)) for name in names}
        for _ in range(rounds):
            for name, (pid, port) in servers.items():
                before = cpu_seconds(pid)
                rates[name].append(SIZE / fetched(port))
                costs[name].append(cpu_seconds(pid) - before)
    show(rates, costs)


def show(rates: dict[str, list[float]], costs: dict[str, list[float]]) -> None:
    """One line for each, and the ratio."""
    print("static, a file of 100 MB            MB/s  CPU ms")
    for name, samples in rates.items():
        print(f"  {name:<28} {median(samples) / 1e6:>10,.0f} {1000 * median(costs[name]):>7.1f}")
    if "nginx" not in rates:
        print("  nginx is not installed: nothing to compare with")
        return
    ratio = median(ours / theirs for ours, theirs in zip(rates["refworker"], rates["nginx"], strict=True))
    print(f"  rate / nginx: {ratio:.2f}  target >= {TARGET}  {'met' if ratio >= TARGET else 'MISSED'}\n")


def fetched(port: int) -> float:
    """Seconds for the whole file."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        began = time.perf_counter()
        peer.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        left = SIZE + head_of(peer)
        while left > 0:
            if not (count := peer.recv_into(SLICE)):
                raise ConnectionError(f"{left} bytes are missing")
            left -= count
        return time.perf_counter() - began


def head_of(peer: socket.socket) -> int:
    """How long the head is, by a look at the first bytes: they stay where they are."""
    while (end := peer.recv(4096, socket.MSG_PEEK).find(b"\r\n\r\n")) < 0:
        pass
    return end + 4


@contextmanager
def serving(name: str, folder: str) -> Iterator[tuple[int, int]]:
    """The server in a process of its own, ended with the block: its pid and its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.static", folder]
    if name == "nginx":
        Path(folder, "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, user=user()))
        command = [
            shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") or "",
            "-p",
            folder,
            "-c",
            f"{folder}/nginx.conf",
        ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            port = port if name == "nginx" else int(process.stdout.readline())
            assert wait_until(lambda: listens(port), START), f"{name} did not start"
            yield process.pid, port
        finally:
            process.terminate()


def user() -> str:
    """nginx that is started by root works as somebody else, unless it is told."""
    if os.geteuid():
        return ""
    return f"user {pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name};"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    asyncio.run(refworker(sys.argv[1]))
