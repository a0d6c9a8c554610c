import pytest

from refworker.tasks.link import FIRST_DELAY, LONGEST_DELAY, Host, Limits, Link, backoff
from tests.refworker.peers import run, until

LIMITS = Limits(
    max_connections=2, max_waiting=1, max_package_size=1000, idle_timeout=1.0, connect_timeout=1.0
)


@pytest.mark.parametrize("attempts", [1, 2, 3, 10, 1000])
def test_backoff_doubles_with_jitter_up_to_a_limit(attempts: int) -> None:
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempts - 1, 30))
    delays = {backoff(attempts) for _ in range(50)}
    assert all(longest / 2 <= delay <= longest for delay in delays)
    assert len(delays) > 1


class Nobody:
    """An owner that only notes which links have ended."""

    limits = LIMITS

    def __init__(self) -> None:
        self.ended: list[str] = []

    def feed(self, link: Link) -> None: ...

    def closed(self, link: Link, unsent: object, unanswered: object) -> None:
        self.ended.append(link.problem)


def test_a_host_opens_one_link_at_a_time() -> None:
    async def program() -> None:
        host, owner = Host("text://127.0.0.1:1"), Nobody()
        assert host.may_open(LIMITS)
        host.open(owner)
        assert not host.may_open(LIMITS)
        await until(lambda: owner.ended)
        assert owner.ended == ["cannot connect to 127.0.0.1:1: Connection refused"]
        assert (host.links, host.opening) == ([], None)

    run(program)


def test_a_host_that_fails_rests_and_says_why() -> None:
    async def program() -> None:
        host = Host("text://127.0.0.1:1")
        assert host.is_reachable()
        assert 0 < host.eject("it burns") <= FIRST_DELAY
        assert not host.is_reachable()
        assert not host.may_open(LIMITS)
        assert str(host) == "text://127.0.0.1:1: it burns"
        host.reached()
        assert host.is_reachable()

    run(program)
