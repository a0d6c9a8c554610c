"""Verdicts and exit statuses: the contract's tables."""

import pytest

from conformance.verdicts import VERDICTS, Result, deviate, exit_status, judge, settle, totals


def result(name: str, verdict: str, outcome: str = "x", requirement: str = "TEXT-001") -> Result:
    return Result(name, verdict, "MUST", (requirement,), outcome=outcome)


@pytest.mark.parametrize(
    ("outcome", "level", "verdict"),
    [
        ("right", "MUST", "pass"),
        ("poor", "MUST", "weak"),
        ("wrong", "MUST", "fail"),
        ("wrong", "SHOULD", "weak"),
        ("wrong", "MAY", "info"),
    ],
)
def test_judge(outcome: str, level: str, verdict: str) -> None:
    assert judge(outcome, {"right": "pass", "poor": "weak"}, level) == verdict


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["pass", "info", "weak", "deviation", "fixed", "unsupported"], 0),
        (["pass", "fail"], 1),
        ([], 2),
        (["pass", "inconclusive"], 4),
        (["fail", "inconclusive"], 1),
        (["fail", "error"], 5),
    ],
)
def test_exit_status(verdicts: list[str], status: int) -> None:
    assert exit_status([result(str(number), verdict) for number, verdict in enumerate(verdicts)]) == status


@pytest.mark.parametrize("verdict", ["weak", "fixed"])
def test_strict(verdict: str) -> None:
    assert exit_status([result("a", verdict)]) == 0
    assert exit_status([result("a", verdict)], strict=True) == 1


@pytest.mark.parametrize("outcome", ["unfit", "not-started"])
def test_an_unfit_target_is_status_3(outcome: str) -> None:
    assert exit_status([result("a", "pass"), result("b", "fail", outcome)]) == 3


@pytest.mark.parametrize("key", ["a/b/c", "TEXT-001"])
@pytest.mark.parametrize("verdict", ["fail", "weak"])
def test_deviations_turn_failures(key: str, verdict: str) -> None:
    turned = deviate(result("a/b/c", verdict), {key: "we know"})
    assert turned.verdict == "deviation"
    assert "we know" in turned.detail


def test_deviations_do_not_hide_an_unfit_target() -> None:
    assert deviate(result("a", "fail", "unfit"), {"a": "we know"}).verdict == "fail"


def test_fixed_only_when_everything_listed_passes() -> None:
    half = [result("a", "deviation"), result("b", "pass")]
    assert [each.verdict for each in settle(half, {"TEXT-001": "?"})] == ["deviation", "pass"]
    whole = [result("a", "pass"), result("b", "unsupported")]
    assert [each.verdict for each in settle(whole, {"TEXT-001": "?"})] == ["fixed", "unsupported"]
    assert [each.verdict for each in settle(whole, {"a": "?"})] == ["fixed", "unsupported"]


def test_totals_name_every_verdict() -> None:
    assert totals([result("a", "pass")]) == {**dict.fromkeys(VERDICTS, 0), "pass": 1}
