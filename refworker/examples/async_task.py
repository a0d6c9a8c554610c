"""The story of this project, in one command: `python -m refworker.examples.async_task`.

A client asks a WebSocket service for 1000 e-mails. The service (`mail_service.py`) hands them to task
workers, which bring them to a real SMTP server (`mail_sink.py`); and it answers everybody else meanwhile: a
second client measures how fast. Everything runs on free ports of this machine and is stopped at the end.

With `--page` the client is a browser: the service, with all that it needs, runs until Ctrl-C, and its page
has a button for the mails and a graph of the answers.

Exit codes: 0 every mail was accepted, 1 not so, 2 wrong usage, 130 Ctrl-C.
"""

import argparse
import asyncio
import importlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

from refworker import AsyncTcpConnection, TcpConnection

BLOCKED = 0.25
"""Seconds: a service that needs longer for an echo was busy with something else. Even on a machine under load
the operating system gives it a turn sooner.
"""

PATIENCE = 60.0
"""Seconds without a word from the service: longer than any call of its dispatcher takes."""

PAUSE = 0.002
"""Seconds between two echo requests, so that they measure and are not the load."""


class Trouble(Exception):
    """The story cannot be told; one line says why."""


# -- processes -----------------------------------------------------------------------------------------


@asynccontextmanager
async def program(module: str, folder: Path, **environment: str) -> AsyncIterator[tuple[Process, int]]:
    """A program beside this one, and the port that it prints; stopped at the end."""
    log = folder / f"{module}.log"
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"refworker.examples.{module}", "start",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            start_new_session=True, env={**os.environ, **environment},  # Ctrl-C is for this program alone
        )  # fmt: skip
    try:
        yield process, await port_of(process, log)
    finally:
        await stop(process)


async def port_of(process: Process, log: Path) -> int:
    """What a program says when it is ready. Raises Trouble if it ends instead."""
    assert process.stdout
    async for line in process.stdout:
        if line.startswith(b"{"):
            return int(json.loads(line)["port"])
    await process.wait()  # then its log is complete
    last = log.read_text().strip().splitlines()[-1:]
    raise Trouble(f"{log.stem} did not start: {''.join(last) or 'it says nothing'}")


