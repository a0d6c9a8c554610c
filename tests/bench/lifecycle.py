"""What a lifecycle takes: the commands of a service of two processes and of a hundred, and many reloads
in a row under the suite's live traffic, with the ledger of every request.

Beside each time stands that of `python -c pass`, the price of a command that does nothing, measured in turns.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from conformance.case import REGISTRY
from conformance.cases.test_lifecycle_reload_graceful import under_load
from conformance.catalogue import catalogue
from conformance.cli import REFERENCE
from conformance.ledger import NOTHING_LOST, Ledger, uphold
from conformance.runner import Bench, run_case
from conformance.session import load_cases
from conformance.target.file import load
from conformance.target.view import Target
from conformance.wire.transcript import Transcript

SIZES = (2, 100)
TARGETS = {(2, "stop"): 0.5, (100, "start -d"): 2.0, (100, "status"): 1.0}
"""Processes and command -> seconds at most."""

PROGRAM = """
from refworker import TaskWorker, run_all
tasks = TaskWorker("text://127.0.0.1:0", count={})
tasks.register("echo", lambda value: value)
run_all()
"""


def compare_commands(processes: int, rounds: int) -> None:
    """The commands of a service of so many processes, in turns with a command that does nothing."""
    commands = ("start -d", "status", "reload", "stop")
    times: dict[str, list[float]] = {name: [] for name in (*commands, "nothing")}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "service.py"
        program.write_text(PROGRAM.format(processes))
        for _ in range(rounds):
            for name in commands:
                times["nothing"].append(timed([sys.executable, "-c", "pass"]))
                times[name].append(timed([sys.executable, str(program), *name.split()]))
    print(f"{processes:>3} task processes   seconds   times nothing")
    for name in commands:
        seconds, limit = median(times[name]), TARGETS.get((processes, name))
        verdict = f"  target < {limit:g} s  {'met' if seconds < limit else 'MISSED'}" if limit else ""
        print(f"  {name:<18} {seconds:>8.2f} {seconds / median(times['nothing']):>10.0f}{verdict}")
    print()


def timed(command: Sequence[str]) -> float:
    """Seconds that a command takes. Raises CalledProcessError when it fails."""
    begun = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - begun


def reload_under_load(times: int) -> None:
    """So many graceful reloads of the reference, one after the other, and what became of every request."""
    seen: list[Ledger] = []

    def reloads(target: Target) -> str:
        seen.append(under_load(target, times=times))
        uphold(seen[0], NOTHING_LOST)
        return "done"

    verdict = judged(reloads)
    print(f"{times} reloads in a row under live traffic: {verdict}")
    for ledger in seen:
        print(f"  {json.dumps(ledger.counts())}")
    print()


def judged(call: Callable[[Target], str]) -> str:
    """How the suite ends a case that does this with a copy of the reference."""
    load_cases()
    case = REGISTRY["lifecycle/reload-graceful/five-in-a-row"]
    bench = Bench(load(REFERENCE), catalogue().level)
    try:
        result = run_case(case, call, bench, Transcript())
    finally:
        bench.discard()
    return f"{result.verdict} after {result.seconds:.0f} s {result.detail}".rstrip()
