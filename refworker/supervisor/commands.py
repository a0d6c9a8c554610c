"""The command line of a program: `app.py start -d`, `reload`, `status` … (LIFE-020).

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
from dataclasses import dataclass, replace
from pathlib import Path

from refworker.supervisor import check, pidfile, program
from refworker.supervisor.channel import Channel, Message, MessageError
from refworker.supervisor.control import connect
from refworker.supervisor.daemon import Herald, detached
from refworker.supervisor.heritage import Heritage, begun
from refworker.supervisor.log import set_up_log
from refworker.supervisor.logfile import reopen_streams
from refworker.supervisor.master import Master
from refworker.supervisor.metrics import prometheus
from refworker.supervisor.output import say
from refworker.supervisor.pidfile import AlreadyRunning, PidFile
from refworker.supervisor.settings import SettingError, Settings, default_log
from refworker.supervisor.tables import connections_table, status_table
from refworker.worker import Worker

OK, FAILURE, USAGE, NOT_RUNNING, NO_PERMISSION = 0, 1, 2, 3, 4
"""Exit codes (LIFE-022)."""

STOP_MARGIN = 3.0
"""Seconds beyond stop_timeout after which `stop` gives up (LIFE-079)."""

RELOAD_PATIENCE = 120.0
"""Seconds for the check of the new program and the start of its processes."""

REFRESH = 1.0
"""Seconds between two tables of `status -d` and `connections -d`."""

CLEAR = "\x1b[H\x1b[2J"
"""Clears a terminal."""

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
    """Run the service until it is stopped, or with -d start it as a daemon and return. Raises CommandError
    when it cannot start, or did not end well.
    """
    if not workers:
        raise CommandError("there is no Worker; make one before run_all()")
    if settings.daemonize or DAEMON & options:
        text, code = detached(lambda herald: announced(settings, workers, herald))
        if code:
            raise CommandError(text, code)
        return say(text)
    return serve(settings, workers, Herald(lambda text, code: None if code else say(text)), begun())


def announced(settings: Settings, workers: Sequence[Worker], herald: Herald) -> int:
    """In the daemon: serve, and tell the herald why if that is impossible; returns the exit code."""
    try:
        serve(daemon_settings(settings), workers, herald, begun(daemon=True))
    except CommandError as problem:
        herald.failed(str(problem), problem.code)
        return problem.code
    return OK


def daemon_settings(settings: Settings) -> Settings:
    """A daemon has a log file, since it has no terminal."""
    return replace(settings, log_file=settings.log_file or default_log())


def serve(settings: Settings, workers: Sequence[Worker], herald: Herald, life: Heritage) -> None:
    """Be the master. Raises CommandError."""
    try:
        set_up_log(settings, daemon=life.daemon)
        if life.daemon:
            reopen_streams(settings.stdout_file)
    except OSError as problem:
        raise CommandError(f"{problem.strerror or problem}") from problem
    lock = PidFile(settings.pid_file, life.lock) if life.inherited else locked(settings)
    try:
        for worker in workers:
            worker.bind(life.sockets(worker))
        life.close_rest()
        master = Master(workers, settings, lock, herald, life)
    except (OSError, SettingError) as problem:
        for worker in workers:
            worker.release()
        lock.remove()
        raise CommandError(getattr(problem, "strerror", None) or str(problem)) from problem
    if master.run():
        raise CommandError("the master failed; see the log")


def go_on(settings: Settings, workers: Sequence[Worker], record: Message) -> int:
    """After a reload: be the master that has executed itself; returns the exit code."""
    life = Heritage.read(record)
    settings = replace(settings, pid_file=Path(life.pid_file))
    if life.daemon:
        settings = daemon_settings(settings)
    serve(settings, workers, Herald(lambda text, code: None), life)
    return OK


def check_only(workers: Sequence[Worker], known: Sequence[str]) -> int:
    """A reload asks whether this program works; returns the exit code that says so."""
    if not workers:
        raise CommandError("there is no Worker; make one before run_all()")
    try:
        check.look_at(workers, known)
    except (OSError, SettingError) as problem:
        raise CommandError(getattr(problem, "strerror", None) or str(problem)) from problem
    return check.PASSED


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


# -- stop, restart, reload -------------------------------------------------------------------------


def stop(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Stop the service and wait until its master is gone; a service that does not run is stopped already.
    Raises CommandError.
    """
    try:
        channel = reached(settings)
    except NotRunning:
        return say(f"{settings.title} not running")
    graceful = bool(GRACEFUL & options)
    say(f"{settings.title} is {'gracefully ' if graceful else ''}stopping ...")
    timeout = settings.stop_timeout
    with closing(channel):
        try:
            request = {"command": "stop", "graceful": graceful}
            timeout = asked(channel, request, timeout + STOP_MARGIN)["timeout"]
        except WentAway:
            pass  # somebody else's stop was faster
        if not ended(channel, timeout + STOP_MARGIN):
            raise CommandError("stop fail: the master still lives")
    return say(f"{settings.title} stop success")


