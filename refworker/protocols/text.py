"""`text://`: a message is a line (manual: appendices/about-text).

`send` adds one LF. What arrives is the line without its LF and without the run of CRs before it; other CRs
are part of the message, and so is every other byte: nothing is decoded (TEXT-001, TEXT-004). An empty line is
an empty message (TEXT-003).

The whole chunk is split at once; only the tail after the last LF is kept. The limit concerns one line, never
the sum of the lines in a chunk (TEXT-006), so lines are measured only when a chunk is long enough to hold one
that is too long.
"""

from typing import Any, ClassVar

from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Plain, as_bytes

LF = b"\n"


class Text(Plain):
    """The codec of `text://`; messages are `bytes`."""

    __slots__ = ("_tail",)
    name = "Text"
    suffix: ClassVar[bytes | None] = LF

    def __init__(self, max_package_size: int = MAX_PACKAGE_SIZE) -> None:
        super().__init__(max_package_size)
        self._tail = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The lines that `data` completes, then a `Close` if one, or the tail, is longer than
        `max_package_size`.
        """
        lines: list[Any] = data.split(LF)
        rest = lines.pop()
        waiting = self._joined(lines, rest) if rest or self._tail else 0
        if waiting + len(data) > self.max_package_size:
            return self._measured(lines)
        if waiting or b"\r" in data:
            return [line.rstrip(b"\r") for line in lines]
        return lines

    def _joined(self, lines: list[bytes], rest: bytes) -> int:
        """Put the tail before the first line, and keep the rest; how many bytes the tail had."""
        waiting = len(self._tail)
        if lines and waiting:
            lines[0] = bytes(self._tail) + lines[0]
            self._tail.clear()
        self._tail += rest
        return waiting

    def _measured(self, lines: list[bytes]) -> list[Any]:
        messages: list[Any] = []
        for line in lines:
            if self._too_long(line):
                return [*messages, self._refusal()]
            messages.append(line.rstrip(b"\r"))
        if self._too_long(self._tail):
            messages.append(self._refusal())
        return messages

    def _too_long(self, line: bytes | bytearray) -> bool:
        # The limit counts the message. One CR more may be the beginning of the line's end, and only the next
        # byte will tell.
        excess = len(line) - self.max_package_size
        return excess > 1 or (excess == 1 and not line.endswith(b"\r"))

    def _refusal(self) -> Close:
        return Close(error=f"text: a line is longer than max_package_size ({self.max_package_size} bytes)")

    def unfinished(self) -> int:
        """Bytes of a message whose end is still to come."""
        return len(self._tail)

    def unread(self, items: list[Any], handled: int, chunk: bytes) -> bytes:
        """Every message has ended in the chunk, with an LF."""
        at = 0
        for _ in range(handled):
            at = chunk.index(LF, at) + 1
        return chunk[at:] if handled else bytes(self._tail)

    def encode(self, message: Any) -> bytes:
        """The line and its LF. An LF inside the message would end it there: split or escape such messages
        first.
        """
        return (message if type(message) is bytes else as_bytes(message)) + LF
