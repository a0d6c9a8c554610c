"""Who was late himself, by no fault of his own, does not blame the other side."""

from time import monotonic, sleep

import pytest

from conformance.cases.patience import Moment, in_time, made_late
from conformance.outcomes import Inconclusive, Violation

FAILURE = Violation("fin")


def speaks(limit: float, failure: Exception = FAILURE, laps: int = 0) -> None:
    """Who has to say something within the limit, fails; meanwhile the machine sleeps: nobody looks."""
    with in_time(limit, monotonic() - limit / 2) as again:
        again()
        sleep(1.0)
        for _ in range(laps):
            again()
        raise failure


def test_who_was_in_time_may_complain() -> None:
    with pytest.raises(Violation):
        speaks(1000)


@pytest.mark.parametrize("laps", [0, 1, 2])
def test_whom_the_machine_has_made_late_may_not(laps: int) -> None:
    with pytest.raises(Inconclusive, match="s pass where 1 s were the limit"):
        speaks(1.0, laps=laps)


@pytest.mark.parametrize(
    ("wall", "clock", "is_so"), [(0.8, 0.1, False), (0.9, 0.9, False), (5.0, 5.0, False), (0.9, 0.5, True)]
)
def test_whether_the_machine_had_a_part_in_it(wall: float, clock: float, is_so: bool) -> None:
    assert made_late(Moment(7.0, 3.0), Moment(7.0 + wall, 3.0 + clock), 1.0) is is_so


def test_nothing_else_is_changed() -> None:
    with in_time(0.1):
        sleep(0.5)
    with pytest.raises(ZeroDivisionError):
        speaks(0.1, ZeroDivisionError())
