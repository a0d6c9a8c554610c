"""What an HTTP request costs, beside the servers that stand in production: `tests.bench http`.

One process each, 100 connections, a short text and a kilobyte of JSON. No two heads are alike, so a cache of
heads serves nobody. `refworker` is pure Python on the stock loop, and sees no installed package at all;
`refworker on uvloop` has whatever its extra `fast` brings.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from conformance.target.process import wait_until
from tests.bench.measure import MICRO, cpu_seconds
from tests.bench.pipes import listens
from tests.bench.web_load import Load

CONNECTIONS = 100
RESOURCES = ("hello", "json")
PIPELINES = (1, 16)
START = 15.0
"""Seconds in which a server has to listen."""

CONTENDERS = (
    ("refworker", "stock"),
    ("refworker", "uvloop"),
    ("aiohttp", "stock"),
    ("tornado", "stock"),
    ("uvicorn-h11", "stock"),
    ("uvicorn-httptools", "uvloop"),
    ("granian", "stock"),
)
"""Name and loop."""

TARGETS = {("stock", 1): 0.5, ("stock", 16): 0.15}
GRANIAN = {("stock", 1): 0.8, ("stock", 16): 0.25, ("uvloop", 1): 0.5}
"""Our loop, pipeline -> our CPU, at most so much of the others', and of granian's."""


@dataclass
class Server:
    """A running server: CPU microseconds for each request, by resource and pipeline."""

    name: str
    loop: str
    pid: int
    port: int
    samples: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name if self.loop == "stock" else f"{self.name} on {self.loop}"

    def cpu(self) -> float:
        """Seconds that it has worked so far, its workers included, where it has any."""
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(map(cpu_seconds, [self.pid, *map(int, workers)]))

    def sample(self, resource: str, pipeline: int, seconds: float) -> None:
        """One round of about this length; its length is found by a small one that warms up too."""
        load = Load(self.port, resource, pipeline, CONNECTIONS)
        try:
            small = 2000 * pipeline
            requests = int(small / load.run(small) * seconds)
            before = self.cpu()
            load.run(requests)
            cost = (self.cpu() - before) / (requests // pipeline * pipeline)
        finally:
            load.close()
        self.samples.setdefault((resource, pipeline), []).append(cost * MICRO)


def compare_http(rounds: int, seconds: float) -> None:
    """All in turns, then a table for each resource and pipeline."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(name, loop)) for name, loop in CONTENDERS if is_here(name)]
        for shape in [(resource, pipeline) for resource in RESOURCES for pipeline in PIPELINES]:
            for _ in range(rounds):
                for server in servers:
                    server.sample(*shape, seconds)
            show(*shape, servers)


def is_here(name: str) -> bool:
    """Whether it is installed."""
    found = name == "refworker" or find_spec(name.partition("-")[0]) is not None
    if not found:
        print(f"{name}: not compared: it is not installed")
    return found


@contextmanager
def serving(name: str, loop: str) -> Iterator[Server]:
    """The server in a process of its own, ended with the block."""
    flags = ["-S"] if (name, loop) == ("refworker", "stock") else []  # nothing that is installed is found
    command = [sys.executable, *flags, "-m", "tests.bench.web_servers", name, loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            assert wait_until(lambda: listens(port), START), f"{name} did not start"
            yield Server(name, loop, process.pid, port)
        finally:
            process.terminate()


def show(resource: str, pipeline: int, servers: Sequence[Server]) -> None:
    """One table: figures, and what ours cost of everybody's."""
    shape = (resource, pipeline)
    print(f"http, {resource}, pipeline {pipeline:<6} CPU us/request")
    for server in servers:
        print(f"  {server!s:<28} {median(server.samples[shape]):>8.2f}")
    for ours in [server for server in servers if server.name == "refworker"]:
        for other in [server for server in servers if server.name != "refworker"]:
            pairs = zip(ours.samples[shape], other.samples[shape], strict=True)
            ratio = median(mine / theirs for mine, theirs in pairs)
            print(f"    {ours!s:>19} / {other!s:<28} {ratio:.2f}{verdict(ours, other, pipeline, ratio)}")
    print(flush=True)


def verdict(ours: Server, other: Server, pipeline: int, ratio: float) -> str:
    """How a ratio stands to its target."""
    limit = (GRANIAN if other.name == "granian" else TARGETS).get((ours.loop, pipeline))
    return "" if limit is None else f"  target <= {limit:.2f}  {'met' if ratio <= limit else 'MISSED'}"
