from refworker.supervisor.agenda import Agenda


class Clock:
    """Time that only the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_appointments_run_in_the_order_of_their_time() -> None:
    clock, seen = Clock(), []
    agenda = Agenda(clock)
    for name, delay in [("late", 2.0), ("first", 1.0), ("second", 1.0)]:
        agenda.later(delay, lambda name=name: seen.append(name))
    assert agenda.patience() == 1.0
    agenda.run_due()
    assert seen == []
    clock.now += 1.0
    assert agenda.patience() == 0.0
    agenda.run_due()
    assert seen == ["first", "second"]
    clock.now += 5.0
    agenda.run_due()
    assert seen == ["first", "second", "late"]


def test_an_empty_agenda_has_all_the_time() -> None:
    agenda = Agenda(Clock())
    assert agenda.patience() is None
    agenda.later(1.0, lambda: None).cancel()
    assert agenda.patience() is None


def test_a_cancelled_appointment_does_not_run_even_when_due() -> None:
    agenda, seen = Agenda(Clock()), []

    def cancel_the_second() -> None:
        second.cancel()

    agenda.later(0.0, cancel_the_second)
    second = agenda.later(0.0, lambda: seen.append("second"))
    agenda.run_due()
    assert seen == []


def test_what_an_action_adds_waits_for_the_next_round() -> None:
    agenda, seen = Agenda(Clock()), []
    agenda.later(0.0, lambda: agenda.later(0.0, lambda: seen.append("added")))
    agenda.run_due()
    assert seen == []
    agenda.run_due()
    assert seen == ["added"]
