"""Stop, plain and graceful, in the middle of everything: bounded, in order, and fair to who was first."""

from collections.abc import Sequence
from contextlib import ExitStack

import h11

from conformance.case import Inconclusive, Unsupported, Violation
from conformance.cases import renewal
from conformance.cases.processes import (
    STOP,
    accepts,
    all_gone,
    ended,
    no_files,
    no_ports,
    replacements,
    run,
    settled,
    staff,
    stop,
)
from conformance.cases.tasks import client
from conformance.cases.test_lifecycle_reload_graceful import LONG
from conformance.cases.under_load import deed, ledger, life, live, offered, routes
from conformance.ledger import BROKEN, MAD, NO_MADNESS, Ledger, Rule, sent_before, uphold
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.traffic.habits import Habit
from conformance.wire import http
from conformance.wire.clock import clock

FIRST = 1.0
"""Seconds in which a graceful stop refuses new connections, the start of its command included."""

WHILE = 2.5
"""Seconds that somebody keeps a graceful stop waiting."""

ENDLESS = 60.0
"""Seconds of a request that nobody waits for."""

MOMENT = 1.2
"""Seconds of requests that are still under way when a stop takes effect, and over before its deadline."""

LOOP = 1.5
"""Seconds for which a process is killed as often as it comes back."""


# --- plain stop --------------------------------------------------------------------------------------------


def stopped_under_load(target: Target, command: str, others: Sequence[Habit] = ()) -> Ledger:
    """Stop while clients of everything, and some others, are at work."""
    with live(target, [*offered(target), *others]) as traffic:
        deed(target, traffic, command)
        all_gone(target)
    leaving = next(mark.at for mark in traffic.marks if mark.what == command)
    return ledger(target, traffic, leaving=leaving)


@life("lifecycle/stop/under-load", "LIFE-079", needs=("stop",))
def test_under_load(target: Target) -> str:
    """Under live traffic a stop succeeds within its time, and no answer is wrong or comes twice."""
    uphold(stopped_under_load(target, "stop"), NO_MADNESS)
    return "done"


@life("lifecycle/stop/under-load-answered", "LIFE-068", needs=("stop",))
def test_under_load_answered(target: Target) -> str:
    """What was on its way when a stop came, and is answered in a moment, is answered."""
    slow = [Habit("task", "sleep", seconds=MOMENT) for _ in range(renewal.CLIENTS)]
    kept = stopped_under_load(target, "stop", slow if "task" in target.copy.addresses else [])
    uphold(
        kept, Rule("what was sent before the stop is answered", BROKEN | MAD, sent_before(kept.at("stop")))
    )
    return "done"


@life("lifecycle/stop/during-reload", "LIFE-057", needs=("stop", "reload"))
def test_during_reload(target: Target) -> str:
    """A stop during a reload wins: nobody is left, and nobody comes after."""
    old, reloading = set(settled(target)), target.process.launch("reload")
    wait_until(lambda: reloading.poll() is not None or not old.issuperset(target.process.children()), STOP)
    stop(target)
    ended(reloading)
    no_ports(target)
    no_files(target)
    return "done"


@life("lifecycle/stop/during-start-up", "LIFE-080", needs=("stop", "pid_file"))
def test_during_start_up(target: Target) -> str:
    """A stop that comes as soon as the pid file is there ends a service that is still starting."""
    stop(target)
    target.process.launch("start")
    if not wait_until(target.process.pid_file.exists, target.process.spec.ready_timeout, poll=0.001):
        raise Violation("no-pid-file", "the service does not write its pid file")
    stop(target)
    no_ports(target)
    no_files(target)
    return "done"


@life("lifecycle/stop/crash-loop", "LIFE-042", needs=("stop",))
def test_crash_loop(target: Target) -> str:
    """A stop does not wait for the next try of a process that dies again and again."""
    replacements(target.process, staff(target)[0], LOOP)
    stop(target)
    return "done"


@life("lifecycle/stop/half-sent", "LIFE-069", service="text", needs=("stop",))
def test_half_sent(target: Target) -> str:
    """Clients that have sent half a message, and send no more, do not hold a stop up."""
    with ExitStack() as stack:
        for peer in (stack.enter_context(target.connect()) for _ in range(renewal.CLIENTS)):
            peer.send(b"half and no")
        stop(target)
    return "done"


