"""A world of its own: what is signalled there is nobody outside."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.outcomes import Unsupported, Violation
from conformance.target import agent, family
from conformance.target.kin import Kin
from conformance.target.namespace import UNSHARE, private, ways_in
from conformance.target.process import wait_until
from tests.conformance.targets import spec

pytestmark = pytest.mark.skipif(ways_in() is None, reason="nobody may make namespaces here")

KILLER = '["{python}", "-c", "import os, sys; os.kill(int(open(sys.argv[1]).read()), 15)", "{dir}/pid"]'


def echo(folder: Path) -> object:
    extra = f'pid_file = "{{dir}}/pid"\n[process.commands]\nstop = {KILLER}\n'
    return spec(folder, extra=extra)


def test_start_command_and_end(tmp_path: Path) -> None:
    with private(echo(tmp_path)) as world:  # type: ignore[arg-type]
        bystander = world.bystander()
        assert bystander < 20  # the numbers begin anew
        assert world.alive(bystander)
        assert not world.alive(30_000)
        world.pid_file.write_text(str(bystander))
        assert world.command("stop") == 0
        assert wait_until(lambda: not world.alive(bystander), 5)
        folder = world.folder.path
    assert not folder.exists()


@pytest.mark.parametrize("content", ["0", "-1"])
def test_nobody_outside_is_signalled(tmp_path: Path, content: str) -> None:
    """A group reaches across namespaces, so this process, in a group of its own, would be hit as well."""
    program = f"""
import os, sys
sys.path[:0] = {sys.path!r}
os.setsid()
from pathlib import Path
from conformance.target.namespace import private
from conformance.outcomes import Violation
from tests.conformance.target.test_namespace import echo
with private(echo(Path({str(tmp_path)!r}))) as world:
    world.pid_file.write_text({content!r})
    try:
        print(world.command("stop"))
    except Violation as seen:
        print(seen.outcome)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, {"0": "-15", "-1": "everybody-killed"}[content])


def test_a_number_of_our_choice(tmp_path: Path) -> None:
    with private(echo(tmp_path)) as world:  # type: ignore[arg-type]
        assert world.ask("spawn_as", pid=4321)["pid"] == 4321
        assert world.alive(4321)


def test_a_target_that_does_not_start(tmp_path: Path) -> None:
    slow = spec(tmp_path, start='["{python}", "-c", "pass"]', extra="")
    assert slow.process
    object.__setattr__(slow.process, "ready_timeout", 0.3)
    with pytest.raises(Unsupported, match="does not start"), private(slow):
        pass


def test_everybody_ends_with_the_agent() -> None:
    """Also when nobody says goodbye: the agent's end is everybody's."""
    assert ways_in()
    command = [*(ways_in() or UNSHARE), sys.executable, "-I", "-S", agent.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hand:
        assert hand.stdin
        assert hand.stdout
        hand.stdin.write('{"do": "bystander"}\n')
        hand.stdin.flush()
        hand.stdout.readline()
        inside = Kin("no such mark").members([hand.pid])
        assert len(inside) >= 4  # unshare, the reaper, the agent, the bystander
        hand.stdin.close()
        assert hand.wait(10) == 0
    assert wait_until(lambda: not any(map(family.is_living, inside)), 5)


def test_the_agent_is_missed(tmp_path: Path) -> None:
    with private(echo(tmp_path)) as world:  # type: ignore[arg-type]
        inside = Kin("no such mark").members([world._hand.pid])
        os.kill(world._hand.pid, signal.SIGKILL)
        world._hand.wait()
        assert wait_until(lambda: not any(map(family.is_living, inside)), 5)
        with pytest.raises(Violation, match="everybody-killed"):
            world.bystander()
