"""The gate: who asks is told, who comes is let in, who is lost is sent away."""

import threading
from contextlib import closing, suppress

import pytest

from conformance.clients import gate as gates
from conformance.clients.gate import DONE, NEXT, Gate, Lost
from conformance.wire.websocket import Opcode
from tests.conformance.clients.callers import ask, call, dial, gated, get

PATH = "/case/1/a/b/c?seed=0"


def test_who_asks_is_told_and_let_in() -> None:
    seen: list[str] = []

    def play() -> None:
        seen.append(ask(gate))
        with dial(gate) as sock:
            sock.sendall(f"GET {seen[0]} HTTP/1.1\r\n\r\n".encode())
            sock.recv(1)

    with gated() as gate:
        thread = threading.Thread(target=play)
        thread.start()
        with closing(gate.summon(PATH, 5)) as caller:
            assert caller.recv(100).startswith(b"GET /case/1/a/b/c?seed=0 HTTP/1.1\r\n")
        thread.join(5)
    assert seen == [PATH]


def test_the_answer_comes_over_websocket_where_it_was_asked_so() -> None:
    seen: list[bytes] = []

    def play() -> None:
        call(gate, NEXT, lambda sock, data: seen.append(data + b"".join(iter(lambda: sock.recv(999), b""))))

    with gated() as gate:
        thread = threading.Thread(target=play)
        thread.start()
        gate.dismiss(5)
        thread.join(5)
    assert seen == [bytes([0x80 | Opcode.TEXT, 4]) + DONE.encode() + b"\x88\x02\x03\xe8"]


def test_who_waits_is_known_to_be_back_and_told_later() -> None:
    with gated() as gate:
        seen: list[str] = []
        thread = threading.Thread(target=lambda: seen.append(ask(gate)))
        thread.start()
        gate.back(5)
        gate.back(0)
        gate.dismiss(0)
        thread.join(5)
    assert seen == [DONE]


def test_a_wrong_turn_is_sent_away_and_does_not_matter() -> None:
    with gated() as gate:
        seen: list[bytes] = []

        def play() -> None:
            dial(gate).close()
            seen.append(get(gate, "/elsewhere"))
            seen.append(ask(gate).encode())

        thread = threading.Thread(target=play)
        thread.start()
        gate.back(5)
        gate.dismiss(5)
        thread.join(5)
    assert seen[0].startswith(b"HTTP/1.1 404 ")
    assert NEXT.encode() in seen[0]
    assert seen[1] == DONE.encode()


def lost(gate: Gate, path: str) -> None:
    """Ask for the wrong thing, and be sent away in whatever way."""
    with suppress(OSError):
        get(gate, path)


@pytest.mark.parametrize("path", ["/elsewhere", NEXT])
def test_who_runs_in_circles_is_lost(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "WRONG_TURNS", 3)
    with gated() as gate:
        threads = [threading.Thread(target=lost, args=(gate, path)) for _ in range(3)]
        for thread in threads:
            thread.start()
        with pytest.raises(Lost, match="loops"):
            gate.summon(PATH, 5)
        gate.forget()
        for thread in threads:
            thread.join(5)


def test_who_does_not_come_hangs() -> None:
    with gated() as gate, pytest.raises(Lost, match="hang"):
        gate.summon(PATH, 0.1)


def test_who_has_died_crashed() -> None:
    with closing(Gate("127.0.0.1", 0, lambda: "exited with status 3")) as gate:
        with pytest.raises(Lost, match="crash: exited with status 3"):
            gate.back(30)
        gate.dismiss(30)


@pytest.mark.parametrize(
    ("line", "leads"),
    [
        (b"GET /case/1/a/b/c?seed=0 HTTP/1.1\r", True),
        (b"GET /case/1/a/b/c HTTP/1.0\r", True),
        (b"get http://127.0.0.1/case/1/a/b/c", True),
        (b"GET /case/11/a/b/c HTTP/1.1\r", False),
        (b"GET /case/1/a/b/cd HTTP/1.1\r", False),
        (b"", False),
    ],
)
def test_a_path_is_known_in_requests_that_are_not_so_good(line: bytes, leads: bool) -> None:
    assert gates._leads(line, PATH) is leads


def test_a_request_that_comes_in_pieces() -> None:
    with gated() as gate:

        def play() -> None:
            with dial(gate) as sock, suppress(OSError):
                for piece in (b"GET /ca", b"se/1/a/b/c HTTP/1.1\r\n"):
                    sock.sendall(piece)
                sock.recv(1)

        thread = threading.Thread(target=play)
        thread.start()
        gate.summon(PATH, 5).close()
        thread.join(5)


def test_ipv6() -> None:
    with closing(Gate("::1", 0)) as gate:
        assert gate.url == f"ws://[::1]:{gate.address.port}"