@life("lifecycle/stop/half-sent-completed", "LIFE-069", service="text", needs=("stop",))
def test_half_sent_completed(target: Target) -> str:
    """Half a message that is completed while a stop waits for others is answered."""
    with ExitStack() as stack:
        halves = [stack.enter_context(target.connect()) for _ in range(renewal.CLIENTS)]
        for peer in halves:
            peer.send(b"first\nhalf and")
            peer.expect(b"first\n")
        idlers = stack.enter_context(renewal.waiting(target))
        stopping = target.process.launch("stop")
        renewal.leaving(idlers)
        for peer in halves:
            peer.send(b" half\n")
            peer.expect(b"half and half\n")
        ended(stopping)
    return "done"


@life("lifecycle/stop/pending-output", "LIFE-070", service="text", needs=("stop", "limits.max_package_size"))
def test_pending_output(target: Target) -> str:
    """A long answer that its client is still reading arrives whole."""
    line = b"x" * min(900_000, target.limits["max_package_size"]) + b"\n"
    with target.connect(receive_buffer=4096) as reader, renewal.waiting(target) as idlers:
        reader.send(line)
        first = reader.receive(1)
        target.process.launch("stop")
        renewal.leaving(idlers)
        if first + reader.exactly(len(line) - 1, within=STOP) != line:
            raise Violation("wrong-answer", "the answer is not the line that was sent")
    return "done"


@life("lifecycle/stop/never-reads", "LIFE-070", service="text", needs=("stop", "limits.max_package_size"))
def test_never_reads(target: Target) -> str:
    """A client that never reads its long answer does not hold a stop up beyond the deadline."""
    with target.connect(receive_buffer=4096) as reader:
        reader.send(b"x" * min(900_000, target.limits["max_package_size"]) + b"\n")
        reader.receive(1)
        stop(target)
    return "done"


@life("lifecycle/stop/websocket-told", "LIFE-078", service="websocket", needs=("stop",), outcome="going-away")
def test_websocket_told(target: Target) -> str:
    """Idle WebSocket clients are told 1001, going away, before their connection ends."""
    return renewal.told(target, "stop")


# --- graceful stop -----------------------------------------------------------------------------------------

GRACEFUL = ("stop_graceful",)


@life("lifecycle/stop-graceful/gone-on-return", "LIFE-081", needs=GRACEFUL)
def test_graceful_gone_on_return(target: Target) -> str:
    """`stop_graceful` ends with status 0 when nobody is left; ports and files are free."""
    renewal.command(target, "stop_graceful")
    if left := target.process.family():
        raise Violation("lives-on", f"`stop_graceful` has returned, {sorted(left)} live on")
    no_ports(target)
    no_files(target)
    return "done"


@life("lifecycle/stop-graceful/foreground-exit-status", "LIFE-022", "LIFE-081", needs=GRACEFUL)
def test_graceful_exit_status(target: Target) -> str:
    """A service started in the foreground ends with status 0 when it is stopped gracefully."""
    if target.process.spec.daemon:
        raise Unsupported("a daemon's own exit status is seen by nobody")
    renewal.command(target, "stop_graceful")
    if status := target.process.exit_code():
        raise Violation("wrong-status", f"the foreground `start` ended with status {status}")
    return "done"


@life("lifecycle/stop-graceful/under-load", "LIFE-081", needs=GRACEFUL)
def test_graceful_under_load(target: Target) -> str:
    """Under live traffic everything that was sent before a graceful stop is answered."""
    kept = stopped_under_load(target, "stop_graceful")
    before = sent_before(kept.at("stop_graceful"))
    uphold(kept, Rule("what was sent before a graceful stop is answered", BROKEN | MAD, before), NO_MADNESS)
    return "done"


@life("lifecycle/stop-graceful/long-request", "LIFE-081", service="task", needs=GRACEFUL)
def test_graceful_long_request(target: Target) -> str:
    """A request that takes longer than a plain stop would wait is answered, and then nobody is left."""
    renewal.in_flight(target, "stop_graceful", "sleep", LONG)
    all_gone(target)
    return "done"


@life("lifecycle/stop-graceful/long-request-through-a-relay", "LIFE-081", service="relay", needs=GRACEFUL)
def test_graceful_relay(target: Target) -> str:
    """A reply that is owed asynchronously, through another service, arrives however long it takes."""
    renewal.in_flight(target, "stop_graceful", "sleep", LONG)
    return "done"


