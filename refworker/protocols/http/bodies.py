"""Bodies as they come: of a known length, or in chunks (RFC 9112 sections 6.2 and 7.1).

What has come is kept once, until somebody collects it, and never looked at again, so a byte costs the same
whatever came before it, and a body that is too large is refused as soon as it says so, before its bytes are
kept.
"""

import math
import re
from collections.abc import Callable

from refworker.protocols.http.grammar import TOKEN, Fields, Refused, fields_of
from refworker.protocols.http.limits import Limits
from refworker.protocols.http.pieces import Section

PLAIN_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
"""The size line of nearly every chunk."""

QUOTED = rb'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;%s(?:=(?:%s|%s))?)*)\r\n" % (TOKEN, TOKEN, QUOTED))
BEGUN = re.compile(rb"[0-9A-Fa-f]{1,16}(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r?")
"""How a size line may begin."""

CRLF = b"\r\n"


class Sized:
    """A body of `length` bytes."""

    __slots__ = ("_parts", "missing", "size", "trailers")

    def __init__(self, length: int) -> None:
        self._parts: list[bytes] = []
        self.missing = length
        self.size = 0
        """Bytes that have come."""
        self.trailers: Fields = ()

    def take(self, data: bytes, position: int) -> int:
        """Take what there is of the body from here on; the position behind it."""
        part = data[position : position + self.missing]
        self._parts.append(part)
        self.size += len(part)
        self.missing -= len(part)
        return position + len(part)

    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def collect(self) -> bytes:
        """What has come since this was asked last: at the end, where nobody has asked before, the body."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Chunked:
    """A body in chunks, of `limit` bytes at most, and its trailer section."""

    __slots__ = (
        "_body", "_collected", "_extensions", "_limit", "_limits", "_line", "_missing", "_step", "_trailers",
        "trailers",
    )  # fmt: skip

    def __init__(self, limit: float, limits: Limits) -> None:
        self._limit, self._limits = limit, limits
        self._body = bytearray()
        self._collected = 0  # bytes that are not in it any more
        self._line = b""  # a size line, or what follows a chunk, that is not whole yet
        self._missing = 0  # bytes of the chunk under way
        self._extensions = 0  # their bytes so far
        self._trailers: Section | None = None
        self._step: Callable[[bytes, int], int] | None = self._take_line
        self.trailers: Fields = ()

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self._collected + len(self._body)

    @property
    def missing(self) -> float:
        """Bytes that are still to come: nobody knows how many before there are none."""
        return math.inf if self._step else 0

    def is_whole(self) -> bool:
        """Whether the last line has come."""
        return self._step is None

    def collect(self) -> bytes:
        """As that of `Sized`."""
        body = bytes(self._body)
        self._body.clear()
        self._collected += len(body)
        return body

    def take(self, data: bytes, position: int) -> int:
        """Take what there is of the body from here on; the position behind it. Raises Refused."""
        end = len(data)
        while position < end and self._step:
            if self._step == self._take_line and not self._line:
                position = self._take_plain(data, position)
                if position == end:
                    break
            position = self._step(data, position)
        return position

    def _take_plain(self, data: bytes, position: int) -> int:
        """Take chunks as long as each is whole and has no extension: all that most bodies consist of."""
        body, match, room = self._body, PLAIN_LINE.match, self._limit - self._collected
        while (line := match(data, position)) and (size := int(line[1], 16)):
            start = line.end()
            stop = start + size
            if len(body) + size > room or data[stop : stop + 2] != CRLF:
                break
            body += data[start:stop]
            position = stop + 2
        return position

    def _take_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position) + 1
        self._line += data[position : end or len(data)]
        if len(self._line) > self._limits.max_chunk_line:
            raise Refused(431, f"a chunk's line is longer than {self._limits.max_chunk_line} bytes")
        match = LINE.fullmatch(self._line) if end else BEGUN.fullmatch(self._line)
        if not match:
            raise Refused(400, "a chunk's size line is malformed")
        if end:
            self._line = b""
            self._announced(int(match[1], 16), len(match[2]))
        return end or len(data)

    def _announced(self, size: int, extensions: int) -> None:
        """A chunk of this size comes, or with 0 the trailer section."""
        self._extensions += extensions
        if self._extensions > self._limits.max_header_size:
            raise Refused(431, f"the extensions have more than {self._limits.max_header_size} bytes")
        if self.size + size > self._limit:
            raise Refused(413, f"the body is larger than {self._limit} bytes")
        self._missing = size
        if size:
            self._step = self._take_data
        else:
            self._trailers, self._step = Section(self._limits), self._take_trailers

    def _take_data(self, data: bytes, position: int) -> int:
        part = data[position : position + self._missing]
        self._body += part
        self._missing -= len(part)
        if not self._missing:
            self._step = self._take_end
        return position + len(part)

    def _take_end(self, data: bytes, position: int) -> int:
        """The CR LF behind a chunk."""
        part = data[position : position + 2 - len(self._line)]
        self._line += part
        if not CRLF.startswith(self._line):
            raise Refused(400, "a chunk does not end where its size says")
        if self._line == CRLF:
            self._line, self._step = b"", self._take_line
        return position + len(part)

    def _take_trailers(self, data: bytes, position: int) -> int:
        assert self._trailers is not None
        end = position + 2 if data.startswith(CRLF, position) else data.find(b"\r\n\r\n", position) + 4
        part = data[position : end if end >= 4 else len(data)]  # and not what may be many more requests
        if not self._trailers.feed(part):
            return position + len(part)
        self.trailers = fields_of(self._trailers.text)
        self._step = None
        return position + len(part) - len(self._trailers.rest)
