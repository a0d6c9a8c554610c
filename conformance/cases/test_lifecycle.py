"""The life of the service: start, stop, crash and replacement, signals, pid file, exit status.

Every case has a copy of the target for itself. The contract's exit status 0 says that it was done, any other
that it was not; which other is the target's choice.
"""

import os
import signal
import stat
from collections.abc import Callable
from contextlib import ExitStack

from conformance.case import CaseFunction, Unsupported, Violation, case
from conformance.cases.processes import (
    STOP,
    all_gone,
    dead_pid,
    kill,
    no_files,
    no_ports,
    pid_file,
    repaired,
    replacements,
    run,
    served,
    settled,
    staff,
    start,
    state,
    steady,
    stop,
    stranger,
    taken,
    unharmed,
)
from conformance.cases.tasks import Client, client, companions, processes
from conformance.target import family
from conformance.target.process import wait_until
from conformance.target.view import Target

LOOP = 2.0
"""Seconds for which a crash loop is watched."""

FORKS = 10
"""Replacements of one process that may be seen meanwhile: five a second are a few, a hundred are a storm."""

SETTLED = 1.2
"""Seconds that a replacement lives undisturbed before it dies too."""


def life(
    id: str,  # noqa: A002  the word of the contract
    *requirements: str,
    needs: tuple[str, ...] = (),
    service: str = "text",
    outcome: str = "done",
) -> Callable[[CaseFunction], CaseFunction]:
    """A case on a fresh copy of a target whose processes the suite has started; one right outcome."""
    return case(
        id,
        service=service,
        requirements=requirements,
        accept={outcome: "pass"},
        needs=("process", *needs),
        fresh=True,
    )


# --- start -------------------------------------------------------------------------------------------------


@life("lifecycle/start/declared-processes", "LIFE-006", "LIFE-008", service="task", needs=("workers.task",))
def test_declared_processes(target: Target) -> str:
    """As many processes as the target file declares serve tasks, numbered from 0."""
    ids = sorted(myself["id"] for myself in processes(target).values())
    if ids != list(range(target.workers["task"])):
        raise Violation("wrong-ids", f"the ids 0 to {target.workers['task'] - 1} were due, {ids} came")
    return "done"


@life("lifecycle/start/children-of-the-master", "LIFE-039", service="task", needs=("workers.task",))
def test_children_of_the_master(target: Target) -> str:
    """Every task process names the master, and is its child."""
    master = target.process.pid
    for pid, myself in processes(target).items():
        if myself["master"] != master or pid not in target.process.children():
            raise Violation("not-a-child", f"the master is {master}, a process says {myself}")
    return "done"


@life("lifecycle/start/second-fails", "LIFE-022", "LIFE-028")
def test_second_start_fails(target: Target) -> str:
    """A second start ends, and not with status 0."""
    if run(target, "start", target.process.spec.ready_timeout) == 0:
        raise Violation("status-0", "a second `start` ended with status 0")
    return "done"


@life("lifecycle/start/second-harmless", "LIFE-028")
def test_second_start_harmless(target: Target) -> str:
    """A second start leaves the first alone: the same processes, connections and pid file."""
    settled(target)
    with target.connect() as peer:
        before = state(target)
        run(target, "start", target.process.spec.ready_timeout)
        if (now := state(target)) != before:
            raise Violation("disturbed", f"master, children, pid file: {before} before, {now} after")
        peer.send(b"still here\n")
        peer.expect(b"still here\n")
    served(target)
    return "done"


@life("lifecycle/start/port-in-use", "LIFE-022", "LIFE-033", needs=("stop",))
def test_port_in_use(target: Target) -> str:
    """A start that cannot have one of its ports ends with a status other than 0."""
    if _start_without_its_port(target) == 0:
        raise Violation("status-0", f"{target.endpoint().url} was taken, and `start` ended with status 0")
    return "done"


@life("lifecycle/start/port-in-use-leaves-nothing", "LIFE-033", needs=("stop",))
def test_port_in_use_leaves_nothing(target: Target) -> str:
    """A start that cannot have one of its ports leaves no process and no pid file, and the next one works."""
    _start_without_its_port(target)
    all_gone(target)
    no_files(target)
    start(target)
    return "done"


def _start_without_its_port(target: Target) -> int:
    stop(target)
    with taken(target.endpoint()):
        return run(target, "start", target.process.spec.ready_timeout)


