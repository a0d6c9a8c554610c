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

MICRO = 1_000_000


WARM_UP = 32 * 1024 * 1024
"""Bytes that a small round may have, whatever its messages are like."""


@dataclass(frozen=True)
class Shape:
    """What is asked: messages in one request, bytes in a message, connections at the same time."""

    pipeline: int = 1
    size: int = 64
    connections: int = 100


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
    """A running server, and its samples by what was asked."""

    contender: Contender
    protocol: str
    pid: int
    port: int
    samples: dict[Shape, list[Sample]] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        """Where it listens."""
        scheme = "ws" if self.protocol == "websocket" else "tcp"
        return Address.parse(f"{scheme}://127.0.0.1:{self.port}")

    def cpu(self) -> float:
        """Seconds that it has worked so far."""
        return cpu_seconds(self.pid)

    def load(self, shape: Shape, messages: int) -> Figures:
        """Let it answer about so many messages."""
        rounds = max(1, messages // (shape.connections * shape.pipeline))
        encode = self.contender.encoder(self.protocol)
        flows = echoes(encode, shape.connections, rounds, shape.pipeline, shape.size)
        return run(self.address, flows, meter=self.cpu)

    def sample(self, shape: Shape, seconds: float) -> None:
        """One round of about this length; its length is found by a small one that warms up too."""
        pace = self.load(shape, min(5000 * shape.pipeline, WARM_UP // shape.size)).rate
        figures = self.load(shape, int(pace * seconds))
        cost = figures.metered / figures.messages
        sample = Sample(cost * MICRO, figures.rate, 1000 * figures.percentile(0.99))
        self.samples.setdefault(shape, []).append(sample)

    def typical(self, shape: Shape) -> Sample:
        """The medians of all rounds."""
        samples = self.samples[shape]
        return Sample(*(median(getattr(sample, key) for sample in samples) for key in ("cpu", "rate", "p99")))

    def ratio(self, other: "Serving", shape: Shape) -> float:
        """What a message costs here, in what it costs there: the median over rounds side by side."""
        pairs = zip(self.samples[shape], other.samples[shape], strict=True)
        return median(mine.cpu / theirs.cpu for mine, theirs in pairs)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, to the nanosecond: its own CPU clock, by the number that the
    kernel gives it (clock_getcpuclockid(3)). The ticks of /proc/PID/stat are too coarse to tell two close
    servers apart.
    """
    return time.clock_gettime(~pid << 3 | 2)


@contextmanager
def serving(contender: Contender, protocol: str, *flags: str) -> Iterator[Serving]:
    """The server in a process of its own, ended with the block; `flags` are the interpreter's."""
    command = [sys.executable, *flags, "-m", "tests.bench.servers", contender.name, protocol, contender.loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Serving(contender, protocol, process.pid, int(process.stdout.readline()))
        finally:
            process.kill()
