"""The fitness gate: a server of the protocol passes, everything that only seems to answer does not."""

import socket
import time
from itertools import product

import pytest

from conformance.outcomes import Violation
from conformance.target.fitness import FITNESS, examine
from tests.conformance.servers import Handler, Impatient, answer_first, echo_lines, echo_raw, peer, serving

pytestmark = pytest.mark.whole


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def zeros(connection: socket.socket) -> None:
    while chunk := connection.recv(65536):
        connection.sendall(bytes(len(chunk)))


def drip(connection: socket.socket) -> None:
    while chunk := connection.recv(65536):
        for byte in chunk:
            time.sleep(0.3)
            connection.sendall(bytes([byte]))


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


DEGENERATE: dict[str, Handler] = {
    "silent": silent,
    "close": lambda connection: None,
    "always 400": answer_first(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "zeros": zeros,
    "drip": drip,
    "reset": reset,
    "raw echo": echo_raw,
}


def test_a_text_server_is_fit() -> None:
    with serving(echo_lines) as address:
        calibration = examine("text", lambda calibration: peer(address, calibration=calibration))
    assert 0 < calibration.round_trip < 0.5


RIGHT = {(service, "raw echo") for service in ("tcp", "udp", "pipe", "probe.tcp")}
"""What these services are meant to be."""

UNFIT = sorted({*product(set(FITNESS) - {"unix", "tls", "wss"}, DEGENERATE)} - RIGHT)


@pytest.mark.parametrize(("service", "name"), UNFIT)
def test_degenerate_servers_are_unfit(service: str, name: str) -> None:
    with serving(DEGENERATE[name]) as address, pytest.raises(Violation):
        examine(service, lambda calibration: peer(address, calibration=Impatient()))
