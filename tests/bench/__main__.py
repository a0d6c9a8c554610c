"""`python -m tests.bench`: CPU per message, messages per second and p99, calls of tasks per second; with
`lifecycle` what starts, stops and reloads take, with `udp` and `tls` what a datagram and a line over TLS
cost, with `pipe` what a pipe forwards, and with `memory` what an idle connection holds.

A measurement, not a test: the exit status is 0 whatever the figures are. Targets stand beside them.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec

from tests.bench.datagrams import compare_datagrams
from tests.bench.lifecycle import SIZES, compare_commands, reload_under_load
from tests.bench.measure import Contender, Serving, serving
from tests.bench.memory import compare_memory
from tests.bench.pipes import compare_pipes
from tests.bench.secure import compare_tls
from tests.bench.tasks import compare_calls

PIPELINES = (1, 16)

CONTENDERS = (
    Contender("refworker"),
    Contender("refworker", "uvloop"),
    Contender("twisted"),
    Contender("streams"),
    Contender("streams", "uvloop"),
)

YARDSTICK = "twisted"

TARGETS = {
    ("text", 1, "stock"): 0.6,
    ("text", 16, "stock"): 0.45,
    ("text", 1, "uvloop"): 0.5,
    ("text", 16, "uvloop"): 0.4,
}
"""Protocol, pipeline, loop -> CPU of refworker for a message, at most so much of Twisted's."""


def main() -> int:
    options = arguments()
    if "lifecycle" in options.protocols:
        for processes in SIZES:
            compare_commands(processes, options.rounds)
        reload_under_load(options.reloads)
        return 0
    if "memory" in options.protocols:
        compare_memory()
        return 0
    if "pipe" in options.protocols:
        compare_pipes(options.rounds)
        return 0
    if "tls" in options.protocols:
        compare_tls(options.rounds, options.seconds)
        return 0
    if "udp" in options.protocols:
        compare_datagrams(options.rounds, options.seconds)
        return 0
    print(
        "100 connections, 64-byte messages, one server process; CPU is user and system time of the server.\n"
    )
    for protocol in options.protocols:
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
        help="text, frame, udp, tls, pipe, lifecycle, or memory",
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
            for pipeline in PIPELINES:
                for server in servers:
                    server.sample(pipeline, seconds)
        for pipeline in PIPELINES:
            show(protocol, pipeline, servers)


def present() -> list[Contender]:
    """Those whose libraries are installed."""
    needed = {"twisted": "twisted", "uvloop": "uvloop"}
    wanted = {each: {needed.get(each.name), needed.get(each.loop)} - {None} for each in CONTENDERS}
    return [
        each for each, modules in wanted.items() if all(find_spec(module) for module in modules if module)
    ]


def show(protocol: str, pipeline: int, servers: Sequence[Serving]) -> None:
    """One table: figures, the ratio to the yardstick, and the target where there is one."""
    yardstick = next((each for each in servers if each.contender.name == YARDSTICK), None)
    print(f"{protocol}, pipeline {pipeline:<8} CPU us/message  messages/s  p99 ms   CPU / {YARDSTICK}")
    for server in servers:
        typical = server.typical(pipeline)
        ratio = server.ratio(yardstick, pipeline) if yardstick else None
        print(
            f"  {server.contender!s:<22} {typical.cpu:>12.2f} {typical.rate:>12,.0f} {typical.p99:>7.2f}"
            f"   {verdict(server, pipeline, ratio)}"
        )
    print()


def verdict(server: Serving, pipeline: int, ratio: float | None) -> str:
    """The ratio, and how it stands to its target."""
    if ratio is None:
        return "-"
    target = TARGETS.get((server.protocol, pipeline, server.contender.loop))
    if target is None or server.contender.name != "refworker":
        return f"{ratio:.2f}"
    return f"{ratio:.2f}  target <= {target:.2f}  {'met' if ratio <= target else 'MISSED'}"


if __name__ == "__main__":
    sys.exit(main())
