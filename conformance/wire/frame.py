"""The frame protocol, read strictly: four bytes big-endian total length, then the body (FRAME-001)."""

from conformance.outcomes import Violation
from conformance.wire.peer import Peer

HEADER = 4
LARGEST = 0xFFFF_FFFF


def header(total: int) -> bytes:
    """A bare length field, right or wrong; `total` from 0 to 0xFFFFFFFF counts the header."""
    return total.to_bytes(HEADER, "big")


def encode(*messages: bytes) -> bytes:
    """The messages as frames, back to back."""
    return b"".join(header(HEADER + len(message)) + message for message in messages)


def read(peer: Peer, within: float | None = None) -> bytes:
    """The body of the next frame. Raises Violation `wrong-answer` for a length under 4."""
    total = int.from_bytes(peer.exactly(HEADER, within), "big")
    if total < HEADER:
        raise Violation("wrong-answer", f"the length field says {total}, and its own four bytes count")
    return peer.exactly(total - HEADER, within)
