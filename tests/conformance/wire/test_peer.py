"""The client: what it sends is what arrives, what it reports is what came."""

import socket
import threading

import pytest

from conformance.outcomes import Inconclusive, Violation
from conformance.target.calibration import Calibration
from conformance.target.process import wait_until
from conformance.wire.address import Address
from conformance.wire.peer import Peer, watch
from conformance.wire.transcript import Transcript
from tests.conformance.servers import answer_first, echo_lines, echo_raw, peer, serving

IMPATIENT = 0.05
PATIENT = 10.0
"""Seconds in which something comes on every machine; it is not waited for behind that."""


def outcome_of(error: pytest.ExceptionInfo[Violation]) -> str:
    return error.value.outcome


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def test_segments_arrive_one_by_one() -> None:
    seen: list[bytes] = []

    def handler(connection: socket.socket) -> None:
        while chunk := connection.recv(65536):
            seen.append(chunk)

    with serving(handler) as address, peer(address) as client:
        client.send(b"one", b"two", b"three", gap=0.03)
        client.finish()
        assert client.ending() == "fin"
    assert seen == [b"one", b"two", b"three"]


def test_expect_takes_the_answer_and_leaves_the_rest() -> None:
    with serving(echo_raw) as address, peer(address) as client:
        client.send(b"answer and more")
        client.expect(b"answer")
        assert client.exactly(9) == b" and more"


def test_expect_waits_for_an_answer_in_pieces() -> None:
    with serving(echo_raw) as address, peer(address) as client:
        client.send(b"an")
        client.send(b"swer", gap=0.02)
        client.expect(b"answer")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(b"wrong", "wrong-answer"), (b"rig", "fin"), (b"", "fin"), (b"ri?ht", "wrong-answer")],
)
def test_expect_names_what_went_wrong(answer: bytes, outcome: str) -> None:
    with serving(answer_first(answer)) as address, peer(address) as client:
        client.send(b"?")
        with pytest.raises(Violation) as error:
            client.expect(b"right")
    assert outcome_of(error) == outcome


def test_expect_says_where_the_answer_differs() -> None:
    with serving(answer_first(b"a long answEr")) as address, peer(address) as client:
        client.send(b"?")
        with pytest.raises(Violation, match="byte 11 differs"):
            client.expect(b"a long answer")


def test_no_answer_in_time() -> None:
    with serving(echo_lines) as address, peer(address) as client:
        client.send(b"no line feed")
        with pytest.raises(Violation) as error:
            client.expect(b"no line feed\n", within=IMPATIENT)
    assert outcome_of(error) == "no-answer"


def test_a_dripping_answer_does_not_buy_time() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not stop.wait(0.02):
            connection.sendall(b"x")

    with serving(drip) as address, peer(address) as client:
        with pytest.raises(Violation) as error:
            client.expect(b"x" * 1000, within=0.2)
        stop.set()
    assert outcome_of(error) == "no-answer"


def test_until_finds_a_delimiter_across_reads() -> None:
    with serving(echo_raw) as address, peer(address) as client:
        client.send(b"head\r", b"\n\r\nbody", gap=0.02)
        assert client.until(b"\r\n\r\n") == b"head\r\n\r\n"
        assert client.exactly(4) == b"body"


def test_until_gives_up_on_an_overlong_answer() -> None:
    with serving(answer_first(b"x" * 1000)) as address, peer(address) as client:
        client.send(b"?")
        with pytest.raises(Violation) as error:
            client.until(b"\n", maximum=100)
    assert outcome_of(error) == "overlong"


def test_silent() -> None:
    with serving(echo_lines) as address, peer(address) as client:
        client.send(b"half a line")
        client.silent(IMPATIENT)
        client.send(b"\n")
        with pytest.raises(Violation) as error:
            client.silent(PATIENT)
    assert outcome_of(error) == "unexpected-bytes"


def test_silence_is_no_closed_connection() -> None:
    with serving(hang_up) as address, peer(address) as client, pytest.raises(Violation) as error:
        client.silent(PATIENT)
    assert outcome_of(error) == "fin"


