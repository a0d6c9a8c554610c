"""One run of the suite against one faulty server, in a process of its own.

The processes are forked from one that has imported everything already: hundreds of runs would otherwise
spend more on imports than on judging.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 300
"""Seconds after which a run hangs."""

HUNG = -1
"""The status of a run that was killed for it."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.kill_matrix.warm"])


def finished(arguments: Sequence[str], mutation: str, output: Path) -> int:
    """The exit status of `conformance` against a mutation; what it prints goes to a file."""
    child = CONTEXT.Process(target=run, args=(list(arguments), mutation, str(output)))
    child.start()
    child.join(PATIENCE)
    if child.exitcode is None:
        child.kill()
        child.join()
        return HUNG
    return child.exitcode


def run(arguments: list[str], mutation: str, output: str) -> None:
    """In the forked process: what the command `conformance` does."""
    from conformance import cli  # imported by whoever forked this process

    os.environ["ZOO_MUTATION"] = mutation
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.exit(cli.main(arguments))
