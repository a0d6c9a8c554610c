"""Load: many connections and messages at once, every reply compared in full, and what it costs the target.

Figures have no right answer, so they are *info*; that every reply is right, that memory and descriptors stay
bounded and that nobody is held up have one. `conformance.load` makes the load.
"""

from collections.abc import Callable
from contextlib import ExitStack

from conformance.case import Inconclusive, Violation, case
from conformance.load import PROTOCOLS, Figures, Flow, echoes, run
from conformance.outcomes import Observation
from conformance.target import family
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.wire import text
from conformance.wire.peer import Peer

MEASURED = {"measured": "info"}
BOUNDED = {"bounded": "pass"}
SERVED = {"served": "pass"}

CONNECTIONS = 100
ROUNDS = 50
PIPELINE = 16

IDLE = 1000
"""Connections that have said one thing each, and wait."""

COST = 64 * 1024
"""Bytes that an idle connection may cost the target's processes; Python's streams need a third of it."""

CHURN = 500
"""Connections that come and go."""

SPARE = 8 * 1024 * 1024
"""Bytes that processes may gain without being told a leak: allocators keep what they had."""

TURNS = 3
"""So many times in a row a leak is seen."""

SPARE_DESCRIPTORS = 8

UNREAD = 192 * 1024
"""Bytes owed to a client that does not read: fewer than any send buffer limit, more than a segment."""

DELAYED = 0.02
"""Seconds; Nagle's algorithm against a delayed acknowledgement costs 40 ms."""

HELD_UP = 0.3
"""Seconds: three times what FLOW-009 allows, since talkers, neighbours and target share this machine."""

HICCUPS = 4
"""Of four hundred round trips so many may suffer from somebody else."""


def load(target: Target, flows: list[Flow]) -> Figures:
    """Play the flows against the case's own service, as patiently as the calibration asks."""
    return run(target.endpoint(), flows, target.calibration.deadline)


def memory(target: Target) -> int:
    """Resident bytes of all the target's processes."""
    return family.usage(target.process.family()).memory


def descriptors(target: Target) -> int:
    """Open descriptors of all the target's processes."""
    return family.usage(target.process.family()).descriptors


# --- every reply right, and how fast -----------------------------------------------------------------------


def measured(target: Target, protocol: str, pipeline: int) -> str:
    """The figures of a hundred connections, for the report."""
    figures = load(target, echoes(PROTOCOLS[protocol], CONNECTIONS, ROUNDS, pipeline))
    return Observation("measured", f"{CONNECTIONS} connections, {pipeline} at a time: {figures}")


@case("load/text/one-at-a-time", service="text", requirements=("LOAD-001",), accept=MEASURED)
def test_text_one_at_a_time(target: Target) -> str:
    """A hundred connections, one line in flight on each: every reply is right; how many in a second."""
    return measured(target, "text", 1)


@case("load/text/pipelined", service="text", requirements=("LOAD-001",), accept=MEASURED)
def test_text_pipelined(target: Target) -> str:
    """A hundred connections, sixteen lines in flight on each: every reply is right; how many in a second."""
    return measured(target, "text", PIPELINE)


@case("load/frame/one-at-a-time", service="frame", requirements=("LOAD-001",), accept=MEASURED)
def test_frame_one_at_a_time(target: Target) -> str:
    """A hundred connections, one frame in flight on each: every reply is right; how many in a second."""
    return measured(target, "frame", 1)


@case("load/frame/pipelined", service="frame", requirements=("LOAD-001",), accept=MEASURED)
def test_frame_pipelined(target: Target) -> str:
    """A hundred connections, sixteen frames in flight on each: every reply is right; how many in a second."""
    return measured(target, "frame", PIPELINE)


@case("load/text/long-bursts", service="text", requirements=("LOAD-001",), accept=SERVED)
def test_long_bursts(target: Target) -> str:
    """Lines in bursts of two thousand: each is answered once, in order."""
    load(target, echoes(text.encode, 4, 5, pipeline=2000))
    return "served"


@case("load/text/short-lines", service="text", requirements=("LOAD-002",), accept=SERVED)
def test_short_lines(target: Target) -> str:
    """A hundred thousand lines of one byte in a burst cost their number, not its square."""
    burst = text.encode(*(b"%d" % (number % 10) for number in range(100_000)))
    load(target, [Flow(burst, burst, 1, 100_000)])
    return "served"


@case("load/text/no-forced-delay", service="text", requirements=("TCP-020",), accept=SERVED)
def test_no_forced_delay(target: Target) -> str:
    """A client alone is answered at once: no reply is held back in the hope of more."""
    figures = load(target, echoes(text.encode, 1, ROUNDS))
    if (typical := figures.percentile(0.5)) > DELAYED:
        raise Violation("delayed", f"half of {ROUNDS} replies took more than {1000 * typical:.0f} ms")
    return "served"


