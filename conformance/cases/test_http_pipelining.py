"""HTTP: requests that do not wait for responses (RFC 9112, section 9.3.2; HTTP-73 to HTTP-75).

A client may send its next request before it has the answer to the last one. The answers come in the order of
the requests, and a server whose answers are not taken has to stop taking requests.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Violation, case
from conformance.cases.browsing import (
    ANSWERED,
    OK,
    Requests,
    dozen,
    due,
    each,
    greet,
    or_end,
    over,
    reflected,
    same,
)
from conformance.cases.patience import little_memory
from conformance.exploration import explore
from conformance.strategies import splits
from conformance.target.view import Target
from conformance.wire.clock import clock
from conformance.wire.http_requests import CHUNKED, CLOSE, chunks, head, request
from conformance.wire.http_responses import Response, read
from conformance.wire.peer import Peer

ORDERED = {"ordered": "pass"}
HUNDRED = 100
ECHOES, ECHO_SIZE = 400, 16 * 1024
SLEEPERS = 40
TOGETHER = 8.0
"""Seconds that they sleep, were it one after the other."""

SMALL_BUFFER = 8 * 1024
FLOOD_OF_CHUNKS = "/chunked?n=2000&size=65536"
"""More than a server may keep for a client that does not read, by far."""


@dataclass(frozen=True)
class Turn:
    """A request, and what its response has to be."""

    sent: bytes
    check: Callable[[Response], object]
    method: str = "GET"


def _is(status: int, body: bytes | None = None) -> Callable[[Response], object]:
    return lambda response: due(response, status, body)


def _echo(body: bytes) -> Turn:
    return Turn(request("POST", "/echo", body=body), _is(OK, body), "POST")


def _echo_in_chunks(*parts: bytes) -> Turn:
    sent = request("POST", "/echo", CHUNKED) + chunks(*parts)
    return Turn(sent, _is(OK, b"".join(parts)), "POST")


def _reflect(query: str) -> Turn:
    target = f"/reflect?{query}"
    return Turn(
        request("GET", target), lambda response: same("target", target, reflected(response)["target"])
    )


GREETING = Turn(request("GET", "/"), _is(OK, b"hello"))
EMPTY_CHUNKS = Turn(request("POST", "/echo", CHUNKED) + chunks(), _is(OK, b""), "POST")
MISSING = Turn(request("GET", "/nowhere"), _is(404))
STREAM = Turn(request("GET", "/chunked?n=3&size=5"), _is(OK, 15 * b"x"))
HEADED = Turn(request("HEAD", "/reflect?head"), _is(OK, b""), "HEAD")
SLOW = Turn(request("GET", "/sleep?ms=100"), _is(OK, b"slept"))
A_LITTLE_SLOW = Turn(request("GET", "/sleep?ms=1"), _is(OK, b"slept"))


def _take_turns(peer: Peer, *turns: Turn) -> str:
    """The responses of these turns, whose requests have been sent, in their order."""
    for turn in turns:
        turn.check(read(peer, turn.method))
    return "ordered"


# --- order -----------------------------------------------------------------------------------------------


@case("http/pipelining/hundred", service="http", requirements=("HTTP-73",), accept=ORDERED)
def test_hundred(target: Target) -> str:
    """A hundred requests in one segment."""
    turns = [_reflect(f"n={number}") for number in range(HUNDRED)]
    with target.connect() as peer:
        peer.send(b"".join(turn.sent for turn in turns))
        return _take_turns(peer, *turns)


@case("http/pipelining/slow-then-quick", service="http", requirements=("HTTP-73",), accept=ORDERED)
def test_slow_then_quick(target: Target) -> str:
    """A response that is ready early waits for those before it."""
    turns = [SLOW, GREETING, A_LITTLE_SLOW, _echo(b"behind"), _reflect("last")]
    with target.connect() as peer:
        peer.send(b"".join(turn.sent for turn in turns))
        return _take_turns(peer, *turns)


@case("http/pipelining/every-kind", service="http", requirements=("HTTP-73",), accept=ORDERED)
def test_every_kind(target: Target) -> str:
    """Bodies by length, in chunks and of nothing, a HEAD, an error and a stream, all in one segment."""
    turns = [_echo(b"one"), _echo_in_chunks(b"tw", b"o"), HEADED, MISSING, STREAM, _echo(b""), EMPTY_CHUNKS]
    turns += [GREETING, SLOW, STREAM, _echo(b"\r\n\r\n"), _echo_in_chunks(b"0\r\n\r\n"), GREETING]
    with target.connect() as peer:
        peer.send(b"".join(turn.sent for turn in turns))
        return _take_turns(peer, *turns)


@case("http/pipelining/cut-anywhere", service="http", requirements=("HTTP-73",), accept=ORDERED)
def test_cut_anywhere(target: Target) -> str:
    """Three requests in two segments, cut at every place, and in a dozen, cut at random."""
    turns = [_echo(b"body"), _echo_in_chunks(b"bo", b"dy"), GREETING]
    stream = b"".join(turn.sent for turn in turns)
    requests: Requests = {f"cut at {at}": [stream[:at], stream[at:]] for at in range(1, len(stream))}
    random = target.random
    dozens: Requests = {f"a dozen, {number}": dozen(random, stream) for number in range(20)}
    return each(target, {**requests, **dozens}, lambda peer: _take_turns(peer, *turns), ORDERED)


@case(
    "http/pipelining/any-conversation",
    service="http",
    requirements=("HTTP-73",),
    accept=ORDERED,
    explores=True,
)
def test_any_conversation(target: Target) -> str:
    """Generated conversations in generated segments."""

    def check(example: tuple[list[Turn], list[bytes]]) -> None:
        turns, segments = example
        with target.connect() as peer:
            peer.send(*segments)
            _take_turns(peer, *turns)

    explore(target, _conversations(), check)
    return "ordered"


def _conversations() -> SearchStrategy[tuple[list[Turn], list[bytes]]]:
    bodies = st.binary(max_size=40)
    turn = st.one_of(
        st.sampled_from([GREETING, MISSING, STREAM, HEADED, A_LITTLE_SLOW]),
        bodies.map(_echo),
        st.lists(bodies.filter(bool), max_size=3).map(lambda parts: _echo_in_chunks(*parts)),
        st.integers(0, 99).map(lambda number: _reflect(f"n={number}")),
    )
    return st.lists(turn, min_size=1, max_size=6).flatmap(_in_segments)


def _in_segments(turns: list[Turn]) -> SearchStrategy[tuple[list[Turn], list[bytes]]]:
    return splits(b"".join(turn.sent for turn in turns)).map(lambda segments: (turns, segments))


@case(
    "http/pipelining/until-close",
    service="http",
    requirements=("HTTP-73", "HTTP-69"),
    accept={"ordered": "pass"},
)
def test_until_close(target: Target) -> str:
    """All that stands before a request with `close` is answered, and so is that one."""
    turns = [SLOW, GREETING, _echo(b"three")]
    with target.connect() as peer:
        peer.send(b"".join(turn.sent for turn in turns) + request("GET", "/", CLOSE))
        _take_turns(peer, *turns, GREETING)
        over(peer)
    return "ordered"


@case(
    "http/pipelining/then-fin",
    service="http",
    requirements=("HTTP-73", "HTTP-79"),
    accept={"ordered": "pass", "cut-short": "info"},
)
def test_then_fin(target: Target) -> str:
    """Requests and a FIN behind them: all are answered, or none more after the client has gone."""
    turns = [GREETING, _echo(b"two"), GREETING]
    with target.connect() as peer:
        peer.send(b"".join(turn.sent for turn in turns))
        peer.finish()
        return or_end(peer, lambda peer: _take_turns(peer, *turns), "cut-short")


# --- before what is no request ---------------------------------------------------------------------------

MALFORMED = head("GET / HTTP/1.1", "Host: a", "no colon here")


@case("http/pipelining/before-malformed", service="http", requirements=("HTTP-74",), accept=ANSWERED)
def test_before_malformed(target: Target) -> str:
    """Requests before what is none, in the same segment, are answered; then comes the error, and the end."""
    before = {"one": [GREETING], "with a body": [_echo(b"body")], "slow": [SLOW], "five": 5 * [_reflect("x")]}
    for name, turns in before.items():
        stream = b"".join(turn.sent for turn in turns) + MALFORMED
        each(target, {name: stream}, partial(_then_refused, turns), ANSWERED)
    return "answered"


def _then_refused(turns: list[Turn], peer: Peer) -> str:
    """The error may be left out where the connection ends."""
    _take_turns(peer, *turns)
    status = or_end(peer, lambda peer: str(read(peer).status), "400")
    if not status.startswith("4"):
        raise Violation("served", f"a refusal was due, {status} came")
    over(peer)
    return "answered"


# --- reading late ----------------------------------------------------------------------------------------


@case(
    "http/pipelining/reads-late",
    service="http",
    requirements=("HTTP-75",),
    accept={"complete": "pass", "closed-early": "weak"},
)
def test_reads_late(target: Target) -> str:
    """A client sends until nothing more is taken, and only then begins to read."""
    bodies = [number.to_bytes(4, "big") * (ECHO_SIZE // 4) for number in range(ECHOES)]
    stream = b"".join(request("POST", "/echo", body=body) for body in bodies)
    with target.connect(receive_buffer=SMALL_BUFFER) as peer:
        taken = peer.flood(stream)
        first = _first_of(peer, bodies[0])
        peer.send(stream[taken:])
        if first == "closed-early":
            return first
        return or_end(peer, lambda peer: _all_of(peer, bodies[1:]), "closed-early")


def _first_of(peer: Peer, body: bytes) -> str:
    """The first of the late responses."""
    return or_end(peer, lambda peer: _all_of(peer, [body]), "closed-early")


def _all_of(peer: Peer, bodies: list[bytes]) -> str:
    for body in bodies:
        due(read(peer, "POST"), OK, body)
    return "complete"


@case(
    "http/pipelining/reads-nothing",
    service="http",
    requirements=("HTTP-75",),
    accept={"bounded": "pass"},
    needs=("process",),
)
def test_reads_nothing(target: Target) -> str:
    """A hundred megabytes are made no faster than they are taken; others are served meanwhile."""
    with target.connect(receive_buffer=SMALL_BUFFER) as peer, little_memory(target):
        peer.send(request("GET", FLOOD_OF_CHUNKS))
        peer.exactly(1000)
        peer.rest_a_while()
        with target.connect() as other:
            greet(other)
    return "bounded"


# --- beside others ---------------------------------------------------------------------------------------


@case("http/sleep/beside-others", service="http", requirements=("ROUTE-003",), accept={"beside": "pass"})
def test_beside_others(target: Target) -> str:
    """Forty slow requests and a quick one at the same time: nobody waits for another."""
    started, patience = clock.exactly(), TOGETHER + target.calibration.deadline
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect()) for _ in range(SLEEPERS)]
        for peer in peers:
            peer.send(request("GET", "/sleep?ms=200"))
        with target.connect() as quick:
            quick.send(request("GET", "/"))
            due(read(quick, within=patience), OK, b"hello")
        for peer in peers:
            due(read(peer, within=patience), OK, b"slept")
    if (taken := clock.exactly() - started) > max(target.calibration.deadline, TOGETHER / 2):
        raise Violation("one-by-one", f"{SLEEPERS} times 200 ms took {taken:.1f} s")
    return "beside"
