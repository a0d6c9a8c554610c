"""The life of a case: every way it can end has its verdict."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.case import Case
from conformance.outcomes import Inconclusive, TargetDown, Unsupported, Violation
from conformance.runner import Bench, run_case
from conformance.target.file import TargetSpec
from conformance.target.view import Target
from conformance.verdicts import Result
from conformance.wire.transcript import Transcript
from tests.conformance.servers import Handler, echo_lines, echo_raw, serving
from tests.conformance.targets import spec

pytestmark = pytest.mark.whole

CASE = Case("example/a/b", "text", ("TEXT-001",), {"echoed": "pass", "slow": "weak"}, title="An example.")


@contextmanager
def bench(target: TargetSpec) -> Iterator[Bench]:
    made = Bench(target, lambda names: "MUST")
    try:
        yield made
    finally:
        made.discard()


@contextmanager
def running(handler: Handler = echo_lines, **changes: object) -> Iterator[Bench]:
    """A bench for a server that runs already."""
    with serving(handler) as address:
        target = TargetSpec("mine", {"text": address.url}, **changes)  # type: ignore[arg-type]
        with bench(target) as made:
            yield made


def run(on: Bench, call: Callable[[Target], object], case: Case = CASE) -> Result:
    return run_case(case, call, on, Transcript())


def echoes(target: Target) -> str:
    with target.connect() as peer:
        peer.send(b"x\n")
        peer.expect(b"x\n")
    return "echoed"


def raising(error: Exception) -> Callable[[Target], object]:
    def call(target: Target) -> object:
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "verdict", "outcome"),
    [
        (echoes, "pass", "echoed"),
        (lambda target: "slow", "weak", "slow"),
        (lambda target: "nonsense", "fail", "nonsense"),
        (lambda target: None, "error", "suite-broke"),
        (raising(Violation("fin", "why")), "fail", "fin"),
        (raising(Violation("echoed")), "fail", "echoed"),
        (raising(Unsupported("why")), "unsupported", "unsupported"),
        (raising(Inconclusive("why")), "inconclusive", "inconclusive"),
        (raising(ValueError("a mistake")), "error", "suite-broke"),
    ],
)
def test_endings(call: Callable[[Target], object], verdict: str, outcome: str) -> None:
    with running() as on:
        result = run(on, call)
    assert (result.verdict, result.outcome) == (verdict, outcome)


def test_levels_decide_how_bad_it_is() -> None:
    with running() as on:
        assert run(replace(on, level=lambda names: "SHOULD"), raising(Violation("x"))).verdict == "weak"


@pytest.mark.parametrize("key", ["TEXT-001", "example/a/b"])
def test_deviations(key: str) -> None:
    with running(deviations={key: "known since 1998"}) as on:
        result = run(on, raising(Violation("x")))
    assert result.verdict == "deviation"
    assert "known since 1998" in result.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"service": "frame"},
        {"needs": ("process",)},
        {"needs": ("pid_file",)},
        {"needs": ("stop",)},
        {"needs": ("limits.max_package_size",)},
        {"needs": ("workers.text",)},
        {"needs": ("endpoint.task",)},
    ],
)
def test_what_is_not_offered_is_unsupported(changes: dict[str, object]) -> None:
    with running() as on:
        result = run(on, echoes, replace(CASE, **changes))  # type: ignore[arg-type]
    assert result.verdict == "unsupported"


def test_what_is_offered_is_supported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.target.process.STOP_TIMEOUT", 0.3)
    extra = 'pid_file = "{dir}/p"\nworkers = { text = 1 }\n[process.commands]\nstop = ["true"]\n'
    needs = ("process", "pid_file", "stop", "workers.text", "endpoint.text", "limits.max_package_size")
    target = replace(spec(tmp_path, extra=extra), limits={"max_package_size": 9})
    with bench(target) as on:
        assert run(on, lambda target: "echoed", replace(CASE, needs=needs)).verdict == "pass"


def test_an_unfit_service_gets_no_pass() -> None:
    with running(echo_raw) as on:
        results = [run(on, echoes), run(on, echoes)]
    assert {(result.verdict, result.outcome) for result in results} == {("fail", "unfit")}
    assert "comes back" not in results[0].detail


def test_a_target_that_does_not_start(tmp_path: Path) -> None:
    with bench(spec(tmp_path, start='["/no/such/server"]')) as on:
        result = run(on, echoes)
    assert (result.verdict, result.outcome) == ("fail", "not-started")


def test_a_target_that_does_not_start_again_is_judged_on(tmp_path: Path) -> None:
    def again(target: Target) -> str:
        raise TargetDown("the port is taken")

    with bench(spec(tmp_path)) as on:
        results = [run(on, again), run(on, echoes)]
    assert [(result.verdict, result.outcome) for result in results] == [
        ("fail", "does-not-start"),
        ("pass", "echoed"),
    ]


def test_a_crash_is_blamed_on_the_case_and_the_next_gets_a_new_copy(tmp_path: Path) -> None:
    pids: list[int] = []

    def crash(target: Target) -> str:
        pids.append(target.process.pid)
        os.kill(target.process.pid, signal.SIGKILL)
        target.process.exit_code()
        return "echoed"

    with bench(spec(tmp_path)) as on:
        assert run(on, crash).outcome == "crash"
        assert run(on, echoes).verdict == "pass"
        assert run(on, crash).outcome == "crash"
    assert len(set(pids)) == 2


def test_copies_are_shared_unless_a_case_asks_for_its_own(tmp_path: Path) -> None:
    seen: list[int] = []

    def note(target: Target) -> str:
        seen.append(target.process.pid)
        return "echoed"

    with bench(spec(tmp_path)) as on:
        for fresh in (False, True, False):
            assert run(on, note, replace(CASE, fresh=fresh)).verdict == "pass"
    assert seen[0] == seen[2] != seen[1]


def test_a_fresh_copy_may_be_ruined(tmp_path: Path) -> None:
    def stop(target: Target) -> str:
        target.process.signal(signal.SIGTERM)
        return "echoed" if target.process.wait_gone() else "stays"

    with bench(spec(tmp_path)) as on:
        assert run(on, stop, replace(CASE, fresh=True)).verdict == "pass"


def test_after_a_running_target_has_died_nothing_is_judged() -> None:
    with running() as on:
        assert run(on, echoes).verdict == "pass"
        on.ruined["text"] = "example/the/culprit"
        assert run(on, echoes).verdict == "pass"
    on.ruined["text"] = "example/the/culprit"
    result = run(on, echoes)
    on.discard()
    assert result.verdict == "inconclusive"
    assert "example/the/culprit" in result.detail


def test_chance_depends_on_the_seed_and_the_case() -> None:
    with running() as on:
        numbers: list[float] = []

        def draw(target: Target) -> str:
            numbers.append(target.random.random())
            return "echoed"

        for name in ("a/b/c", "a/b/c", "a/b/d"):
            run(on, draw, replace(CASE, id=name))
    assert numbers[0] == numbers[1] != numbers[2]


def test_a_case_is_about_the_first_of_its_services_that_is_there() -> None:
    with running() as on:
        flexible = replace(CASE, service="frame", instead=("http", "text"))
        assert run(on, lambda target: target.case.service, flexible).outcome == "text"
