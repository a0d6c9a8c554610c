"""Who was late himself, by no fault of his own, does not blame the other side."""

from collections.abc import Callable
from time import monotonic, sleep

import pytest

from conformance.cases.patience import in_time
from conformance.outcomes import Inconclusive, Violation
from conformance.target.process import wait_until

LIMIT = 1.0
FAILURE = Violation("fin")


def waits() -> None:
    """As for a slow target: it is looked at all the time."""
    assert not wait_until(lambda: False, LIMIT)


def sleeps() -> None:
    """As a machine sleeps: nobody looks at anything."""
    sleep(LIMIT)


def speaks(meanwhile: Callable[[], None], failure: Exception = FAILURE, laps: int = 0) -> None:
    """Somebody who has to say something within the limit, and fails when something has happened."""
    with in_time(LIMIT, monotonic() - LIMIT / 2) as again:
        again()
        meanwhile()
        for _ in range(laps):
            again()
        raise failure


@pytest.mark.parametrize("meanwhile", [lambda: None, waits])
def test_whom_no_machine_has_made_late_may_complain(meanwhile: Callable[[], None]) -> None:
    with pytest.raises(Violation):
        speaks(meanwhile)


@pytest.mark.parametrize("laps", [0, 1, 2])
def test_whom_it_has_may_not(laps: int) -> None:
    with pytest.raises(Inconclusive, match="s pass where 1 s were the limit"):
        speaks(sleeps, laps=laps)


def test_nothing_else_is_changed() -> None:
    with in_time(LIMIT):
        sleeps()
    with pytest.raises(ZeroDivisionError):
        speaks(sleeps, ZeroDivisionError())
