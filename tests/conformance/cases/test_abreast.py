"""Families of vectors side by side, on servers that are right, late, or wrong for one of them."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conformance.case import Case
from conformance.cases.abreast import (
    ABREAST,
    all_fail,
    all_fail_behind,
    batches,
    bytewise,
    fail_at,
    worst,
)
from conformance.outcomes import Violation
from conformance.target.file import TargetSpec
from conformance.target.instance import Copy
from conformance.target.view import Target
from conformance.wire.websocket import Opcode, accept_value, close_payload, encode
from tests.conformance.servers import Handler, serving

CASE = Case("example/a/b", "websocket", ("WS-013",), {"failed": "pass"}, title="An example.")
FAILED = encode(Opcode.CLOSE, close_payload(1002), key=None)
ECHO = encode(Opcode.TEXT, b"good", key=None)


@contextmanager
def target(handler: Handler) -> Iterator[Target]:
    with serving(handler) as address:
        copy = Copy(TargetSpec("mine", {"websocket": address.url}))
        copy.addresses["websocket"] = address
        yield Target(copy, CASE)
        copy.folder.remove()


def server(behind: Callable[[socket.socket], None]) -> Handler:
    """A handshake, and then what the test wants."""

    def handler(connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(1)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
        accept = accept_value(fields["sec-websocket-key"])
        lines = [b"HTTP/1.1 101 X", b"Upgrade: websocket", b"Connection: Upgrade"]
        connection.sendall(b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + accept, b"", b""]))
        behind(connection)

    return handler


def answering(*answers: bytes) -> Handler:
    """An answer to each segment."""

    def behind(connection: socket.socket) -> None:
        for answer in answers:
            connection.recv(65536)
            connection.sendall(answer)

    return server(behind)


def echoing_what_is_not_bad(connection: socket.socket) -> None:
    connection.sendall(FAILED if b"bad" in connection.recv(65536) else ECHO)


STREAMS = {"one": [b"bad"], "two": [b"bad too"]}


def test_all_of_many_fail() -> None:
    many = {f"number {number}": [b"bad"] for number in range(2 * ABREAST + 1)}
    with target(server(echoing_what_is_not_bad)) as subject:
        assert all_fail(subject, 1002, many) == "failed"
        assert subject.transcript.peers == len(many)


def test_one_that_does_not_is_named_and_alone_in_the_evidence() -> None:
    with target(server(echoing_what_is_not_bad)) as subject:
        with pytest.raises(Violation, match="served: two") as error:
            all_fail(subject, 1002, {**STREAMS, "two": [b"good"], "three": [b"bad"]})
        assert error.value.outcome == "served"
        assert {entry.peer for entry in subject.transcript} == {2}


def test_a_message_before_it_is_answered() -> None:
    with target(answering(ECHO + FAILED)) as subject:
        assert all_fail_behind(subject, 1002, b"good", STREAMS) == "failed"
    with target(answering(FAILED)) as subject:
        outcome = all_fail_behind(subject, 1002, b"good", STREAMS)
    assert (outcome, getattr(outcome, "detail", "")) == ("unanswered", "one and 1 more")


PHASES = {"one": (b"harmless", b"bad", b"the rest")}


@pytest.mark.parametrize(
    ("answers", "outcome"), [((b"", FAILED), "failed"), ((b"", b"", FAILED), "late"), ((b"", b""), "dropped")]
)
def test_at_once_or_late(answers: tuple[bytes, ...], outcome: str) -> None:
    with target(answering(*answers)) as subject:
        assert fail_at(subject, PHASES, {"one": 1002}) == outcome


def test_too_early() -> None:
    with target(answering(FAILED)) as subject, pytest.raises(Violation, match="one: silence was due"):
        fail_at(subject, PHASES, {"one": 1002})


def test_the_worst_is_named() -> None:
    outcome = worst({"a": "failed", "b": "dropped", "c": "other-code", "d": "dropped"})
    assert (outcome, getattr(outcome, "detail", "")) == ("dropped", "b and 1 more")
    assert getattr(worst({"a": "failed"}), "detail", "") == ""


def test_small_things() -> None:
    assert bytewise(b"abc") == [b"a", b"b", b"c"]
    assert [len(batch) for batch in batches([str(number) for number in range(5)], 2)] == [2, 2, 1]
