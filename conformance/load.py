r"""A load generator: prepared bytes out, every reply compared in full, counted and timed.

    python -m conformance.load tcp://127.0.0.1:9000 --protocol text --connections 100 --pipeline 16

It must not be the bottleneck: one epoll loop over non-blocking sockets, requests and answers made before the
clock starts, one comparison of whole buffers for each reply, and several processes where one is not enough.

A connection plays a `Flow`: it sends `request` again and again, at most `window` of them ahead of their
answers, and what comes back is `answer` each time, byte for byte. Requests of one connection are alike;
connections, and the messages of one request, differ, so that a reply that is lost, repeated, late or
somebody else's is noticed at once, not at the end. At a `ws` address every connection begins with the opening
handshake, before the clock starts.
"""

import argparse
import json
import resource
import select
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from time import perf_counter

from conformance.outcomes import Violation
from conformance.wire import frame, text, websocket
from conformance.wire.address import Address, dial
from conformance.wire.clock import SLICE, ready
from conformance.wire.render import excerpt
from conformance.wire.websocket import Opcode

READ_SIZE = 256 * 1024
PATIENCE = 5.0
"""Seconds without a single byte from anybody after which nothing is expected any more."""

FAREWELL = 1.0
"""Seconds in which, after our FIN, bytes that nobody asked for may still show up."""

CLOSING = websocket.encode(Opcode.CLOSE, websocket.close_payload(1000))
CLOSE = CLOSING[:1]
"""What a WebSocket server says to it begins with this."""

Encode = Callable[..., bytes]
"""Messages to bytes, as `text.encode` and `frame.encode` do it."""


def masked(*messages: bytes) -> bytes:
    """Binary WebSocket messages of a client, a frame each."""
    return b"".join(websocket.encode(Opcode.BINARY, message) for message in messages)


def unmasked(*messages: bytes) -> bytes:
    """Binary WebSocket messages of a server, a frame each."""
    return b"".join(websocket.encode(Opcode.BINARY, message, key=None) for message in messages)


PROTOCOLS: dict[str, Encode] = {"text": text.encode, "frame": frame.encode, "websocket": masked}
"""What requests are made with, by the name of the service."""

ANSWERS: dict[Encode, Encode] = {masked: unmasked}
"""What their answers are made with, where they look otherwise."""


@dataclass(frozen=True)
class Flow:
    """What one connection does: `rounds` requests of `messages` messages each, `window` of them in flight."""

    request: bytes
    answer: bytes
    rounds: int
    messages: int = 1
    window: int = 1


def echoes(
    encode: Encode, connections: int, rounds: int, pipeline: int = 1, size: int = 64, first: int = 0
) -> list[Flow]:
    """A flow for each connection to an echo service: `pipeline` messages of `size` bytes in every request.

    Every message carries the number of its connection, from `first` on, and its own.
    """
    numbers = range(first, first + connections)
    bodies = [[_body(number, place, size) for place in range(pipeline)] for number in numbers]
    answer = ANSWERS.get(encode, encode)
    return [Flow(encode(*each), answer(*each), rounds, pipeline) for each in bodies]


def _body(connection: int, place: int, size: int) -> bytes:
    return b"%d.%d." % (connection, place) + b"x" * (size - len(b"%d.%d." % (connection, place)))


@dataclass(frozen=True)
class Figures:
    """What was measured: messages answered, seconds in all, the round trips of each connection, and how far
    the meter went on meanwhile, where there was one.
    """

    messages: int
    seconds: float
    latencies: Sequence[Sequence[float]]
    metered: float = 0.0

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds that the round trips of this share of all requests do not exceed."""
        ordered = sorted(value for values in self.latencies for value in values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        p50, p99 = (1000 * self.percentile(share) for share in (0.5, 0.99))
        speed = f"{self.messages} messages in {self.seconds:.2f} s, {self.rate:,.0f} per second"
        return f"{speed}; round trip p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def together(parts: Sequence[Figures]) -> Figures:
    """The figures of generators that ran side by side."""
    return Figures(
        sum(part.messages for part in parts),
        max(part.seconds for part in parts),
        [values for part in parts for values in part.latencies],
    )


def run(
    address: Address, flows: Sequence[Flow], patience: float = PATIENCE, meter: Callable[[], float] = float
) -> Figures:
    """Play all the flows at the same time, each on a connection of its own, then close the connections.

    `meter` is read when all connections stand, and when all answers are there: the server's CPU, for example.
    Raises Violation `refused`, `wrong-answer`, `no-answer`, `unexpected-bytes`, `fin` or `reset`.
    """
    allow_descriptors()
    generator = _Generator(address, patience)
    try:
        lines = [generator.open(flow) for flow in flows]
        reading, started = meter(), perf_counter()
        generator.play(lines)
        seconds, metered = perf_counter() - started, meter() - reading
        generator.say_goodbye(lines)
    finally:
        generator.close()
    messages = sum(flow.rounds * flow.messages for flow in flows)
    return Figures(messages, seconds, [line.latencies for line in lines], metered)


def allow_descriptors() -> int:
    """As many connections as this system lets one process have; how many descriptors that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def upgrade(connection: socket.socket, address: Address) -> None:
    """The opening handshake of a WebSocket (RFC 6455, section 4). Raises Violation `refused`."""
    key, head = websocket.new_key(), b""
    connection.sendall(websocket.request(address, key=key))
    while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
        head += byte
    if not head.startswith(b"HTTP/1.1 101 ") or websocket.accept_value(key) not in head:
        raise Violation("refused", f"no WebSocket: {excerpt(head)}")


