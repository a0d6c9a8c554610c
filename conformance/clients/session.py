"""One run: a gate, a client, and every selected case after the other."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from sys import modules
from time import monotonic

from conformance.case import REGISTRY, Case
from conformance.catalogue import catalogue
from conformance.clients.command import Command
from conformance.clients.gate import Gate
from conformance.clients.runner import Bench, ClientCall, run_case
from conformance.report.evidence import collect
from conformance.session import Run
from conformance.target import family
from conformance.target.file import TargetSpec
from conformance.target.view import Effort
from conformance.verdicts import Result, settle
from conformance.wire.transcript import Transcript

CASES = Path(str(files("conformance"))) / "clients" / "cases"

Listener = Callable[[Result], None]


@dataclass(frozen=True)
class Plan:
    """What to play: cases by id. `wait` is how many seconds a client may take to come at all, `patience` how
    many to come back after each connection.
    """

    cases: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    fuzz_minutes: float = 0.0
    wait: float = 60.0
    patience: float = 15.0


def load_cases() -> Mapping[str, Case]:
    """Import every module of cases about clients; all of them by id."""
    for module in iter_modules([str(CASES)]):
        import_module(f"conformance.clients.cases.{module.name}")
    return {name: case for name, case in REGISTRY.items() if case.judges_clients}


@contextmanager
def opened(plan: Plan, spec: TargetSpec) -> Iterator[Bench]:
    """A gate with a bench behind it, and the client's command beside it. Raises OSError."""
    with family.swept():
        gate = Gate(plan.host, plan.port)
        command = Command(spec.process, gate.url) if spec.process else None
        if command:
            gate.trouble = command.trouble
        effort = Effort(plan.seed, _fuzz_seconds(plan))
        bench = Bench(
            gate, catalogue().level, command, dict(spec.deviations), effort, plan.wait, plan.patience
        )
        try:
            yield bench
        finally:
            gate.close()
            if command:
                command.stop()


def run(plan: Plan, spec: TargetSpec, bench: Bench, listener: Listener) -> Run:
    """Play the cases; `listener` hears of every result as it comes, before deviations are settled."""
    started, results, interrupted = monotonic(), list[Result](), False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # broken off in order, as by Ctrl-C
    try:
        for name in plan.cases:
            results.append(play(REGISTRY[name], bench))
            listener(results[-1])
        _part(bench)
    except KeyboardInterrupt:
        interrupted = True
    return Run(settle(results, spec.deviations), monotonic() - started, interrupted)


def play(case: Case, bench: Bench) -> Result:
    """One case, with the bytes that it exchanged as evidence."""
    transcript = Transcript()
    result = run_case(case, function_of(case), bench, transcript)
    return replace(result, evidence=collect(transcript))


def function_of(case: Case) -> ClientCall:
    """The function of a case, whose module has been imported, or it would not be registered."""
    functions = vars(modules[case.module]).values()
    call: ClientCall = next(each for each in functions if getattr(each, "__case__", None) is case)
    return call


def _part(bench: Bench) -> None:
    """Tell the client that all is done, and let it end."""
    if not bench.unfit and not bench.lost:
        bench.gate.dismiss(bench.patience)
        if bench.command:
            bench.command.farewell()


def _fuzz_seconds(plan: Plan) -> float:
    """The time for each property: they share the minutes."""
    properties = sum(1 for name in plan.cases if REGISTRY[name].explores)
    return plan.fuzz_minutes * 60 / max(1, properties)