@life("lifecycle/start/again", "LIFE-087", needs=("stop",))
def test_start_again(target: Target) -> str:
    """Stop and start, three times over, without a pause."""
    for _ in range(3):
        stop(target)
        start(target)
    return "done"


# --- pid file ----------------------------------------------------------------------------------------------


@life("lifecycle/pid-file/holds-the-master", "LIFE-101", needs=("pid_file",))
def test_pid_file(target: Target) -> str:
    """The pid file holds one decimal number: the process whose children serve."""
    content = target.process.pid_file.read_text(encoding="utf-8")
    if not content.strip().isdecimal():
        raise Violation("not-a-number", f"the pid file holds {content!r}")
    children, port = settled(target), target.endpoint().port
    if not children or not family.listeners((int(content), *children), port):
        raise Violation("not-the-master", f"{content.strip()}, children {children}: none has port {port}")
    return "done"


@life("lifecycle/pid-file/private", "LIFE-101", needs=("pid_file",))
def test_pid_file_private(target: Target) -> str:
    """Nobody but its owner may write the pid file: whoever may chooses what `stop` stops."""
    mode = target.process.pid_file.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Violation("writable", f"the pid file has the mode {stat.filemode(mode)}")
    return "done"


@life("lifecycle/pid-file/of-a-dead-process", "LIFE-029", needs=("stop", "pid_file"))
def test_pid_file_of_a_dead_process(target: Target) -> str:
    """A pid file that names a dead process does not prevent a start."""
    stop(target)
    with pid_file(target, f"{dead_pid()}\n"):
        start(target)
    return "done"


@life("lifecycle/pid-file/of-a-stranger", "LIFE-029", needs=("stop", "pid_file"))
def test_pid_file_of_a_stranger(target: Target) -> str:
    """A pid file that names a living process of somebody else does not prevent a start."""
    stop(target)
    with stranger() as bystander, pid_file(target, f"{bystander.pid}\n"):
        start(target)
        unharmed(bystander)
    return "done"


@life("lifecycle/pid-file/garbage", "LIFE-029", needs=("stop", "pid_file"))
def test_pid_file_garbage(target: Target) -> str:
    """A pid file that holds no number, or nothing, does not prevent a start."""
    for content in ("no number\n", ""):
        stop(target)
        with pid_file(target, content):
            start(target)
    return "done"


@life("lifecycle/pid-file/commands-spare-a-stranger", "LIFE-030", needs=("stop", "pid_file"))
def test_commands_spare_a_stranger(target: Target) -> str:
    """With the pid of somebody else in the pid file no command signals that process."""
    stop(target)
    with stranger() as bystander, pid_file(target, f"{bystander.pid}\n"):
        for command in {"status", "stop"} & target.process.spec.commands.keys():
            run(target, command)
        unharmed(bystander)
    return "done"


# --- stop and status ---------------------------------------------------------------------------------------


@life("lifecycle/stop/exit-status", "LIFE-022", "LIFE-079", needs=("stop",))
def test_stop_exit_status(target: Target) -> str:
    """`stop` ends with status 0 when it has stopped the service."""
    if status := run(target, "stop"):
        raise Violation("wrong-status", f"`stop` ended with status {status}")
    return "done"


@life("lifecycle/stop/not-running", "LIFE-022", needs=("stop",))
def test_stop_not_running(target: Target) -> str:
    """`stop` where nothing runs has nothing to do, and ends with status 0."""
    stop(target)
    if status := run(target, "stop"):
        raise Violation("wrong-status", f"`stop` of a stopped service ended with status {status}")
    return "done"


@life("lifecycle/stop/gone-on-return", "LIFE-079", service="task", needs=("stop",))
def test_stop_gone_on_return(target: Target) -> str:
    """When `stop` returns nobody is left, also where somebody had something to finish."""
    with client(target) as caller:
        caller.usable()
        caller.call("block", {"seconds": 0.5})
        run(target, "stop")
        if left := target.process.family():
            raise Violation("lives-on", f"`stop` has returned, {sorted(left)} live on")
    return "done"


@life("lifecycle/stop/no-process-left", "LIFE-087", needs=("stop",))
def test_stop_no_process_left(target: Target) -> str:
    """After `stop` no process of the service is left."""
    run(target, "stop")
    all_gone(target)
    return "done"


