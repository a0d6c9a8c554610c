"""`frame://`: four bytes of unsigned big-endian length, which counts itself, then the payload (manual:
appendices/about-frame).

Length 4 is an empty message; less is impossible and closes the connection at once, since nothing after it
could be trusted (FRAME-003). A length over the limit closes as soon as it is read: nothing is allocated for a
promise (FRAME-004).
"""

import struct
from typing import Any

from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Plain, Signal, as_bytes

HEADER = struct.Struct(">I")
LONGEST_PAYLOAD = 0xFFFFFFFF - HEADER.size


class Frame(Plain):
    """The codec of `frame://`; messages are `bytes`."""

    __slots__ = ("_need", "_tail")
    name = "Frame"

    def __init__(self, max_package_size: int = MAX_PACKAGE_SIZE) -> None:
        super().__init__(max_package_size)
        self._tail = bytearray()
        self._need = HEADER.size

    def feed(self, data: bytes) -> list[Any]:
        """The messages that `data` completes, then a `Close` if a length is impossible or over
        `max_package_size`.
        """
        if self._tail:
            self._tail += data
            if len(self._tail) < self._need:
                return []
            data = bytes(self._tail)
            self._tail.clear()
        return self._scan(data)

    def _scan(self, data: bytes) -> list[Any]:
        # A moving position, never a shrinking buffer: reslicing per message would be quadratic.
        messages: list[Any] = []
        length_at, longest = HEADER.unpack_from, self.max_package_size + HEADER.size
        start, end = 0, len(data)
        need = HEADER.size
        while end - start >= 4:
            (need,) = length_at(data, start)
            if not 4 <= need <= longest:
                messages.append(self._refusal(need))
                break
            if end - start < need:
                break
            messages.append(data[start + 4 : start + need])
            start += need
            need = HEADER.size
        self._tail += data[start:] if start else data
        self._need = need
        return messages

    def _refusal(self, length: int) -> Close:
        if length < HEADER.size:
            return Close(error=f"frame: length {length} is impossible, it counts its own {HEADER.size} bytes")
        return Close(error=f"frame: length {length} exceeds max_package_size ({self.max_package_size})")

    def unfinished(self) -> int:
        """Bytes of a message whose end is still to come."""
        return len(self._tail)

    def unread(self, items: list[Any], handled: int, chunk: bytes) -> bytes:
        """Counted from the end, for the first message may have begun before this chunk."""
        left = sum(HEADER.size + len(each) for each in items[handled:] if not isinstance(each, Signal))
        left += len(self._tail)
        return chunk[len(chunk) - left :] if handled else bytes(self._tail)

    def encode(self, message: Any) -> bytes:
        """Length and payload. Raises ValueError for a payload whose length does not fit into 32 bits
        (FRAME-005).
        """
        payload = message if type(message) is bytes else as_bytes(message)
        if len(payload) > LONGEST_PAYLOAD:
            raise ValueError(f"frame: {len(payload)} bytes; the longest payload is {LONGEST_PAYLOAD}")
        return HEADER.pack(len(payload) + HEADER.size) + payload
