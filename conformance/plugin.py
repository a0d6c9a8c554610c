"""The pytest side of the suite: cases are pytest tests, results travel in their reports.

Inert unless `--target` or `--endpoint` is given: in anybody else's test run this plugin only adds options.
With one of them it takes over every test that is a case: `pytest --pyargs conformance.cases --target FILE`.
The results reach the controlling process of pytest-xdist as `user_properties` of the test reports.
"""

import tempfile
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from _pytest.outcomes import Failed

from conformance import replay
from conformance.case import REGISTRY, Case
from conformance.catalogue import CatalogueError, NoSuchCase, catalogue, select
from conformance.ledger import plain
from conformance.report.evidence import collect
from conformance.runner import Bench, run_case
from conformance.target.file import TargetFileError, TargetSpec, from_endpoints, load, read_endpoints
from conformance.target.view import Effort
from conformance.verdicts import Result, settle, totals
from conformance.wire.transcript import Transcript

PROPERTY = "conformance"
"""Name of the user property that holds a result."""

OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--target", {"metavar": "FILE", "help": "target file of the server to judge"}),
    (
        "--endpoint",
        {"action": "append", "default": [], "metavar": "SERVICE=URL", "help": "endpoint of a running server"},
    ),
    ("--conformance-only", {"action": "append", "default": [], "metavar": "GLOB", "help": "cases to run"}),
    (
        "--conformance-skip",
        {"action": "append", "default": [], "metavar": "GLOB", "help": "cases to leave out"},
    ),
    ("--conformance-seed", {"type": int, "default": 0, "metavar": "N", "help": "seed of everything random"}),
    (
        "--conformance-fuzz",
        {"type": float, "default": 0.0, "metavar": "SECONDS", "help": "for each property"},
    ),
    ("--conformance-replays", {"metavar": "DIR", "help": "where failures are saved for replay"}),
    ("--conformance-strict", {"action": "store_true", "help": "broken SHOULDs fail the run"}),
)

FAILING = frozenset({"fail", "error"})
SKIPPING = frozenset({"unsupported", "inconclusive"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, unless another plugin of this run owns one of the names: then stay out of the way."""
    group = parser.getgroup("conformance", "conformance suite for socket servers")
    for name, arguments in OPTIONS:
        try:
            group.addoption(name, **arguments)
        except ValueError:
            return


def pytest_configure(config: pytest.Config) -> None:
    """Wake up if there is a target."""
    if config.getoption("target", None) or config.getoption("endpoint", None):
        config.pluginmanager.register(Judge(config), "conformance-judge")


def spec_of(target: str | None, endpoints: list[str]) -> TargetSpec:
    """The target that the options describe, a file or endpoints. Raises TargetFileError."""
    if target is None:
        return from_endpoints(read_endpoints(endpoints))
    if endpoints:
        raise TargetFileError("--endpoint: the target file names the endpoints already; give one of the two")
    return load(Path(target))


class CaseFailed(Failed):
    """Tells pytest about a verdict; the message is the whole story, so no traceback is worth making."""

    def __init__(self, story: str) -> None:
        super().__init__(story, pytrace=False)


class Judge:
    """The awake plugin: selects cases, runs each on the bench, reports verdicts."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        option = config.getoption
        try:
            spec = spec_of(option("target"), option("endpoint"))
            level = catalogue().level
        except (TargetFileError, CatalogueError) as problem:
            raise pytest.UsageError(str(problem)) from problem
        effort = Effort(option("conformance_seed"), option("conformance_fuzz"))
        self.bench = Bench(spec, level, effort)
        self.results: list[Result] = []

    @pytest.fixture
    def target(self) -> None:
        """The target under test; `pytest_pyfunc_call` puts it in place, so that a failing start is judged."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the selected cases, and whatever is no case."""
        option = config.getoption
        try:
            wanted = set(select(REGISTRY, option("conformance_only"), option("conformance_skip")))
        except NoSuchCase as problem:
            raise pytest.UsageError(str(problem)) from problem
        dropped = {item for item in items if (case := case_of(item)) and case.id not in wanted}
        if dropped:
            config.hook.pytest_deselected(items=list(dropped))
            items[:] = [item for item in items if item not in dropped]

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a case on the bench instead of calling its function."""
        case = case_of(pyfuncitem)
        if case is None:
            return None
        names = pyfuncitem._fixtureinfo.argnames
        others = {name: pyfuncitem.funcargs[name] for name in names if name != "target"}
        transcript = Transcript()
        result = run_case(
            case, lambda target: pyfuncitem.obj(target=target, **others), self.bench, transcript
        )
        self._hand_over(pyfuncitem, result, transcript)
        return True

    def _hand_over(self, item: pytest.Function, result: Result, transcript: Transcript) -> None:
        """Attach the result to the test, and end the test accordingly."""
        record = {
            **asdict(result),
            "requirements": list(result.requirements),
            "evidence": collect(transcript),
            "ledger": plain(transcript.ledger) if transcript.ledger else None,
        }
        if result.verdict in replay.WORTH_SAVING and result.outcome != "unfit":
            record["replay"] = replay.save(
                self._replays(), result, transcript, self.config.getoption("target")
            )
        item.user_properties.append((PROPERTY, record))
        story = f"{result.verdict}: {result.outcome}: {result.detail}"
        if result.verdict in FAILING or (
            result.verdict == "weak" and self.config.getoption("conformance_strict")
        ):
            raise CaseFailed(story)
        if result.verdict in SKIPPING:
            pytest.skip(story)

    def _replays(self) -> Path:
        given = self.config.getoption("conformance_replays")
        return Path(given or Path(tempfile.gettempdir()) / "conformance-replays")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show a failed case as its story, not as a traceback through the suite."""
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, CaseFailed):
            report.longrepr = f"{case_of(item)!s}\n{call.excinfo.value}"
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather results, in the controlling process from all the others."""
        if report.when == "call":
            self.results += results_in(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Under plain pytest: the totals, so that weak, info and deviation are not lost among `passed`."""
        settled = settle(self.results, self.bench.spec.deviations)
        shown = ", ".join(f"{count} {verdict}" for verdict, count in totals(settled).items() if count)
        terminalreporter.write_line(f"conformance of {self.bench.spec.name}: {shown or 'nothing judged'}")

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind."""
        self.bench.discard()


def case_of(item: pytest.Item) -> Case | None:
    """The metadata of a test that is a case."""
    return getattr(getattr(item, "obj", None), "__case__", None)


def results_in(report: pytest.TestReport) -> list[Result]:
    """The result that a report carries, if any, as it was before its journey."""
    records: list[Any] = [value for name, value in report.user_properties if name == PROPERTY]
    return [Result(**{**record, "requirements": tuple(record["requirements"])}) for record in records]
