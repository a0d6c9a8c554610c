"""The load generator against servers that are right, and wrong in one way each."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from conformance.load import (
    PROTOCOLS,
    Figures,
    Flow,
    Plan,
    echoes,
    main,
    run,
    side_by_side,
    together,
)
from conformance.outcomes import Violation
from conformance.wire import frame, text, websocket
from conformance.wire.address import Address
from tests.conformance.servers import Handler, serving


def echo(client: socket.socket) -> None:
    while data := client.recv(65536):
        client.sendall(data)


def silent(client: socket.socket) -> None:
    while client.recv(65536):
        pass


def closing(client: socket.socket) -> None:
    client.recv(65536)


def shouting(client: socket.socket) -> None:
    while data := client.recv(65536):
        client.sendall(data.upper())


def repeating(client: socket.socket) -> None:
    """Right, until the client has sent its FIN: then the last answer once more."""
    last = b""
    while data := client.recv(65536):
        client.sendall(last := data)
    client.sendall(last)


@pytest.mark.parametrize("encode", [text.encode, frame.encode])
def test_right_answers_are_counted_and_timed(encode: Callable[..., bytes]) -> None:
    with serving(echo) as address:
        figures = run(address, echoes(encode, connections=3, rounds=5, pipeline=4))
    assert figures.messages == 60
    assert [len(round_trips) for round_trips in figures.latencies] == [5, 5, 5]
    assert 0 < figures.percentile(0.5) <= figures.percentile(0.99) <= figures.seconds


def upgrading(client: socket.socket) -> None:
    """A WebSocket server in a nutshell: it agrees, echoes without a mask, and says goodbye."""
    head = client.recv(65536).decode()
    key = re.search(r"(?i)sec-websocket-key: (\S+)", head)
    assert key
    accept = websocket.accept_value(key[1]).decode()
    client.sendall(f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    while data := client.recv(65536):
        masked = re.findall(rb"(?s)\x82\x94.{24}", data)
        client.sendall(b"".join(b"\x82\x14" + websocket.mask(each[6:], each[2:6]) for each in masked))
    client.sendall(b"\x88\x00")


def test_websockets_are_opened_masked_and_answered_without_a_mask() -> None:
    with serving(upgrading) as tcp:
        address = Address.parse(f"ws://{tcp.authority}/")
        flows = echoes(PROTOCOLS["websocket"], connections=2, rounds=3, pipeline=2, size=20)
        figures = run(address, flows)
    assert figures.messages == 12
    assert flows[0].request != flows[0].answer


@pytest.mark.parametrize("handler", [echo, closing])
def test_a_server_that_opens_no_websocket_is_refused(handler: Handler) -> None:
    with serving(handler) as tcp, pytest.raises(Violation, match="refused: no WebSocket"):
        run(Address.parse(f"ws://{tcp.authority}/"), [Flow(b"x", b"x", rounds=1)])


def test_a_meter_is_read_around_the_play() -> None:
    readings = iter([3.0, 5.5])
    with serving(echo) as address:
        assert run(address, [Flow(b"x", b"x", rounds=1)], meter=lambda: next(readings)).metered == 2.5


def test_messages_differ_between_connections_and_places() -> None:
    flows = echoes(text.encode, connections=3, rounds=1, pipeline=4, size=20)
    lines = [line for flow in flows for line in flow.request.splitlines()]
    assert len(set(lines)) == 12
    assert {len(line) for line in lines} == {20}


def test_a_window_and_requests_larger_than_every_buffer() -> None:
    big = b"x" * 3_000_000
    with serving(echo) as address:
        assert run(address, [Flow(big, big, rounds=4, window=3)]).messages == 4


@pytest.mark.parametrize(
    ("handler", "outcome"),
    [(silent, "no-answer"), (closing, "fin"), (shouting, "wrong-answer"), (repeating, "unexpected-bytes")],
)
def test_a_wrong_server_is_noticed(handler: Handler, outcome: str) -> None:
    with serving(handler) as address, pytest.raises(Violation) as violation:
        run(address, echoes(text.encode, connections=2, rounds=3), patience=0.2)
    assert violation.value.outcome == outcome


def test_nobody_listens() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = Address.parse(f"tcp://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(Violation, match="refused: connection 1"):
            run(address, echoes(text.encode, connections=1, rounds=1))


def test_shares_cover_the_plan_and_its_command_line_means_it() -> None:
    shares = Plan("tcp://127.0.0.1:9", connections=5).shares(2)
    assert [(share.first, share.connections) for share in shares] == [(0, 2), (2, 3)]
    assert "--first 2" in " ".join(shares[1].arguments())


def test_several_processes_add_up() -> None:
    with serving(echo) as address:
        figures = side_by_side(Plan(address.url, connections=4, rounds=3, pipeline=2), processes=2)
    assert figures.messages == 24
    assert len(figures.latencies) == 4


def test_a_complaint_of_one_process_is_passed_on() -> None:
    with serving(closing) as address, pytest.raises(Violation, match="fin"):
        side_by_side(Plan(address.url, connections=2, rounds=2), processes=2)


def test_figures_side_by_side() -> None:
    both = together([Figures(10, 1.0, [[0.1]]), Figures(20, 2.0, [[0.3], [0.2]])])
    assert (both.messages, both.seconds, both.rate) == (30, 2.0, 15.0)
    assert both.percentile(0.5) == 0.2
    assert "30 messages in 2.00 s, 15 per second" in str(both)


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(echo) as address:
        assert main([address.url, "--connections", "2", "--rounds", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"] == 4


def test_a_mistake_is_one_line() -> None:
    command = [sys.executable, "-m", "conformance.load", "gopher://127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no known scheme" in done.stderr
