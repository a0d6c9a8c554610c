"""The client of the cases about routes: what it asks, what it takes for an answer, and when it asks again."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.case import Case, Unsupported
from conformance.cases.browsing import (
    ANSWERED,
    REFUSED,
    Visitor,
    ask,
    due,
    each,
    each_answered,
    each_refused,
    get,
    greet,
    hello,
    or_end,
    over,
    publishes,
    reflected,
    refusal,
    same,
    static,
)
from conformance.outcomes import Violation
from conformance.target.file import ProcessSpec, TargetSpec
from conformance.target.instance import Copy
from conformance.target.view import Target
from conformance.wire.http_requests import CLOSE, request
from tests.conformance.servers import Handler, Impatient, answer_first, serving

CASE = Case("example/a/b", "http", ("HTTP-68",), {"answered": "pass"}, title="An example.")


class Mine(Target):
    calibration = Impatient()  # type: ignore[assignment]


@contextmanager
def target(handler: Handler) -> Iterator[Target]:
    with serving(handler) as address:
        copy = Copy(TargetSpec("mine", {"http": address.url}))
        copy.addresses["http"] = address
        yield Mine(copy, CASE)
        copy.folder.remove()


def response(status: int, body: str = "", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *fields, "", body]
    return "\r\n".join(lines).encode()


HELLO = response(200, "hello")
LAST = response(200, "hello", CLOSE)


def answering(*answers: bytes) -> Handler:
    """An answer to each request, whatever it is; then the end."""

    def handler(connection: socket.socket) -> None:
        for answer in answers:
            connection.recv(65536)
            connection.sendall(answer)

    return handler


def patient(connection: socket.socket) -> None:
    while connection.recv(65536):
        connection.sendall(HELLO)


def test_plain_questions() -> None:
    with target(patient) as mine, mine.connect() as peer:
        assert greet(peer).status == 200
        assert ask(peer, "POST", "/echo", "X-A: b", body=b"1").body == b"hello"
        peer.send(request("GET", "/"))
        assert hello(peer).body == b"hello"
        assert get(mine, "/x").body == b"hello"


@pytest.mark.parametrize("answer", [response(404, "hello"), response(200, "hullo")])
def test_another_answer_than_was_due(answer: bytes) -> None:
    with target(answering(answer)) as mine, mine.connect() as peer, pytest.raises(Violation) as seen:
        greet(peer)
    assert seen.value.outcome == "wrong-answer"


def test_the_status_alone_may_be_due() -> None:
    with target(patient) as mine, mine.connect() as peer:
        assert due(ask(peer), 200).body == b"hello"
        with pytest.raises(Violation, match="404 was due"):
            due(ask(peer), 404)


def test_endings() -> None:
    with target(answering(LAST)) as mine, mine.connect() as peer:
        greet(peer)
        assert over(peer) == "closed"
        assert or_end(peer, lambda peer: str(hello(peer)), "gone") == "gone"
    with target(patient) as mine, mine.connect() as peer:
        greet(peer)
        with pytest.raises(Violation, match="open"):
            over(peer)
        with pytest.raises(Violation, match="no-answer"):
            or_end(peer, lambda peer: str(hello(peer)))


@pytest.mark.parametrize(
    ("answer", "outcome"), [(response(400), "refused"), (response(404), "other-status"), (b"", "dropped")]
)
def test_refusals(answer: bytes, outcome: str) -> None:
    with target(answer_first(answer)) as mine:
        assert each_refused(mine, {"one": request(), "two": [b"GET ", b"/"]}, 400) == outcome
    assert outcome in REFUSED


@pytest.mark.parametrize("answer", [HELLO, response(500)])
def test_what_is_no_refusal(answer: bytes) -> None:
    with target(answer_first(answer)) as mine, mine.connect() as peer:
        peer.send(request())
        with pytest.raises(Violation, match="served"):
            refusal(peer, 400)


def test_families() -> None:
    with target(patient) as mine:
        assert (
            each_answered(mine, {"one": request(), "two": [request()]}, lambda it: due(it, 200)) == "answered"
        )
        with pytest.raises(Violation, match="this one"):
            each(mine, {"this one": request()}, lambda peer: str(due(ask(peer), 404)), ANSWERED)


def test_reflections() -> None:
    with target(answering(response(200, '{"a": 1}'), response(200, "[]"))) as mine, mine.connect() as peer:
        assert reflected(ask(peer)) == {"a": 1}
        with pytest.raises(Violation, match="a JSON object was due"):
            reflected(ask(peer))


def test_sameness() -> None:
    same("number", 1, 1)
    with pytest.raises(Violation, match="number: 1 was due, 2 came"):
        same("number", 1, 2)
    with pytest.raises(Violation) as seen:
        same("text", "", "x" * 1000)
    assert len(seen.value.detail) < 300


def test_a_visitor_goes_on_where_a_response_was_the_last() -> None:
    with target(answering(HELLO, LAST)) as mine, Visitor(mine) as visitor:
        for _ in range(5):
            greet(visitor)


def test_a_visitor_asks_again_where_an_old_connection_is_gone() -> None:
    with target(answering(HELLO)) as mine, Visitor(mine) as visitor:
        greet(visitor)
        greet(visitor)
    with target(answering()) as mine, Visitor(mine) as visitor, pytest.raises(Violation):
        greet(visitor)


def test_names_of_files_are_coded() -> None:
    assert static("a b/é%.txt") == "/static/a%20b/%C3%A9%25.txt"


def test_only_who_knows_the_folder_publishes_it() -> None:
    spec = TargetSpec("mine", {"http": "tcp://127.0.0.1:9"})
    told = ProcessSpec(("server",), base=Path(), env={"STATIC_DIR": "{static}"})
    for each_spec, right in ((spec, False), (replace(spec, process=told), True)):
        copy = Copy(spec)
        copy.spec = each_spec
        mine = Mine(copy, CASE)
        if right:
            publishes(mine)
        else:
            with pytest.raises(Unsupported):
                publishes(mine)
        copy.folder.remove()
