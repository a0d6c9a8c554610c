"""What lifecycle cases do to a target's processes, and what they look at: its own, and one of their own.

Signals go to pids that the target's master has as children, to its master, and to nobody else.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from conformance.outcomes import Unsupported, Violation
from conformance.target import family
from conformance.target.process import Process, wait_until
from conformance.target.view import Target
from conformance.wire.address import Address, dial
from conformance.wire.clock import clock

REPAIR = 1.5
"""Seconds in which a process that died has to be replaced; the first time nothing has to be waited for."""

STOP = 10.0
"""Seconds in which a stop has to be over, the deadline for processes that hang included."""

QUIET = 0.2
"""Seconds without a change after which a master has forked all that it wants to fork."""

WATCH = 1.0
"""Seconds in which a master that acts at once would have acted."""


def run(target: Target, command: str, within: float = STOP) -> int:
    """The exit status of one of the target's commands. Raises Violation `command-hangs`."""
    try:
        return target.process.command(command, timeout=within).returncode
    except subprocess.TimeoutExpired as hang:
        raise Violation("command-hangs", f"`{command}` did not end within {within:g} s") from hang


def ended(command: subprocess.Popen[bytes], within: float = STOP) -> int:
    """The exit status of a command that was launched before. Raises Violation `command-hangs`."""
    if not wait_until(lambda: command.poll() is not None, within):
        raise Violation("command-hangs", f"a command did not end within {within:g} s")
    return int(command.returncode)


def stop(target: Target) -> None:
    """Stop the target by its own command, for cases that begin there. Raises Violation `not-stopped`."""
    status = run(target, "stop")
    if status or not target.process.wait_gone(STOP):
        left = sorted(target.process.family())
        raise Violation("not-stopped", f"`stop` ended with status {status}, and {left or 'nobody'} lives on")


def start(target: Target) -> None:
    """Start the target again, and see that it serves."""
    target.process.start(target.copy.addresses.values())
    served(target)


def served(target: Target) -> None:
    """A plain exchange over a new connection to the text service."""
    with target.connect("text") as peer:
        peer.send(b"served\n")
        peer.expect(b"served\n")


def accepts(address: Address) -> bool:
    """Whether a connection to this address is taken."""
    if address.transport == "udp":
        return False
    try:
        dial(address, 1.0).close()
    except OSError:
        return False
    return True


def settled(target: Target) -> list[int]:
    """The children once there are no more to come: ports accept before a master has forked everybody."""
    limit = clock() + target.process.spec.ready_timeout
    children = target.process.children()
    while _changes(target.process, children, QUIET) and clock() < limit:
        children = target.process.children()
    return children


def staff(target: Target) -> list[int]:
    """The children of a target that has some, those first that listen: a master may have helpers as well.

    Raises Unsupported for a server of a single process.
    """
    children, port = settled(target), target.endpoint().port
    if not children:
        raise Unsupported("the target is a single process: none of its children can die or freeze")
    listeners = family.listeners(children, port)
    return sorted(children, key=lambda pid: pid not in listeners)


def _changes(process: Process, children: list[int], seconds: float) -> bool:
    """Whether the children become others than these meanwhile, in whatever order they are named."""
    return wait_until(lambda: process.children() != sorted(children), seconds)


def kill(process: Process, pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a child of the target's master; whoever is not one is left alone."""
    if pid in process.children():
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def repaired(process: Process, before: set[int], dead: int) -> None:
    """The dead child is replaced by one new one, and nobody else changes. Raises Violation."""
    survivors = before - {dead}

    def complete() -> bool:
        now = set(process.children())
        return dead not in now and len(now) == len(before)

    if not wait_until(complete, REPAIR):
        _misses("not-repaired", before, set(process.children()))
    if not survivors < set(process.children()):
        _misses("others-died", before, set(process.children()))
    steady(process)


def steady(process: Process, seconds: float = WATCH, before: list[int] | None = None) -> None:
    """The same children all the time, none more and none less: `before`, or those of now.

    Raises Violation `changes`.
    """
    before = process.children() if before is None else before
    if _changes(process, before, seconds):
        _misses("changes", set(before), set(process.children()))


def _misses(outcome: str, before: set[int], now: set[int]) -> None:
    raise Violation(outcome, f"children {sorted(before)} before, {sorted(now)} now")


def replacements(process: Process, victim: int, seconds: float) -> set[int]:
    """Kill a child, and whoever takes its place as soon as it is seen; the pids that took it."""
    others, seen = set(process.children()) - {victim}, set[int]()
    kill(process, victim)
    limit = monotonic() + seconds
    while monotonic() < limit:
        for pid in set(process.children()) - others - {victim}:
            seen.add(pid)
            kill(process, pid)
    return seen


@contextmanager
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with the target; ended with the block."""
    program = [sys.executable, "-c", "import time; time.sleep(300)"]
    with subprocess.Popen(program, stdin=subprocess.DEVNULL) as bystander:
        try:
            yield bystander
        finally:
            bystander.kill()


def dead_pid() -> int:
    """The pid of a process that has just ended."""
    with stranger() as bystander:
        pass
    return bystander.pid


@contextmanager
def pid_file(target: Target, content: str) -> Iterator[None]:
    """The stopped target's pid file has this content; afterwards a stranger's pid stands there no more."""
    path = target.process.pid_file
    path.write_text(content, encoding="ascii")
    try:
        yield
    finally:
        if path.exists() and path.read_text(encoding="ascii") == content:
            path.unlink()


@contextmanager
def taken(address: Address) -> Iterator[None]:
    """Somebody else listens on the port of this address."""
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((address.host, address.port))
        squatter.listen()
        yield


def state(target: Target) -> tuple[int, list[int], list[str]]:
    """The master, its children, and what the pid file holds."""
    files = [path.read_text(encoding="utf-8") for path in _pid_files(target) if path.exists()]
    return target.process.pid, target.process.children(), files


def unharmed(bystander: subprocess.Popen[bytes]) -> None:
    """The stranger lives on. Raises Violation `stranger-killed`."""
    status = bystander.poll()
    if status is not None:
        raise Violation("stranger-killed", f"a process that is none of the target's ended with {status}")


def all_gone(target: Target) -> None:
    """Nobody is left, soon. Raises Violation `lives-on`."""
    if not target.process.wait_gone(STOP):
        raise Violation("lives-on", f"{sorted(target.process.family())} live on")


def no_ports(target: Target) -> None:
    """No endpoint takes connections any more, in a moment: a kernel takes its time to clear up.

    Raises Violation `listening`.
    """
    addresses = target.copy.addresses.values()
    if not wait_until(lambda: not any(map(accepts, addresses)), WATCH):
        still = ", ".join(address.url for address in addresses if accepts(address))
        raise Violation("listening", f"{still} still takes connections")


def no_files(target: Target) -> None:
    """Neither the pid file nor a Unix socket is left. Raises Violation `left-behind`."""
    left = [path for path in target.copy.folder.path.rglob("*") if path.is_socket()]
    left += [path for path in _pid_files(target) if path.exists()]
    if left:
        raise Violation("left-behind", f"{', '.join(path.name for path in left)} left")


def _pid_files(target: Target) -> list[Path]:
    return [target.process.pid_file] if target.process.spec.pid_file else []
