"""Start and restart: several at once, as a daemon, past a stale socket, beside another; a lost pid file."""

import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from conformance.case import Unsupported, Violation
from conformance.cases import renewal
from conformance.cases.processes import STOP, accepts, run, settled, stop
from conformance.cases.under_load import answers, life, renewed
from conformance.target import family
from conformance.target.fitness import exchange
from conformance.target.instance import Copy
from conformance.target.process import heard, wait_until
from conformance.target.view import Target
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript

STARTS = 5
"""Starts at the same time."""

TERMINAL, SESSION = 4, 3
"""Fields of /proc/PID/stat behind the command: the controlling terminal, and the session (proc(5))."""


# --- start -------------------------------------------------------------------------------------------------


@life("lifecycle/start/pid-file-first", "LIFE-032", needs=("stop", "pid_file"))
def test_pid_file_first(target: Target) -> str:
    """When the first request is answered the pid file is there, and names the master."""
    stop(target)
    target.process.launch("start")

    def served() -> bool:
        with suppress(Violation):
            answers(target)
            return True
        return False

    if not wait_until(served, target.process.spec.ready_timeout, poll=0.002):
        raise Violation(
            "not-started", f"the service does not serve; it printed: {target.process.last_words()}"
        )
    if not target.process.pid_file.exists():
        raise Violation("no-pid-file", "a request was answered, and there is no pid file")
    if target.process.pid not in target.process.family():
        raise Violation("not-the-master", "the pid file names a process that is none of the service's")
    return "done"


@life("lifecycle/start/several-at-once", "LIFE-031", needs=("stop", "pid_file"))
def test_several_at_once(target: Target) -> str:
    """Of several starts at the same time one succeeds, all others end with a status other than 0."""
    stop(target)
    starts = [target.process.launch("start") for _ in range(STARTS)]
    keeps = 0 if target.process.spec.daemon else 1
    if not wait_until(
        lambda: sum(s.poll() is None for s in starts) <= keeps, target.process.spec.ready_timeout
    ):
        left = sum(start.poll() is None for start in starts)
        raise Violation("several-run", f"of {STARTS} starts at the same time {left} go on")
    won = [start for start in starts if start.poll() in {None, 0}]
    if len(won) != 1:
        statuses = [start.poll() for start in starts]
        raise Violation("wrong-status", f"one start had to succeed, the statuses are {statuses}")
    addresses = target.copy.addresses.values()
    wait_until(
        lambda: all(map(accepts, addresses)), target.process.spec.ready_timeout
    )  # losing may be quicker
    settled(target)
    answers(target)
    return "done"


@life("lifecycle/start/two-programs", "LIFE-111", needs=("stop",))
def test_two_programs(target: Target) -> str:
    """Two copies with ports and pid files of their own run side by side; a stop of one leaves the other."""
    with Copy(target.copy.spec, target.copy.calibrations) as other:
        assert other.process is not None
        before = settled(target)
        with Peer(other.addresses[target.case.service], target.calibration, Transcript()) as peer:
            exchange(target.case.service, peer)
        if status := other.process.command("stop").returncode:
            raise Violation("wrong-status", f"`stop` of the second copy ended with status {status}")
        if not other.process.wait_gone(STOP):
            raise Violation("lives-on", "`stop` of the second copy did not end it")
    if (now := target.process.children()) != before:
        raise Violation("disturbed", f"children {before} before the stop of another copy, {now} after")
    answers(target)
    return "done"


@life("lifecycle/start/stale-socket", "LIFE-036", service="unix", needs=("stop",))
def test_stale_socket(target: Target) -> str:
    """A Unix socket that a crash has left behind does not prevent a start."""
    stop(target)
    path = target.endpoint().host
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    target.process.start(target.copy.addresses.values())
    answers(target)
    return "done"


@life("lifecycle/pid-file/lost", "LIFE-106", needs=("stop", "pid_file"))
def test_pid_file_lost(target: Target) -> str:
    """When somebody has deleted the pid file, `stop` stops the service all the same, or does not claim so."""
    before = settled(target)
    target.process.pid_file.unlink()
    try:
        status = run(target, "stop")
        stopped = wait_until(lambda: not any(map(family.is_living, before)), 1.0)
        if status == 0 and not stopped:
            raise Violation(
                "lies", "`stop` ended with status 0, and without its pid file the service runs on"
            )
        if not stopped:
            answers(target)
    finally:
        target.process.kill()  # a stop by the target's own command would wait for the same thing once more
    return "done"


# --- restart -----------------------------------------------------------------------------------------------


@life("lifecycle/restart/new-processes", "LIFE-037", needs=("restart", "pid_file"))
def test_restart(target: Target) -> str:
    """After `restart` every process is a new one, and the service serves."""
    before = settled(target)
    _restart(target)
    renewed(target, before)
    answers(target)
    return "done"


