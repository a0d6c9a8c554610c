"""Calls of `echo` per second from one client process over two task processes.

The dispatcher shares a few connections among all calls. Beside it the recipe of the manual: a connection for
every task, opened before the request and closed behind the reply.
"""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

from conformance.target.ports import free_port
from conformance.target.process import wait_until
from conformance.wire.address import Address, dial
from refworker.tasks import Dispatcher

PROCESSES = 2
CALLS = 20_000
IN_FLIGHT = 200
TARGET = 10_000

SERVER = """
import sys
from refworker import TaskWorker, run_all
tasks = TaskWorker(sys.argv[1], count=int(sys.argv[2]))

@tasks.function
async def echo(value):
    return value

sys.argv[1:] = ["start"]
run_all()
"""


@contextmanager
def task_processes(port: int) -> Iterator[None]:
    """A master with its task processes, ended with the block."""
    command = [sys.executable, "-c", SERVER, f"text://127.0.0.1:{port}", str(PROCESSES)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as master:
        try:
            assert wait_until(lambda: accepts(port), 10), "the task processes did not start"
            yield
        finally:
            master.send_signal(signal.SIGTERM)


def accepts(port: int) -> bool:
    try:
        dial(Address.parse(f"tcp://127.0.0.1:{port}"), 1.0).close()
    except OSError:
        return False
    return True


async def by_dispatcher(port: int, values: Iterator[int]) -> None:
    async with Dispatcher(f"text://127.0.0.1:{port}") as dispatcher:

        async def client() -> None:
            for value in values:
                assert await dispatcher.call("echo", value=value) == value

        await asyncio.gather(*(client() for _ in range(IN_FLIGHT)))


async def one_connection_each(port: int, values: Iterator[int]) -> None:
    async def client() -> None:
        for value in values:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(json.dumps({"function": "echo", "args": {"value": value}}).encode() + b"\n")
            assert json.loads(await reader.readline())["result"] == value
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(IN_FLIGHT)))


Way = Callable[[int, Iterator[int]], Awaitable[None]]

WAYS: dict[str, tuple[Way, int]] = {
    "dispatcher": (by_dispatcher, CALLS),
    "one connection for each": (one_connection_each, CALLS // 10),
}


def compare_calls(rounds: int) -> None:
    """Both ways in turns, then the table."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    with task_processes(port := free_port()):
        for _ in range(rounds):
            for name, (way, calls) in WAYS.items():
                rates[name].append(calls / asyncio.run(timed(way, port, calls)))
    print(f"task echo, {PROCESSES} processes, {IN_FLIGHT} in flight     calls/s")
    for name, values in rates.items():
        print(f"  {name:<30} {median(values):>16,.0f}{beside_target(name, median(values))}")


async def timed(way: Way, port: int, calls: int) -> float:
    started = perf_counter()
    await way(port, iter(range(calls)))
    return perf_counter() - started


def beside_target(name: str, rate: float) -> str:
    if name != "dispatcher":
        return ""
    return f"   target >= {TARGET:,}  {'met' if rate >= TARGET else 'MISSED'}"
