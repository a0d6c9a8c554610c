"""`multipart/form-data`, as it comes (RFC 7578, RFC 2046 section 5.1).

    --boundary CRLF
    Content-Disposition: form-data; name="…"; filename="…" CRLF     the head of a part
    Content-Type: … CRLF CRLF
    content                                                         any octets but CRLF--boundary
    CRLF --boundary CRLF                                            the next part, or
    CRLF --boundary--                                               the end

A `Reader` is fed pieces of any size and gives back what they complete: a `Part`, pieces of its content as
bytes, `END` behind them. It keeps no more than one head, or the octets that may be the beginning of a
boundary. What stands before the first boundary and behind the last one is dropped, as RFC 2046 wants it;
whatever else is not well formed is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from refworker.protocols.http.grammar import Refused
from refworker.protocols.http.mediatype import read_value

MAX_PARTS = 1024
"""More parts are refused: each costs an object, and perhaps a file (HAPI-003)."""

MAX_HEAD = 8 * 1024
"""Octets of one part's head: a name and a file name, with room for what clients add."""

MAX_FIELDS = 16
"""Fields in the head of one part: RFC 7578 knows three."""

BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
LINE_BEGUN = re.compile(rb"-?|[ \t]*+\r?")
"""What may become the rest of a boundary's line."""
LAST_LINE = re.compile(rb"[ \t]*+(?:\r(?:\n.*)?)?", re.DOTALL)
"""What may follow the last boundary."""
IDENTITIES = frozenset({"", "7bit", "8bit", "binary"})
"""Transfer encodings that change nothing; others are gone since RFC 7578 (section 4.7)."""


class Malformed(Refused):
    """The octets are no form: 400."""

    def __init__(self, problem: str) -> None:
        super().__init__(400, problem)


@dataclass(frozen=True, slots=True)
class Part:
    """The head of a part. `filename` is None for a plain field, and as it was sent else: never a path to
    write to. `type` is the media type with its parameters, `text/plain` where none is given.
    """

    name: str
    filename: str | None = None
    type: str = "text/plain"


class End:
    """The content of a part is complete."""


END: Final = End()

Item = Part | bytes | End


class State(Enum):
    """What comes next."""

    PREAMBLE = auto()
    """The first boundary, or what may stand before it."""
    BOUNDARY = auto()
    """The rest of a boundary's line."""
    HEAD = auto()
    BEGINNING = auto()
    """Content, or a boundary in place of it."""
    CONTENT = auto()
    EPILOGUE = auto()