class _Line:
    """One connection and its flow: what was sent, what is owed, how long each answer took."""

    __slots__ = ("answer", "buffer", "flow", "latencies", "sent", "socket", "started", "unsent")

    def __init__(self, connection: socket.socket, flow: Flow) -> None:
        self.socket = connection
        self.flow = flow
        self.answer = flow.answer
        self.sent = 0
        self.unsent = b""
        self.started: deque[float] = deque()
        self.buffer = bytearray()
        self.latencies: list[float] = []

    @property
    def done(self) -> bool:
        return len(self.latencies) == self.flow.rounds

    def push(self) -> None:
        """Send as much as the window and the kernel allow."""
        while self.unsent or (self.sent < self.flow.rounds and len(self.started) < self.flow.window):
            if not self.unsent:
                self.unsent = self.flow.request
                self.sent += 1
                self.started.append(perf_counter())
            try:
                count = self.socket.send(self.unsent)
            except BlockingIOError:
                return
            self.unsent = self.unsent[count:]

    def pull(self) -> None:
        """Read once, and tick off the answers that are complete; the common case is exactly one."""
        data = self.socket.recv(READ_SIZE)
        if data == self.answer and not self.buffer and self.started:
            self.latencies.append(perf_counter() - self.started.popleft())
            return
        if not data:
            raise Violation("fin", f"{len(self.started)} answers were due")
        self.buffer += data
        self._compare()

    def _compare(self) -> None:
        size = len(self.answer)
        while self.started and self.buffer.startswith(self.answer):
            del self.buffer[:size]
            self.latencies.append(perf_counter() - self.started.popleft())
        if self.buffer and not (self.started and self.answer.startswith(self.buffer)):
            due = excerpt(self.answer) if self.started else "nothing"
            raise Violation("wrong-answer", f"{due} was due, {excerpt(bytes(self.buffer))} came")


