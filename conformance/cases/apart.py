"""What the framings share: half a message on each of many connections, and then the other halves."""

from collections.abc import Callable
from contextlib import ExitStack

from conformance.target.view import Target

MANY = 8
"""Connections: more than the processes of most targets, so that some of them share one."""


def put_together(target: Target, halves: Callable[[int], tuple[bytes, bytes]]) -> str:
    """Each connection gets its own message back, whole; `halves` gives the two parts of message N."""
    with ExitStack() as stack:
        talks = [(stack.enter_context(target.connect()), *halves(number)) for number in range(MANY)]
        for peer, first, _ in talks:
            peer.send(first)
        talks[-1][0].silent()
        for peer, _, second in talks:
            peer.send(second)
        for peer, first, second in talks:
            peer.expect(first + second)
    return "echoed"
