"""Signals: to the master, to one of its processes, and to all of them, as a terminal sends them.

The signals belong to the worker model (manual, install/start-and-stop): a target shows that it follows it by
its `task` service, and by the commands that do the same as a signal. Other servers give them other meanings.
"""

import signal
from contextlib import ExitStack

from conformance.case import Violation
from conformance.cases import renewal
from conformance.cases.processes import all_gone, kill, no_files, repaired, settled, staff, steady
from conformance.cases.tasks import client
from conformance.cases.test_lifecycle_reload_graceful import LONG
from conformance.cases.under_load import answers, life, renewed
from conformance.target.view import Target

AT_ONCE = 1.0
"""Seconds in which an idle service has gone after a signal to its master."""

WHILE = 0.6
"""Seconds of a handler that runs when a signal comes."""


def ends(target: Target, number: int) -> None:
    """After this signal to the master nobody is left, in order. Raises Violation."""
    settled(target)
    target.process.signal(number)
    all_gone(target)
    no_files(target)
    if not target.process.spec.daemon and (status := target.process.exit_code()):
        raise Violation("wrong-status", f"the foreground `start` ended with status {status}")


# --- to the master -----------------------------------------------------------------------------------------


@life("lifecycle/signal/hang-up", "LIFE-054", service="task", needs=("stop",))
def test_hang_up(target: Target) -> str:
    """SIGHUP to the master stops everything, in order."""
    ends(target, signal.SIGHUP)
    return "done"


@life("lifecycle/signal/quit", "LIFE-054", service="task", needs=("stop_graceful",))
def test_quit(target: Target) -> str:
    """SIGQUIT to the master stops gracefully: a long request is answered first."""
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": LONG}, id=1)
        target.process.signal(signal.SIGQUIT)
        renewal.answered(caller, LONG)
    ends(target, signal.SIGQUIT)
    return "done"


@life("lifecycle/signal/user-1", "LIFE-054", service="task", needs=("reload",))
def test_user_1(target: Target) -> str:
    """SIGUSR1 to the master is a reload: new processes with new code."""
    before, version = settled(target), renewal.edit(target, "version 2\n")
    target.process.signal(signal.SIGUSR1)
    renewed(target, before)
    renewal.runs(target, version)
    return "done"


@life("lifecycle/signal/user-2", "LIFE-054", service="task", needs=("reload_graceful",))
def test_user_2(target: Target) -> str:
    """SIGUSR2 to the master is a graceful reload: new processes, and a long request is answered."""
    before = settled(target)
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": LONG}, id=1)
        target.process.signal(signal.SIGUSR2)
        renewal.answered(caller, LONG)
    renewed(target, before)
    return "done"


@life("lifecycle/signal/pipe", "LIFE-054", service="task")
def test_pipe(target: Target) -> str:
    """SIGPIPE to the master changes nothing."""
    before = settled(target)
    target.process.signal(signal.SIGPIPE)
    steady(target.process, before=before)
    answers(target)
    return "done"


@life("lifecycle/signal/at-once", "LIFE-059", service="task")
def test_at_once(target: Target) -> str:
    """SIGTERM to the master of an idle service takes effect at once."""
    settled(target)
    target.process.signal(signal.SIGTERM)
    if not target.process.wait_gone(AT_ONCE):
        raise Violation("late", f"{AT_ONCE:g} s after SIGTERM {sorted(target.process.family())} live on")
    return "done"


# --- to one process ----------------------------------------------------------------------------------------


def replaced(target: Target, number: int) -> str:
    """The process that gets this signal is replaced by a new one, and nobody else."""
    before = staff(target)
    kill(target.process, before[0], number)
    repaired(target.process, set(before), before[0])
    answers(target)
    return "done"


@life("lifecycle/signal/one-process-hang-up", "LIFE-055", service="task", needs=("stop",))
def test_one_hang_up(target: Target) -> str:
    """SIGHUP to one process ends that one; it is replaced, and the others live on."""
    return replaced(target, signal.SIGHUP)


@life("lifecycle/signal/one-process-quit", "LIFE-055", service="task", needs=("stop_graceful",))
def test_one_quit(target: Target) -> str:
    """SIGQUIT to one process ends that one gracefully; it is replaced, and the others live on."""
    return replaced(target, signal.SIGQUIT)


@life("lifecycle/signal/one-process-user-1", "LIFE-055", service="task", needs=("reload",))
def test_one_user_1(target: Target) -> str:
    """SIGUSR1 to one process reloads that one alone."""
    return replaced(target, signal.SIGUSR1)


@life("lifecycle/signal/one-process-user-2", "LIFE-055", service="task", needs=("reload_graceful",))
def test_one_user_2(target: Target) -> str:
    """SIGUSR2 to one process reloads that one alone, gracefully."""
    return replaced(target, signal.SIGUSR2)


@life("lifecycle/signal/handler-finishes", "LIFE-056", service="task")
def test_handler_finishes(target: Target) -> str:
    """A handler that runs when SIGTERM comes to its process is not interrupted: its reply arrives."""
    with client(target) as caller:
        pid = caller.ask("worker")["pid"]
        caller.call("block", {"seconds": WHILE}, id=1)
        caller.underway()
        kill(target.process, pid, signal.SIGTERM)
        caller.expect(WHILE, id=1)
        if caller.peer.ending() == "open":
            raise Violation("stays-open", "the process was told to end, and its connection stays open")
    return "done"


# --- to all of them, from a terminal -----------------------------------------------------------------------


def from_a_terminal(target: Target, number: int) -> str:
    """Everybody in the foreground gets the signal at once, and everything ends in order."""
    settled(target)
    with ExitStack() as stack:
        idlers = stack.enter_context(renewal.waiting(target))
        target.process.signal_group(number)
        all_gone(target)
        endings = {str(peer.ending()) for peer in idlers}
    no_files(target)
    if status := target.process.exit_code():
        raise Violation("wrong-status", f"the foreground `start` ended with status {status}")
    return ", ".join(sorted(endings))


@life("lifecycle/terminal/ctrl-c", "LIFE-058", service="task", needs=("stop",), outcome="fin")
def test_ctrl_c(target: Target) -> str:
    """Ctrl-C, which reaches every process in the foreground, stops everything in order."""
    return from_a_terminal(target, signal.SIGINT)


@life("lifecycle/terminal/closed", "LIFE-058", service="task", needs=("stop",), outcome="fin")
def test_terminal_closed(target: Target) -> str:
    """A terminal that is closed hangs up on every process in the foreground: everything stops in order."""
    return from_a_terminal(target, signal.SIGHUP)


@life(
    "lifecycle/terminal/ctrl-backslash", "LIFE-058", service="task", needs=("stop_graceful",), outcome="fin"
)
def test_ctrl_backslash(target: Target) -> str:
    r"""Ctrl-\ stops everything gracefully."""
    return from_a_terminal(target, signal.SIGQUIT)