class _Generator:
    """The loop over all lines."""

    def __init__(self, address: Address, patience: float) -> None:
        self.address = address
        self.patience = patience
        self.upgraded = address.url.startswith("ws:")
        self.epoll = select.epoll()
        self.lines: dict[int, _Line] = {}

    def open(self, flow: Flow) -> _Line:
        try:
            connection = dial(self.address, self.patience)
            assert isinstance(connection, socket.socket), "load is measured without TLS"
            line = self.lines[connection.fileno()] = _Line(connection, flow)
            if self.upgraded:
                upgrade(connection, self.address)
        except OSError as refusal:
            raise Violation("refused", f"connection {len(self.lines) + 1}: {refusal}") from refusal
        connection.setblocking(False)
        self.epoll.register(connection, select.EPOLLIN)
        return line

    def close(self) -> None:
        for line in self.lines.values():
            line.socket.close()
        self.epoll.close()

    def play(self, lines: Sequence[_Line]) -> None:
        """Until every flow has its answers."""
        left = len(lines)
        try:
            for line in lines:
                self._push(line)
            while left:
                left -= self._turn()
        except ConnectionError as problem:
            raise Violation("reset", str(problem)) from problem

    def _turn(self) -> int:
        """Serve everybody who is ready; how many flows this has completed."""
        completed = 0
        for descriptor, events in self.epoll.poll(SLICE) or self._later():
            line = self.lines[descriptor]
            if events & ~select.EPOLLOUT:
                line.pull()
            self._push(line)
            completed += line.done and not line.unsent
        return completed

    def _later(self) -> list[tuple[int, int]]:
        """What happens when nothing has happened for a while. Raises Violation `no-answer`."""
        if not ready(self.epoll, select.POLLIN, self.patience):
            waiting = sum(not line.done for line in self.lines.values())
            raise Violation(
                "no-answer", f"{waiting} connections wait, and nothing came for {self.patience:g} s"
            )
        return self.epoll.poll(0)

    def _push(self, line: _Line) -> None:
        """Send, and ask to be told when the kernel takes more, as long as something is left."""
        had = line.unsent
        line.push()
        if bool(had) != bool(line.unsent):
            self.epoll.modify(line.socket, select.EPOLLIN | (select.EPOLLOUT if line.unsent else 0))

    def say_goodbye(self, lines: Iterable[_Line]) -> None:
        """FIN on every connection, behind a Close of WebSockets; whatever comes now is an answer too many."""
        for line in lines:
            with suppress(OSError):
                line.socket.sendall(CLOSING if self.upgraded else b"")
                line.socket.shutdown(socket.SHUT_WR)
        waiting, limit = set(self.lines), perf_counter() + FAREWELL
        while waiting and (left := limit - perf_counter()) > 0:
            for descriptor, _events in self.epoll.poll(left):
                self._ended(self.lines[descriptor])
                self.epoll.unregister(descriptor)
                waiting.remove(descriptor)

    def _ended(self, line: _Line) -> None:
        with suppress(ConnectionError):
            extra = line.socket.recv(READ_SIZE)
            if extra and not (self.upgraded and extra.startswith(CLOSE)):
                raise Violation("unexpected-bytes", f"nothing was due any more, {excerpt(extra)} came")


# --- the command line, and several processes ---------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """Load on an echo service at `url`: see `echoes`; the connections are shared among the processes."""

    url: str
    protocol: str = "text"
    connections: int = 100
    rounds: int = 100
    pipeline: int = 1
    size: int = 64
    first: int = 0

    def play(self) -> Figures:
        """In this process. Raises Violation, or ValueError for an address that is none."""
        encode = PROTOCOLS[self.protocol]
        flows = echoes(encode, self.connections, self.rounds, self.pipeline, self.size, self.first)
        return run(Address.parse(self.url), flows)

    def shares(self, processes: int) -> list["Plan"]:
        """The same load for several processes: each has its part of the connections, numbered on."""
        edges = [self.connections * place // processes for place in range(processes + 1)]
        return [
            replace(self, connections=end - start, first=self.first + start)
            for start, end in pairwise(edges)
            if end > start
        ]

    def arguments(self) -> list[str]:
        """The command line that means this plan."""
        options = {name: str(value) for name, value in asdict(self).items() if name != "url"}
        return [self.url, *(word for name, value in options.items() for word in (f"--{name}", value))]


def side_by_side(plan: Plan, processes: int) -> Figures:
    """Play the plan in several processes at once. Raises Violation `load`, with the first complaint."""
    command = [sys.executable, "-m", "conformance.load", "--json"]
    running = [
        subprocess.Popen(
            [*command, *share.arguments()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for share in plan.shares(processes)
    ]
    ended = [(*child.communicate(), child.returncode) for child in running]
    if complaints := [complaint.strip() for _, complaint, status in ended if status]:
        raise Violation("load", complaints[0])
    return together([Figures(**json.loads(output)) for output, _, _ in ended])


def main(arguments: Sequence[str] | None = None) -> int:
    """Put load on an echo service, and print what was measured."""
    options = vars(_parser().parse_args(arguments))
    processes, as_json = options.pop("processes"), options.pop("json")
    plan = Plan(**options)
    try:
        figures = side_by_side(plan, processes) if processes > 1 else plan.play()
    except (ValueError, Violation) as problem:
        print(f"load: {problem}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(figures)) if as_json else figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conformance.load", description="Put load on an echo service.")
    parser.add_argument("url", help="endpoint, such as tcp://127.0.0.1:9000")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=Plan.protocol)
    for name, meaning in (
        ("connections", "open at the same time"),
        ("rounds", "requests on each connection, one after another"),
        ("pipeline", "messages in one request"),
        ("size", "bytes of a message"),
        ("first", "number of the first connection, which its messages carry"),
    ):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name), metavar="N", help=meaning)
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="generators side by side")
    parser.add_argument("--json", action="store_true", help="all figures, with every single round trip")
    return parser


if __name__ == "__main__":
    sys.exit(main())
