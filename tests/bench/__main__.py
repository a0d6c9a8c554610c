"""`python -m tests.bench`: CPU per message, messages per second and p99, calls of tasks per second; with
`lifecycle` what starts, stops and reloads take, with `udp` and `tls` what a datagram and a line over TLS
cost, with `pipe` what a pipe forwards, with `memory` what an idle connection holds, with `websocket` what a
WebSocket message costs beside servers of others, with `fragments` whether it costs more in pieces, and with
`http` what a request costs beside servers of others.

A measurement, not a test: the exit status is 0 whatever the figures are. Targets stand beside them.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec

from tests.bench.datagrams import compare_datagrams
from tests.bench.fragments import compare_fragments
from tests.bench.http import compare_http
from tests.bench.lifecycle import SIZES, compare_commands, reload_under_load
from tests.bench.measure import Contender, Serving, Shape, serving
from tests.bench.memory import compare_memory, compare_websocket_memory
from tests.bench.pipes import compare_pipes
from tests.bench.secure import compare_tls
from tests.bench.tasks import compare_calls
from tests.bench.websockets import compare_websockets

SHAPES = (Shape(pipeline=1), Shape(pipeline=16))

CONTENDERS = (
    Contender("refworker"),
    Contender("refworker", "uvloop"),
    Contender("twisted"),
    Contender("streams"),
    Contender("streams", "uvloop"),
)

YARDSTICK = "twisted"

HEAD = "100 connections, 64-byte messages, one server process; CPU is user and system time of the server.\n"

TARGETS = {
    ("text", 1, "stock"): 0.6,
    ("text", 16, "stock"): 0.45,
    ("text", 1, "uvloop"): 0.5,
    ("text", 16, "uvloop"): 0.4,
}
"""Protocol, pipeline, loop -> CPU of refworker for a message, at most so much of Twisted's."""


def lifecycle(options: argparse.Namespace) -> None:
    """Commands, and reloads under load."""
    for processes in SIZES:
        compare_commands(processes, options.rounds)
    reload_under_load(options.reloads)


def memory(options: argparse.Namespace) -> None:
    """Idle connections."""
    compare_memory()
    compare_websocket_memory()


OTHERS: dict[str, Callable[[argparse.Namespace], None]] = {
    "http": lambda options: compare_http(options.rounds, options.seconds),
    "websocket": lambda options: compare_websockets(options.rounds, options.seconds),
    "fragments": lambda options: compare_fragments(options.rounds),
    "udp": lambda options: compare_datagrams(options.rounds, options.seconds),
    "tls": lambda options: compare_tls(options.rounds, options.seconds),
    "pipe": lambda options: compare_pipes(options.rounds),
    "lifecycle": lifecycle,
    "memory": memory,
}
"""What is not about a message of the text and the frame protocol."""


def main() -> int:
    options = arguments()
    for name in filter(OTHERS.get, options.protocols):
        OTHERS[name](options)
    if messages := [name for name in options.protocols if name not in OTHERS]:
        print(HEAD)
        for protocol in messages:
            compare(protocol, options.rounds, options.seconds)
        compare_calls(options.rounds)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "protocols",
        nargs="*",
        default=["text", "frame"],
        metavar="WHAT",
        help=", ".join(("text", "frame", *OTHERS)),
    )
    parser.add_argument("--reloads", type=int, default=50, metavar="N", help="in a row, under live traffic")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of every server, in turns")
    parser.add_argument("--seconds", type=float, default=0.6, metavar="S", help="for one round")
    return parser.parse_args()


def compare(protocol: str, rounds: int, seconds: float) -> None:
    """All contenders in turns, then the table."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(contender, protocol)) for contender in present()]
        for _ in range(rounds):
            for shape in SHAPES:
                for server in servers:
                    server.sample(shape, seconds)
        for shape in SHAPES:
            show(protocol, shape, servers)


def present() -> list[Contender]:
    """Those whose libraries are installed."""
    needed = {"twisted": "twisted", "uvloop": "uvloop"}
    wanted = {each: {needed.get(each.name), needed.get(each.loop)} - {None} for each in CONTENDERS}
    return [
        each for each, modules in wanted.items() if all(find_spec(module) for module in modules if module)
    ]


def show(protocol: str, shape: Shape, servers: Sequence[Serving]) -> None:
    """One table: figures, the ratio to the yardstick, and the target where there is one."""
    yardstick = next((each for each in servers if each.contender.name == YARDSTICK), None)
    print(f"{protocol}, pipeline {shape.pipeline:<8} CPU us/message  messages/s  p99 ms   CPU / {YARDSTICK}")
    for server in servers:
        typical = server.typical(shape)
        ratio = server.ratio(yardstick, shape) if yardstick else None
        print(
            f"  {server.contender!s:<22} {typical.cpu:>12.2f} {typical.rate:>12,.0f} {typical.p99:>7.2f}"
            f"   {verdict(server, shape, ratio)}"
        )
    print()


def verdict(server: Serving, shape: Shape, ratio: float | None) -> str:
    """The ratio, and how it stands to its target."""
    if ratio is None:
        return "-"
    target = TARGETS.get((server.protocol, shape.pipeline, server.contender.loop))
    if target is None or server.contender.name != "refworker":
        return f"{ratio:.2f}"
    return f"{ratio:.2f}  target <= {target:.2f}  {'met' if ratio <= target else 'MISSED'}"


if __name__ == "__main__":
    sys.exit(main())