@life("lifecycle/stop/ports-free", "LIFE-087", needs=("stop",))
def test_stop_ports_free(target: Target) -> str:
    """After `stop` no port takes connections."""
    run(target, "stop")
    no_ports(target)
    return "done"


@life("lifecycle/stop/files-gone", "LIFE-087", needs=("stop",))
def test_stop_files_gone(target: Target) -> str:
    """After `stop` the pid file has gone, and so has every Unix socket."""
    run(target, "stop")
    no_files(target)
    return "done"


@life("lifecycle/stop/foreground-exit-status", "LIFE-022", needs=("stop",))
def test_stop_foreground_exit_status(target: Target) -> str:
    """A service started in the foreground ends with status 0 when it is stopped."""
    if target.process.spec.daemon:
        raise Unsupported("a daemon's own exit status is seen by nobody")
    run(target, "stop")
    if status := target.process.exit_code():
        raise Violation("wrong-status", f"the foreground `start` ended with status {status}")
    return "done"


@life("lifecycle/stop/idle-clients", "LIFE-080", needs=("stop",), outcome="fin")
def test_stop_idle_clients(target: Target) -> str:
    """Clients that are connected and silent do not hold a stop up, and see an orderly end."""
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect()) for _ in range(8)]
        for peer in peers:
            peer.send(b"here\n")
            peer.expect(b"here\n")
        stop(target)
        endings = {str(peer.ending()) for peer in peers}
    return ", ".join(sorted(endings))


@life("lifecycle/stop/request-that-waits", "LIFE-068", service="task", needs=("stop",))
def test_stop_request_that_waits(target: Target) -> str:
    """A request that is a moment from its reply, without blocking, when `stop` comes is still answered."""
    return _answered_before_the_end(target, "sleep")


@life("lifecycle/stop/request-that-blocks", "LIFE-066", service="task", needs=("stop",))
def test_stop_request_that_blocks(target: Target) -> str:
    """A request that blocks its process for a moment when `stop` comes is still answered."""
    return _answered_before_the_end(target, "block")


def _answered_before_the_end(target: Target, function: str) -> str:
    with client(target) as caller:
        caller.usable()
        caller.call(function, {"seconds": 0.5}, id=1)
        stop(target)
        caller.expect(0.5, id=1)
    return "done"


