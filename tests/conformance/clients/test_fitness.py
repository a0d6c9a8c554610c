"""Who echoes is fit, however wrong the bytes are in which the echo comes; who does not is not."""

import socket
from collections.abc import Iterator

import pytest

from conformance.clients.fitness import examine
from conformance.outcomes import Violation
from conformance.wire.websocket import Opcode, encode
from tests.conformance.clients.callers import client, echo, hang_up
from tests.conformance.servers import Impatient


def chunks(sock: socket.socket, data: bytes) -> Iterator[bytes]:
    """What the server sends: the first message may have come together with the response."""
    yield from filter(None, [data])
    yield from iter(lambda: sock.recv(65536), b"")


def unmasked(sock: socket.socket, data: bytes) -> None:
    """Echo the server's own bytes, with a ping before each."""
    for more in chunks(sock, data):
        sock.sendall(encode(Opcode.PING, key=None) + more)


def wrong(sock: socket.socket, data: bytes) -> None:
    for _ in chunks(sock, data):
        sock.sendall(encode(Opcode.TEXT, b"always the same"))


def silent(sock: socket.socket, data: bytes) -> None:
    for _ in chunks(sock, data):
        pass


@pytest.mark.parametrize("behaviour", [echo, unmasked])
def test_who_echoes_is_fit(behaviour: object) -> None:
    with client(behaviour) as subject:  # type: ignore[arg-type]
        assert 0 < examine(subject).round_trip < 1


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [(wrong, "wrong-answer"), (silent, "no-answer"), (hang_up, "fin")],
)
def test_who_does_not_is_unfit(behaviour: object, outcome: str) -> None:
    with client(behaviour) as subject:  # type: ignore[arg-type]
        subject.calibration = Impatient()
        with pytest.raises(Violation) as seen:
            examine(subject)
        assert seen.value.outcome == outcome
