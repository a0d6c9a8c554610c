"""The canary: damage is named, and health is not taken for damage."""

import os
import signal
from pathlib import Path

import pytest

from conformance.outcomes import Violation
from conformance.target import canary, family
from conformance.target.file import TargetSpec
from conformance.target.instance import Copy
from conformance.target.process import wait_until
from tests.conformance.servers import echo_lines, peer, serving
from tests.conformance.targets import spec

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(not family.available(), reason="looks into /proc"),
]

FORKING = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if not os.fork():
    while True:
        time.sleep(1)
kept = []
while True:
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            if line == b"leak\\n":
                kept += [os.dup(0) for _ in range(200)]
            if line == b"grow\\n":
                kept.append(b"x" * 200_000_000)
            connection.sendall(line)
"""


@pytest.fixture
def forking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TargetSpec:
    monkeypatch.setattr("conformance.target.process.STOP_TIMEOUT", 0.3)
    script = tmp_path / "forking.py"
    script.write_text(FORKING)
    return spec(tmp_path, server=script)


def tell(copy: Copy, word: bytes) -> None:
    with peer(copy.addresses["text"]) as client:
        client.send(word + b"\n")
        client.expect(word + b"\n")


def blame(copy: Copy, before: canary.Health | None) -> str:
    with pytest.raises(Violation) as error:
        canary.check(copy, "text", before)
    return error.value.outcome


def test_a_healthy_target(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as copy:
        before = canary.examine(copy)
        tell(copy, b"x")
        assert canary.check(copy, "text", before) < 0.5


def test_a_copy_that_forks_late_is_waited_for(tmp_path: Path) -> None:
    late = FORKING.replace("if not os.fork():", "time.sleep(0.15)\nif not os.fork():")
    (tmp_path / "late.py").write_text(late)
    with Copy(spec(tmp_path, server=tmp_path / "late.py")) as copy:
        canary.settle(copy)
        health = canary.examine(copy)
        assert health is not None
        assert (health.children, health.processes) == (1, 2)


def test_crash(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as copy:
        assert copy.process is not None
        copy.process.signal(signal.SIGKILL)
        copy.process.exit_code()
        assert blame(copy, None) == "crash"


def test_hang(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as copy:
        assert copy.process is not None
        copy.process.signal(signal.SIGSTOP)
        assert blame(copy, None) == "hang"
        copy.process.signal(signal.SIGCONT)


def test_a_target_that_runs_already() -> None:
    with serving(echo_lines) as address:
        copy = Copy(TargetSpec("mine", {"text": address.url}))
        assert canary.examine(copy) is None
        canary.check(copy, "text", None)
    assert blame(copy, None) == "crash"
    copy.folder.remove()


def test_lost_children(forking: TargetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "SETTLE", 0.1)
    with Copy(forking) as copy:
        process = copy.process
        assert process is not None
        assert wait_until(lambda: len(process.children()) == 1, 5)
        before = canary.examine(copy)
        os.kill(process.children()[0], signal.SIGKILL)
        assert wait_until(lambda: not process.children(), 5)
        assert blame(copy, before) == "lost-children"


@pytest.mark.parametrize(("word", "damage"), [(b"leak", "leaks-descriptors"), (b"grow", "leaks-memory")])
def test_leaks(forking: TargetSpec, monkeypatch: pytest.MonkeyPatch, word: bytes, damage: str) -> None:
    monkeypatch.setattr(canary, "SETTLE", 0.1)
    with Copy(forking) as copy:
        before = canary.examine(copy)
        tell(copy, word)
        assert blame(copy, before) == damage
