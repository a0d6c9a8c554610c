"""The suite's cases against one faulty server, or client, in a process of its own.

The processes are forked from one that has imported everything already, and each goes straight to the runner:
hundreds of runs would otherwise spend more on imports and on pytest than on judging.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Container, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kill_matrix import forked

if TYPE_CHECKING:
    from conformance.case import Case
    from conformance.runner import CaseCall
    from conformance.target.file import TargetSpec
    from conformance.verdicts import Result

PATIENCE = 300
"""Seconds after which a run hangs."""

CLIENT = "client.toml"
"""The name of client files: what they describe connects to the suite."""

CLIENT_PATIENCE = 8.0
"""Seconds after which a faulty client hangs; all of them are on this machine."""

HUNG = -1
"""The status of a run that was killed for it."""

BROKE = 5
"""The status of a run that has left none: the contract's for a suite that breaks."""

TRAFFIC = frozenset({"tcp", "text", "unix", "frame", "custom", "websocket", "task", "relay"})
"""The services whose clients are at work while commands are carried out."""

BESIDES: Mapping[str, Set[str]] = {
    **dict.fromkeys(("tcp", "text", "frame", "custom", "unix", "websocket", "udp", "tls"), frozenset()),
    **dict.fromkeys(("task", "auth", "heartbeat", "flow", "http"), frozenset()),
    "relay": {"task"},
    "pipe": {"tcp"},
    **dict.fromkeys(("lifecycle", "timer"), TRAFFIC),
}
"""Section -> the services that its cases need besides their own; those that are not here need everything."""

STATIC = "{static}"
"""A folder full of files, which services of HTTP have."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.kill_matrix.warm"])


def finished(target: Path, mutation: str, globs: Sequence[str], results: Path, output: Path) -> int:
    """The exit status of the suite against a mutation; what it finds and what it prints go to files.

    The status does, too: threads that start processes look after each other's, and one of two that ask for
    an exit code at the same time would be told a wrong one.
    """
    status = results.with_name("status")
    child = CONTEXT.Process(target=run, args=(target, mutation, globs, results, output))
    child.start()
    if not wait([child.sentinel], PATIENCE):
        child.kill()
        return HUNG
    return int(status.read_text()) if status.exists() else BROKE


def run(target: Path, mutation: str, globs: Sequence[str], results: Path, output: Path) -> None:
    """In the forked process: judge, and exit as the command `conformance` does."""
    from conformance import exploration  # imported by whoever forked this process
    from conformance.target import family

    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    exploration.PHASES = exploration.PHASES[:1]  # a counterexample is a catch, and need not be made small
    os.environ["ZOO_MUTATION"] = mutation
    forked.fork_scripts()
    with family.swept():
        status = judge(target, globs, results)
    results.with_name("status").write_text(str(status))


def judge(target: Path, globs: Sequence[str], results: Path) -> int:
    """Run the cases one after the other on one bench; the exit status of the contract."""
    from conformance.case import REGISTRY
    from conformance.catalogue import select
    from conformance.verdicts import exit_status

    is_client = target.name == CLIENT
    cases = [REGISTRY[name] for name in select(REGISTRY, globs)]
    cases = [case for case in cases if case.judges_clients is is_client]
    judged = (judge_client if is_client else judge_server)(target, cases)
    rows = [{key: getattr(each, key) for key in ("id", "verdict", "outcome", "seconds")} for each in judged]
    results.write_text(json.dumps(rows), "utf-8")
    return exit_status(judged)


def judge_server(target: Path, cases: Sequence["Case"]) -> "list[Result]":
    """The cases against the server of a target file."""
    from conformance.catalogue import catalogue
    from conformance.runner import Bench, run_case
    from conformance.target.file import load
    from conformance.wire.transcript import Transcript

    bench = Bench(lean(load(target), cases), catalogue().level)
    try:
        return [run_case(case, function_of(case), bench, Transcript()) for case in cases]
    finally:
        bench.discard()


def judge_client(target: Path, cases: Sequence["Case"]) -> "list[Result]":
    """The cases against the client of a client file."""
    from conformance.clients import session
    from conformance.target.file import load_client

    plan = session.Plan(tuple(case.id for case in cases), patience=CLIENT_PATIENCE)
    with session.opened(plan, load_client(target)) as bench:
        return [session.play(case, bench) for case in cases]


def lean(spec: "TargetSpec", cases: Sequence["Case"]) -> "TargetSpec":
    """The target without what these cases do not ask for, since hundreds of copies are started: without its
    commands, where no case is about one, for each would start an interpreter, and without the services that
    nobody speaks to.
    """
    process = spec.process
    if process is None:
        return spec
    if not any(need in process.commands for case in cases for need in case.needs):
        spec = replace(spec, process=replace(process, commands={}))
    if not all(case.section in BESIDES for case in cases):
        return spec
    own = {each for case in cases for each in (case.service, *case.instead)}
    return offering(spec, own.union(*(BESIDES[case.section] for case in cases)))


def offering(spec: "TargetSpec", services: Container[str]) -> "TargetSpec":
    """The target with these services only: what the environment says of others' places, and of what they
    have to show, is left out.
    """
    assert spec.process
    kept = {name: url for name, url in spec.endpoints.items() if name in services}
    gone = [url for name, url in spec.endpoints.items() if name not in kept]
    gone += [] if kept.keys() & {"http", "https"} else [STATIC]
    env = {name: value for name, value in spec.process.env.items() if not is_part(value, gone)}
    workers = {name: count for name, count in spec.process.workers.items() if name in kept}
    return replace(spec, endpoints=kept, process=replace(spec.process, env=env, workers=workers))


def is_part(value: str, urls: Iterable[str]) -> bool:
    """Whether it is the port or the path in one of these."""
    return "{" in value and any(value in url for url in urls)


def function_of(case: "Case") -> "CaseCall":
    """The function of a case: its module has been imported, or it would not be registered."""
    functions: Iterable[CaseCall] = vars(sys.modules[case.module]).values()
    return next(each for each in functions if getattr(each, "__case__", None) is case)
