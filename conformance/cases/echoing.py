r"""What the sections of echo services share: one exchange, many connections, and streams cut anyhow.

    exchange = exchange_then(b"the bytes after")

    with several(target, 8) as peers:
        for peer in peers:
            exchange(peer, b"hello\n")

A sentinel behind each exchange shows that nothing came between.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from hypothesis import strategies as st

from conformance.exploration import explore
from conformance.strategies import split_streams
from conformance.target.view import Target
from conformance.wire.peer import Peer

WRITES = b"".join(b"%d " % number for number in range(2000))
"""Two thousand small writes, as they come back."""


class Exchange(Protocol):
    """One exchange with an echo. Raises Violation for anything but the answer."""

    def __call__(self, peer: Peer, *segments: bytes, answer: bytes | None = None) -> str:
        """Send the segments; `answer` comes, by default the same bytes."""


def exchange_then(sentinel: bytes) -> Exchange:
    """An exchange behind which a sentinel is sent: its echo comes next, so that nothing stands between."""

    def exchange(peer: Peer, *segments: bytes, answer: bytes | None = None) -> str:
        peer.send(*segments)
        peer.expect(b"".join(segments) if answer is None else answer)
        peer.send(sentinel)
        peer.expect(sentinel)
        return "echoed"

    return exchange


@contextmanager
def several(target: Target, count: int, receive_buffer: int = 0) -> Iterator[Sequence[Peer]]:
    """This many connections, all open at the same time."""
    with ExitStack() as stack:
        yield [stack.enter_context(target.connect(receive_buffer=receive_buffer)) for _ in range(count)]


def pieces(target: Target, stream: bytes, count: int) -> list[bytes]:
    """The stream cut at random into `count` segments."""
    cuts = sorted(target.random.sample(range(1, len(stream)), count - 1))
    return [stream[start:end] for start, end in itertools.pairwise([0, *cuts, len(stream)])]


def any_split(target: Target, exchange: Exchange) -> str:
    """However bytes are cut into segments, the same come back."""

    def check(segments: list[bytes]) -> None:
        with target.connect() as peer:
            exchange(peer, *segments)

    explore(target, split_streams(st.binary(min_size=1, max_size=3000), most=3), check)
    return "echoed"


def pipelined(target: Target, exchange: Exchange) -> str:
    """Small writes without waiting for answers come back in their order."""
    with target.connect() as peer:
        peer.send(*(b"%d " % number for number in range(2000)), gap=0.0)
        peer.expect(WRITES)
        return exchange(peer)


def in_turns(target: Target, exchange: Exchange, count: int, end: bytes) -> str:
    """Many connections at once, written to in turns: each gets its own bytes, and no others."""
    with several(target, count) as peers:
        for turn in range(3):
            for number, peer in enumerate(peers):
                peer.send(b"turn %d of %d%s" % (turn, number, end))
        for number, peer in enumerate(peers):
            peer.expect(b"".join(b"turn %d of %d%s" % (turn, number, end) for turn in range(3)))
            exchange(peer)
    return "echoed"


def beside_a_sleeper(
    target: Target,
    exchange: Exchange,
    flood: bytes,
    *,
    end: bytes = b"",
    count: int = 8,
    receive_buffer: int = 0,
) -> str:
    """While one client takes no answer to a flood, others, old and new, are served."""
    with several(target, count) as neighbours, target.connect(receive_buffer=receive_buffer) as sleeper:
        sleeper.flood(flood)
        for peer in neighbours:
            exchange(peer, b"old" + end)
        with several(target, count) as newcomers:
            for peer in newcomers:
                exchange(peer, b"new" + end)
    return "unharmed"


def last_words(peer: Peer, words: bytes, answer: bytes | None = None) -> str:
    """Words and FIN in one breath: `answer` comes, by default the same words; how the stream ends then."""
    peer.send(words)
    peer.finish()
    peer.expect(words if answer is None else answer)
    return peer.ending()
