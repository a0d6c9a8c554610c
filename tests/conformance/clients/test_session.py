"""A whole run against a client: every case has a result, and the client is told that all is done."""

from pathlib import Path

import pytest

from conformance.clients import session
from conformance.clients.session import Plan, function_of, load_cases
from conformance.target.file import TargetSpec, load_client
from conformance.verdicts import Result
from tests.conformance.clients.callers import playing

ROOT = Path(__file__).parents[3]
ZOO = ROOT / "fixtures" / "clients" / "zoo" / "client.toml"
SOME = ("websocket-client/request/line", "websocket-client/split/any", "websocket-client/close/empty")


def test_cases_are_about_clients_and_have_their_functions() -> None:
    cases = load_cases()
    assert set(SOME) <= set(cases)
    assert all(case.judges_clients for case in cases.values())
    assert function_of(cases[SOME[0]]).__name__ == "test_line"  # type: ignore[attr-defined]


def test_a_run_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_MUTATION", raising=False)
    load_cases()
    heard: list[Result] = []
    plan, spec = Plan(SOME), load_client(ZOO)
    with session.opened(plan, spec) as bench:
        outcome = session.run(plan, spec, bench, heard.append)
        assert bench.command
        assert bench.command.trouble().startswith("it exited with status 0")
    assert [result.id for result in heard] == list(SOME)
    assert {result.verdict for result in outcome.results} == {"pass"}
    assert all(result.evidence for result in outcome.results)
    assert not outcome.interrupted


def test_a_run_with_a_client_of_somebody_else() -> None:
    load_cases()
    plan, spec = Plan(SOME[:1], wait=5, patience=5), TargetSpec("mine", {})
    with session.opened(plan, spec) as bench, playing(bench.gate) as thread:
        outcome = session.run(plan, spec, bench, lambda result: None)
        thread.join(5)
        assert not thread.is_alive()
    assert [result.verdict for result in outcome.results] == ["pass"]


def test_a_run_that_is_broken_off_keeps_what_it_has() -> None:
    load_cases()
    plan, spec = Plan(SOME, wait=5, patience=5), TargetSpec("mine", {})

    def stop(result: Result) -> None:
        raise KeyboardInterrupt

    with session.opened(plan, spec) as bench, playing(bench.gate):
        outcome = session.run(plan, spec, bench, stop)
    assert outcome.interrupted
    assert len(outcome.results) == 1


def test_the_client_of_the_readme_is_one_that_is_judged() -> None:
    readme = (ROOT / "conformance" / "README.md").read_text("utf-8")
    client = (ROOT / "fixtures" / "clients" / "websockets" / "play.py").read_text("utf-8")
    assert f"```python\n{client}```" in readme


def test_the_time_of_fuzzing_is_shared() -> None:
    load_cases()
    assert session._fuzz_seconds(Plan(SOME, fuzz_minutes=2)) == 120
    assert session._fuzz_seconds(Plan(SOME[:1], fuzz_minutes=1)) == 60
