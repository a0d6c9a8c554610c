"""Time that is lost is not counted; time that is waited for is."""

import select
import socket
from time import monotonic

import pytest

from conformance.outcomes import Violation
from conformance.target.process import wait_until
from conformance.wire import clock as module
from conformance.wire.clock import EXCUSED, LONGEST, SLICE, Clock, ready
from tests.conformance.servers import echo_raw, peer, serving


def test_what_is_longer_than_any_slice_is_lost() -> None:
    times = iter([0.0, 0.1, 0.2, 100.0, 100.1, 100.1 + LONGEST])
    clock = Clock(lambda: next(times))
    rest = (0.0, 0.1, 0.1 + LONGEST)
    assert [clock() for _ in range(5)] == pytest.approx([0.1, 0.2, *(0.2 + LONGEST + each for each in rest)])


class Machine:
    """A clock that is looked at every tenth of a second, and processes that may wait for a processor."""

    def __init__(self) -> None:
        self.now, self.waited = 0.0, 100.0
        self.clock = Clock(lambda: self.now)
        self.clock.attend(self.queue)

    def queue(self) -> float:
        return self.waited

    def go_on(self, seconds: float, part: float) -> float:
        """Let time pass, this part of it in a queue; what the clock says."""
        for _ in range(round(seconds / 0.1)):
            self.now, self.waited = self.now + 0.1, self.waited + 0.1 * part
            self.clock()
        return self.clock.exactly()


def test_who_cannot_run_is_not_late() -> None:
    machine = Machine()
    assert machine.go_on(2, 0.0) == pytest.approx(2)
    assert machine.go_on(2, 0.5) == pytest.approx(3)
    machine.clock.leave(machine.queue)
    assert machine.go_on(2, 0.5) == pytest.approx(5)


def test_who_never_runs_is_late_at_last() -> None:
    assert Machine().go_on(4, 5.0) == pytest.approx(4 * (1 - EXCUSED))


def test_what_was_waited_before_excuses_nothing() -> None:
    machine = Machine()
    machine.clock.attend(lambda: 1000.0)
    machine.clock.attend(lambda: 0.0)
    assert machine.go_on(2, 0.0) == pytest.approx(2)


def test_a_wait_lasts_as_long_as_it_is_told() -> None:
    mine, other = socket.socketpair()
    with mine, other:
        started = monotonic()
        assert ready(mine, select.POLLIN, 2.5 * SLICE) == 0
        assert monotonic() - started >= 2.5 * SLICE
        assert ready(mine, select.POLLIN | select.POLLOUT, 10) == select.POLLOUT
        other.send(b"?")
        assert ready(mine, select.POLLIN, 0) == select.POLLIN


@pytest.fixture
def sleepy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that sleeps for a minute whenever somebody looks at the clock for the fourth time."""
    lost = looks = 0

    def time() -> float:
        nonlocal lost, looks
        looks += 1
        lost += 0 if looks % 4 else 60
        return monotonic() + lost

    for name, value in (("_time", time), ("_seen", monotonic()), ("_lost", module.clock._lost)):
        monkeypatch.setattr(module.clock, name, value)


@pytest.mark.usefixtures("sleepy")
def test_a_machine_that_sleeps_makes_nobody_late() -> None:
    with serving(echo_raw) as address, peer(address) as client:
        for _ in range(20):
            client.send(b"?")
            client.expect(b"?")
    assert wait_until(lambda looks=[]: looks.append(0) or len(looks) > 2, 1.6)  # type: ignore[misc]


def test_who_does_not_answer_is_late() -> None:
    with serving(lambda connection: connection.recv(1) and None) as address, peer(address) as client:
        with pytest.raises(Violation) as error:
            client.exactly(1, within=0.1)
        assert error.value.outcome == "no-answer"
