"""Properties: counterexamples shrink, the evidence is that of the smallest, and the seed decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import strategies as st

from conformance import exploration
from conformance.case import Case
from conformance.exploration import explore
from conformance.outcomes import Violation
from conformance.strategies import lines, near_valid_frames, split_streams
from conformance.target.file import TargetSpec
from conformance.target.instance import Copy
from conformance.target.view import Effort, Target

CASE = Case("example/a/b", "text", ("TEXT-001",), {"ok": "pass"}, explores=True, title="An example.")


@contextmanager
def target(seed: int = 0, fuzz: float = 0.0, case: Case = CASE) -> Iterator[Target]:
    copy = Copy(TargetSpec("mine", {"text": "tcp://127.0.0.1:9"}))
    yield Target(copy, case, Effort(seed, fuzz))
    copy.folder.remove()


def examples(seed: int) -> list[int]:
    seen: list[int] = []
    with target(seed) as subject:
        explore(subject, st.integers(), seen.append, examples=20)
    return seen


def test_the_seed_decides() -> None:
    assert examples(0) == examples(0)
    assert examples(0) != examples(1)


def test_the_smallest_counterexample_and_its_evidence() -> None:
    def check(number: int) -> None:
        subject.transcript.add(1, "send", b"%d" % number)
        if number >= 1000:
            raise Violation("too-big", str(number))

    with target() as subject:
        with pytest.raises(Violation) as error:
            explore(subject, st.integers(0, 10**9), check, examples=100)
        assert error.value.detail == "1000"
        assert [entry.data for entry in subject.transcript] == [b"1000"]


def test_shrinking_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploration, "SHRINKING", 0.0)
    tried: list[int] = []

    def check(number: int) -> None:
        tried.append(number)
        raise Violation("always")

    with target() as subject, pytest.raises(Violation):
        explore(subject, st.integers(), check)
    assert len(tried) == 1


def test_a_target_that_fails_once_only_has_failed() -> None:
    calls: list[int] = []

    def check(number: int) -> None:
        calls.append(number)
        if len(calls) == 3:
            raise Violation("sometimes")

    with target() as subject, pytest.raises(Violation, match="sometimes"):
        explore(subject, st.integers(), check)


def test_a_target_that_broke_in_between_has_failed() -> None:
    """What passed before and would not now is no quarrel with hypothesis."""
    tried: list[bytes] = []

    def check(data: bytes) -> None:
        tried.append(data)
        if len(tried) > 10:
            raise Violation("broken")

    with target() as subject, pytest.raises(Violation, match="broken"):
        explore(subject, near_valid_frames(), check, examples=100)
    assert len(tried) == len(set(tried))


def test_fuzzing_goes_on_until_its_time_is_over() -> None:
    seen: list[int] = []

    def enough(number: int) -> None:
        seen.append(number)
        if len(seen) > exploration.ROUND:
            raise Violation("enough", "a second round has begun")

    with target(fuzz=60) as subject, pytest.raises(Violation):
        explore(subject, st.integers(), enough)


def test_a_property_is_marked() -> None:
    with (
        target(case=replace(CASE, explores=False)) as subject,
        pytest.raises(TypeError, match="explores=True"),
    ):
        explore(subject, st.integers(), lambda number: None)


def test_strategies() -> None:
    def check(segments: list[bytes]) -> None:
        assert all(segments)
        assert len(segments) <= 8
        assert b"".join(segments).endswith(b"\n")

    with target() as subject:
        explore(subject, split_streams(lines()), check)
        explore(subject, near_valid_frames(), lambda data: len(data) >= 4)
