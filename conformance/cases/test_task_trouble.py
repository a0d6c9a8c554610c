"""Tasks that are slow, break or kill their process, and clients that leave: what others notice of it.

Numbers of processes are what the target file declares. Times are only compared with times that the case
itself asked for (`sleep`, `block`): a reply came before a slower one, or it did not.
"""

from contextlib import ExitStack
from time import monotonic

from conformance.case import Unsupported, Violation, case
from conformance.cases.tasks import Client, bystanders, client, companions, in_less_than, request
from conformance.exploration import explore
from conformance.strategies import garbage
from conformance.target.view import Target
from conformance.wire.peer import Peer

ANSWERED = {"answered": "pass"}
UNHARMED = {"unharmed": "pass"}
GONE = {"fin": "pass", "reset": "pass"}
"""A process that dies with unread input sends a reset."""

LONG = 1.0
"""Seconds of a task that others have to overtake: far more than a few exchanges take."""


# --- slow tasks, and tasks that break ----------------------------------------------------------------------


@case("task/sleep/takes-its-time", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_sleep(target: Target) -> str:
    """`sleep` answers with the seconds, and not before they are over."""
    with client(target) as caller:
        started = monotonic()
        caller.exchange("sleep", {"seconds": 0.25}, 0.25)
        if (taken := monotonic() - started) < 0.25:
            raise Violation("too-early", f"the reply came after {taken:.3f} s")
    return "answered"


@case("task/sleep/others-are-served", service="task", requirements=("TASK-017",), accept=ANSWERED)
def test_sleep_others_are_served(target: Target) -> str:
    """While more connections than processes wait for `sleep`, just as many others are answered."""
    count = 3 * target.workers.get("task", 4)
    with ExitStack() as stack:
        sleepers = [stack.enter_context(client(target)) for _ in range(count)]
        for sleeper in sleepers:
            sleeper.call("sleep", {"seconds": LONG})
        with in_less_than(LONG / 2, "sleep"):
            for _ in range(count):
                stack.enter_context(client(target)).usable()
        with in_less_than(2 * LONG, "sleep"):
            for sleeper in sleepers:
                sleeper.expect(LONG)
    return "answered"


@case(
    "task/block/a-free-process-serves",
    service="task",
    requirements=("TASK-017",),
    accept=ANSWERED,
    needs=("workers.task",),
)
def test_block(target: Target) -> str:
    """While all processes but one are in `block`, new connections are answered at once."""
    if target.workers["task"] < 2:
        raise Unsupported("one process alone cannot serve while it blocks")
    with ExitStack() as stack:
        for _ in range(target.workers["task"] - 1):
            caller = stack.enter_context(client(target))
            caller.usable()
            caller.call("block", {"seconds": LONG})
            caller.peer.silent()  # by now it blocks, and takes no connection any more
        with in_less_than(LONG / 2, "block"):
            for _ in range(10):
                with client(target) as other:
                    other.usable()
    return "answered"


@case("task/block/its-own-reply", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_block_reply(target: Target) -> str:
    """`block` answers with the seconds; what came meanwhile on the same process is answered after it."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("block", {"seconds": 0.2}, id=1)
        other.call("echo", {"value": "meanwhile"}, id=2)
        one.expect(0.2, id=1)
        other.expect("meanwhile", id=2)
    return "answered"


@case(
    "task/throw/contained",
    service="task",
    requirements=("TCP-019",),
    accept={"error": "pass", "closed": "pass"},
)
def test_throw(target: Target) -> str:
    """`throw` ends in an error reply or a closed connection; another one of the same process lives on."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("throw", {}, id=1)
        outcome = "closed" if ends(one) else "error"
        other.usable()
    return outcome


def ends(caller: Client) -> bool:
    """Whether the connection ends next; otherwise an error comes and it stays usable."""
    try:
        caller.expect_error(id=1)
    except Violation as violation:
        if violation.outcome in GONE:
            return True
        raise
    caller.usable()
    return False


@case("task/crash/ends-without-reply", service="task", requirements=("TASK-006",), accept=GONE, fresh=True)
def test_crash(target: Target) -> str:
    """`crash` ends the connection, and the others of that process, without any reply."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("crash", {}, id=1)
        endings = [one.peer.ending(), other.peer.ending()]
    return "open" if "open" in endings else endings[0]


@case(
    "task/crash/others-unharmed",
    service="task",
    requirements=("TASK-006",),
    accept=UNHARMED,
    needs=("workers.task",),
    fresh=True,
)
def test_crash_others_unharmed(target: Target) -> str:
    """After a `crash`, connections to the other processes go on, and new ones are served as before."""
    with ExitStack() as stack:
        callers = [stack.enter_context(client(target)) for _ in range(4 * target.workers["task"])]
        pids = [caller.ask("worker")["pid"] for caller in callers]
        callers[0].call("crash")
        callers[0].peer.ending()
        for caller, pid in zip(callers, pids, strict=True):
            if pid != pids[0]:
                caller.usable()
        for _ in range(20):
            stack.enter_context(client(target)).usable()
    return "unharmed"


# --- limits, leaving, and anything at all ------------------------------------------------------------------


@case(
    "task/limit/oversize",
    service="task",
    requirements=("TEXT-005",),
    accept=GONE,
    needs=("limits.max_package_size",),
)
def test_oversize(target: Target) -> str:
    """A request over the limit closes its connection, unanswered; another one of the process goes on."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("echo", {"value": "x" * target.limits["max_package_size"]})
        ending = one.peer.ending()
        other.usable()
    return ending


@case("task/leaving/fin-after-requests", service="task", requirements=("TCP-017",), accept={"fin": "pass"})
def test_fin_after_requests(target: Target) -> str:
    """A client that sends requests and then FIN gets every reply, also a slow one, and an orderly end."""
    with client(target) as caller:
        caller.send(request("echo", {"value": 1}), request("sleep", {"seconds": 0.2}))
        caller.peer.send(b'{"function')
        caller.peer.finish()
        caller.expect(1)
        caller.expect(0.2)
        return caller.peer.ending()


@case("task/leaving/in-mid-request", service="task", requirements=("TCP-018",), accept=UNHARMED)
def test_leaving(target: Target) -> str:
    """Clients that leave, with FIN or a reset, in mid-request or before the reply: nobody else notices."""
    with ExitStack() as stack:
        others = bystanders(target, stack)
        for leave in (Peer.reset, Peer.close) * 4:
            for message in (request("sleep", {"seconds": 0.05}), request("worker"), b""):
                with client(target) as leaver:
                    leaver.send(message)
                    leaver.peer.send(b'{"function": "ec')
                    leave(leaver.peer)
        for bystander in others:
            bystander.exchange("sleep", {"seconds": 0.1}, 0.1)
            bystander.usable()
    return "unharmed"


@case("task/robustness/garbage", service="task", requirements=("TCP-018",), accept=UNHARMED, explores=True)
def test_garbage(target: Target) -> str:
    """Bytes without any plan, then a reset: other connections are served as before."""
    with ExitStack() as stack:
        others = bystanders(target, stack)

        def check(data: bytes) -> None:
            with client(target) as stranger:
                stranger.peer.send(data + b"\n" + data)
                stranger.peer.reset()
            for bystander in others:
                bystander.usable()

        explore(target, garbage(), check)
    return "unharmed"
