"""Live traffic against servers that are right, and wrong in one way each."""

import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec

import pytest

from conformance.case import Case
from conformance.cases.processes import settled
from conformance.cases.under_load import deed, ledger, live, renewed
from conformance.ledger import NOTHING_LOST, Ledger, uphold
from conformance.outcomes import Inconclusive, Violation
from conformance.target.file import load
from conformance.target.instance import Copy
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.traffic.habits import Habit
from conformance.traffic.loop import Traffic
from conformance.wire import websocket
from conformance.wire.address import Address
from conformance.wire.websocket import Opcode
from tests.conformance import prefork
from tests.conformance.servers import Handler, echo_lines, serving

pytestmark = pytest.mark.whole

ECHO = Habit("text", pause=0.005)


P = ParamSpec("P")


def patiently(play: Callable[P, Ledger]) -> Callable[P, Ledger]:
    """Play once more, and once again, where the machine has held the clients up."""

    def patient(*given: P.args, **named: P.kwargs) -> Ledger:
        for _ in range(2):
            with suppress(Inconclusive):
                return play(*given, **named)
        return play(*given, **named)

    return patient


Enough = Callable[[Ledger], bool]

LONG = 20.0
"""Seconds after which there will never be enough."""


@patiently
def played(handler: Handler, habits: Sequence[Habit], enough: Enough, patience: float = 5.0) -> Ledger:
    """What became of the requests of clients that go on until there are enough."""
    with serving(handler) as address:
        traffic = Traffic(habits, lambda service: address, moment=0.1, patience=patience)
        with traffic:
            assert wait_until(lambda: enough(traffic.ledger()), LONG)
            traffic.mark("enough")
            traffic.finish()
    return traffic.ledger()


def more_than(count: int) -> Enough:
    """So many requests have ended."""
    return lambda kept: len(kept.entries) > count


@pytest.mark.parametrize(
    "habit",
    [
        ECHO,
        Habit("text", fresh=True, pause=0.005),
        Habit("text", burst=5, pause=0.005),
        Habit("text", half=0.02, pause=0.005),
        Habit("text", burst=3, half=0.02, fresh=True, pause=0.005),
    ],
    ids=lambda habit: habit.name,
)
def test_a_right_server_answers_everything(habit: Habit) -> None:
    kept = played(echo_lines, [habit, habit], more_than(10))
    assert kept.counts() == {"answered": len(kept.entries)}
    assert kept.lanes == {1: habit.name, 2: habit.name}


def test_an_idle_client_says_one_thing() -> None:
    kept = played(echo_lines, [Habit("text", idle=True)], more_than(0))
    assert kept.counts() == {"answered": 1}


def once(client: socket.socket) -> bytes:
    """Answer one line rightly; the next request."""
    client.sendall(client.recv(100))
    return client.recv(100)


def silent(client: socket.socket) -> None:
    once(client)
    time.sleep(0.5)


def closing(client: socket.socket) -> None:
    once(client)


def resetting(client: socket.socket) -> None:
    once(client)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resetting_late(client: socket.socket) -> None:
    once(client)
    time.sleep(0.2)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closing_late(client: socket.socket) -> None:
    once(client)
    time.sleep(0.2)


def halving(client: socket.socket) -> None:
    client.sendall(once(client)[:2])


def repeating(client: socket.socket) -> None:
    while line := client.recv(100):
        client.sendall(line * 2)


def lying(client: socket.socket) -> None:
    client.recv(100)
    client.sendall(b"something else\n")
    client.recv(100)


def closing_at_once(client: socket.socket) -> None:
    client.recv(100)


@pytest.mark.parametrize(
    ("handler", "ending"),
    [
        (silent, "lost"),
        (closing, "raced"),
        (resetting, "raced"),
        (closing_late, "lost"),
        (resetting_late, "reset-before-any-byte"),
        (halving, "closed-mid-reply"),
        (repeating, "duplicated"),
        (lying, "wrong"),
        (closing_at_once, "lost"),
    ],
)
def test_a_wrong_server_leaves_its_trace(handler: Handler, ending: str) -> None:
    played(handler, [ECHO], lambda kept: ending in kept.counts(), patience=1.0)


