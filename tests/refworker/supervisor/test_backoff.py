from refworker.supervisor.backoff import SPACING, STABLE_AFTER, Backoff


def test_delays_grow_to_five_seconds() -> None:
    backoff = Backoff()
    delays = [backoff.after_failure() for _ in range(10)]
    assert delays == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_thousands_of_failures_do_not_overflow() -> None:
    backoff = Backoff()
    assert [backoff.after_failure() for _ in range(5000)][-1] == 5.0


def test_a_stable_life_is_forgiven() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after_failure(STABLE_AFTER - 0.1)
    assert [backoff.after_failure(STABLE_AFTER), backoff.after_failure()] == [0, 0.1]


def test_at_most_ten_starts_in_ten_seconds() -> None:
    backoff, clock, starts = Backoff(), 0.0, 0
    while clock < 10:
        starts += 1
        clock += backoff.after_failure()
    assert starts <= 10


def test_a_good_end_only_spaces_the_starts() -> None:
    backoff = Backoff()
    assert backoff.after_success(60.0) == 0
    assert backoff.after_success(0.0) == SPACING
    assert backoff.after_failure() == 0
