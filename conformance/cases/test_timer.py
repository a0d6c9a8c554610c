"""Timers, as far as the contract shows them: the function `sleep` is a timer, and its reply the callback."""

from contextlib import ExitStack

from conformance.case import Violation, case
from conformance.cases.patience import Moment, moment
from conformance.cases.processes import ended
from conformance.cases.tasks import Client, client, companions, in_less_than
from conformance.cases.under_load import life
from conformance.target.view import Target

LATE = 0.25
"""Seconds that an idle process may be late, with a busy machine and the way of request and reply."""

FIRES = {"fires": "pass"}


def _timed(caller: Client, seconds: float) -> Moment:
    """How long one `sleep` takes, as its caller sees it."""
    started = moment()
    caller.exchange("sleep", {"seconds": seconds}, seconds)
    return moment().since(started)


@case("timer/sleep/never-early", service="task", requirements=("TIMER-002",), accept=FIRES)
def test_never_early(target: Target) -> str:
    """A timer of a fraction of a second, also a tiny one, never fires before its time, and not long after."""
    with client(target) as caller:
        for seconds in (0.001, 0.02, 0.15, 0.4):
            taken = _timed(caller, seconds)
            if taken.wall < seconds or taken.clock > seconds + LATE:
                raise Violation("off-time", f"`sleep` of {seconds:g} s took {taken.wall:.4f} s")
    return "fires"


@case("timer/sleep/zero", service="task", requirements=("TIMER-006",), accept=FIRES)
def test_zero(target: Target) -> str:
    """An interval of 0 is allowed, and many of them hold nobody up."""
    with client(target) as caller, client(target) as other:
        with in_less_than(0.5, "`sleep` of 0 s"):
            caller.ask("sleep", {"seconds": 0})
        with in_less_than(1.0, "200 times `sleep` of 0 s"):
            for number in range(200):
                caller.call("sleep", {"seconds": 0}, id=number)
            other.usable()
            seen = {caller.reply()["id"] for _ in range(200)}
    if len(seen) != 200:
        raise Violation("wrong-answer", f"of 200 timers {len(seen)} have fired once")
    return "fires"


@case("timer/sleep/order", service="task", requirements=("TIMER-015",), accept={"in-order": "pass"})
def test_order(target: Target) -> str:
    """Timers of one process fire in the order in which they are due, not in that of their creation."""
    delays = [0.45, 0.15, 0.3]
    with ExitStack() as stack:
        callers = _of_one_process(target, stack, len(delays))
        for caller, seconds in zip(callers, delays, strict=True):
            caller.call("sleep", {"seconds": seconds}, id=1)
        for number in sorted(range(len(delays)), key=delays.__getitem__):
            callers[number].expect(delays[number], id=1)
            for later, caller in zip(delays, callers, strict=True):
                if later > delays[number]:
                    caller.peer.silent(caller.peer.calibration.gap)
    return "in-order"


def _of_one_process(target: Target, stack: ExitStack, count: int) -> list[Client]:
    """So many clients of the same task process."""
    met = dict[int, list[Client]]()
    for _ in range((count - 1) * target.workers.get("task", 15) + 1):
        caller = stack.enter_context(client(target))
        clients = met.setdefault(caller.ask("worker")["pid"], [])
        clients.append(caller)
        if len(clients) == count:
            return clients
    raise Violation("too-many-processes", f"connections went to the processes {sorted(met)}")


@case("timer/sleep/others-go-on", service="task", requirements=("TIMER-013",), accept={"served": "pass"})
def test_others_go_on(target: Target) -> str:
    """`sleep` suspends its own request only: another connection of the same process is answered meanwhile."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("sleep", {"seconds": 1.0}, id=1)
        with in_less_than(0.5, "`sleep`"):
            other.usable()
            other.exchange("sleep", {"seconds": 0.05}, 0.05)
        one.expect(1.0, id=1)
    return "served"


@life("timer/stop/fires-while-draining", "TIMER-014", service="task", needs=("stop_graceful",))
def test_fires_while_draining(target: Target) -> str:
    """Timers fire while a process drains: several replies that are due during a graceful stop all come."""
    delays = [0.8, 1.2, 1.6]
    with client(target) as caller:
        caller.usable()
        for number, seconds in enumerate(delays):
            caller.call("sleep", {"seconds": seconds}, id=number)
        stopping = target.process.launch("stop_graceful")
        for number, seconds in enumerate(delays):
            caller.expect(seconds, id=number)
    ended(stopping)
    return "done"


@life("timer/stop/does-not-wait", "TIMER-014", service="task", needs=("stop",))
def test_does_not_wait(target: Target) -> str:
    """A timer that is due long after does not hold a stop up beyond its deadline."""
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": 60}, id=1)
        if status := target.process.command("stop").returncode:
            raise Violation("wrong-status", f"`stop` ended with status {status}")
        if not target.process.wait_gone(2.0):
            raise Violation("lives-on", "a timer of a minute keeps a stopped service alive")
    return "done"
