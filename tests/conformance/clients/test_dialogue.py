"""What cases about clients share: exchanges, and the names of the ways in which a connection ends."""

import socket
from collections.abc import Callable

import pytest

from conformance.clients import dialogue
from conformance.clients.client import Client
from conformance.clients.dialogue import (
    answered,
    closed,
    closes,
    each_fails,
    fails,
    opened,
    refuses,
    sentinel,
)
from conformance.outcomes import Violation
from conformance.wire import websocket_server
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, close_payload, encode
from conformance.wire.websocket_server import frame, response
from tests.conformance.clients.callers import client, echo, hang_up
from tests.conformance.servers import Impatient

TEXT = (Opcode.TEXT, b"x")


def says(*pieces: bytes) -> Callable[[socket.socket, bytes], None]:
    """Send these bytes at the first frame, and wait for the server's end."""

    def behave(sock: socket.socket, data: bytes) -> None:
        _ = data or sock.recv(1)
        sock.sendall(b"".join(pieces))
        while sock.recv(65536):
            pass

    return behave


def seen(behaviour: object, check: Callable[[Peer], object]) -> object:
    """What a check says of a client that was sent one message."""
    with client(behaviour) as subject:  # type: ignore[arg-type]
        subject.calibration = Impatient()
        with opened(subject) as peer:
            peer.send(frame(*TEXT))
            return check(peer)


def outcome(behaviour: object, check: Callable[[Peer], object]) -> str:
    with pytest.raises(Violation) as violation:
        seen(behaviour, check)
    return violation.value.outcome


def test_an_exchange() -> None:
    with client() as subject, opened(subject) as peer:
        dialogue.echo(peer, Opcode.BINARY, b"\xff")
        peer.send(frame(Opcode.PING, b"p") + frame(*TEXT))
        assert answered(peer, [TEXT], [b"p"]) == "echoed"
        assert closes(peer, close_payload(1001)).close_code == 1001


@pytest.mark.parametrize(
    "answer", [encode(Opcode.PONG, b"q"), encode(Opcode.BINARY, b"x"), encode(Opcode.CONTINUATION, b"x")]
)
def test_another_answer(answer: bytes) -> None:
    assert outcome(says(answer), lambda peer: answered(peer, [TEXT], [b"p"])) == "wrong-answer"


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        (encode(Opcode.CLOSE, close_payload(1002)), "failed"),
        (encode(Opcode.CLOSE, close_payload(1007)), "other-code"),
        (encode(Opcode.CLOSE, close_payload(1000)), "no-error"),
        (encode(Opcode.CLOSE), "no-error"),
    ],
)
def test_how_a_connection_fails(last: bytes, ending: str) -> None:
    assert seen(says(last), lambda peer: fails(peer, 1002)) == ending


def test_a_connection_that_fails_without_a_word() -> None:
    assert seen(hang_up, lambda peer: fails(peer, 1002)) == "dropped"


def test_a_connection_that_does_not_fail() -> None:
    close = encode(Opcode.CLOSE, close_payload(1002))
    assert outcome(echo, lambda peer: fails(peer, 1002)) == "served"
    assert outcome(says(close, encode(*TEXT)), lambda peer: fails(peer, 1002)) == "unexpected-bytes"
    assert outcome(says(close[:3]), lambda peer: fails(peer, 1002)) == "no-answer"
    assert outcome(echo, closed) == "served"


def test_the_worst_ending_names_its_streams() -> None:
    close = [encode(Opcode.CLOSE, close_payload(code)) for code in (1002, 1000, 1002)]
    with client(*map(says, close)) as subject:
        subject.calibration = Impatient()
        ending = each_fails(subject, 1002, {"one": b"\x83\x00", "two": b"\x84\x00", "three": b"\x85\x00"})
    assert (ending, getattr(ending, "detail", "")) == ("no-error", "two")


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (echo, "opened"),
        (says(b"GET / HTTP/1.1\r\n\r\n"), "reused"),
        (says(), "stays-open"),
    ],
)
def test_a_response_that_is_not_refused(behaviour: object, outcome: str) -> None:
    with client(behaviour) as subject:  # type: ignore[arg-type]
        subject.calibration = Impatient()
        with subject.connected() as peer, pytest.raises(Violation) as violation:
            refuses(peer, response(websocket_server.read_request(peer)))
    assert violation.value.outcome == outcome


@pytest.mark.parametrize(
    "behaviour", [lambda sock, data: None, says(encode(Opcode.CLOSE, close_payload(1002)))]
)
def test_a_response_that_is_refused(behaviour: object) -> None:
    with client(behaviour) as subject, subject.connected() as peer:  # type: ignore[arg-type]
        assert refuses(peer, response(websocket_server.read_request(peer))) == "refused"


def one_exchange(subject: Client) -> None:
    with opened(subject) as peer:
        peer.send(frame(*TEXT))
        websocket_server.expect(peer, *TEXT)
        peer.rest()


def test_wsproto_judges_too() -> None:
    text = encode(*TEXT)
    with client(says(text, encode(Opcode.TEXT, b"\xff"))) as subject:
        subject.calibration = Impatient()
        with pytest.raises(Violation, match="wsproto"):
            one_exchange(subject)


def test_the_sentinel() -> None:
    with client() as subject, opened(subject) as peer:
        assert sentinel(peer) == "echoed"
