"""Heads and trailers that come in pieces: each line is judged as soon as it is there, and of an unfinished
one every octet, so that garbage is refused without waiting for an end that may never come.

Limits and octets are looked at in the order of the stream. So the verdict is the same however a section is
cut, and a whole head that is wrong is read here once more to learn what is wrong with it.
"""

import re

from refworker.protocols.http.grammar import FIELD, REQUEST_LINE, TOKEN, Refused
from refworker.protocols.http.limits import Limits

FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|\Z)")
"""Controls that no line may have; a CR may be the beginning of its end."""

BEGINNING = re.compile(TOKEN)


class Section:
    """Field lines up to an empty one."""

    __slots__ = ("_buffer", "_count", "_limits", "_room", "_seen", "_start", "rest")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._start = self._seen = 0  # of the line under way, and how much has been looked at
        self._room = limits.max_header_size
        self._count = 0
        self.rest = b""
        """What came behind the end."""

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def text(self) -> bytes:
        """All that has come, of a whole section up to its end."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> bool:
        """Take what has come; whether the section is whole now. Raises Refused."""
        self._buffer += data
        while end := self._buffer.find(b"\n", self._seen) + 1:
            self._judge(end)
            line = bytes(self._buffer[self._start : end])
            is_last = self._take(line)
            self._start = self._seen = end
            if is_last:
                self.rest = bytes(self._buffer[end:])
                del self._buffer[end:]
                return True
        self._judge(len(self._buffer))
        self._seen = len(self._buffer)
        return False

    def _judge(self, end: int) -> None:
        """The octets of a line up to here."""
        stop = self._start + self._room
        if FORBIDDEN.search(self._buffer, max(self._seen - 1, self._start), min(end, stop)):
            raise self._malformed()
        if end > stop:
            raise self._too_long()

    def _take(self, line: bytes) -> bool:
        """Judge a whole line; whether it ends the section."""
        self._room -= len(line)
        if line == b"\r\n":
            return True
        self._count += 1
        if not FIELD.fullmatch(line):
            raise self._malformed()
        if self._count > self._limits.max_header_count:
            raise Refused(431, f"there are more than {self._limits.max_header_count} fields")
        return False

    def _malformed(self) -> Refused:
        return Refused(400, "a field line is malformed")

    def _too_long(self) -> Refused:
        return Refused(431, f"the fields have more than {self._limits.max_header_size} bytes")


class HeadInPieces(Section):
    """A request line, which one empty line may precede (RFC 9112 section 2.2), and the fields."""

    __slots__ = ("_blank", "_has_line")

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._room = limits.max_request_line + 2
        self._has_line = False
        self._blank = 0

    @property
    def text(self) -> bytes:
        """As above, without the empty line."""
        return bytes(self._buffer[self._blank :])

    def _judge(self, end: int) -> None:
        if not self._has_line and self._start < end:
            first = self._buffer[self._start : self._start + 1]
            if not BEGINNING.match(first) and (self._blank or first != b"\r"):
                raise self._malformed()
        super()._judge(end)

    def _take(self, line: bytes) -> bool:
        if self._has_line:
            return super()._take(line)
        if line == b"\r\n" and not self._blank:
            self._blank = 2
            return False
        match = REQUEST_LINE.fullmatch(line)
        if not match:
            raise self._malformed()
        if match[3] != b"1":
            raise Refused(505, "only HTTP/1.x is spoken here")
        self._has_line, self._room = True, self._limits.max_header_size
        return False

    def _malformed(self) -> Refused:
        return super()._malformed() if self._has_line else Refused(400, "the request line is malformed")

    def _too_long(self) -> Refused:
        if self._has_line:
            return super()._too_long()
        return Refused(414, f"the request line is longer than {self._limits.max_request_line} bytes")
