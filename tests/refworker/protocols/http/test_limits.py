from refworker.protocols.http import Limits


def test_what_a_head_surely_keeps_to() -> None:
    assert Limits(max_request_line=10).surely == 10
    assert Limits(max_header_size=10).surely == 10
    assert Limits(max_header_count=2).surely == 8


def test_the_shortest_time() -> None:
    assert Limits().shortest == 30
    assert Limits(header_timeout=1).shortest == Limits(body_timeout=1).shortest == 1
    assert Limits(keepalive_timeout=1).shortest == 1


def test_limits_are_equal_whatever_was_read_under_them() -> None:
    used = Limits()
    used.heads[b"x"] = "y"
    assert used == Limits()
    assert not Limits().heads
