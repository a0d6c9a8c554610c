"""Commands led into temptation, in private process and network namespaces, where nobody else suffers."""

from collections.abc import Callable

from conformance.case import CaseFunction, Inconclusive, Violation, case
from conformance.cases.processes import QUIET
from conformance.target.namespace import Namespace, private
from conformance.target.process import wait_until
from conformance.target.view import Target

TEMPTED = ("status", "connections", "reload", "reload_graceful", "stop")
"""Commands that read the pid file, the mildest first."""

DEADLINE = 4.0
"""Seconds after which every process that a reload may have had to kill is dead."""


def life(id: str, *requirements: str, needs: tuple[str, ...]) -> Callable[[CaseFunction], CaseFunction]:  # noqa: A002
    """A case that makes a copy of its own, in a namespace of its own."""
    return case(
        id,
        service="text",
        instead=("http", "websocket", "frame", "custom", "tcp"),
        requirements=requirements,
        accept={"done": "pass"},
        needs=("process", *needs),
    )


@life("lifecycle/pid-file/of-everybody", "LIFE-030", needs=("stop", "pid_file"))
def test_of_everybody(target: Target) -> str:
    """With `-1` in the pid file, which kill(2) takes for everybody, commands signal nobody."""
    spares_everybody(target, "-1")
    return "done"


@life("lifecycle/pid-file/of-its-group", "LIFE-030", needs=("stop", "pid_file"))
def test_of_its_group(target: Target) -> str:
    """With `0` in the pid file, which kill(2) takes for the caller's own group, commands signal nobody."""
    spares_everybody(target, "0")
    return "done"


@life("lifecycle/pid-file/of-init", "LIFE-030", needs=("stop", "pid_file"))
def test_of_init(target: Target) -> str:
    """With `1` in the pid file commands leave the first process of the system alone, and say so."""
    spares_everybody(target, "1")
    return "done"


@life("lifecycle/pid-file/start-after-everybody", "LIFE-029", needs=("stop", "pid_file"))
def test_start_after_everybody(target: Target) -> str:
    """A pid file that says `-1` does not prevent a start."""
    with private(target.copy.spec) as world:
        _stopped(world)
        world.pid_file.write_text("-1\n", encoding="ascii")
        if not world.start():
            raise Violation("does-not-start", "the pid file holds -1, and the service does not start")
        if world.master() <= 1:
            raise Violation("not-the-master", f"the service runs, and its pid file holds {world.master()}")
    return "done"


def spares_everybody(target: Target, content: str) -> None:
    """With this in the pid file of a stopped service no command signals a bystander, or itself."""
    with private(target.copy.spec) as world:
        _stopped(world)
        bystander = world.bystander()
        for command in (name for name in TEMPTED if name in world.spec.commands):
            world.pid_file.write_text(f"{content}\n", encoding="ascii")
            if (status := world.command(command)) < 0:
                raise Violation("killed-itself", f"pid file {content}: `{command}` was ended by {-status}")
            if not world.alive(bystander):
                raise Violation("stranger-killed", f"pid file {content}: `{command}` has ended a bystander")
            if status == 0 and command != "stop":
                raise Violation(
                    "status-0", f"pid file {content}, nothing runs: `{command}` ended with status 0"
                )


def _settled(world: Namespace) -> list[int]:
    """The children of the master once there are no more to come."""
    children: list[int] = []
    while children != (children := world.children()) or not children:
        wait_until(lambda: False, QUIET)
    return children


def _stopped(world: Namespace) -> None:
    if status := world.command("stop"):
        raise Violation("not-stopped", f"`stop` ended with status {status}")


@life("lifecycle/reload/spares-successors", "LIFE-076", needs=("reload", "pid_file"))
def test_spares_successors(target: Target) -> str:
    """A process that gets the number of an old worker, after that has ended, is not killed in its place."""
    with private(target.copy.spec) as world:
        old = _settled(world)
        world.command("reload")
        if not wait_until(lambda: not any(map(world.alive, old)), 3 * DEADLINE):
            raise Violation(
                "not-renewed", f"{3 * DEADLINE:g} s after `reload` old processes of {old} live on"
            )
        heirs = [pid for pid in old if world.ask("spawn_as", pid=pid)["pid"] == pid]
        if not heirs:
            raise Inconclusive("no process could be given the number of an old one")
        if wait_until(lambda: not all(map(world.alive, heirs)), DEADLINE):
            raise Violation(
                "stranger-killed", f"a process that got a number of {heirs} was killed in its place"
            )
    return "done"