def restart(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Stop what runs, and start. Raises CommandError; where the stop fails nothing is started (LIFE-037)."""
    stop(settings, workers, options)
    start(settings, workers, options)


def reload(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Bring new code, and wait until it serves. Raises CommandError, NotRunning too; then old code serves."""
    request = {"command": "reload", "graceful": bool(GRACEFUL & options)}
    with closing(reached(settings)) as channel:
        asked(channel, request, RELOAD_PATIENCE)
    say(f"{settings.title} reload success")


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


# -- status and connections ------------------------------------------------------------------------


def status(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Show the processes. Raises CommandError, NotRunning too."""

    def show(report: Message) -> str:
        if "--prometheus" in options:
            return prometheus(report).rstrip("\n")
        return json.dumps(report, indent=2) if "--json" in options else status_table(settings.title, report)

    shown(settings, options, "status", show)


def connections(settings: Settings, workers: Sequence[Worker], options: Options) -> None:
    """Show every open connection of every process. Raises CommandError, NotRunning too."""

    def show(report: Message) -> str:
        return json.dumps(report, indent=2) if "--json" in options else connections_table(report)

    shown(settings, options, "connections", show)


def shown(settings: Settings, options: Options, question: str, show: Callable[[Message], str]) -> None:
    """Print the answer to a question, with -d once a second until Ctrl+C (LIFE-094)."""
    watching = bool(DAEMON & options)
    before: Message = {}
    while True:
        with closing(reached(settings)) as channel:
            report = asked(channel, {"command": question}, STATUS_PATIENCE)
        add_rates(report, before)
        say((CLEAR if watching else "") + show(report))
        if not watching:
            return
        say("Press Ctrl+C to quit.")
        before = report
        try:
            time.sleep(REFRESH)
        except KeyboardInterrupt:
            return


def add_rates(report: Message, before: Message) -> None:
    """Messages per second of each process since the report `before`, 0 where there is none."""
    earlier = {process["pid"]: process for process in before.get("processes", ())}
    for process in report.get("processes", ()):
        former = earlier.get(process["pid"], process)
        seconds = process["uptime"] - former["uptime"]
        if "messages" in process and "messages" in former:
            process["qps"] = round((process["messages"] - former["messages"]) / seconds) if seconds > 0 else 0


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


def asked(channel: Channel, request: Message, timeout: float) -> Message:
    """The master's answer to one command. Raises CommandError."""
    command = request["command"]
    channel.send(request)
    deadline = time.monotonic() + timeout
    try:
        while readable(channel, deadline - time.monotonic()):
            for answer in channel.receive():
                return checked(command, answer)
    except EOFError:
        raise WentAway from None
    except MessageError as problem:
        raise CommandError(f"{command} fail: the master's answer is {problem}") from None
    raise CommandError(f"{command} fail: the master does not answer; it may be suspended")


def checked(command: str, answer: Message) -> Message:
    """An answer that is no complaint. Raises CommandError."""
    if "error" in answer:
        raise CommandError(f"{command} fail: {answer['error']}")
    return answer


# -- the grammar -----------------------------------------------------------------------------------

DAEMON, GRACEFUL = frozenset({"-d", "--daemon"}), frozenset({"-g", "--graceful"})

COMMANDS = {
    "start": Command("run the service in the foreground until Ctrl+C; -d: as a daemon", start, DAEMON),
    "stop": Command("stop the service and wait for its end; -g: let every request finish", stop, GRACEFUL),
    "restart": Command("stop, then start", restart, DAEMON | GRACEFUL),
    "reload": Command("bring new code without a pause; -g: let every request finish", reload, GRACEFUL),
    "status": Command("show the processes; -d: again and again", status, DAEMON | {"--json", "--prometheus"}),
    "connections": Command("show the connections; -d: again and again", connections, DAEMON | {"--json"}),
}

HELP = {"-h", "--help"}


def usage(name: str) -> str:
    """The grammar in one line (LIFE-021)."""
    return f"usage: {name} {'|'.join(COMMANDS)} [-d] [-g] [--json] [--prometheus]"


def help_text(name: str) -> str:
    """The grammar with a line for each command."""
    lines = [f"  {word:12} {command.summary}" for word, command in COMMANDS.items()]
    return "\n".join([usage(name), "", *lines])


def parsed(argv: Sequence[str], name: str) -> tuple[Command, Options]:
    """The command of a command line, and its options. Raises CommandError."""
    found = next((word for word in argv if word in COMMANDS), None)
    if found is None:
        word = next((word for word in argv if not word.startswith("-")), None)
        what = f"unknown command {word!r}" if word else "a command is missing"
        raise CommandError(f"{what}; {usage(name)}", USAGE)
    command = COMMANDS[found]
    known = frozenset[str]().union(*(each.options for each in COMMANDS.values()))
    for word in argv:
        single = len(word) > 1 and word[0] == "-" and word[1] != "-"
        if (single and word not in command.options and word != "-q") or word in known - command.options:
            raise CommandError(f"{found} has no option {word}; {usage(name)}", USAGE)
    return command, command.options.intersection(argv)


def main(settings: Settings, workers: Sequence[Worker], argv: Sequence[str]) -> int:
    """Carry out one command line, or go on after a reload; returns the exit code."""
    try:
        if (known := check.requested()) is not None:
            return check_only(workers, known)
        if (record := program.inherit()) is not None:
            return go_on(settings, workers, record)
        if HELP.intersection(argv):
            say(help_text(settings.program))
            return OK
        command, options = parsed(argv, settings.program)
        command.run(settings, workers, options)
    except CommandError as problem:
        print(f"{settings.title} {problem}", file=sys.stderr)
        return problem.code
    return OK