class Reader:
    """One body of `multipart/form-data`."""

    __slots__ = ("_buffer", "_delimiter", "_max_head", "_max_parts", "_parts", "_state")

    def __init__(self, boundary: str, max_parts: int = MAX_PARTS, max_head: int = MAX_HEAD) -> None:
        """`boundary` is the parameter of the Content-Type. Raises Malformed for one that cannot be."""
        if not BOUNDARY.fullmatch(boundary):
            raise Malformed("the boundary of a form has 1 to 70 characters, and not any")
        self._delimiter = b"\r\n--" + boundary.encode()
        self._buffer = bytearray(b"\r\n")  # the first line may be a boundary already
        self._state, self._parts = State.PREAMBLE, 0
        self._max_parts, self._max_head = max_parts, max_head

    def feed(self, data: bytes | memoryview) -> list[Item]:
        """Take some octets, give what they complete. Raises Malformed."""
        self._buffer += data
        items: list[Item] = []
        while STEPS[self._state](self, items):
            pass
        return items

    def finish(self) -> None:
        """The body ends here. Raises Malformed where the form does not."""
        if self._state is not State.EPILOGUE:
            raise Malformed("the form ends before its last boundary")

    # Steps: each takes from the buffer what its state can use, and gives whether the state has changed.

    def _preamble(self, items: list[Item]) -> bool:
        return self._up_to_boundary()[1]

    def _content(self, items: list[Item]) -> bool:
        content, ended = self._up_to_boundary()
        if content:
            items.append(content)
        if ended:
            items.append(END)
        return ended

    def _up_to_boundary(self) -> tuple[bytes, bool]:
        """What stands before the next boundary, and whether that is there; what may become one is kept."""
        at = self._buffer.find(self._delimiter)
        found = at >= 0
        end = at if found else self._where_one_may_begin()
        before = bytes(self._buffer[:end])
        del self._buffer[: end + len(self._delimiter) * found]
        if found:
            self._state = State.BOUNDARY
        return before, found

    def _where_one_may_begin(self) -> int:
        """A boundary has its only CR at its beginning."""
        at = self._buffer.rfind(b"\r", -len(self._delimiter) + 1)
        return at if at >= 0 and self._delimiter.startswith(self._buffer[at:]) else len(self._buffer)

    def _boundary(self, items: list[Item]) -> bool:
        if self._buffer.startswith(b"--"):
            del self._buffer[:2]
            self._state = State.EPILOGUE
            return True
        end = self._buffer.find(b"\r\n", 0, self._max_head)
        if end < 0 and len(self._buffer) < self._max_head and LINE_BEGUN.fullmatch(self._buffer):
            return False
        if end < 0 or self._buffer[:end].strip(b" \t"):
            raise Malformed("something else stands on the line of a boundary")
        del self._buffer[:end]  # its CRLF begins the head, so that an empty one ends like any other
        self._state = State.HEAD
        return True

    def _head(self, items: list[Item]) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, self._max_head)
        if end < 0:
            if len(self._buffer) >= self._max_head:
                raise Malformed(f"the head of a part is longer than {self._max_head} octets")
            return False
        self._parts += 1
        if self._parts > self._max_parts:
            raise Malformed(f"more than {self._max_parts} parts")
        items.append(read_head(bytes(self._buffer[2:end])))
        del self._buffer[: end + 2]  # the CRLF of the empty line may be a boundary's
        self._state = State.BEGINNING
        return True

    def _beginning(self, items: list[Item]) -> bool:
        begun = self._buffer[: len(self._delimiter)]
        if not self._delimiter.startswith(begun):
            del self._buffer[:2]
        elif len(begun) < len(self._delimiter):
            return False
        self._state = State.CONTENT
        return True

    def _epilogue(self, items: list[Item]) -> bool:
        if not LAST_LINE.fullmatch(self._buffer):
            raise Malformed("something else stands on the line of the last boundary")
        self._buffer[:] = self._buffer.lstrip(b" \t")[:2]
        return False


STEPS: dict[State, Callable[[Reader, list[Item]], bool]] = {
    State.PREAMBLE: Reader._preamble,
    State.BOUNDARY: Reader._boundary,
    State.HEAD: Reader._head,
    State.BEGINNING: Reader._beginning,
    State.CONTENT: Reader._content,
    State.EPILOGUE: Reader._epilogue,
}


def read_head(head: bytes) -> Part:
    """The head of a part, without the empty line. Raises Malformed for fields that are none, and for a part
    that is not of a form (RFC 7578 section 4).
    """
    fields = _fields(head)
    try:
        kind, parameters = read_value(fields.get("content-disposition", ""))
        if "content-type" in fields:
            read_value(fields["content-type"])
    except ValueError as problem:
        raise Malformed(str(problem)) from None
    if kind != "form-data" or "name" not in parameters:
        raise Malformed("a part is not form-data with a name")
    if "filename*" in parameters:  # section 4.2: two names are one too many
        raise Malformed("filename* has no place in a form")
    if fields.get("content-transfer-encoding", "").lower() not in IDENTITIES:
        raise Malformed("a part has a transfer encoding")
    return Part(parameters["name"], parameters.get("filename"), fields.get("content-type", "text/plain"))


def _fields(head: bytes) -> dict[str, str]:
    """By lower-case name; what comes twice is refused."""
    lines = head.split(b"\r\n")
    matches = [FIELD.fullmatch(line) for line in lines]
    if len(lines) > MAX_FIELDS or not all(matches):
        raise Malformed("the head of a part is not made of a few fields")
    try:
        pairs = [(match[1].decode().lower(), match[2].decode().strip(" \t")) for match in matches if match]
    except UnicodeDecodeError:
        raise Malformed("the head of a part is not UTF-8") from None
    if len(fields := dict(pairs)) < len(pairs):
        raise Malformed("a field comes twice in the head of a part")
    return fields
