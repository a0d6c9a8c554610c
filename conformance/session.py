"""One run: pytest driven from here, in whatever folder, and every selected case accounted for."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from time import monotonic

import pytest
from _pytest.terminal import TerminalReporter

from conformance.case import REGISTRY, Case
from conformance.catalogue import catalogue
from conformance.plugin import results_in
from conformance.runner import NOISE
from conformance.target import family
from conformance.target.file import TargetSpec
from conformance.verdicts import Result, settle

PACKAGE = Path(str(files("conformance")))

FOREIGN_SETTINGS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
"""Environment variables that would let somebody else's pytest habits into a run."""

ASKED = 3
"""So often a case is asked at most whose answer is hidden by noise."""

Listener = Callable[[Result], None]


@dataclass(frozen=True)
class Plan:
    """What to run. `target` is the path of a target file, `endpoints` are `SERVICE=URL`; one of the two."""

    cases: tuple[str, ...]
    target: Path | None = None
    endpoints: tuple[str, ...] = ()
    processes: int = 2
    seed: int = 0
    fuzz_minutes: float = 0.0
    replays: Path = Path(tempfile.gettempdir()) / "conformance-replays"


@dataclass(frozen=True)
class Run:
    """What came of it; `interrupted` when somebody pressed Ctrl-C."""

    results: list[Result]
    seconds: float
    interrupted: bool


def load_cases() -> Mapping[str, Case]:
    """Import every `test_*` module of cases; all cases about servers by id."""
    for module in iter_modules([str(PACKAGE / "cases")]):
        if module.name.startswith("test_"):
            import_module(f"conformance.cases.{module.name}")
    return {name: case for name, case in REGISTRY.items() if not case.judges_clients}


def run(plan: Plan, spec: TargetSpec, listener: Listener, again: Callable[[int], None]) -> Run:
    """Run the plan; `listener` hears of every result as it comes, before deviations are settled, and `again`
    how many cases are asked again.
    """
    started = monotonic()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in FOREIGN_SETTINGS:
        os.environ.pop(name, None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # broken off in order, as by Ctrl-C
    with family.swept():
        results, interrupted = _patiently(plan, listener, again)
    known = [results[name] for name in plan.cases if name in results]
    return Run(settle(known, spec.deviations), monotonic() - started, interrupted)


def _patiently(
    plan: Plan, listener: Listener, again: Callable[[int], None]
) -> tuple[dict[str, Result], bool]:
    """As `_once`; what noise has hidden is asked again one by one, with less of it around."""
    results, interrupted = _once(plan, listener)
    for _ in range(ASKED - 1):
        unsure = tuple(name for name, result in results.items() if result.outcome == NOISE)
        if interrupted or not unsure:
            break
        again(len(unsure))
        surer, interrupted = _once(replace(plan, cases=unsure, processes=1), listener)
        results |= surer
    return results, interrupted


def _once(plan: Plan, listener: Listener) -> tuple[dict[str, Result], bool]:
    """The results of every case by its id, and whether somebody broke it off."""
    observer = _Observer(listener)
    interrupted = pytest.main(_arguments(plan), plugins=[observer]) == pytest.ExitCode.INTERRUPTED
    results = observer.results if interrupted else observer.results + _unheard(plan, observer)
    return {result.id: result for result in results}, interrupted


def _arguments(plan: Plan) -> list[str]:
    """The command line for pytest. `-s`: nothing prints but the progress; `--noconftest`: pytest would read
    the one of a folder `tests` where it is started, which is somebody else's. The modules without a case that
    is wanted are left out, instead of naming the others: for each name pytest would read the folder again.
    """
    aim = ["--target", str(plan.target.resolve())] if plan.target else []
    aim += [f"--endpoint={endpoint}" for endpoint in plan.endpoints]
    spread = ["-p", "xdist.plugin", "-n", str(plan.processes), "--dist", "worksteal"]
    wanted = {REGISTRY[name].module for name in plan.cases}
    others = {case.module for case in REGISTRY.values()} - wanted
    return [
        *("-c", str(PACKAGE / "pytest.ini"), f"--rootdir={PACKAGE}", "-s", "--noconftest"),
        *(spread if plan.processes > 1 else []),
        *(f"--conformance-only={name}" for name in plan.cases),
        f"--conformance-seed={plan.seed}",
        f"--conformance-fuzz={_fuzz_seconds(plan)}",
        f"--conformance-replays={plan.replays}",
        *aim,
        *(f"--ignore={sys.modules[name].__file__}" for name in sorted(others)),
        *("--pyargs", "conformance.cases"),
    ]


def _fuzz_seconds(plan: Plan) -> float:
    """The time for each property: they share the minutes, and the processes work side by side."""
    properties = sum(1 for name in plan.cases if REGISTRY[name].explores)
    return plan.fuzz_minutes * 60 * max(1, plan.processes) / max(1, properties)


def _unheard(plan: Plan, observer: "_Observer") -> list[Result]:
    """A selected case without a result is an error of the suite, with whatever trouble pytest told about."""
    heard = {result.id for result in observer.results}
    why = "\n".join(observer.trouble) or "pytest ended without running it"
    return [
        Result(
            name, "error", catalogue().level(case.requirements), case.requirements, 0.0, "suite-broke", why
        )
        for name in plan.cases
        if name not in heard and (case := REGISTRY[name])
    ]


@dataclass
class _Observer:
    """A pytest plugin that silences pytest's own report and listens to results and troubles."""

    listener: Listener
    results: list[Result] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Put a terminal reporter in place that writes nowhere; other plugins rely on there being one."""
        manager = config.pluginmanager
        manager.unregister(name="terminalreporter")
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  closed with the process
        manager.register(TerminalReporter(config, nowhere), "terminalreporter")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pass a result on; a failure without a result is trouble."""
        results = results_in(report) if report.when == "call" else []
        for result in results:
            self.results.append(result)
            self.listener(result)
        if report.failed and not results:
            self.trouble.append(f"{report.nodeid}: {report.longreprtext}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be read is trouble."""
        if report.failed:
            self.trouble.append(f"{report.nodeid}: {report.longreprtext}")

    def pytest_internalerror(self, excrepr: object) -> None:
        """So is a pytest that breaks."""
        self.trouble.append(str(excrepr))


def default_processes() -> int:
    """Two on a small machine, at most four: more copies of a target disturb each other's timing."""
    return min(4, max(2, (os.cpu_count() or 2) // 2))