@life("lifecycle/stop/hanging-task", "LIFE-067", service="task", needs=("stop",))
def test_stop_hanging_task(target: Target) -> str:
    """A process that hangs is killed by the deadline of a stop, and the stop succeeds."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("hang")
        if not wait_until(lambda: not _answers(other), STOP):
            raise Violation("does-not-hang", "the process of a task that hangs serves on")
        stop(target)
    return "done"


def _answers(caller: Client) -> bool:
    """Whether one more request is answered; it may still overtake what is to block the process."""
    caller.call("echo", {"value": 1})
    try:
        caller.reply(within=caller.peer.calibration.quiet)
    except Violation:
        return False
    return True


@life("lifecycle/status/running", "LIFE-022", needs=("status",))
def test_status_running(target: Target) -> str:
    """`status` of a running service ends with status 0, and changes nothing."""
    before = settled(target)
    if status := run(target, "status"):
        raise Violation("wrong-status", f"the service runs, and `status` ended with status {status}")
    if target.process.children() != before:
        raise Violation("disturbed", f"children {before} before `status`, {target.process.children()} after")
    return "done"


@life("lifecycle/status/not-running", "LIFE-022", needs=("status", "stop"))
def test_status_not_running(target: Target) -> str:
    """`status` where nothing runs does not end with status 0."""
    stop(target)
    if run(target, "status") == 0:
        raise Violation("status-0", "nothing runs, and `status` ended with status 0")
    return "done"


# --- signals to the master ---------------------------------------------------------------------------------


@life("lifecycle/signal/terminate", "LIFE-054")
def test_terminate(target: Target) -> str:
    """SIGTERM to the master stops everything."""
    target.process.signal(signal.SIGTERM)
    all_gone(target)
    return "done"


@life("lifecycle/signal/interrupt", "LIFE-054")
def test_interrupt(target: Target) -> str:
    """SIGINT to the master alone stops everything."""
    target.process.signal(signal.SIGINT)
    all_gone(target)
    return "done"


@life("lifecycle/master/killed", "LIFE-050")
def test_master_killed(target: Target) -> str:
    """When the master is killed its processes end too, and the ports become free."""
    settled(target)
    target.process.signal(signal.SIGKILL)
    all_gone(target)
    no_ports(target)
    return "done"


@life("lifecycle/master/killed-start-again", "LIFE-050")
def test_master_killed_start_again(target: Target) -> str:
    """After the master was killed the service can be started again, past whatever was left behind."""
    settled(target)
    target.process.signal(signal.SIGKILL)
    all_gone(target)
    start(target)
    return "done"


# --- crash and replacement ---------------------------------------------------------------------------------


@life("lifecycle/crash/killed", "LIFE-041")
def test_crash_killed(target: Target) -> str:
    """A killed process is replaced by one new one at once; the others live on."""
    before = staff(target)
    kill(target.process, before[0])
    repaired(target.process, set(before), before[0])
    served(target)
    return "done"


@life("lifecycle/crash/by-itself", "LIFE-041", service="task")
def test_crash_by_itself(target: Target) -> str:
    """A process that ends itself, by `crash`, is replaced by one new one at once; the others live on."""
    before = set(staff(target))
    with client(target) as caller:
        pid = caller.ask("worker")["pid"]
        caller.call("crash")
        repaired(target.process, before, pid)
    return "done"


@life("lifecycle/crash/terminated", "LIFE-041", "LIFE-055")
def test_crash_terminated(target: Target) -> str:
    """SIGTERM to one process ends that one, in order; it is replaced, and the others live on."""
    before = staff(target)
    kill(target.process, before[0], signal.SIGTERM)
    repaired(target.process, set(before), before[0])
    served(target)
    return "done"


@life("lifecycle/crash/twice", "LIFE-041", "LIFE-042")
def test_crash_twice(target: Target) -> str:
    """A process is replaced at once, also when it was a replacement that has lived for a while."""
    for _ in range(2):
        before = staff(target)
        kill(target.process, before[-1])
        repaired(target.process, set(before), before[-1])
        steady(target.process, SETTLED)
    return "done"


@life("lifecycle/crash/same-id", "LIFE-008", service="task", needs=("workers.task",))
def test_crash_same_id(target: Target) -> str:
    """The replacement takes over the id of the process that it replaces."""
    before = processes(target)
    victim = next(iter(before))
    children = set(staff(target))
    kill(target.process, victim)
    repaired(target.process, children, victim)
    ids = sorted(myself["id"] for myself in processes(target).values())
    if ids != sorted(myself["id"] for myself in before.values()):
        raise Violation("wrong-ids", f"after id {before[victim]['id']} died, the ids are {ids}")
    return "done"


@life("lifecycle/crash/port-never-refuses", "LIFE-041", needs=("workers.text",))
def test_port_never_refuses(target: Target) -> str:
    """While a process dies and is replaced, new connections are taken and served."""
    before = staff(target)
    kill(target.process, before[0])
    for _ in range(50):
        served(target)
    repaired(target.process, set(before), before[0])
    return "done"


@life("lifecycle/crash/loop-is-throttled", "LIFE-042")
def test_crash_loop(target: Target) -> str:
    """A process that dies whenever it is replaced is replaced a few times a second, not a hundred times."""
    seen = replacements(target.process, staff(target)[-1], LOOP)
    if not seen:
        raise Violation("not-repaired", f"nobody took its place within {LOOP:g} s")
    if len(seen) > FORKS:
        raise Violation("storm", f"{len(seen)} processes in {LOOP:g} s for one that dies at once")
    return "done"


@life("lifecycle/frozen/not-replaced", "LIFE-049")
def test_frozen_not_replaced(target: Target) -> str:
    """A process that is halted (SIGSTOP) has not ended: nobody takes its place."""
    before = staff(target)
    kill(target.process, before[0], signal.SIGSTOP)
    try:
        steady(target.process, before=before)  # a master that errs may have acted before anybody looks
    finally:
        os.kill(before[0], signal.SIGCONT)
    return "done"


@life("lifecycle/frozen/stopped-with-the-rest", "LIFE-049", needs=("stop",))
def test_frozen_stopped(target: Target) -> str:
    """`stop` ends a process that is halted too."""
    kill(target.process, staff(target)[0], signal.SIGSTOP)
    stop(target)
    return "done"
