"""The processes of one copy of the target: start, readiness, commands, stop, and nothing left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from time import sleep
from typing import AnyStr

from conformance.outcomes import TargetDown, Unsupported
from conformance.target import family, leash
from conformance.target.file import ProcessSpec
from conformance.target.fill import fill
from conformance.target.folder import Folder
from conformance.target.kin import MARK, Kin
from conformance.wire.address import Address, dial
from conformance.wire.clock import SLICE, clock

POLL = 0.01
"""Seconds between the first looks at a condition."""

EASE = 0.05
"""Later looks are rarer: a wait may be found over by this part of its length too late, and costs little."""

COMMAND_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
"""Seconds that a stop may take before whatever is left is killed."""

HEED = 3.0
"""Seconds for a process in the foreground to end at SIGTERM, before its own stop command is called."""

LOG_TAIL = 400
"""Characters of the target's output shown when it does not start."""


def wait_until(condition: Callable[[], bool], seconds: float, poll: float = POLL) -> bool:
    """Look every `poll` seconds, later less often, until `condition` holds, at most for `seconds`; whether it
    held.
    """
    started = clock()
    while not (held := condition()) and (waited := clock() - started) < seconds:
        sleep(max(poll, min(EASE * waited, seconds - waited, SLICE)))
    return held


def heard(begun: subprocess.Popen[AnyStr], seconds: float) -> tuple[AnyStr, AnyStr]:
    """What a command has printed when it ends. Raises subprocess.TimeoutExpired where it does not in time."""
    limit = clock() + seconds
    while True:
        left = max(0.0, limit - clock())
        try:
            return begun.communicate(timeout=min(left, SLICE))
        except subprocess.TimeoutExpired:
            if not left:
                raise


