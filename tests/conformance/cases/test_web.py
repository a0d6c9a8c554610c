"""How requests were answered, by name: on servers that refuse, serve on, lose their place, or say nothing."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.case import Case
from conformance.cases.web import (
    BEHIND,
    MARK,
    REFUSED,
    all_answered,
    all_refused,
    answered,
    family,
    reflected,
    reflects,
    refusal,
    says,
    seen_values,
)
from conformance.outcomes import Violation
from conformance.target.file import TargetSpec
from conformance.target.instance import Copy
from conformance.target.view import Target
from conformance.wire.http_requests import request
from tests.conformance.servers import Handler, Impatient, serving

CASE = Case("example/a/b", "http", ("HTTP-01",), {"answered": "pass"}, title="An example.")
GET = request()


class Mine(Target):
    calibration = Impatient()  # type: ignore[assignment]


@contextmanager
def target(handler: Handler) -> Iterator[Target]:
    with serving(handler) as address:
        copy = Copy(TargetSpec("mine", {"http": address.url}))
        copy.addresses["http"] = address
        yield Mine(copy, CASE)
        copy.folder.remove()


def response(status: int, body: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


BAD = response(400)
HELLO = response(200, "hello")
LAST = response(200, json.dumps({"target": f"/reflect?{MARK}"}))


def answering(*answers: bytes, stays: bool = False) -> Handler:
    """Everything that was asked is read, then these are the answers, and then the end, or not."""

    def handler(connection: socket.socket) -> None:
        data = b""
        while not data.endswith(BEHIND):
            data += connection.recv(65536)
        connection.sendall(b"".join(answers))
        while stays and connection.recv(65536):
            pass

    return handler


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (answering(BAD), "refused-400"),
        (answering(response(431)), "refused-otherwise"),
        (answering(), "closed"),
    ],
)
def test_refusals(handler: Handler, outcome: str) -> None:
    with target(handler) as mine:
        assert all_refused(mine, {"one": GET, "two": [b"GET /", b" nonsense\r\n\r\n"]}) == outcome


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (answering(HELLO, LAST), "answered"),
        (answering(HELLO), "answered"),
        (answering(BAD, LAST), "answered-behind"),
        (answering(LAST), "answered"),
        (answering(BAD, stays=True), "left-open"),
        (answering(stays=True), "no-answer"),
        (answering(BAD[:-3]), "fin"),
        (answering(b"nonsense\r\n\r\n"), "wrong-answer"),
    ],
)
def test_no_refusals(handler: Handler, outcome: str) -> None:
    with target(handler) as mine, pytest.raises(Violation, match="the stream") as seen:
        all_refused(mine, {"the stream": GET})
    assert seen.value.outcome == outcome


def test_answered() -> None:
    with target(answering(HELLO, LAST, stays=True)) as mine:
        assert all_answered(mine, {"it": GET}, says(b"hello")) == "answered"


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [
        (answering(HELLO), "not-answered"),
        (answering(LAST), "not-answered"),
        (answering(HELLO, HELLO, LAST), "not-answered"),
        (answering(BAD), "not-answered"),
        (answering(response(200, "hullo"), LAST), "wrong-answer"),
    ],
)
def test_not_answered(handler: Handler, outcome: str) -> None:
    with target(handler) as mine, pytest.raises(Violation) as seen:
        all_answered(mine, {"it": GET}, says(b"hello"))
    assert seen.value.outcome == outcome


@pytest.mark.parametrize(
    ("handler", "outcome"), [(answering(HELLO, LAST), "answered"), (answering(BAD), "refused-400")]
)
def test_either(handler: Handler, outcome: str) -> None:
    judge = answered(says(b"hello"), otherwise=refusal(400))
    with target(handler) as mine:
        assert family(mine, {"it": GET}, judge, ("answered", *REFUSED)) == outcome


def test_reflections() -> None:
    saw = response(200, json.dumps({"method": "GET", "headers": [["x-a", "1"], ["x-a", "2"]]}))
    with target(answering(saw, LAST)) as mine:
        stream = {"it": reflected("X-A: 1", "X-A: 2")}
        assert all_answered(mine, stream, reflects(method="GET")) == "answered"
        values: list[str] = []
        all_answered(mine, stream, lambda seen: values.extend(seen_values(seen, "x-a")))
        assert values == ["1", "2"]
        with pytest.raises(Violation, match="misread"):
            all_answered(mine, stream, reflects(method="get"))
