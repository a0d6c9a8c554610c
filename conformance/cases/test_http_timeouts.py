"""HTTP: clients that do not come on (RFC 9112, section 9.5; HTTP-78).

A connection costs the server something, and whoever holds it without using it has to let go. The limits are
those of the target file: for a whole head, for a body that does not come on, and between two requests.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from conformance.case import Violation, case
from conformance.cases.browsing import OK, due, greet, hello
from conformance.cases.patience import in_time
from conformance.target.view import Target
from conformance.wire.clock import clock
from conformance.wire.http_requests import CHUNKED, request
from conformance.wire.http_responses import read
from conformance.wire.peer import Peer, watch

HEAD_LIMIT, BODY_LIMIT = ("limits.header_timeout",), ("limits.body_timeout",)
IDLE_LIMIT = ("limits.keepalive_timeout",)
CLOSED = {"closed": "pass", "answered-408": "pass"}
"""A word of farewell is optional."""

PACE = 0.1
"""Seconds between two octets of a head that drips."""

HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-Half: "
HALF_BODIES = {
    "length": request("POST", "/echo", "Content-Length: 10") + b"half",
    "no octet": request("POST", "/echo", "Content-Length: 10"),
    "chunks": request("POST", "/echo", CHUNKED) + b"4\r\nhalf\r\n",
    "half a chunk": request("POST", "/echo", CHUNKED) + b"a\r\nhalf",
    "no last line": request("POST", "/echo", CHUNKED) + b"4\r\nhalf\r\n0\r\n",
}


def _until(target: Target, seconds: float) -> float:
    """When a limit of so many seconds, which begins now, must have had its effect."""
    return clock() + seconds + target.calibration.deadline


def _ended(peer: Peer, seconds: float) -> str:
    """The connection has ended, with 408 before or without a word. Raises Violation `open`."""
    if not peer.ended:
        raise Violation("open", f"not closed {seconds:g} s after it had to be, and an answer's time more")
    if not peer.waiting:
        return "closed"
    due(read(peer), 408)
    return "answered-408"


def _all_ended(target: Target, peers: Sequence[Peer], seconds: float) -> str:
    """Let the time pass for all of them at once; the last of the outcomes."""
    watch(peers, seconds + target.calibration.deadline, clock)
    return max(_ended(peer, seconds) for peer in peers)


@case("http/timeout/nothing-sent", service="http", requirements=("HTTP-78",), accept=CLOSED, needs=HEAD_LIMIT)
def test_nothing_sent(target: Target) -> str:
    """A connection on which nothing is ever sent is ended: by the limit of a head, or of idleness."""
    limits = target.time_limits
    seconds = max(limits["header_timeout"], limits.get("keepalive_timeout", 0.0))
    with target.connect() as peer:
        return _all_ended(target, [peer], seconds)


@case("http/timeout/half-a-head", service="http", requirements=("HTTP-78",), accept=CLOSED, needs=HEAD_LIMIT)
def test_half_a_head(target: Target) -> str:
    """A head that stops in its middle, the first and the second one of a connection."""
    with target.connect() as first, target.connect() as second:
        greet(second)
        for peer in (first, second):
            peer.send(HALF_A_HEAD)
        return _all_ended(target, [first, second], target.time_limits["header_timeout"])


@case(
    "http/timeout/dripping-head", service="http", requirements=("HTTP-78",), accept=CLOSED, needs=HEAD_LIMIT
)
def test_dripping_head(target: Target) -> str:
    """A head that goes on octet by octet is late all the same: the limit is for the whole of it."""
    seconds = target.time_limits["header_timeout"]
    limit = _until(target, seconds)
    with target.connect() as peer:
        peer.send(HALF_A_HEAD)
        while not peer.ended and clock() < limit:
            peer.send(b"x")
            watch([peer], PACE)
        return "closed" if peer.ended else _ended(peer, seconds)


@case("http/timeout/half-a-body", service="http", requirements=("HTTP-78",), accept=CLOSED, needs=BODY_LIMIT)
def test_half_a_body(target: Target) -> str:
    """A body that stops in its middle, by length, in chunks, and before its last line."""
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect()) for _ in HALF_BODIES]
        for peer, half in zip(peers, HALF_BODIES.values(), strict=True):
            peer.send(half)
        return _all_ended(target, peers, target.time_limits["body_timeout"])


@case("http/timeout/idle", service="http", requirements=("HTTP-78",), accept=CLOSED, needs=IDLE_LIMIT)
def test_idle(target: Target) -> str:
    """A connection that is idle behind a response, and one behind a response to a body."""
    with target.connect() as first, target.connect() as second:
        greet(first)
        second.send(request("POST", "/echo", body=b"body"))
        due(read(second), OK, b"body")
        return _all_ended(target, [first, second], target.time_limits["keepalive_timeout"])


# --- who is slow, and in time ----------------------------------------------------------------------------

SERVED = {"served": "pass"}
PART = 0.25
"""Of a limit: so long are the pauses that must not matter."""


@case(
    "http/timeout/slow-but-in-time",
    service="http",
    requirements=("HTTP-78",),
    accept=SERVED,
    needs=HEAD_LIMIT,
)
def test_slow_but_in_time(target: Target) -> str:
    """A head that comes in two parts, a quarter of the limit apart, is served."""
    seconds = target.time_limits["header_timeout"]
    with target.connect() as peer, in_time(seconds):
        peer.send(HALF_A_HEAD, b"other\r\n\r\n", gap=seconds * PART)
        hello(peer)
    return "served"


@case("http/timeout/busy", service="http", requirements=("HTTP-78",), accept=SERVED, needs=IDLE_LIMIT)
def test_busy(target: Target) -> str:
    """A connection that is used every now and then outlives every limit: each response begins it anew."""
    limits = target.time_limits
    seconds = max(limits["keepalive_timeout"], limits.get("header_timeout", 0.0))
    with target.connect() as peer, in_time(limits["keepalive_timeout"]) as again:
        for _ in range(int(1.5 / PART)):
            greet(peer)
            again()
            watch([peer], seconds * PART)
    return "served"


@case("http/timeout/slow-handler", service="http", requirements=("HTTP-78",), accept=SERVED, needs=IDLE_LIMIT)
def test_slow_handler(target: Target) -> str:
    """A handler that takes longer than any limit: its client has done nothing wrong."""
    longest = max(target.time_limits.values())
    with target.connect() as peer:
        peer.send(request("GET", f"/sleep?ms={int(1000 * longest) + 300}"))
        due(read(peer, within=longest + target.calibration.deadline), OK, b"slept")
    return "served"
