"""What the tests of tasks share: a task worker in the test's own loop, and one with processes of its own."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from refworker.supervisor import run_all
from refworker.tasks import TaskWorker
from tests.refworker.peers import DEADLINE, Peer

HOST = "127.0.0.1"


class Gates:
    """Functions that end when a test says so: `wait` gives its `name` back once that gate is open."""

    def __init__(self) -> None:
        self.open: dict[str, asyncio.Event] = {}
        self.begun: list[str] = []

    async def wait(self, name: str) -> str:
        self.begun.append(name)
        await self.open.setdefault(name, asyncio.Event()).wait()
        return name

    def let(self, name: str) -> None:
        self.open.setdefault(name, asyncio.Event()).set()


def worker(gates: Gates | None = None, **options: Any) -> TaskWorker:
    """A task worker on a free port, with a few async functions."""
    tasks = TaskWorker(f"text://{HOST}:0", **options)

    @tasks.function
    async def echo(value: Any) -> Any:
        return value

    @tasks.function
    async def add(a: float, b: float) -> float:
        return a + b

    @tasks.function
    async def fail(message: str) -> None:
        raise LookupError(message)

    if gates:
        tasks.register("wait", gates.wait)
    return tasks


def address(tasks: TaskWorker) -> str:
    return f"text://{HOST}:{tasks.port}"


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


async def said(peer: Peer) -> dict[str, Any]:
    """The next line of a peer."""
    async with asyncio.timeout(DEADLINE):
        fields: dict[str, Any] = json.loads(await peer.reader.readline())
        return fields


# -- real processes -----------------------------------------------------------------------------------


class Service:
    """A running program of this module: its address, its master, its task processes."""

    def __init__(self, port: int, master: int, pids: set[int]) -> None:
        self.address, self.master, self.pids = f"text://{HOST}:{port}", master, pids


@asynccontextmanager
async def service(folder: Path, count: int, kind: str) -> AsyncIterator[Service]:
    """`count` processes with `plain` or `async` functions, under a master; stopped at the end."""
    program = (sys.executable, "-m", __name__, str(folder / "pid"), str(count), kind)
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        async with asyncio.timeout(DEADLINE):
            started = []
            while len(started) < count:
                if (report := await process.stdout.readline()).startswith(b"{"):
                    started.append(json.loads(report))
                assert report, "the service has ended"
        yield Service(started[0]["port"], process.pid, {each["pid"] for each in started})
    finally:
        process.terminate()
        await process.communicate()


def main(pid_file: str, count: str, kind: str) -> None:
    """The program: functions that block, or that do not."""
    tasks = TaskWorker(f"text://{HOST}:0", count=int(count))

    @tasks.on_worker_start
    def tell(started: TaskWorker) -> None:
        sys.stdout.write(json.dumps({"port": started.port, "pid": os.getpid()}) + "\n")  # one write

    @tasks.function
    async def who() -> int:
        return os.getpid()

    @tasks.function
    async def nap(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @tasks.function
    async def crash_once(mark: str) -> str:
        """Die, but not when `mark` says that this has happened."""
        try:
            Path(mark).touch(exist_ok=False)
        except FileExistsError:
            return "done"
        os._exit(7)

    if kind == "plain":

        @tasks.function
        def until_exists(path: str) -> int:
            """Block this process until a file exists."""
            while not Path(path).exists():
                time.sleep(0.001)
            return os.getpid()

    run_all(argv=["start"], pid_file=pid_file)


if __name__ == "__main__":
    main(*sys.argv[1:])
