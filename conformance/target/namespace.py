"""A copy of the target in a world of its own: private process and network namespaces (unshare(1)).

For cases that lead commands into temptation, by a pid file that says `-1`. Whatever they signal there, it is
nobody outside: the kernel shows them no process but their own family, a bystander, and the suite's agent.
Everybody there ends with the block.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from conformance.outcomes import Unsupported, Violation
from conformance.target import agent
from conformance.target.file import ProcessSpec, TargetSpec
from conformance.target.fill import fill
from conformance.target.folder import Folder
from conformance.target.process import COMMAND_TIMEOUT, wait_until
from conformance.wire.address import Address

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net"]
PROBE_TIMEOUT = 10.0


@cache
def ways_in() -> list[str] | None:
    """The command that makes such a world, as root or by a user namespace; None where nobody may."""
    for way in (UNSHARE, [*UNSHARE, "--map-root-user"]):
        try:
            done = subprocess.run([*way, "true"], capture_output=True, timeout=PROBE_TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return way
    return None


class Namespace:
    """The target in its world; made by `private`."""

    def __init__(self, spec: TargetSpec, process: ProcessSpec, hand: "subprocess.Popen[str]") -> None:
        self.spec = process
        self.folder = Folder()
        self._hand = hand
        self._surroundings = {
            "cwd": str(process.base / fill(process.cwd, self.folder.lookup)),
            "env": self.folder.environment(process.env),
        }
        self._addresses = [Address.parse(fill(url, self.folder.lookup)) for url in spec.endpoints.values()]

    @property
    def pid_file(self) -> Path:
        """Where the target writes its pid, by the numbers of its world."""
        if self.spec.pid_file is None:
            raise Unsupported("the target file names no process.pid_file")
        return Path(fill(self.spec.pid_file, self.folder.lookup))

    def start(self) -> bool:
        """Start the target; whether it serves in its time."""
        argv = self._filled(self.spec.start)
        self.ask("start", argv=argv, **self._surroundings)
        return wait_until(lambda: all(map(self._accepts, self._addresses)), self.spec.ready_timeout)

    def command(self, name: str) -> int:
        """The exit status of one of the target's commands. Raises Violation `command-hangs`."""
        argv = self.spec.start if name == "start" else self.spec.commands[name]
        done = self.ask("run", argv=self._filled(argv), within=COMMAND_TIMEOUT, **self._surroundings)
        if done["status"] is None:
            raise Violation("command-hangs", f"`{name}` did not end within {COMMAND_TIMEOUT:g} s")
        return int(done["status"])

    def bystander(self) -> int:
        """The pid of a process that has nothing to do with the target."""
        return int(self.ask("bystander")["pid"])

    def alive(self, pid: int) -> bool:
        """Whether a process of this world lives."""
        return bool(self.ask("alive", pid=pid)["alive"])

    def master(self) -> int:
        """The pid in the pid file. Raises Violation `not-a-number`."""
        content = self.pid_file.read_text(encoding="utf-8", errors="replace")
        if not content.strip().isdecimal():
            raise Violation("not-a-number", f"the pid file holds {content!r:.80}")
        return int(content)

    def children(self) -> list[int]:
        """The living children of the master."""
        return list(self.ask("children", pid=self.master())["pids"])

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        """Have the agent do something. Raises Violation `everybody-killed` when it has gone."""
        assert self._hand.stdin
        assert self._hand.stdout
        try:
            self._hand.stdin.write(json.dumps({"do": do, **order}) + "\n")
            self._hand.stdin.flush()
            answer = self._hand.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Violation("everybody-killed", "the suite's own process in the namespace has been ended")
        return dict(json.loads(answer))

    def hang_up(self) -> None:
        """No more orders. Raises BrokenPipeError where one was left unread."""
        assert self._hand.stdin
        self._hand.stdin.close()

    def _accepts(self, address: Address) -> bool:
        if address.transport in {"udp", "unix"}:
            return True
        return bool(self.ask("accepts", host=address.host, port=address.port)["accepts"])

    def _filled(self, argv: tuple[str, ...]) -> list[str]:
        return [fill(argument, self.folder.lookup) for argument in argv]


@contextmanager
def private(spec: TargetSpec) -> Iterator[Namespace]:
    """A started copy in a world of its own. Raises Unsupported where none can be made."""
    way = ways_in()
    if way is None:
        raise Unsupported("this system lets nobody make private process namespaces (unshare)")
    if spec.process is None:
        raise Unsupported("the target was running already")
    command = [*way, sys.executable, "-I", "-S", agent.__file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as hand:
        world = Namespace(spec, spec.process, hand)
        try:
            if not world.start():
                raise Unsupported("the target does not start in a namespace of its own")
            yield world
        finally:
            hand.kill()  # unshare's child, and everybody with it, dies with unshare (--kill-child)
            with suppress(BrokenPipeError):  # an order that nobody was left to read
                world.hang_up()
            world.folder.remove()
