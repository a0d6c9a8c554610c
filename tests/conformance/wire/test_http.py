"""Plain HTTP exchanges: the right answer, and everything that is none."""

import socket

import pytest

from conformance.outcomes import Violation
from conformance.target.fitness import examine
from conformance.wire import http
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript
from tests.conformance.servers import Handler, Impatient, answer_first, peer, serving

HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def patient(client: socket.socket) -> None:
    """Keep-alive: an answer for every request, which come whole here."""
    while client.recv(65536):
        client.sendall(HELLO)


@pytest.mark.parametrize("answer", [HELLO, CHUNKED, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"])
def test_right_answers(answer: bytes) -> None:
    with serving(answer_first(answer)) as address, peer(address) as one:
        assert http.expect(one, "GET", "/", b"hello").closes is (b"close" in answer)


def test_several_on_one_connection() -> None:
    with serving(patient) as address, peer(address) as one:
        for _ in range(3):
            assert not http.expect(one, "POST", "/echo", b"hello", b"hello").closes


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (HELLO.replace(b"200", b"404"), "wrong-answer"),
        (HELLO.replace(b"hello", b"hullo"), "wrong-answer"),
        (b"nonsense\r\n\r\n", "wrong-answer"),
        (HELLO[:-1], "fin"),
        (b"", "fin"),
    ],
)
def test_wrong_answers(answer: bytes, outcome: str) -> None:
    with serving(answer_first(answer)) as address, peer(address) as one, pytest.raises(Violation) as seen:
        http.expect(one, "GET", "/", b"hello")
    assert seen.value.outcome == outcome


def silent(client: socket.socket) -> None:
    while client.recv(65536):
        pass


def test_no_answer() -> None:
    with (
        serving(silent) as address,
        peer(address, calibration=Impatient()) as one,
        pytest.raises(Violation, match="no-answer"),
    ):
        http.exchange(one, "GET", "/")


@pytest.mark.parametrize(("handler", "fit"), [(patient, True), (silent, False), (answer_first(HELLO), False)])
def test_fitness(handler: Handler, fit: bool) -> None:
    with serving(handler) as address:
        try:
            examine("http", lambda calibration: Peer(address, Impatient(), Transcript()))
        except Violation:
            assert not fit
        else:
            assert fit
