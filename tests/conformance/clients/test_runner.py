"""The life of a case about a client: every way it can end has its verdict."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.clients.client import Client
from conformance.clients.command import Command
from conformance.clients.dialogue import opened, sentinel
from conformance.clients.runner import Bench, ClientCall, run_case
from conformance.outcomes import Inconclusive, Unsupported, Violation
from conformance.target.file import ProcessSpec
from conformance.verdicts import Result
from conformance.wire.transcript import Transcript
from tests.conformance.clients.callers import CASE, Behaviour, echo, gated, playing

ZOO = Path(__file__).parents[3] / "fixtures" / "clients" / "zoo" / "main.py"


@contextmanager
def bench(*behaviours: Behaviour, **changes: object) -> Iterator[Bench]:
    with gated() as gate, playing(gate, *behaviours):
        yield Bench(gate, lambda names: "MUST", wait=5, patience=5, **changes)  # type: ignore[arg-type]


@contextmanager
def commanded(*arguments: str, **env: str) -> Iterator[Bench]:
    """A bench whose client the suite starts."""
    with gated() as gate:
        command = Command(ProcessSpec((sys.executable, *arguments), env=env), gate.url)
        gate.trouble = command.trouble
        try:
            yield Bench(gate, lambda names: "MUST", command, wait=5, patience=5)
        finally:
            command.stop()


def run(on: Bench, call: ClientCall) -> Result:
    return run_case(CASE, call, on, Transcript())


def echoes(client: Client) -> str:
    with opened(client) as peer:
        return sentinel(peer)


def raising(error: Exception) -> Callable[[Client], object]:
    def call(client: Client) -> object:
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "verdict", "outcome"),
    [
        (echoes, "pass", "echoed"),
        (lambda client: "nonsense", "fail", "nonsense"),
        (lambda client: None, "error", "suite-broke"),
        (raising(Violation("echoed")), "fail", "echoed"),
        (raising(Unsupported("why")), "unsupported", "unsupported"),
        (raising(Inconclusive("why")), "inconclusive", "inconclusive"),
    ],
)
def test_endings(call: ClientCall, verdict: str, outcome: str) -> None:
    with bench() as on:
        result = run(on, call)
    assert (result.verdict, result.outcome) == (verdict, outcome)


def test_deviations() -> None:
    with bench(deviations={"WSC-001": "known since 1998"}) as on:
        assert run(on, raising(Violation("x"))).verdict == "deviation"


def test_an_unfit_client_gets_no_pass() -> None:
    with bench(lambda sock, data: None) as on:
        assert {(run(on, echoes).verdict, run(on, echoes).outcome)} == {("fail", "unfit")}


def test_a_client_that_never_comes() -> None:
    with gated() as gate:
        on = Bench(gate, lambda names: "MUST", wait=0.1)
        result = run(on, echoes)
    assert (result.verdict, result.outcome) == ("fail", "not-started")
    assert gate.url in result.detail


def leaves(sock: socket.socket, data: bytes) -> None:
    """Never ask again."""
    raise OSError


def test_after_a_client_has_gone_nothing_is_judged() -> None:
    with bench(echo, leaves) as on:
        on.patience = 0.3
        assert (run(on, echoes).verdict, on.lost) == ("fail", CASE.id)
        results = [run(on, echoes), run(on, echoes)]
    assert {result.verdict for result in results} == {"inconclusive"}
    assert CASE.id in results[0].detail


def test_a_client_that_comes_back_late_is_judged_on() -> None:
    with bench() as on:
        on.lost = CASE.id
        assert (run(on, echoes).verdict, on.lost) == ("pass", "")


def test_a_client_that_dies_is_started_again() -> None:
    def violates(client: Client) -> str:
        with opened(client) as peer:
            peer.send(b"\x83\x00")
            return sentinel(peer)

    with commanded(str(ZOO), "play", ZOO_MUTATION="client-crashes-on-violation") as on:
        results = [run(on, echoes), run(on, violates), run(on, echoes)]
    assert [result.outcome for result in results] == ["echoed", "crash", "echoed"]
    assert "exited with status 3" in results[1].detail


def test_a_command_that_does_not_start() -> None:
    with commanded("-c", "raise SystemExit('no such thing')") as on:
        result = run(on, echoes)
    assert result.outcome == "not-started"
    assert "no such thing" in result.detail
