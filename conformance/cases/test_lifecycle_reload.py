"""Reload: new code, the same service. Nobody is refused, and what is nearly done is done.

The plain `reload` ends requests in flight by a short deadline (contract, section 4). Under live traffic it
may lose what takes longer; it never refuses, repeats or garbles.
"""

from contextlib import ExitStack

from conformance.case import Violation
from conformance.cases import renewal
from conformance.cases.processes import run, settled, stop
from conformance.cases.renewal import hang
from conformance.cases.tasks import processes
from conformance.cases.under_load import answers, deed, ledger, life, live, offered, reloaded, renewed
from conformance.ledger import ANSWERED, BROKEN, NOBODY_REFUSED, Ledger, Rule, uphold
from conformance.target.view import Target
from conformance.traffic.habits import everyday

RELOAD = ("reload",)

WHILE = 1.0
"""Seconds that a request in flight takes: more than a reload needs to begin, less than its short deadline."""

SLOWEST = 1.0
"""Seconds that a client with a new connection waits at most while processes come and go."""

SHORT = Rule(
    "requests that are answered at once are answered during a reload too",
    BROKEN | {"refused"},
    lambda story: story.takes == 0,
)


# --- the command -------------------------------------------------------------------------------------------


@life("lifecycle/reload/exit-status", "LIFE-022", "LIFE-061", needs=RELOAD)
def test_exit_status(target: Target) -> str:
    """`reload` of a running service ends with status 0, and the service answers on."""
    renewal.command(target, "reload")
    answers(target)
    return "done"


@life("lifecycle/reload/not-running", "LIFE-022", "LIFE-061", needs=("stop", "reload"))
def test_not_running(target: Target) -> str:
    """`reload` where nothing runs does not end with status 0, and starts nothing."""
    stop(target)
    if run(target, "reload") == 0:
        raise Violation("status-0", "nothing runs, and `reload` ended with status 0")
    if left := target.process.family():
        raise Violation("lives-on", f"`reload` of a service that does not run has left {sorted(left)}")
    return "done"


# --- processes and code ------------------------------------------------------------------------------------


@life("lifecycle/reload/same-master", "LIFE-062", needs=RELOAD)
def test_same_master(target: Target) -> str:
    """The master keeps its pid."""
    master = target.process.pid
    reloaded(target)
    if target.process.pid != master:
        raise Violation("new-master", f"the master was {master}, it is {target.process.pid}")
    return "done"


@life("lifecycle/reload/new-processes", "LIFE-062", needs=RELOAD)
def test_new_processes(target: Target) -> str:
    """Every worker is replaced by a new one, and soon no old one is left."""
    reloaded(target)
    answers(target)
    return "done"


@life("lifecycle/reload/same-ids", "LIFE-008", "LIFE-062", service="task", needs=("reload", "workers.task"))
def test_same_ids(target: Target) -> str:
    """The new processes have the ids of the old ones."""
    reloaded(target)
    ids = sorted(myself["id"] for myself in processes(target).values())
    if ids != list(range(target.workers["task"])):
        raise Violation("wrong-ids", f"the ids 0 to {target.workers['task'] - 1} were due, {ids} came")
    return "done"


@life("lifecycle/reload/new-code", "LIFE-065", service="task", needs=RELOAD)
def test_new_code(target: Target) -> str:
    """After an edit and a reload every process runs the new code."""
    renewal.new_code(target, "reload")
    return "done"


@life("lifecycle/reload/during-reload", "LIFE-057", service="task", needs=RELOAD)
def test_during_reload(target: Target) -> str:
    """A reload that is asked for during another one is not lost: the last edit takes effect."""
    renewal.again_meanwhile(target, "reload")
    return "done"


@life("lifecycle/reload/broken-code", "LIFE-074", service="task", needs=RELOAD)
def test_broken_code(target: Target) -> str:
    """New code that cannot be loaded does not take the service down; put right, it can be reloaded."""
    renewal.broken_code(target, "reload")
    return "done"


# --- under live traffic ------------------------------------------------------------------------------------


def under_load(target: Target, times: int = 1) -> Ledger:
    """Reload, several times over, while clients of everything are at work."""
    before = settled(target)
    with live(target) as traffic:
        for _ in range(times):
            deed(target, traffic, "reload")
            renewed(target, before)
            before = settled(target)
    return ledger(target, traffic)


@life("lifecycle/reload/nobody-refused", "LIFE-062", needs=RELOAD)
def test_nobody_refused(target: Target) -> str:
    """Under live traffic a reload refuses nobody, and no answer is wrong or comes twice."""
    uphold(under_load(target), NOBODY_REFUSED)
    return "done"


@life("lifecycle/reload/short-requests", "LIFE-075", needs=RELOAD)
def test_short_requests(target: Target) -> str:
    """Under live traffic a reload loses no request that is answered at once."""
    uphold(under_load(target), SHORT)
    return "done"


