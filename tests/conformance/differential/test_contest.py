"""Two servers and the same streams: what they do not agree about is found, made small, and told once."""

import socket

from conformance.differential.contest import Contest, Side
from conformance.differential.grammar import Piece, examples
from tests.conformance.differential.origin import origin
from tests.conformance.servers import QUICK, serving

HEAD = Piece("line", b"GET /reflect HTTP/1.1\r\n", b"GET /reflect HTTP/1.1\r\n")
END = Piece("end", b"\r\n", b"\r\n")
BARE = (HEAD, Piece("field", b"X-A: 1", b"X-A: 1"), Piece("line end", b"\n", b"\r\n"), END)
TWICE = (HEAD, Piece("field", b"X-A: 2", b"X-A: 1"), Piece("line end", b"\n", b"\r\n"), END)
PLAIN = (HEAD, END)


def test_a_disagreement_is_found_once_and_made_small() -> None:
    with serving(origin()) as strict, serving(origin(forgiving=True)) as other:
        contest = Contest((Side("strict", strict, QUICK), Side("forgiving", other, QUICK)))
        found = list(contest.disagreements("http/any", [PLAIN, BARE, TWICE]))
    assert [each.stream for each in found] == [b"\n\r\n"]
    assert str(found[0].behaviours[0]) == "refused 400, ended"
    assert found[0].transcript.complete
    assert contest.unsteady == 0


def test_who_does_the_same_agrees() -> None:
    with serving(origin()) as one, serving(origin()) as other:
        contest = Contest((Side("one", one, QUICK), Side("other", other, QUICK)))
        assert list(contest.disagreements("http/fields", examples("http/fields", 30, 0))) == []


def test_what_does_not_last_is_counted_and_not_told() -> None:
    first = iter([True])

    def at_first(connection: socket.socket) -> None:
        origin(forgiving=next(first, False))(connection)

    with serving(origin()) as one, serving(at_first) as other:
        contest = Contest((Side("one", one, QUICK), Side("at first", other, QUICK)))
        assert list(contest.disagreements("http/any", [BARE])) == []
    assert contest.unsteady == 1