class Process:
    """A target that the suite started; cases see it as `target.process`."""

    def __init__(self, spec: ProcessSpec, folder: Folder) -> None:
        self.spec = spec
        self.folder = folder
        self.log = folder.path / "output.log"
        self.mark = uuid.uuid4().hex
        self.cwd = spec.base / fill(spec.cwd, folder.lookup)
        self._environment = {**folder.environment(spec.env), MARK: self.mark}
        self._popen: subprocess.Popen[bytes] | None = None
        self._launched: list[subprocess.Popen[bytes]] = []
        self._kin = Kin(self.mark, family.born(os.getpid()) or 0)
        self._main: int | None = None

    # --- what cases use ----------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The main process: what the pid file says, or said when it was there, else the one that was started.

        Raises Unsupported for a daemon that never had a pid file.
        """
        if self.spec.pid_file:
            with contextlib.suppress(FileNotFoundError, ValueError):  # a target that stops removes it
                self._main = int(self.pid_file.read_text().strip())
                return self._main
        if self._popen is None or self.spec.daemon:
            if self._main is None:
                raise Unsupported("a daemon is found by its pid_file, and there is none")
            return self._main
        return self._popen.pid

    @property
    def started_as(self) -> int | None:
        """The pid of the command that started the target, also a daemon; it leads a session of its own."""
        return self._popen.pid if self._popen else None

    @property
    def pid_file(self) -> Path:
        """Where the target writes its pid. Raises Unsupported when the target file names none."""
        if self.spec.pid_file is None:
            raise Unsupported("the target file names no process.pid_file")
        return Path(fill(self.spec.pid_file, self.folder.lookup))

    def command(self, name: str, timeout: float = COMMAND_TIMEOUT) -> subprocess.CompletedProcess[str]:
        """Run a command of the target file by name, or `start` once more, to its end; output as text.

        Raises Unsupported when the target file has no such command, subprocess.TimeoutExpired when it hangs.
        """
        with subprocess.Popen(
            self._argv(name),
            cwd=self.cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as begun:
            try:
                said = heard(begun, timeout)
            except BaseException:
                begun.kill()
                raise
        return subprocess.CompletedProcess(begun.args, begun.returncode, *said)

    def launch(self, name: str, output: int | None = None) -> subprocess.Popen[bytes]:
        """Begin a command, or `start` once more, and do not wait; it ends with this copy.

        `output` is where it prints, such as `subprocess.PIPE`; by default into the log.
        """
        with self.log.open("ab") as log:
            begun = subprocess.Popen(
                [*_leash(), *self._argv(name)],
                cwd=self.cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if not self._launched:
            self._kin.since = family.born(begun.pid) or self._kin.since
        self._launched.append(begun)
        return begun

    def children(self) -> list[int]:
        """Pids of the living children of the main process."""
        return self._kin.children(self.pid)

    def family(self) -> set[int]:
        """Pids of all living processes of this copy, wherever they have gone."""
        return self._kin.members(self._roots())

    def queued(self) -> float:
        """Seconds that all of them, and this one, have waited for a processor, see `family.queued`."""
        return family.queued({*self.family(), os.getpid()}) if family.available() else 0.0

    def alive(self) -> bool:
        """Whether the main process lives."""
        if self._popen is not None and self._popen.poll() is not None and not self.spec.daemon:
            return False
        return family.is_living(self.pid) if family.available() else True

    def exit_code(self, within: float = STOP_TIMEOUT) -> int | None:
        """How the started process ended: its exit status, minus the signal, or None while it runs on."""
        if self._popen is None:
            return None
        started = self._popen
        wait_until(lambda: started.poll() is not None, within)
        return started.returncode

    def signal(self, number: int) -> None:
        """Send a signal to the main process. Harmless when it has gone, or is none of this copy's."""
        if self.pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """Send a signal to everybody in the process group that was started, as a terminal does.

        Raises Unsupported for a daemon, which has left its terminal.
        """
        if self._popen is None or self.spec.daemon:
            raise Unsupported("a daemon has no terminal")
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, number)

    def output(self) -> str:
        """What the target has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def last_words(self) -> str:
        """The end of what the target has printed, on one line."""
        return " ".join(self.output()[-LOG_TAIL:].split()) or "nothing"

    # --- what the suite uses -----------------------------------------------------------------------------

    def start(self, addresses: Iterable[Address]) -> None:
        """Start, and return when every address accepts connections. Raises TargetDown."""
        clock.attend(self.queued)
        try:
            self._popen = self.launch("start")
        except OSError as problem:
            raise TargetDown(f"cannot run {self.spec.start[0]!r}: {problem.strerror}") from problem
        try:
            self._await_ready(addresses)
        except TargetDown:
            self.kill()
            raise

    def stop(self) -> None:
        """End the copy: by SIGTERM, as one ends what runs in the foreground; where that is not the main
        process, or does not heed it, by its own stop command. Kill what is left after STOP_TIMEOUT.
        """
        if self._popen and not self._is_gone() and not self._heeds(self._popen):
            self._told_to_stop()
        clock.leave(self.queued)

    def _told_to_stop(self) -> None:
        """By its own stop command, and what is left of it by force."""
        with contextlib.suppress(subprocess.TimeoutExpired, Unsupported, OSError):
            if self.spec.commands.get("stop"):
                self.command("stop", STOP_TIMEOUT)
            else:
                self.signal(signal.SIGTERM)
        if not self.wait_gone():
            self.kill()

    def _heeds(self, started: subprocess.Popen[bytes]) -> bool:
        """Whether what was started is the main process, and ends everything when it is told to."""
        with contextlib.suppress(Unsupported):
            if self.pid == started.pid:
                started.terminate()
                return self.wait_gone(HEED)
        return False

    def wait_gone(self, within: float | None = None) -> bool:
        """Wait until no process of this copy is left, STOP_TIMEOUT by default; whether it came true."""
        return wait_until(self._is_gone, STOP_TIMEOUT if within is None else within)

    def _is_gone(self) -> bool:
        """As long as one lives that was begun, nobody has to look for the others."""
        return not any(begun.poll() is None for begun in self._launched) and not self.family()

    def kill(self) -> None:
        """End every process of this copy at once."""
        for pid in self._reap_and_list():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait_gone()
        for begun in self._launched:
            begun.wait()
        clock.leave(self.queued)

    def _roots(self) -> set[int]:
        """Processes known by number: those begun, and a daemon that wrote its pid into our own folder."""
        roots = {begun.pid for begun in self._launched if begun.returncode is None}
        if self.spec.pid_file and self.pid_file.is_relative_to(self.folder.path):
            with contextlib.suppress(Unsupported):
                roots.add(self.pid)
        return roots

    def _reap_and_list(self) -> set[int]:
        for begun in self._launched:
            begun.poll()
        return self.family()

    def _argv(self, name: str) -> list[str]:
        """The command of this name, filled in. Raises Unsupported."""
        argv = self.spec.start if name == "start" else self.spec.commands.get(name)
        if argv is None:
            raise Unsupported(f"the target file has no command {name!r}")
        return self._filled(argv)

    def _filled(self, argv: Iterable[str]) -> list[str]:
        return [fill(argument, self.folder.lookup) for argument in argv]

    def _await_ready(self, addresses: Iterable[Address]) -> None:
        waiting = list(addresses)

        def ready() -> bool:
            waiting[:] = [address for address in waiting if not _accepts(address)]
            return (not waiting and self._known()) or self._start_failed()

        wait_until(ready, self.spec.ready_timeout)
        if waiting:
            raise TargetDown(self._why_not_ready(waiting[0]))
        with contextlib.suppress(Unsupported):
            self._main = self.pid  # a daemon's pid file may have gone when it is asked for

    def _known(self) -> bool:
        """Whether cases can find the main process: a daemon may listen before it has written its pid file."""
        if not self.spec.daemon or self.spec.pid_file is None:
            return True
        try:
            return self.pid_file.stat().st_size > 0
        except FileNotFoundError:
            return False

    def _start_failed(self) -> bool:
        """Whether waiting is in vain: the process has ended, and not as a daemon's starter ends."""
        assert self._popen is not None
        code = self._popen.poll()
        return code is not None and not (self.spec.daemon and code == 0)

    def _why_not_ready(self, address: Address) -> str:
        assert self._popen is not None
        code = self._popen.poll()
        said = f"it printed: {self.last_words()}"
        if code is not None:
            return f"{address.url} accepts no connection: it exited with status {code}; {said}"
        return f"{address.url} accepts no connection after {self.spec.ready_timeout:g} s; {said}"


def _leash() -> list[str]:
    """What comes before a command so that the target does not outlive the suite, where the system can."""
    return [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())] if family.available() else []


def _accepts(address: Address) -> bool:
    if address.transport == "udp":  # to ask it would be a message; what it makes of one, fitness finds out
        return family.takes_datagrams(address.port)
    try:
        dial(address, 1.0).close()
    except OSError:
        return False
    return True