@life("lifecycle/restart/new-code", "LIFE-037", service="task", needs=("restart", "pid_file"))
def test_restart_new_code(target: Target) -> str:
    """After an edit and a restart every process runs the new code."""
    before, version = settled(target), renewal.edit(target, "version 2\n")
    _restart(target)
    renewed(target, before)
    renewal.runs(target, version)
    return "done"


@life("lifecycle/restart/not-running", "LIFE-037", needs=("restart", "stop", "pid_file"))
def test_restart_not_running(target: Target) -> str:
    """`restart` where nothing runs starts the service."""
    stop(target)
    _restart(target)
    settled(target)
    answers(target)
    return "done"


@life("lifecycle/restart/idle-clients", "LIFE-037", "LIFE-080", needs=("restart", "pid_file"), outcome="fin")
def test_restart_idle_clients(target: Target) -> str:
    """Idle connections to the old processes end in order."""
    with renewal.waiting(target) as idlers:
        _restart(target)
        endings = {str(peer.ending()) for peer in idlers}
    return ", ".join(sorted(endings))


def _restart(target: Target) -> None:
    """Restart; a command that stays, as the new service in the foreground, is right too."""
    children = _children(target)
    begun = target.process.launch("restart")

    def over() -> bool:
        return begun.poll() is not None or _replaced(target, children)

    if not wait_until(over, 2 * STOP, poll=0.03):
        raise Violation("command-hangs", f"`restart` has done nothing within {2 * STOP:g} s")
    if status := begun.poll():
        raise Violation(
            "wrong-status", f"`restart` ended with status {status}: {target.process.last_words()}"
        )


def _replaced(target: Target, children: set[int]) -> bool:
    now = _children(target)
    places = [each for each in target.copy.addresses.values() if each.transport != "udp"]
    return bool(now) and not now & children and all(map(accepts, places))


def _children(target: Target) -> set[int]:
    """The children of the master; none where there is no master."""
    with suppress(Unsupported):
        return set(target.process.children())
    return set()


# --- as a daemon -------------------------------------------------------------------------------------------


def _daemon(target: Target) -> None:
    if not target.process.spec.daemon:
        raise Unsupported("the target runs in the foreground")
    if not Path("/proc").exists():
        raise Unsupported("this system has no /proc to look at processes with")


@life("lifecycle/daemon/up-on-return", "LIFE-026", needs=("stop", "pid_file"))
def test_up_on_return(target: Target) -> str:
    """When `start` returns the service serves, and its pid file is there."""
    _daemon(target)
    for _ in range(3):
        stop(target)
        if status := run(target, "start", target.process.spec.ready_timeout):
            raise Violation("wrong-status", f"`start` ended with status {status}")
        if not target.process.pid_file.exists():
            raise Violation("no-pid-file", "`start` has returned, and there is no pid file")
        answers(target)
    return "done"


@life("lifecycle/daemon/detached", "LIFE-025")
def test_detached(target: Target) -> str:
    """A daemon has left the session and the terminal of whoever started it."""
    _daemon(target)
    fields = Path(f"/proc/{target.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    starter = target.process.started_as
    if starter is not None and int(fields[SESSION]) == starter:
        raise Violation("same-session", f"the master is still in session {starter}, that of the command")
    if int(fields[TERMINAL]) != 0:
        raise Violation("has-a-terminal", "the master has a controlling terminal")
    return "done"


@life("lifecycle/daemon/standard-streams", "LIFE-027")
def test_standard_streams(target: Target) -> str:
    """Master and workers of a daemon read from /dev/null, and have something at descriptors 1 and 2."""
    _daemon(target)
    for pid in (target.process.pid, *settled(target)):
        streams = [_stream(pid, number) for number in range(3)]
        if streams[0] != os.devnull or "" in streams or any(name.startswith("socket:") for name in streams):
            raise Violation("wrong-streams", f"process {pid} has {streams} as its standard streams")
    return "done"


@life("lifecycle/daemon/output-ends", "LIFE-027", needs=("stop", "pid_file"))
def test_output_ends(target: Target) -> str:
    """Whoever captures the output of `start` gets all of it when `start` returns: the daemon has let go."""
    _daemon(target)
    stop(target)
    with target.process.launch("start", output=subprocess.PIPE) as begun:
        try:
            heard(begun, target.process.spec.ready_timeout)
        except subprocess.TimeoutExpired:
            target.process.kill()
            raise Violation(
                "keeps-output", "the output of `start` does not end: the daemon holds it"
            ) from None
    answers(target)
    return "done"


def _stream(pid: int, number: int) -> str:
    """What a descriptor of a process leads to; empty where it is closed."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/{number}")
    return ""