@life("lifecycle/reload/five-in-a-row", "LIFE-062", needs=RELOAD)
def test_five_in_a_row(target: Target) -> str:
    """Five reloads, one after the other, under live traffic: nobody is refused, nothing wrong or twice."""
    uphold(under_load(target, times=5), NOBODY_REFUSED)
    return "done"


@life("lifecycle/reload/always-somebody", "LIFE-073", needs=RELOAD)
def test_always_somebody(target: Target) -> str:
    """During a reload a new connection is served without a noticeable wait: somebody is always ready."""
    before = settled(target)
    with live(target, [habit for habit in offered(target, slow=False) if habit.fresh]) as traffic:
        deed(target, traffic, "reload")
        renewed(target, before)
    kept = ledger(target, traffic)
    uphold(kept, NOBODY_REFUSED)
    stories = [entry.story for entry in kept.entries if entry.ending in ANSWERED]
    worst = max(stories, key=lambda story: story.ended_at - story.sent_at)
    if (waited := worst.ended_at - worst.sent_at) > SLOWEST:
        raise Violation(
            "held-up", f"{worst.service} client {worst.lane} waited {waited:.2f} s at {worst.sent_at:.3f} s"
        )
    return "done"


# --- those in the middle -----------------------------------------------------------------------------------


@life("lifecycle/reload/request-that-waits", "LIFE-068", service="task", needs=RELOAD)
def test_request_that_waits(target: Target) -> str:
    """A request that waits for its reply, without blocking, when `reload` comes is still answered."""
    renewal.in_flight(target, "reload", "sleep", WHILE)
    return "done"


@life("lifecycle/reload/request-that-blocks", "LIFE-066", service="task", needs=RELOAD)
def test_request_that_blocks(target: Target) -> str:
    """A request that blocks its process when `reload` comes is still answered."""
    renewal.in_flight(target, "reload", "block", WHILE)
    return "done"


@life("lifecycle/reload/request-through-a-relay", "LIFE-068", service="relay", needs=RELOAD)
def test_request_through_a_relay(target: Target) -> str:
    """A reply that is owed asynchronously, through another service, when `reload` comes still arrives."""
    renewal.in_flight(target, "reload", "sleep", WHILE)
    return "done"


@life("lifecycle/reload/half-sent", "LIFE-069", service="text", needs=RELOAD)
def test_half_sent(target: Target) -> str:
    """Half a message, completed when the old processes are leaving already, is answered."""
    renewal.half_sent(target, "reload")
    return "done"


@life("lifecycle/reload/half-sent-for-ever", "LIFE-062", service="text", needs=RELOAD)
def test_half_sent_for_ever(target: Target) -> str:
    """Half a message that is never completed keeps no old process alive beyond the deadline."""
    with target.connect() as peer:
        peer.send(b"half and no")
        reloaded(target)
    return "done"


@life(
    "lifecycle/reload/pending-output", "LIFE-070", service="text", needs=("reload", "limits.max_package_size")
)
def test_pending_output(target: Target) -> str:
    """A long answer that its client is still reading arrives whole."""
    renewal.pending_output(target, "reload")
    return "done"


@life("lifecycle/reload/idle-clients", "LIFE-080", needs=RELOAD, outcome="fin")
def test_idle_clients(target: Target) -> str:
    """Idle connections to old processes end in order."""
    return renewal.idlers_end(target, "reload")


@life("lifecycle/reload/websocket-told", "LIFE-078", service="websocket", needs=RELOAD, outcome="going-away")
def test_websocket_told(target: Target) -> str:
    """Idle WebSocket clients are told 1001, going away, before their connection ends."""
    return renewal.told(target, "reload")


@life("lifecycle/reload/mails-once", "LIFE-062", "TASK-016", service="task", needs=RELOAD)
def test_mails_once(target: Target) -> str:
    """Mails that are accepted during a reload are in the outbox once, and no mail is there twice."""
    renewal.mails(target, "reload")
    return "done"


# --- processes that hang -----------------------------------------------------------------------------------


@life("lifecycle/reload/hanging-process", "LIFE-067", service="task", needs=RELOAD)
def test_hanging_process(target: Target) -> str:
    """A process that hangs is killed by the deadline of a reload, and replaced like all others."""
    renewal.stuck(target, "reload")
    return "done"


@life("lifecycle/reload/hanging-process-holds-nobody-up", "LIFE-067", service="task", needs=RELOAD)
def test_hanging_holds_nobody_up(target: Target) -> str:
    """While a process hangs a reload gives all others new code, and their clients notice nothing."""
    before = settled(target)
    with ExitStack() as stack:
        hang(target, stack)
        quick = [
            habit for habit in everyday(["text", "frame", "http"]) if habit.service in target.copy.addresses
        ]
        with live(target, quick) as traffic:
            deed(target, traffic, "reload")
            renewed(target, before)
    uphold(ledger(target, traffic), NOBODY_REFUSED, SHORT)
    return "done"
