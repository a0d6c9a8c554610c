"""The file of a Unix socket, from start to stop: who makes it, who may replace it, who removes it (UNIX-002).

A port vanishes with the last process that holds it. A file stays, and must be cleared away by somebody: by a
stop, once, and after a crash by the next start. Whoever clears too eagerly cuts off a living service.
"""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conformance.case import Violation
from conformance.cases.processes import STOP, accepts, kill, run, settled, staff, stop
from conformance.cases.under_load import answers, life, reloaded
from conformance.target.process import wait_until
from conformance.target.view import Target


def path_of(target: Target) -> Path:
    """Where the service's socket is."""
    return Path(target.endpoint().host)


def inode(target: Target) -> int:
    """Which file stands there. Raises Violation `no-file`."""
    try:
        return path_of(target).stat().st_ino
    except FileNotFoundError:
        raise Violation("no-file", f"{path_of(target)} is not there while the service runs") from None


def gone(target: Target) -> str:
    """The file has been removed. Raises Violation `left-behind`."""
    if path_of(target).exists():
        raise Violation("left-behind", f"the service has stopped, and {path_of(target)} is still there")
    return "done"


def start_again(target: Target) -> None:
    """Start, and see that the service answers where it is to."""
    target.process.start(target.copy.addresses.values())
    answers(target)


# --- the end -----------------------------------------------------------------------------------------------


@life("unix/file/gone-after-stop", "UNIX-002", service="unix", needs=("stop",))
def test_gone_after_stop(target: Target) -> str:
    """`stop` removes the socket's file."""
    stop(target)
    return gone(target)


@life("unix/file/gone-after-graceful-stop", "UNIX-002", service="unix", needs=("stop_graceful",))
def test_gone_after_graceful_stop(target: Target) -> str:
    """A graceful stop removes it, too."""
    if status := run(target, "stop_graceful"):
        raise Violation("wrong-status", f"`stop_graceful` ended with status {status}")
    target.process.wait_gone(STOP)
    return gone(target)


@life("unix/file/gone-after-reload-and-stop", "UNIX-002", service="unix", needs=("reload", "stop"))
def test_gone_after_reload_and_stop(target: Target) -> str:
    """A reload changes nothing about it: there while the service runs, gone after the stop."""
    reloaded(target)
    inode(target)
    answers(target)
    stop(target)
    return gone(target)


# --- the start ---------------------------------------------------------------------------------------------


@life("unix/file/start-after-crash", "UNIX-002", service="unix", needs=("stop",))
def test_start_after_crash(target: Target) -> str:
    """Every process is killed at once; the next start finds the file, replaces it and serves."""
    target.process.kill()
    if not path_of(target).exists():
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path_of(target)))
    start_again(target)
    stop(target)
    return gone(target)


@contextmanager
def squatter(path: Path) -> Iterator[socket.socket]:
    """Somebody else listens there."""
    path.unlink(missing_ok=True)  # a stop that leaves it breaks another rule
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(STOP)
        yield listener


@life("unix/file/taken", "UNIX-002", service="unix", needs=("stop",))
def test_taken(target: Target) -> str:
    """Where another server lives a start is refused, and the other keeps its file."""
    stop(target)
    with squatter(path_of(target)) as other:
        before = inode(target)
        if run(target, "start", target.process.spec.ready_timeout) == 0:
            raise Violation("status-0", "somebody listens at the path, and `start` ended with status 0")
        if not path_of(target).exists() or inode(target) != before:
            raise Violation("stolen", "the file of a living server was removed or replaced")
        if not accepts(target.endpoint()) or not _called(other):
            raise Violation("stolen", "who connects does not reach the server that was there first")
    return "done"


def _called(listener: socket.socket) -> bool:
    """Whether somebody has connected to this one."""
    with suppress(TimeoutError):
        listener.accept()[0].close()
        return True
    return False


@life("unix/file/no-socket", "UNIX-002", service="unix", needs=("stop",))
def test_no_socket(target: Target) -> str:
    """What stands there and is no socket is somebody's data: a start is refused, and leaves it alone."""
    stop(target)
    path = path_of(target)
    path.unlink(missing_ok=True)
    path.write_text("a letter", encoding="ascii")
    status = run(target, "start", target.process.spec.ready_timeout)
    if not path.is_file() or path.read_text(encoding="ascii") != "a letter":
        raise Violation("destroyed", f"{path} was an ordinary file, and is gone after a start")
    if status == 0:
        raise Violation("status-0", f"{path} is an ordinary file, and `start` ended with status 0")
    return "done"


@life("unix/file/second-start", "UNIX-002", service="unix")
def test_second_start(target: Target) -> str:
    """A second start is refused; the first keeps its file, its clients, and gets the new ones."""
    settled(target)
    with target.connect() as peer:
        before = inode(target)
        if run(target, "start", target.process.spec.ready_timeout) == 0:
            raise Violation("status-0", "a second `start` ended with status 0")
        if inode(target) != before:
            raise Violation("replaced", "a second `start` has put a socket of its own in the place")
        peer.send(b"still here\n")
        peer.expect(b"still here\n")
    answers(target)
    return "done"


# --- while it runs -----------------------------------------------------------------------------------------


@life("unix/file/through-reload", "UNIX-002", service="unix", needs=("reload",))
def test_through_reload(target: Target) -> str:
    """At every moment of a reload, and until the old processes have ended, a client finds the service."""
    with _callers(target) as refused:
        reloaded(target)
        settled(target)
    if refused:
        raise Violation("refused", f"during a reload connections were refused, {len(refused)} times")
    inode(target)
    answers(target)
    return "done"


@contextmanager
def _callers(target: Target) -> Iterator[list[float]]:
    """A client that connects again and again meanwhile; one entry for each time that nobody was there."""
    over, refused, address = threading.Event(), list[float](), target.endpoint()

    def call() -> None:
        while not over.wait(0.002):
            if not accepts(address):
                refused.append(1.0)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield refused
    finally:
        over.set()
        thread.join()


@life("unix/file/processes-leave", "UNIX-002", service="unix")
def test_processes_leave(target: Target) -> str:
    """Processes that are told to leave do not take the file with them: the next ones serve there."""
    return outlives(target, signal.SIGTERM)


@life("unix/file/processes-die", "UNIX-002", service="unix")
def test_processes_die(target: Target) -> str:
    """Processes that are killed are replaced, and the next ones serve at the same path."""
    return outlives(target, signal.SIGKILL)


def outlives(target: Target, number: signal.Signals) -> str:
    """When every process has ended by a signal the next ones are found at the same path."""
    before = staff(target)
    for child in before:
        kill(target.process, child, number)
    if not wait_until(lambda: not set(before) & set(target.process.children()), STOP):
        raise Violation("lives-on", f"processes go on after {number.name}")
    if not wait_until(lambda: serves(target), STOP):
        raise Violation("refused", f"nobody serves at {path_of(target)} any more")
    return "done"


def serves(target: Target) -> bool:
    """Whether the service answers: a kernel takes connections before there is a process to answer."""
    with suppress(Violation):
        answers(target)
        return True
    return False