def test_silence_tells_nothing_on_a_noisy_machine() -> None:
    noisy = Calibration(2.0)
    with (
        serving(echo_lines) as address,
        peer(address, calibration=noisy) as client,
        pytest.raises(Inconclusive),
    ):
        client.silent()


def test_endings() -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with serving(reset) as address, peer(address) as client:
        client.send(b"x")
        assert client.ending() == "reset"
    with serving(hang_up) as address, peer(address) as client:
        assert client.ending() == "fin"
    with serving(echo_lines) as address, peer(address) as client:
        assert client.ending(IMPATIENT) == "open"


def test_bytes_before_the_end_are_no_end() -> None:
    with serving(answer_first(b"last words")) as address, peer(address) as client:
        client.send(b"?")
        with pytest.raises(Violation) as error:
            client.ending()
        assert client.rest() == b"last words"
        assert client.ended == "fin"
    assert outcome_of(error) == "unexpected-bytes"


def test_reset_reaches_the_server() -> None:
    ended: list[str] = []

    def handler(connection: socket.socket) -> None:
        try:
            ended.append("fin" if not connection.recv(1) else "data")
        except ConnectionResetError:
            ended.append("reset")

    with serving(handler) as address, peer(address) as client:
        client.reset()
        client.close()
        assert wait_until(lambda: bool(ended), 5)
    assert ended == ["reset"]


def test_send_reads_meanwhile() -> None:
    """An echo of far more than all socket buffers hold: a client that only wrote would wait for ever."""
    data = bytes(range(256)) * 128 * 1024
    with serving(echo_raw) as address, peer(address) as client:
        client.send(data)
        client.expect(data)


def test_send_to_a_closed_connection_is_no_error() -> None:
    with serving(hang_up) as address, peer(address) as client:
        assert client.ending() == "fin"
        client.send(b"x" * 100_000, b"y")
        assert client.ended == "fin"


def test_flood_stops_when_nothing_more_is_taken() -> None:
    done = threading.Event()

    def deaf(connection: socket.socket) -> None:
        done.wait(30)

    with serving(deaf) as address, peer(address) as client:
        taken = client.flood(bytes(64 * 1024 * 1024))
        done.set()
    assert 0 < taken < 64 * 1024 * 1024


def test_flood_counts_what_the_server_reads() -> None:
    data = b"line\n" * 10_000
    with serving(echo_lines) as address, peer(address) as client:
        assert client.flood(data) == len(data)
        client.expect(data)


def test_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Violation) as error:
        peer(Address.parse(f"tcp://127.0.0.1:{port}"))
    assert outcome_of(error) == "refused"


def test_everything_is_written_down() -> None:
    transcript = Transcript()
    with serving(echo_lines) as address, peer(address, transcript) as client:
        client.send(b"a", b"\n")
        client.expect(b"a\n")
        client.finish()
        client.ending()
    kinds = [entry.kind for entry in transcript if entry.kind != "receive"]
    assert kinds == ["connect", "send", "send", "expect", "finish", "ending", "saw-fin", "close"]
    assert b"".join(entry.data for entry in transcript if entry.kind == "receive") == b"a\n"


def test_many_peers_are_watched_at_once_until_all_have_ended() -> None:
    with serving(answer_first(b"bye")) as address, peer(address) as one, peer(address) as other:
        one.send(b"?")
        watch([one, other], IMPATIENT)
        assert (one.ended, one.waiting, other.ended) == ("fin", b"bye", None)
        other.send(b"?")
        watch([one, other], one.calibration.deadline)
        assert (other.ended, other.waiting) == ("fin", b"bye")
        assert 0 < one.lasted < other.lasted < one.calibration.deadline


def test_a_connection_that_a_client_has_opened() -> None:
    ours, theirs = socket.socketpair()
    address = Address.parse("tcp://127.0.0.1:9")
    with theirs, Peer(address, Calibration(), Transcript(), connection=ours) as known:
        theirs.sendall(b"hello")
        known.expect(b"hello")
        known.send(b"and you")
        assert theirs.recv(100) == b"and you"
    assert ours.fileno() < 0