def test_nobody_listens() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        address = Address.parse(f"tcp://127.0.0.1:{port}")
        with Traffic([ECHO], lambda service: address, moment=0.1, patience=0.3) as traffic:
            with pytest.raises(Violation, match="no-answer: before anything was done to it: text"):
                traffic.warm()
            traffic.finish()
    assert set(traffic.ledger().counts()) == {"refused"}


# --- reloads -----------------------------------------------------------------------------------------------


def target_file(folder: Path, fault: str) -> Path:
    path, script = folder / "target.toml", prefork.__file__
    files = '"{dir}/pid", "{version}"'
    path.write_text(
        f"""
[target]
name = "prefork"
[process]
start = ["{{python}}", "{script}", "serve", "{{port.text}}", "{{port.task}}", {files}, "{fault}"]
pid_file = "{{dir}}/pid"
workers = {{ text = 2 }}
[process.commands]
stop = ["{{python}}", "{script}", "stop", "{{dir}}/pid"]
reload = ["{{python}}", "{script}", "reload", "{{dir}}/pid"]
[endpoints]
text = "tcp://127.0.0.1:{{port.text}}"
task = "tcp://127.0.0.1:{{port.task}}"
""",
        encoding="utf-8",
    )
    return path


CASE = Case("example/a/b", "text", ("X",), {"done": "pass"}, title="An example.")


@patiently
def reloaded(folder: Path, fault: str) -> Ledger:
    with Copy(load(target_file(folder, fault))) as copy:
        target = Target(copy, replace(CASE))
        before = settled(target)
        Path(copy.folder.lookup("version")).write_text("version 2\n", encoding="utf-8")
        with live(target) as traffic:
            deed(target, traffic, "reload")
            renewed(target, before, within=3.0)
        return ledger(target, traffic, frozenset({"version 1\n"}))


def test_a_right_reload_loses_nothing(tmp_path: Path) -> None:
    kept = reloaded(tmp_path, "")
    uphold(kept, NOTHING_LOST)
    assert {"answered-by-old", "answered-by-new"} <= set(kept.counts())


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("drops-in-flight", "lost"),
        ("reload-closes-listener", "refused"),
        ("answers-twice", "duplicated"),
        ("reload-does-nothing", "not-renewed"),
    ],
)
def test_a_wrong_reload_is_told_from_a_right_one(tmp_path: Path, fault: str, outcome: str) -> None:
    with pytest.raises(Violation) as violation:
        uphold(reloaded(tmp_path, fault), NOTHING_LOST)
    assert violation.value.outcome in {outcome, "reset-before-any-byte"}


def saying_goodbye(client: socket.socket) -> None:
    """A WebSocket that answers one message, and says in the same breath that it leaves."""
    head = client.recv(4096)
    if not head.startswith(b"GET "):
        return
    key = head.split(b"sec-websocket-key: ")[1].split(b"\r\n")[0].decode()
    accept = websocket.accept_value(key)
    client.sendall(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    masked = client.recv(4096)
    payload = websocket.mask(masked[6:], masked[2:6])
    client.sendall(
        websocket.encode(Opcode.TEXT, payload, key=None)
        + websocket.encode(Opcode.CLOSE, websocket.close_payload(1001), key=None)
    )
    client.recv(4096)


@pytest.mark.parametrize("fresh", [True, False])
def test_nothing_left_to_say_is_said_on_the_next_connection(fresh: bool) -> None:
    kept = played(saying_goodbye, [Habit("websocket", fresh=fresh, pause=0.005)], more_than(3))
    assert kept.counts() == {"answered": len(kept.entries)}
