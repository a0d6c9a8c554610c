"""Many connections side by side: families of hundreds of vectors, each of which ends its own connection.

A connection for each vector, one after another, is a chain of round trips, and where silence is a part of the
answer a chain of waits. So a family goes in batches: all connections of a batch are opened, then each stream
goes out segment by segment, all connections in turns, and then each is judged. What goes wrong is reported
with the bytes of its own connection only.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice

from conformance.cases.dialogue import FAILED_BEHIND, fails, fails_behind
from conformance.exchange import FAILED
from conformance.outcomes import Observation, Violation
from conformance.target.view import Target
from conformance.wire import second_opinion, websocket
from conformance.wire.clock import clock
from conformance.wire.peer import Peer, watch
from conformance.wire.websocket import Opcode

ABREAST = 24
"""Connections at the same time: enough to keep a server at work, and fewer than any queue of its holds."""

Segments = Sequence[bytes]
Phases = tuple[bytes, bytes, bytes]
Judge = Callable[[Peer], str]

LATE = {**FAILED, "late": "weak"}
"""A violation is noticed with the byte that makes it one, or when its frame or message is complete."""

AT_LENGTH = 1.0
"""Seconds in which all segments of a stream are sent, as far as the gaps between them go."""


def bytewise(data: bytes) -> list[bytes]:
    """Each byte by itself."""
    return [data[index : index + 1] for index in range(len(data))]


def batches(names: Collection[str], size: int = ABREAST) -> Iterator[list[str]]:
    """The names in lists of at most `size`."""
    rest = iter(names)
    while batch := list(islice(rest, size)):
        yield batch


class Blamed(Violation):
    """A violation on one of several connections."""

    def __init__(self, name: str, violation: Violation, peer: Peer) -> None:
        super().__init__(violation.outcome, f"{name}: {violation.detail}")
        self.peer = peer.number


@contextmanager
def blamed(name: str, peer: Peer) -> Iterator[None]:
    """A violation inside is that of this vector and this connection."""
    try:
        yield
    except Violation as violation:
        raise Blamed(name, violation, peer) from violation


@contextmanager
def opened_abreast(
    target: Target, names: Collection[str], *, upgraded: bool = True
) -> Iterator[dict[str, Peer]]:
    """A connection for each name; `upgraded`: behind its handshake, and in the end wsproto judges it, too.

    Of a violation that is blamed on one of them, only that one stays in the evidence.
    """
    try:
        with ExitStack() as stack:
            peers = {name: stack.enter_context(target.connect()) for name in names}
            _shake_hands(peers.values() if upgraded else ())
            yield peers
            for name, peer in peers.items() if upgraded else ():
                with blamed(name, peer):
                    second_opinion.examine(peer)
    except Blamed as violation:
        transcript = target.transcript
        transcript.entries[:] = [entry for entry in transcript if entry.peer == violation.peer]
        raise


def _shake_hands(peers: Collection[Peer]) -> None:
    """All requests go out before the first response is read."""
    keys = [websocket.new_key() for _ in peers]
    for peer, key in zip(peers, keys, strict=True):
        peer.send(websocket.request(peer.address, key=key))
    for peer, key in zip(peers, keys, strict=True):
        websocket.accepted(websocket.read_head(peer), key)


def send_abreast(target: Target, peers: Mapping[str, Peer], streams: Mapping[str, Segments]) -> None:
    """Send to each its stream, the first segments of all, then the second ones, a gap apart.

    Streams of many segments go faster than that, lest a target take them for the drip of an attacker.
    """
    turns = max(len(streams[name]) for name in peers)
    for turn in range(turns):
        if turn:
            watch(peers.values(), min(target.calibration.gap, AT_LENGTH / turns))
        for name, peer in peers.items():
            peer.send(*streams[name][turn : turn + 1])


def abreast(
    target: Target, streams: Mapping[str, Segments], judge: Judge, *, upgraded: bool = True
) -> dict[str, str]:
    """Send each stream on a connection of its own, and judge what comes back: the outcomes by name."""
    outcomes = {}
    for batch in batches(streams):
        with opened_abreast(target, batch, upgraded=upgraded) as peers:
            send_abreast(target, peers, streams)
            for name, peer in peers.items():
                with blamed(name, peer):
                    outcomes[name] = judge(peer)
    return outcomes


def worst(outcomes: Mapping[str, str], order: Iterable[str] = FAILED) -> str:
    """The outcome that stands last in this order, and whose it was."""
    ranks = list(order)
    outcome = max(outcomes.values(), key=ranks.index)
    names = [name for name, each in outcomes.items() if each == outcome]
    more = f" and {len(names) - 1} more" if names[1:] else ""
    return Observation(outcome, f"{names[0]}{more}" if ranks.index(outcome) else "")


def all_fail(target: Target, code: int, streams: Mapping[str, Segments]) -> str:
    """Each stream fails its connection with this code; the worst of the endings, one of `FAILED`."""
    return worst(abreast(target, streams, lambda peer: fails(peer, code)))


def all_fail_behind(target: Target, code: int, message: bytes, streams: Mapping[str, Segments]) -> str:
    """Each stream begins with this text, which is echoed, and then fails: the worst, of `FAILED_BEHIND`."""
    outcomes = abreast(target, streams, lambda peer: fails_behind(peer, Opcode.TEXT, message, code))
    return worst(outcomes, FAILED_BEHIND)


def fail_at(target: Target, streams: Mapping[str, Phases], codes: Mapping[str, int]) -> str:
    """Of each stream the first part is harmless, and the second fails the connection by itself, with the code
    that `codes` has for its name. The third completes what was begun: a failure only then is `late`.

    Raises Violation for a failure before the second part.
    """
    outcomes = {}
    for batch in batches(streams):
        with opened_abreast(target, batch) as peers:
            _step(target, peers, {name: streams[name][0] for name in peers})
            for name, peer in peers.items():
                with blamed(name, peer):
                    peer.silent(0)
            _step(target, peers, {name: streams[name][1] for name in peers})
            for name, peer in peers.items():
                with blamed(name, peer):
                    outcomes[name] = _at_once_or_late(peer, codes[name], streams[name][2])
    return worst(outcomes, LATE)


def _step(target: Target, peers: Mapping[str, Peer], parts: Mapping[str, bytes]) -> None:
    """Send to each its part, and leave all of them as much time as silence needs; all may be over before."""
    for name, peer in peers.items():
        peer.send(*filter(None, [parts[name]]))
    if any(parts.values()):
        watch(peers.values(), target.calibration.quiet, clock)


def _at_once_or_late(peer: Peer, code: int, rest: bytes) -> str:
    if peer.waiting or peer.ended:
        return fails(peer, code)
    peer.send(rest)
    fails(peer, code)
    return "late"
