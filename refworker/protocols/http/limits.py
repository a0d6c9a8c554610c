"""How much of HTTP a client may ask for, and how long it may take: sizes in bytes, times in seconds.

Every limit is there because something grows, or waits, until it is reached. A body has the limit of every
message: `max_package_size` of its connection, unless it is taken while it comes (see `intake.py`).
"""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Limits:
    """`Worker("http://…", limits=Limits(keepalive_timeout=5))`."""

    max_request_line: int = 16 * 1024
    """Method, target and version (414): twice what RFC 9112 section 3 recommends to support at least."""
    max_header_size: int = 64 * 1024
    """All field lines of a head (431), or of a trailer section, or all chunk extensions of a body."""
    max_header_count: int = 128
    """Field lines of a head or a trailer section (431): each costs more than its bytes."""
    max_chunk_line: int = 1024
    """One chunk's size with its extensions (431): no extension that is in use is longer."""
    header_timeout: float = 30.0
    """For a head, counted from the connection's beginning, or from the first byte behind a request (408)."""
    body_timeout: float = 30.0
    """For a body, and one more second for each `min_body_rate` bytes of it that have come (408)."""
    min_body_rate: int = 1024
    """Bytes in a second: who is faster may send as long as he likes."""
    keepalive_timeout: float = 75.0
    """For the first byte of the next request; longer than the usual proxy keeps an idle connection, so that
    none is closed just when it is used again.
    """

    @property
    def shortest(self) -> float:
        """The shortest of these times."""
        return min(self.header_timeout, self.body_timeout, self.keepalive_timeout)

    @cached_property
    def surely(self) -> int:
        """A head of so many bytes is within these limits; a field has four at least."""
        return min(self.max_request_line, self.max_header_size, 4 * self.max_header_count)
