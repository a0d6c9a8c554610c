"""The command line of a program: `app.py start`, `stop`, `status` (LIFE-020).

Words may come in any order and the first known command wins. Single-letter options belong to this grammar;
words and `--options` that it does not know are left to the program.
"""

import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from refworker.supervisor import pidfile
from refworker.supervisor.channel import Channel, Message, MessageError
from refworker.supervisor.control import connect
from refworker.supervisor.master import Master, say
from refworker.supervisor.pidfile import AlreadyRunning, PidFile
from refworker.supervisor.settings import Settings
from refworker.supervisor.tables import status_table
from refworker.worker import Worker

OK, FAILURE, USAGE, NOT_RUNNING, NO_PERMISSION = 0, 1, 2, 3, 4
"""Exit codes (LIFE-022)."""

STOP_MARGIN = 3.0
"""Seconds beyond stop_timeout after which `stop` gives up (LIFE-079)."""

STATUS_PATIENCE = 5.0
"""Seconds for a living master to answer; it takes half a second with busy processes."""

REACHABLE_WITHIN = 1.0
"""Seconds for a master that has the lock to open its control socket, or to close everything."""


class CommandError(Exception):
    """A command failed: one line for stderr, and the exit code."""

    def __init__(self, message: str, code: int = FAILURE) -> None:
        super().__init__(message)
        self.code = code


class NotRunning(CommandError):
    """There is no such service."""

    def __init__(self) -> None:
        super().__init__("not running", NOT_RUNNING)


class WentAway(CommandError):
    """The master ended before it answered."""

    def __init__(self) -> None:
        super().__init__("not running any more", NOT_RUNNING)


Options = frozenset[str]


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the grammar."""

    summary: str
    run: Callable[[Settings, Sequence[Worker], Options], None]
    options: frozenset[str] = frozenset()


# -- start -----------------------------------------------------------------------------------------


def start(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Run the service in the foreground until it is stopped. Raises CommandError when it cannot start, or
    did not end well.
    """
    if not workers:
        raise CommandError("there is no Worker; make one before run_all()")
    lock = locked(settings)
    try:
        for worker in workers:
            worker.bind()
        master = Master(workers, settings, lock)
    except OSError as problem:
        lock.remove()
        raise CommandError(problem.strerror or str(problem)) from problem
    if master.run():
        raise CommandError("the master failed; see the log")


def locked(settings: Settings) -> PidFile:
    """The pid file, locked. Raises CommandError."""
    path = settings.pid_file
    try:
        lock = PidFile.acquire(path)
    except AlreadyRunning as problem:
        raise CommandError(str(problem)) from None
    except OSError as problem:
        foreign = isinstance(problem, PermissionError) and os.path.exists(path)
        raise CommandError(
            f"cannot write the pid file {path}: {problem.strerror}; choose another with pid_file=",
            NO_PERMISSION if foreign else FAILURE,
        ) from None
    if lock.note:
        say(f"{settings.title} Master pid:{lock.note} is not alive, or not ours; taking over {path}")
    return lock


# -- stop ------------------------------------------------------------------------------------------


