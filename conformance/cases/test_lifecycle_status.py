"""`status` and `connections`: what they say, and that asking does no harm, whatever the service is doing."""

import re
import stat
from contextlib import ExitStack

from conformance.case import Violation
from conformance.cases import renewal
from conformance.cases.processes import accepts, all_gone, ended, run, settled, stop
from conformance.cases.tasks import client
from conformance.cases.under_load import RENEWAL, deed, ledger, life, live, reloaded
from conformance.ledger import NOTHING_LOST, uphold
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.wire.clock import clock

FORGOTTEN = 2.0
"""Seconds after which a client that has left is in no report."""

SEVERAL = 3
"""Reports that are asked for, one after the other."""

REPORT = 3.0
"""Seconds in which a report is there: one for processes that do not answer, and two to start the command."""

BEGUN = 1.0
"""Seconds in which a graceful stop has begun, the start of its command included."""

BLOCKED = 4.0
"""Seconds that a process is blocked."""

HELD_UP = 2.5
"""Seconds that a report may take longer than usual, one of them for processes that do not answer: less than
what is left of the block when the report is asked for.
"""


def report(target: Target, command: str) -> str:
    """What the command prints. Raises Violation `wrong-status`, or `command-hangs`."""
    done = target.process.command(command, RENEWAL)
    if done.returncode:
        raise Violation("wrong-status", f"the service runs, and `{command}` ended with {done.returncode}")
    return done.stdout


def harmless(target: Target, command: str) -> str:
    """Several reports under live traffic cost nobody anything."""
    with live(target, after=0.1) as traffic:
        for _ in range(SEVERAL):
            deed(target, traffic, command)
    uphold(ledger(target, traffic), NOTHING_LOST)
    return "done"


def while_blocked(target: Target, command: str) -> str:
    """The report while one process is blocked, and the answer to what blocks it. How long a report takes of
    itself (an interpreter has to start, on a busy machine) is measured before.
    """
    usual = timed(target, command)[0]
    with client(target) as caller:
        caller.usable()
        caller.call("block", {"seconds": BLOCKED}, id=1)
        caller.underway()
        taken, said = timed(target, command)
        if taken > usual + HELD_UP:
            raise Violation(
                "late", f"`{command}` took {taken:.1f} s while a process was blocked, else {usual:.1f} s"
            )
        renewal.answered(caller, BLOCKED)
    return said


def timed(target: Target, command: str) -> tuple[float, str]:
    """The seconds that a report takes, and what it says."""
    started = clock.exactly()
    said = report(target, command)
    return clock.exactly() - started, said


def names_everybody(target: Target, said: str) -> None:
    """Every child of the master stands in the report. Raises Violation `incomplete`."""
    numbers = {int(word) for word in re.findall(r"\d+", said)}
    if missing := [pid for pid in settled(target) if pid not in numbers]:
        raise Violation("incomplete", f"the processes {missing} are not in what `status` says: {said!r:.600}")


# --- status ------------------------------------------------------------------------------------------------


@life("lifecycle/status/names-everybody", "LIFE-090", needs=("status",))
def test_names_everybody(target: Target) -> str:
    """`status` names every process by its pid."""
    settled(target)
    names_everybody(target, report(target, "status"))
    return "done"


@life("lifecycle/status/names-the-new", "LIFE-090", needs=("status", "reload"))
def test_names_the_new(target: Target) -> str:
    """After a reload `status` names the new processes."""
    reloaded(target)
    names_everybody(target, report(target, "status"))
    return "done"


@life("lifecycle/status/under-load", "LIFE-095", needs=("status",))
def test_status_under_load(target: Target) -> str:
    """Asking for the status again and again costs live traffic nothing."""
    return harmless(target, "status")


@life("lifecycle/status/while-blocked", "LIFE-091", service="task", needs=("status",))
def test_status_while_blocked(target: Target) -> str:
    """A process that is blocked is named too, and does not hold the report up."""
    names_everybody(target, while_blocked(target, "status"))
    return "done"


@life("lifecycle/status/while-stopping", "LIFE-095", service="task", needs=("status", "stop_graceful"))
def test_status_while_stopping(target: Target) -> str:
    """`status` answers while a graceful stop goes on, and does not disturb it."""
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": 2.0}, id=1)
        stopping = target.process.launch("stop_graceful")
        wait_until(lambda: not accepts(target.endpoint()), BEGUN, poll=0.03)
        run(target, "status", REPORT)  # what it says of a service that leaves is its own choice
        renewal.answered(caller, 2.0)
        ended(stopping, RENEWAL)
    all_gone(target)
    return "done"


@life("lifecycle/status/private", "LIFE-099", needs=("status",))
def test_status_private(target: Target) -> str:
    """No file that others may write, and so forge, is left or used by a report."""
    run(target, "status")
    writable = stat.S_IWGRP | stat.S_IWOTH
    files = [path for path in target.copy.folder.path.rglob("*") if not path.is_symlink()]
    if open_to_all := [path.name for path in files if path.lstat().st_mode & writable]:
        raise Violation("writable", f"others may write {', '.join(open_to_all)}")
    return "done"


# --- connections -------------------------------------------------------------------------------------------


@life("lifecycle/connections/running", "LIFE-022", "LIFE-097", needs=("connections",))
def test_connections_running(target: Target) -> str:
    """`connections` of a running service ends with status 0."""
    report(target, "connections")
    return "done"


@life("lifecycle/connections/not-running", "LIFE-022", needs=("connections", "stop"))
def test_connections_not_running(target: Target) -> str:
    """`connections` where nothing runs does not end with status 0."""
    stop(target)
    if run(target, "connections") == 0:
        raise Violation("status-0", "nothing runs, and `connections` ended with status 0")
    return "done"


@life("lifecycle/connections/lists-clients", "LIFE-097", needs=("connections",))
def test_connections_lists(target: Target) -> str:
    """Every open connection is listed with the address of its client, and none that has closed."""
    with ExitStack() as stack:
        peers = stack.enter_context(renewal.waiting(target))
        ports = {peer.local_port for peer in peers}
        said = report(target, "connections")
    missing = [port for port in ports if f":{port}" not in said]
    if missing:
        raise Violation("incomplete", f"the clients at ports {missing} are not in {said!r:.600}")

    def forgotten() -> bool:
        return not any(f":{port}" in report(target, "connections") for port in ports)

    if not wait_until(forgotten, FORGOTTEN, poll=0.1):
        raise Violation("remembers-the-gone", f"{FORGOTTEN:g} s after they have left, clients are listed")
    return "done"


@life("lifecycle/connections/under-load", "LIFE-095", needs=("connections",))
def test_connections_under_load(target: Target) -> str:
    """Asking for the connections again and again costs live traffic nothing."""
    return harmless(target, "connections")


@life("lifecycle/connections/while-blocked", "LIFE-095", service="task", needs=("connections",))
def test_connections_while_blocked(target: Target) -> str:
    """A process that is blocked does not hold the report up."""
    while_blocked(target, "connections")
    return "done"