@case("load/text/beside-a-talker", service="text", requirements=("FLOW-009",), accept=SERVED)
def test_beside_a_talker(target: Target) -> str:
    """While clients write without a pause, others are answered meanwhile, not after them."""
    if target.calibration.noisy:
        raise Inconclusive("on this machine a plain exchange takes longer than what is to be measured")
    burst = text.encode(*(b"talk %d" % number for number in range(8000)))
    talkers = [Flow(burst, burst, 60, 8000, window=4)] * 2
    figures = load(target, talkers + echoes(text.encode, 8, ROUNDS))
    waits = sorted(wait for waits in figures.latencies[len(talkers) :] for wait in waits)
    if waits[-HICCUPS] > max(HELD_UP, target.calibration.quiet):
        raise Violation("held-up", f"{HICCUPS} replies took {1000 * waits[-HICCUPS]:.0f} ms and more")
    return "served"


# --- what connections and messages cost --------------------------------------------------------------------


@case("load/idle/everybody-served", service="text", requirements=("LOAD-001",), accept=SERVED)
def test_idle_everybody_served(target: Target) -> str:
    """A thousand connections at once: each is served, twice, with the others waiting beside it."""
    load(target, echoes(text.encode, IDLE, 2))
    return "served"


@case("load/idle/memory", service="text", requirements=("LOAD-003",), accept=BOUNDED, needs=("process",))
def test_idle_memory(target: Target) -> str:
    """A thousand idle connections cost little memory each."""
    with ExitStack() as stack:
        before = memory(target)
        peers = [stack.enter_context(target.connect()) for _ in range(IDLE)]
        for number, peer in enumerate(peers):
            peer.send(line := b"%d\n" % number)
            peer.expect(line)
        cost = (memory(target) - before) // IDLE
    if cost > COST:
        raise Violation("heavy", f"{cost // 1024} KiB for each of {IDLE} idle connections")
    return "bounded"


@case(
    "load/churn/descriptors", service="text", requirements=("LOAD-004",), accept=BOUNDED, needs=("process",)
)
def test_churn_descriptors(target: Target) -> str:
    """Five hundred connections that come, say something and go leave no descriptor open."""
    load(target, echoes(text.encode, 20, 1))
    before = descriptors(target)
    churn(target)
    if not wait_until(lambda: descriptors(target) <= before + SPARE_DESCRIPTORS, target.calibration.deadline):
        raise Violation("leaks-descriptors", f"{before} open before, {descriptors(target)} after")
    return "bounded"


@case("load/churn/memory", service="text", requirements=("LOAD-004",), accept=BOUNDED, needs=("process",))
def test_churn_memory(target: Target) -> str:
    """Five hundred connections that come, say something and go leave no memory behind."""
    churn(target)
    return bounded(target, lambda: churn(target), f"{CHURN} connections")


def churn(target: Target) -> None:
    """Connections that come, exchange one line and go: half with FIN, half with a reset."""
    for number in range(CHURN):
        with target.connect() as peer:
            peer.send(line := b"%d\n" % number)
            peer.expect(line)
            (Peer.reset if number % 2 else Peer.close)(peer)


def bounded(target: Target, work: Callable[[], object], what: str) -> str:
    """Memory does not grow with this work by more than may be called chance: a collector may be late once,
    what is lost is lost every time. Raises Violation `leaks-memory`.
    """
    for _ in range(TURNS):
        before = memory(target)
        work()
        if (gained := memory(target) - before) <= SPARE:
            return "bounded"
    raise Violation("leaks-memory", f"{gained >> 20} MiB more after {what}, {TURNS} times in a row")


@case("load/messages/memory", service="text", requirements=("LOAD-004",), accept=BOUNDED, needs=("process",))
def test_messages_memory(target: Target) -> str:
    """Forty thousand messages leave no memory behind."""
    load(target, echoes(text.encode, 20, 20, pipeline=PIPELINE))
    stream = echoes(text.encode, 20, 125, pipeline=PIPELINE)
    return bounded(target, lambda: load(target, stream), f"{20 * 125 * PIPELINE} messages")


@case("load/slow/readers", service="text", requirements=("FLOW-002",), accept=SERVED)
def test_slow_readers(target: Target) -> str:
    """Twenty clients that do not read what they are owed hold nobody up, and get all of it when they do."""
    stream = text.encode(*(b"owed %d" % number + b"." * 1000 for number in range(UNREAD // 1010)))
    with ExitStack() as stack:
        slow = [stack.enter_context(target.connect()) for _ in range(20)]
        for peer in slow:
            peer.send(stream)
        load(target, echoes(text.encode, 20, ROUNDS))
        for peer in slow:
            peer.expect(stream)
    return "served"