def stop(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Stop the service and wait until its master is gone; a service that does not run is stopped already.
    Raises CommandError.
    """
    try:
        channel = reached(settings)
    except NotRunning:
        return say(f"{settings.title} not running")
    say(f"{settings.title} is stopping ...")
    timeout = settings.stop_timeout
    with closing(channel):
        try:
            timeout = asked(channel, "stop", timeout + STOP_MARGIN)["stop_timeout"]
        except WentAway:
            pass  # somebody else's stop was faster
        if not ended(channel, timeout + STOP_MARGIN):
            raise CommandError("stop fail: the master still lives")
    return say(f"{settings.title} stop success")


def ended(channel: Channel, timeout: float) -> bool:
    """Whether the process at the other end is gone within `timeout` seconds; a zombie is."""
    try:
        handle = os.pidfd_open(peer(channel))
    except (AttributeError, OSError):  # not Linux, or gone: the end of the channel says it, too
        return readable(channel, timeout)
    try:
        return readable(handle, timeout)
    finally:
        os.close(handle)


def peer(channel: Channel) -> int:
    """The pid of the process at the other end, by the kernel's word (unix(7), SO_PEERCRED)."""
    credentials = channel.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


def readable(source: Channel | int, timeout: float) -> bool:
    """Wait until there is something to read, or an end."""
    return bool(select.select([source], [], [], max(0.0, timeout))[0])


# -- status ----------------------------------------------------------------------------------------


def status(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Show the processes. Raises CommandError, NotRunning too."""
    with closing(reached(settings)) as channel:
        report = asked(channel, "status", STATUS_PATIENCE)
    say(json.dumps(report, indent=2) if "--json" in options else status_table(settings.title, report))


# -- talking with the master -----------------------------------------------------------------------


def reached(settings: Settings) -> Channel:
    """A conversation with the running master. Raises NotRunning, or CommandError when there is one that
    cannot be reached.
    """
    deadline = time.monotonic() + REACHABLE_WITHIN
    while True:
        try:
            return connect(settings.control_path, REACHABLE_WITHIN)
        except PermissionError:
            raise refused(settings.control_path) from None
        except OSError as problem:
            if not runs(settings.pid_file):
                raise NotRunning from None
            if time.monotonic() > deadline:
                raise unreachable(settings, problem) from None
        time.sleep(0.02)


def runs(pid_file: Path) -> bool:
    """Whether the lock is held. Raises CommandError where that may not be looked at."""
    try:
        return pidfile.is_locked(pid_file)
    except PermissionError:
        raise refused(pid_file) from None


def refused(path: Path) -> CommandError:
    """Another user's service (LIFE-084)."""
    return CommandError(f"no permission to use {path}; run this as the user of the service", NO_PERMISSION)


def unreachable(settings: Settings, problem: OSError) -> CommandError:
    """A service that runs without its control socket (LIFE-106)."""
    return CommandError(
        f"the service runs ({settings.pid_file} is locked), but {settings.control_path} cannot be reached: "
        f"{problem.strerror or problem}; end it with a signal"
    )


def asked(channel: Channel, command: str, timeout: float) -> Message:
    """The master's answer to one command. Raises CommandError."""
    channel.send({"command": command})
    deadline = time.monotonic() + timeout
    try:
        while readable(channel, deadline - time.monotonic()):
            for answer in channel.receive():
                return checked(answer)
    except EOFError:
        raise WentAway from None
    except MessageError as problem:
        raise CommandError(f"{command} fail: the master's answer is {problem}") from None
    raise CommandError(f"{command} fail: the master does not answer; it may be suspended")


def checked(answer: Message) -> Message:
    """An answer that is no complaint. Raises CommandError."""
    if "error" in answer:
        raise CommandError(f"the master refuses: {answer['error']}")
    return answer


# -- the grammar -----------------------------------------------------------------------------------

COMMANDS = {
    "start": Command("run the service in the foreground until Ctrl+C or stop", start),
    "stop": Command("stop the running service and wait for its end", stop),
    "status": Command("show the processes; --json for programs", status, frozenset({"--json"})),
}

HELP = {"-h", "--help"}


def usage(program: str) -> str:
    """The grammar in one line (LIFE-021)."""
    options = "".join(f" [{option}]" for command in COMMANDS.values() for option in sorted(command.options))
    return f"usage: {program} {'|'.join(COMMANDS)}{options}"


def help_text(program: str) -> str:
    """The grammar with a line for each command."""
    lines = [f"  {name:8} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join([usage(program), "", *lines])


def parsed(argv: Sequence[str], program: str) -> tuple[Command, Options]:
    """The command of a command line, and its options. Raises CommandError."""
    name = next((word for word in argv if word in COMMANDS), None)
    if name is None:
        word = next((word for word in argv if not word.startswith("-")), None)
        what = f"unknown command {word!r}" if word else "a command is missing"
        raise CommandError(f"{what}; {usage(program)}", USAGE)
    command = COMMANDS[name]
    known = frozenset().union(*(command.options for command in COMMANDS.values()))
    for word in argv:
        single = len(word) > 1 and word[0] == "-" and word[1] != "-"
        if single or word in known - command.options:
            raise CommandError(f"{name} has no option {word}; {usage(program)}", USAGE)
    return command, command.options.intersection(argv)


def main(settings: Settings, workers: Sequence[Worker], argv: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code."""
    if HELP.intersection(argv):
        say(help_text(settings.program))
        return OK
    try:
        command, options = parsed(argv, settings.program)
        command.run(settings, workers, options)
    except CommandError as problem:
        print(f"{settings.title} {problem}", file=sys.stderr)
        return problem.code
    return OK