async def stop(process: Process) -> None:
    """End a program, in good order if it can."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(10):
            await process.communicate(b"")
    except TimeoutError:
        process.kill()
        await process.communicate()


async def accepted(sink: Process) -> int:
    """How many recipients got their mail: the sink's own word, not the service's."""
    report, _ = await sink.communicate(b"")  # the end of its input
    return int(json.loads(report)["recipients"])


# -- the clients ---------------------------------------------------------------------------------------


class Client:
    """A WebSocket client that reads messages one by one."""

    def __init__(self, port: int) -> None:
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._connection = AsyncTcpConnection(
            f"ws://127.0.0.1:{port}", on_message=self._received, on_close=self._closed
        )
        self._connection.connect()

    def _received(self, connection: TcpConnection, message: str) -> None:
        self._inbox.put_nowait(json.loads(message))

    def _closed(self, connection: TcpConnection) -> None:
        self._inbox.put_nowait(Trouble("the service closed the connection"))

    def send(self, message: Any) -> None:
        """As JSON."""
        self._connection.send(json.dumps(message))

    async def receive(self) -> Any:
        """The next message. Raises Trouble when there is none."""
        try:
            async with asyncio.timeout(PATIENCE):
                message = await self._inbox.get()
        except TimeoutError:
            raise Trouble(f"the service has said nothing for {PATIENCE:g} s") from None
        if isinstance(message, Trouble):
            raise message
        return message


async def order_mails(port: int, number: int) -> dict[str, int]:
    """Order, watch the progress, and give the last report."""
    client = Client(port)
    client.send({"mails": number})
    report: dict[str, int] = {"done": 0}
    while report["done"] < number:
        report = await client.receive()
        show_progress(report["done"], number)
    return report


async def measure_echo(port: int, latencies: list[float]) -> None:
    """Ask, wait for the answer, note the seconds; without an end."""
    client = Client(port)
    while True:
        begin = perf_counter()
        client.send("how are you?")
        await client.receive()
        latencies.append(perf_counter() - begin)
        await asyncio.sleep(PAUSE)


async def both(port: int, number: int) -> tuple[dict[str, int], list[float]]:
    """Order mails, and measure as long as they take. Raises Trouble."""
    latencies: list[float] = []
    try:
        async with asyncio.TaskGroup() as group:
            echo = group.create_task(measure_echo(port, latencies))
            report = await order_mails(port, number)
            echo.cancel()
    except ExceptionGroup as troubles:
        raise troubles.exceptions[0] from None
    return report, latencies


# -- what is shown -------------------------------------------------------------------------------------


def show_progress(done: int, total: int) -> None:
    """A bar, on a terminal only."""
    if sys.stdout.isatty():
        filled = 40 * done // total
        print(
            f"\r[{'#' * filled:.<40}] {done} of {total} mails", end="\n" if done == total else "", flush=True
        )


def table(number: int, arrived: int, seconds: float, sockets: int, latencies: list[float]) -> str:
    """The end of the story."""
    cuts = [1000 * cut for cut in statistics.quantiles(latencies, n=100, method="inclusive")]
    longest = max(latencies)
    verdict = "the service never blocked" if longest < BLOCKED else "the service blocked"
    rows = {
        "mails accepted by the sink": f"{arrived} of {number}",
        "duration": f"{seconds:.2f} s, {number / seconds:.0f} mails a second",
        "sockets to task workers": f"{sockets}",
        "echo requests meanwhile": f"{len(latencies)}",
        "echo latency p50 / p99": f"{cuts[49]:.1f} ms / {cuts[98]:.1f} ms",
        "verdict": f"{verdict} (longest echo {1000 * longest:.0f} ms, limit {1000 * BLOCKED:.0f} ms)",
    }
    return "\n".join(f"{name:28}{value}" for name, value in rows.items())


# -- the whole -----------------------------------------------------------------------------------------


class OneLineParser(argparse.ArgumentParser):
    """A mistake is one line."""

    def error(self, message: str) -> NoReturn:
        """Exit code 2."""
        self.exit(2, f"{self.prog}: {message}; --help shows the options\n")


def number(lowest: int, highest: int) -> Any:
    """A type for argparse: a whole number in these limits."""

    def whole(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {lowest} to {highest}")
        return int(text)

    return whole


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = OneLineParser("async_task", description=(__doc__ or "").split("\n\n")[1])
    client = parser.add_mutually_exclusive_group()
    client.add_argument("--mails", type=number(1, 1_000_000), default=1000, help="default: 1000")
    client.add_argument(
        "--page", type=number(0, 65535), nargs="?", const=0, metavar="PORT",
        help="serve the page until Ctrl-C, on a free port or on this one",
    )  # fmt: skip
    parser.add_argument("--workers", type=number(1, 500), default=10, help="task processes, default: 10")
    return parser.parse_args(argv)


@asynccontextmanager
async def service(workers: int, port: int = 0) -> AsyncIterator[tuple[Process, Process, int]]:
    """Mail server, service and the service's port; everything is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="async_task") as name:
        folder = Path(name)
        environment = {"MAILERS": str(workers), "PORT": str(port), "PID_FILE": str(folder / "service.pid")}
        async with program("mail_sink", folder) as (sink, smtp_port):
            environment["SMTP_PORT"] = str(smtp_port)
            async with program("mail_service", folder, **environment) as (process, port):
                yield sink, process, port


async def tell(mails: int, workers: int) -> int:
    """The story from its beginning to its end; returns the number of mails that arrived."""
    async with service(workers) as (sink, _, port):
        begin = perf_counter()
        report, latencies = await both(port, mails)
        seconds = perf_counter() - begin
        arrived = await accepted(sink)
    print(table(mails, arrived, seconds, report["sockets"], latencies))
    return arrived


async def show_page(workers: int, port: int) -> NoReturn:
    """The page, until this is cancelled. Raises Trouble when the service ends by itself."""
    async with service(workers, port) as (_, process, port):
        print(f"the page is at http://127.0.0.1:{port}/ until Ctrl-C", flush=True)
        await process.wait()
        raise Trouble("the service has ended")


async def obey(chosen: argparse.Namespace) -> bool:
    """What the command line wants; whether every mail has arrived."""
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # as Ctrl-C does
    if chosen.page is not None:
        await show_page(chosen.workers, chosen.page)
    return await tell(chosen.mails, chosen.workers) == int(chosen.mails)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    chosen = arguments(argv)
    try:
        importlib.import_module("aiosmtpd.smtp")
        return 0 if asyncio.run(obey(chosen)) else 1
    except ImportError:
        print("async_task: aiosmtpd is missing; pip install 'refworker[examples]'", file=sys.stderr)
    except Trouble as trouble:
        print(f"async_task: {trouble}", file=sys.stderr)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nasync_task: stopped", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
