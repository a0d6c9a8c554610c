"""What a target made of a stream, and when two of them made the same."""

import json
import socket
from collections.abc import Sequence

import pytest

from conformance.differential.behaviour import Answer, Behaviour, agree, behaviour, differences
from conformance.wire.peer import watch
from tests.conformance.servers import peer, serving

SAW = {
    "method": "GET",
    "target": "/",
    "path": "/",
    "query": [],
    "version": "1.1",
    "length": 0,
    "sha256": "e3",
}
HEADERS = [["host", "a"], ["via", "somebody"], ["x-a", "1"]]


def response(status: int, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status} Any\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


REFLECTION = response(200, json.dumps({**SAW, "headers": HEADERS}).encode())


def seen(*answers: bytes, stay: bool = False) -> Behaviour:
    def handler(connection: socket.socket) -> None:
        connection.sendall(b"".join(answers))
        if stay:
            connection.recv(1)

    with serving(handler) as address, peer(address) as client:
        watch([client], 0.3)
        return behaviour(client)


def test_answers_and_the_ending() -> None:
    made = seen(REFLECTION, response(302), response(404))
    assert str(made) == "served 200 (GET /, 0 bytes), redirected 302, refused 404, ended"
    assert made.answers[0].facts == {**SAW, "fields": [["host", "a"], ["x-a", "1"]]}
    assert made.plain["answers"][1] == {"kind": "redirected", "status": 302, "saw": {}}


def test_what_is_no_response_is_garbage() -> None:
    assert str(seen(response(200), b"nonsense\r\n\r\n")) == "served 200, garbage 0, ended"


def test_who_waits_is_open() -> None:
    assert str(seen(stay=True)) == "open"


def made(*kinds: str, ending: str = "ended") -> Behaviour:
    """`s` is served, `sX` with a fact X, `r` refused, `R` with another status."""
    answers = {"s": Answer("served", 200), "r": Answer("refused", 400), "R": Answer("refused", 501)}
    found = [answers.get(kind) or Answer("served", 200, json.dumps({"path": kind})) for kind in kinds]
    return Behaviour(tuple(found), "ended" if ending == "ended" else "open")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (made("s", "s"), made("s", "s")),
        (made("r"), made("R")),  # whatever the status
        (made("r", "s"), made("R", ending="open")),  # and whatever is said behind it
        (made("s", "r"), made("s")),  # an end without a word is a refusal
        (made(ending="open"), made(ending="open")),
    ],
)
def test_they_agree(one: Behaviour, other: Behaviour) -> None:
    assert agree(one, other)
    assert agree(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (made("s"), made("r")),
        (made("s", "s"), made("s")),
        (made("sX"), made("sY")),
        (made("s"), made("s", ending="open")),
        (made("r"), made(ending="open")),
    ],
)
def test_they_disagree(one: Behaviour, other: Behaviour) -> None:
    assert not agree(one, other)
    assert not agree(other, one)


def test_what_they_saw_otherwise() -> None:
    pairs: Sequence[Behaviour] = (made("s", "sX"), made("s", "sY"))
    assert differences(*pairs) == {"path": ("sX", "sY")}
    assert differences(pairs[0], pairs[0]) == {}