@life("lifecycle/stop-graceful/idle-clients", "LIFE-081", needs=GRACEFUL, outcome="fin")
def test_graceful_idle_clients(target: Target) -> str:
    """Idle connections end in order, and do not hold a graceful stop up."""
    return renewal.idlers_end(target, "stop_graceful")


@life("lifecycle/stop-graceful/new-connections-refused", "LIFE-082", service="task", needs=GRACEFUL)
def test_graceful_refuses(target: Target) -> str:
    """As soon as a graceful stop has begun, new connections are refused instead of left hanging."""
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": WHILE}, id=1)
        stopping = target.process.launch("stop_graceful")
        if not wait_until(lambda: not accepts(target.endpoint()), FIRST, poll=0.03):
            raise Violation("listening", f"{FIRST:g} s into a graceful stop connections are still taken")
        renewal.answered(caller, WHILE)
    ended(stopping)
    return "done"


@life(
    "lifecycle/stop-graceful/websocket-told",
    "LIFE-078",
    service="websocket",
    needs=GRACEFUL,
    outcome="going-away",
)
def test_graceful_websocket_told(target: Target) -> str:
    """Idle WebSocket clients are told 1001, going away, before their connection ends."""
    return renewal.told(target, "stop_graceful")


@life("lifecycle/stop-graceful/converted", "LIFE-057", service="task", needs=("stop", "stop_graceful"))
def test_graceful_converted(target: Target) -> str:
    """A plain stop during a graceful one ends it by the short deadline."""
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": ENDLESS}, id=1)
        target.process.launch("stop_graceful")
        _begun(target)
        stop(target)
    return "done"


@life(
    "lifecycle/stop-graceful/no-reload-any-more",
    "LIFE-057",
    service="task",
    needs=("reload", "stop_graceful"),
)
def test_graceful_no_reload(target: Target) -> str:
    """A reload during a graceful stop does not bring the service back."""
    with client(target) as caller:
        caller.usable()
        caller.call("sleep", {"seconds": WHILE}, id=1)
        stopping = target.process.launch("stop_graceful")
        _begun(target)
        run(target, "reload")  # refused or ignored: either is right
        renewal.answered(caller, WHILE)
    ended(stopping)
    all_gone(target)
    return "done"


def _begun(target: Target) -> None:
    """Wait until a graceful stop is under way, as far as anybody can see it."""
    wait_until(lambda: not accepts(target.endpoint()), FIRST, poll=0.03)


@life("lifecycle/stop-graceful/http-keep-alive", "LIFE-083", service="http", needs=GRACEFUL)
def test_graceful_keep_alive(target: Target) -> str:
    """While others are still at work an idle keep-alive connection is closed at once."""
    with _occupied(target), target.connect() as idler:
        http.expect(idler, "GET", "/", b"hello")
        stopping = target.process.launch("stop_graceful")
        if idler.ending(within=FIRST) == "open":
            raise Violation("stays-open", f"{FIRST:g} s into a graceful stop an idle connection is open")
    ended(stopping)
    return "done"


def _occupied(target: Target) -> ExitStack:
    """A request that keeps the service waiting, until the stack is left."""
    if "GET /sleep" not in routes(target):
        raise Unsupported("the http service has no route that takes a while")
    stack = ExitStack()
    busy = stack.enter_context(target.connect())
    say = h11.Connection(h11.CLIENT)
    busy.send(http.request(say, busy.address.authority, "GET", f"/sleep?ms={int(1000 * WHILE)}"))
    return stack


@life("lifecycle/stop-graceful/http-says-close", "LIFE-083", service="http", needs=GRACEFUL)
def test_graceful_says_close(target: Target) -> str:
    """An answer that is given while a graceful stop goes on announces the end of its connection."""
    if "GET /sleep" not in routes(target):
        raise Unsupported("the http service has no route that takes a while")
    with target.connect() as peer:
        say = h11.Connection(h11.CLIENT)
        peer.send(http.request(say, peer.address.authority, "GET", f"/sleep?ms={int(1000 * WHILE)}"))
        began, stopping = clock.exactly(), target.process.launch("stop_graceful")
        response = http.read(peer, say, within=WHILE + target.calibration.deadline)
        taken = clock.exactly() - began
    ended(stopping)
    if not response.closes and taken < WHILE / 2:
        raise Inconclusive(f"of {WHILE:g} s the machine left {taken:.1f} for the stop to begin")
    if not response.closes:
        raise Violation("says-nothing", "no `Connection: close` in an answer just before the end")
    return "done"
