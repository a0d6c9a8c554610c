"""The client of datagrams: what it lets pass, what it names, and what a network may do to it."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance import replay
from conformance.outcomes import Inconclusive, Violation
from conformance.target import fitness
from conformance.target.calibration import Calibration
from conformance.verdicts import Result
from conformance.wire.address import Address
from conformance.wire.datagram import Datagrams
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript
from tests.conformance.servers import QUICK, Impatient

Answer = Callable[[socket.socket, bytes, tuple[str, int]], None]

END = b"the end of the server"


def echo(sock: socket.socket, data: bytes, sender: tuple[str, int]) -> None:
    sock.sendto(data, sender)


@contextmanager
def serving(answer: Answer) -> Iterator[Address]:
    """A server of datagrams in a thread, until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while (found := sock.recvfrom(65536))[0] != END:
                answer(sock, *found)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address.parse(f"udp://127.0.0.1:{sock.getsockname()[1]}")
        finally:
            sock.sendto(END, sock.getsockname())
            thread.join(5)


def sender(
    address: Address, calibration: Calibration = QUICK, transcript: Transcript | None = None
) -> Datagrams:
    return Datagrams(address, calibration, transcript or Transcript(), "udp")


def every(number: int, otherwise: Answer) -> Answer:
    """An answer that leaves out all but each `number`th datagram."""
    count = 0

    def answer(sock: socket.socket, data: bytes, sender: tuple[str, int]) -> None:
        nonlocal count
        count += 1
        if count % number == 0:
            otherwise(sock, data, sender)

    return answer


def test_echoes_in_any_order_are_right() -> None:
    kept: list[bytes] = []

    def backwards(sock: socket.socket, data: bytes, sender: tuple[str, int]) -> None:
        kept.insert(0, data)
        for each in kept if len(kept) == 3 else ():
            sock.sendto(each, sender)

    with serving(backwards) as address, sender(address) as client:
        client.ask(b"one", b"", b"three")
        client.silent()
        assert client.retries == 0


def test_what_is_lost_is_asked_again() -> None:
    with serving(every(2, echo)) as address, sender(address, Impatient(0.001)) as client:
        client.ask(b"?")
        assert client.retries == 1


def exchange(address: Address) -> None:
    with sender(address, Impatient(0.001)) as client:
        client.ask(b"what?")
        client.hear(10.0)  # what is wrong comes sooner


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (every(9, echo), "no-answer"),
        (lambda sock, data, there: sock.sendto(data[:2], there), "wrong-answer"),
        (lambda sock, data, there: (echo(sock, data, there), echo(sock, data, there)), "answered-twice"),
        (lambda sock, data, there: socket.socket(type=socket.SOCK_DGRAM).sendto(data, there), "other-source"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_goes_wrong_has_a_name(answer: Answer, outcome: str) -> None:
    with serving(answer) as address, pytest.raises(Violation) as caught:
        exchange(address)
    assert caught.value.outcome == outcome


def test_a_late_answer_is_right() -> None:
    def late(sock: socket.socket, data: bytes, sender: tuple[str, int]) -> None:
        kept.append(data)
        if len(kept) == 2:
            echo(sock, data, sender)
            echo(sock, data, sender)

    kept: list[bytes] = []
    with serving(late) as address, sender(address, Impatient(0.001)) as client:
        client.ask(b"?")
        client.silent()
        assert client.heard[b"?"] == 2


def test_expect_finds_what_has_come_already() -> None:
    with serving(echo) as address, sender(address) as client:
        client.send(b"one", b"two")
        client.expect(b"two")
        client.expect(b"one")
    with serving(every(9, echo)) as address, sender(address, Impatient(0.001)) as client:
        client.send(b"one")
        with pytest.raises(Violation, match="no-answer"):
            client.expect(b"one")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a connected socket sends to one peer only")
def test_answers_to_a_sender_who_has_vanished_bounce() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: hear of ICMP errors
        server.settimeout(5)
        with sender(Address.parse(f"udp://127.0.0.1:{server.getsockname()[1]}")) as client:
            client.vanish()
            client.send(b"?")
            data, source = server.recvfrom(10)
            server.sendto(data, source)
            with pytest.raises(ConnectionRefusedError):
                server.recvfrom(10)
            assert not client.hear(0)


def test_a_noisy_machine_tells_nothing() -> None:
    with serving(echo) as address, sender(address, Calibration(1.0)) as client, pytest.raises(Inconclusive):
        client.silent()


def fit(address: Address) -> None:
    with Peer(address, Impatient(0.001), Transcript(), "udp") as peer:
        fitness.exchange("udp", peer)


def test_fitness_bears_a_loss() -> None:
    with serving(every(2, echo)) as address:
        fit(address)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (every(9, echo), "no-answer"),
        (lambda sock, data, sender: sock.sendto(b"x", sender), "wrong-answer"),
        (lambda sock, data, sender: sock.sendto(b"", sender), "refused"),
    ],
)
def test_what_is_unfit(answer: Answer, outcome: str) -> None:
    with serving(answer) as address, pytest.raises(Violation) as caught:
        fit(address)
    assert caught.value.outcome == outcome


def test_nobody_there_is_refused() -> None:
    with serving(echo) as address:
        pass
    with pytest.raises(Violation) as caught:
        fit(address)
    assert caught.value.outcome == "refused"


def short(sock: socket.socket, data: bytes, sender: tuple[str, int]) -> None:
    sock.sendto(data[:3], sender)


def test_a_failure_can_be_sent_again(tmp_path: Path) -> None:
    transcript = Transcript()
    with serving(short) as address, sender(address, transcript=transcript) as client:
        with pytest.raises(Violation):
            client.ask(b"", b"longer")
        client.transcript.add(client.number, "silent", note="0.1")
    result = Result("udp/example/case", "fail", "MUST", ("UDP-001",), outcome="wrong-answer", detail="why")
    path = replay.save(tmp_path, result, transcript, None)
    assert path is not None
    story = replay.load(Path(path))
    with serving(short) as address:
        assert replay.play(story, {"udp": address.url}, lambda line: None)
        where = f"127.0.0.1:{address.port}"
        command = [sys.executable, tmp_path / "send_again.py", path, where]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "expect b'longer' -> seen b'lon'" in done.stdout, done.stderr
    with serving(echo) as address:
        assert not replay.play(story, {"udp": address.url}, lambda line: None)
    assert json.loads(Path(path).read_text())["connections"]["1"]["service"] == "udp"
