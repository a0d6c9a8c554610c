"""The text protocol, read strictly: a message, then one line feed (TEXT-001)."""

from conformance.outcomes import Violation
from conformance.wire.peer import Peer


def encode(*messages: bytes) -> bytes:
    """The messages as a server sends them: each followed by one LF."""
    return b"".join(message + b"\n" for message in messages)


def read(peer: Peer, within: float | None = None) -> bytes:
    """The next message, without its LF. Raises Violation for a CR before the LF: no encoder writes one."""
    line = peer.until(b"\n", within=within)[:-1]
    if line.endswith(b"\r"):
        raise Violation("wrong-answer", "the message ends in a carriage return")
    return line


def meaning(stream: bytes) -> list[bytes]:
    """The messages in a stream: complete lines, without the run of CR before the LF; the tail waits."""
    return [line.rstrip(b"\r") for line in stream.split(b"\n")[:-1]]
