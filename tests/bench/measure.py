"""Servers in processes of their own, and what a message costs them.

The unit is CPU: user and system time of the server's process, divided by the messages that it answered
meanwhile. It hardly moves when the machine is busy, where messages per second do. Servers take turns, and the
medians of all rounds are compared, so that a bad moment of the machine meets everybody.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from conformance.load import PROTOCOLS, Encode, Figures, echoes, run
from conformance.wire.address import Address

CONNECTIONS = 100
SIZE = 64
MICRO = 1_000_000


def int32(*messages: bytes) -> bytes:
    """Twisted's own framing: the length does not count itself."""
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


@dataclass(frozen=True)
class Contender:
    """A server under test; `loop` is stock or uvloop."""

    name: str
    loop: str = "stock"

    def __str__(self) -> str:
        return self.name if self.loop == "stock" else f"{self.name} on {self.loop}"

    def encoder(self, protocol: str) -> Encode:
        """How messages become bytes for it."""
        return int32 if (self.name, protocol) == ("twisted", "frame") else PROTOCOLS[protocol]


@dataclass(frozen=True)
class Sample:
    """One round: CPU microseconds a message, messages a second, p99 of the round trips in milliseconds."""

    cpu: float
    rate: float
    p99: float


@dataclass
class Serving:
    """A running server, and its samples by pipeline."""

    contender: Contender
    protocol: str
    pid: int
    port: int
    samples: dict[int, list[Sample]] = field(default_factory=dict)

    def load(self, pipeline: int, messages: int) -> Figures:
        """Let it answer about so many messages."""
        rounds = max(1, messages // (CONNECTIONS * pipeline))
        encode = self.contender.encoder(self.protocol)
        address = Address.parse(f"tcp://127.0.0.1:{self.port}")
        return run(address, echoes(encode, CONNECTIONS, rounds, pipeline, SIZE))

    def sample(self, pipeline: int, seconds: float) -> None:
        """One round of about this length; its length is found by a small one that warms up too."""
        pace = self.load(pipeline, 5000 * pipeline).rate
        before = cpu_seconds(self.pid)
        figures = self.load(pipeline, int(pace * seconds))
        cost = (cpu_seconds(self.pid) - before) / figures.messages
        sample = Sample(cost * MICRO, figures.rate, 1000 * figures.percentile(0.99))
        self.samples.setdefault(pipeline, []).append(sample)

    def typical(self, pipeline: int) -> Sample:
        """The medians of all rounds."""
        samples = self.samples[pipeline]
        return Sample(*(median(getattr(sample, key) for sample in samples) for key in ("cpu", "rate", "p99")))

    def ratio(self, other: "Serving", pipeline: int) -> float:
        """What a message costs here, in what it costs there: the median over rounds side by side."""
        pairs = zip(self.samples[pipeline], other.samples[pipeline], strict=True)
        return median(mine.cpu / theirs.cpu for mine, theirs in pairs)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, to the nanosecond: its own CPU clock, by the number that the
    kernel gives it (clock_getcpuclockid(3)). The ticks of /proc/PID/stat are too coarse to tell two close
    servers apart.
    """
    return time.clock_gettime(~pid << 3 | 2)


@contextmanager
def serving(contender: Contender, protocol: str) -> Iterator[Serving]:
    """The server in a process of its own, ended with the block."""
    command = [sys.executable, "-m", "tests.bench.servers", contender.name, protocol, contender.loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Serving(contender, protocol, process.pid, int(process.stdout.readline()))
        finally:
            process.kill()
