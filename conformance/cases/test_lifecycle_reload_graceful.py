"""Graceful reload: new code, and not one request lost.

`reload_graceful` lets requests in flight finish, also those that an asynchronous reply is still owed to, and
closes idle connections (contract, section 4). The ledger of live traffic is the strictest there is: every
request is answered, once and rightly.
"""

from contextlib import ExitStack

from conformance.case import Violation
from conformance.cases import renewal
from conformance.cases.processes import run, settled, stop
from conformance.cases.tasks import client
from conformance.cases.under_load import answers, deed, ledger, life, live, reloaded, renewed
from conformance.ledger import NOTHING_LOST, Ledger, uphold
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.traffic.habits import everyday
from conformance.wire.clock import clock

GRACEFUL = ("reload_graceful",)

LONG = 3.5
"""Seconds that a request in flight takes: longer than the short deadline of a plain reload."""

SOON = 2.0
"""Seconds in which new code answers new connections, whoever is still at work in the old processes."""


# --- the command, processes and code -----------------------------------------------------------------------


@life("lifecycle/reload-graceful/exit-status", "LIFE-022", "LIFE-061", needs=GRACEFUL)
def test_exit_status(target: Target) -> str:
    """`reload_graceful` of a running service ends with status 0, and the service answers on."""
    renewal.command(target, "reload_graceful")
    answers(target)
    return "done"


@life("lifecycle/reload-graceful/not-running", "LIFE-022", "LIFE-061", needs=("stop", "reload_graceful"))
def test_not_running(target: Target) -> str:
    """`reload_graceful` where nothing runs does not end with status 0."""
    stop(target)
    if run(target, "reload_graceful") == 0:
        raise Violation("status-0", "nothing runs, and `reload_graceful` ended with status 0")
    return "done"


@life("lifecycle/reload-graceful/new-processes", "LIFE-071", needs=GRACEFUL)
def test_new_processes(target: Target) -> str:
    """Under the same master every worker is replaced by a new one, and soon no old one is left."""
    master = target.process.pid
    reloaded(target, "reload_graceful")
    if target.process.pid != master:
        raise Violation("new-master", f"the master was {master}, it is {target.process.pid}")
    answers(target)
    return "done"


@life("lifecycle/reload-graceful/new-code", "LIFE-065", "LIFE-071", service="task", needs=GRACEFUL)
def test_new_code(target: Target) -> str:
    """After an edit and a graceful reload every process runs the new code."""
    renewal.new_code(target, "reload_graceful")
    return "done"


@life("lifecycle/reload-graceful/during-reload", "LIFE-057", service="task", needs=GRACEFUL)
def test_during_reload(target: Target) -> str:
    """A graceful reload that is asked for during another one is not lost."""
    renewal.again_meanwhile(target, "reload_graceful")
    return "done"


# --- under live traffic ------------------------------------------------------------------------------------


def under_load(target: Target, times: int = 1) -> Ledger:
    """Reload gracefully, several times over, while clients of everything are at work."""
    before, old = settled(target), frozenset[str]()
    if "task" in target.copy.addresses:
        old = frozenset({renewal.says(target)})
        renewal.edit(target, "version 2\n")
    with live(target) as traffic:
        for _ in range(times):
            deed(target, traffic, "reload_graceful")
            renewed(target, before)
            before = settled(target)
    return ledger(target, traffic, old)


@life("lifecycle/reload-graceful/nothing-lost", "LIFE-071", needs=GRACEFUL)
def test_nothing_lost(target: Target) -> str:
    """Under live traffic of every kind each request is answered, once and rightly."""
    uphold(under_load(target), NOTHING_LOST)
    return "done"


@life("lifecycle/reload-graceful/five-in-a-row", "LIFE-071", needs=GRACEFUL)
def test_five_in_a_row(target: Target) -> str:
    """Five graceful reloads, one after the other, under live traffic: each request is answered."""
    uphold(under_load(target, times=5), NOTHING_LOST)
    return "done"


# --- those in the middle -----------------------------------------------------------------------------------


