import pytest

from refworker.quota import Quota


@pytest.mark.parametrize(
    ("messages", "memory", "why"),
    [
        (9, 99, ""),
        (10, 0, "10 messages served"),
        (11, 0, "11 messages served"),
        (0, 100, "100 bytes of memory held"),
    ],
)
def test_limits_are_the_first_numbers_too_many(messages: int, memory: int, why: str) -> None:
    assert Quota(max_requests=10, max_memory=100).exceeded(messages, memory) == why


def test_no_quota_is_never_exceeded() -> None:
    assert not Quota()
    assert Quota().exceeded(1 << 60, 1 << 60) == ""
    assert Quota().drawn() == Quota(jitter=0)


def test_the_jitter_is_taken_off_and_never_added() -> None:
    drawn = {Quota(max_requests=1000, jitter=0.1).drawn().max_requests for _ in range(200)}
    assert len(drawn) > 20
    assert min(drawn) >= 900
    assert max(drawn) <= 1000
    assert {Quota(max_requests=7, jitter=0).drawn().max_requests for _ in range(20)} == {7}


@pytest.mark.parametrize(
    "options", [{"max_requests": -1}, {"max_memory": -1}, {"jitter": 1.1}, {"jitter": -0.1}]
)
def test_what_cannot_be_meant_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a quota has limits from 0 up"):
        Quota(**options)  # type: ignore[arg-type]