@life("lifecycle/reload-graceful/long-request", "LIFE-071", service="task", needs=GRACEFUL)
def test_long_request(target: Target) -> str:
    """A request that takes longer than a plain reload would wait is answered."""
    renewal.in_flight(target, "reload_graceful", "sleep", LONG)
    return "done"


@life("lifecycle/reload-graceful/long-request-through-a-relay", "LIFE-071", service="relay", needs=GRACEFUL)
def test_long_request_through_a_relay(target: Target) -> str:
    """A reply that is owed asynchronously, through another service, arrives however long it takes."""
    renewal.in_flight(target, "reload_graceful", "sleep", LONG)
    return "done"


@life("lifecycle/reload-graceful/half-sent", "LIFE-069", service="text", needs=GRACEFUL)
def test_half_sent(target: Target) -> str:
    """Half a message, completed when the old processes are leaving already, is answered."""
    renewal.half_sent(target, "reload_graceful")
    return "done"


@life(
    "lifecycle/reload-graceful/pending-output",
    "LIFE-070",
    service="text",
    needs=("reload_graceful", "limits.max_package_size"),
)
def test_pending_output(target: Target) -> str:
    """A long answer that its client is still reading arrives whole."""
    renewal.pending_output(target, "reload_graceful")
    return "done"


@life("lifecycle/reload-graceful/idle-clients", "LIFE-071", needs=GRACEFUL, outcome="fin")
def test_idle_clients(target: Target) -> str:
    """Idle connections to old processes end in order, and hold no old process."""
    return renewal.idlers_end(target, "reload_graceful")


@life(
    "lifecycle/reload-graceful/websocket-told",
    "LIFE-078",
    service="websocket",
    needs=GRACEFUL,
    outcome="going-away",
)
def test_websocket_told(target: Target) -> str:
    """Idle WebSocket clients are told 1001, going away, before their connection ends."""
    return renewal.told(target, "reload_graceful")


@life("lifecycle/reload-graceful/mails", "LIFE-071", "TASK-016", service="task", needs=GRACEFUL)
def test_mails(target: Target) -> str:
    """Mails that were asked for before a graceful reload are all accepted, and in the outbox once."""
    if missing := renewal.mails(target, "reload_graceful"):
        raise Violation("lost", f"{missing} mails that were asked for were not accepted")
    return "done"


# --- the old do not hold up the new ------------------------------------------------------------------------


@life("lifecycle/reload-graceful/new-beside-old", "LIFE-072", service="task", needs=GRACEFUL)
def test_new_beside_old(target: Target) -> str:
    """New code answers new connections while an old process still works on a long request."""
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": LONG}, id=1)
        _soon_new(target)
        renewal.answered(caller, LONG)
    return "done"


@life("lifecycle/reload-graceful/new-beside-hanging", "LIFE-072", service="task", needs=GRACEFUL)
def test_new_beside_hanging(target: Target) -> str:
    """New code answers new connections although an old process hangs."""
    with ExitStack() as stack:
        renewal.hang(target, stack)
        _soon_new(target)
    return "done"


def _soon_new(target: Target) -> None:
    """New code answers within `SOON` of the end of the command. Raises Violation `held-up`."""
    version = renewal.edit(target, "version 2\n")
    renewal.command(target, "reload_graceful")
    started = clock.exactly()
    if not wait_until(lambda: renewal.says(target) == version, SOON, poll=0.05):
        waited = clock.exactly() - started
        raise Violation("held-up", f"{waited:.1f} s after the command new connections meet old code")


@life("lifecycle/reload-graceful/hanging-process-holds-nobody-up", "LIFE-071", service="task", needs=GRACEFUL)
def test_hanging_holds_nobody_up(target: Target) -> str:
    """While an old process hangs, and nobody waits for it to end, the clients of all others lose nothing."""
    quick = [habit for habit in everyday(["text", "frame", "http"]) if habit.service in target.copy.addresses]
    with ExitStack() as stack:
        renewal.hang(target, stack)
        with live(target, quick, after=SOON) as traffic:
            deed(target, traffic, "reload_graceful")
    uphold(ledger(target, traffic), NOTHING_LOST)
    return "done"
