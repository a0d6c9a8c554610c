"""A message that is under way, in whatever pieces it comes (RFC 6455 sections 5.4 and 8.1).

Small pieces gather in a bytearray, large ones are kept as they are and joined once, so cost grows with bytes
alone: a message in fragments of one byte costs no more memory than another (WS-021).
"""

import codecs

from refworker.protocols.websocket.deflate import Deflation
from refworker.protocols.websocket.frames import NOT_UTF8, Failure

LARGE = 4096
"""Bytes from which a piece is kept by itself."""

SPARE = 4096
"""Bytes that compressed data may have beside twice the limit of what is inflated from it. It may be longer
than that, if little; what goes on and on, with nothing in it, ends there.
"""

SURROGATE, BEYOND = b"\xed", b"\xa0"
"""A first byte, and the least second one that makes it a surrogate: the one mistake for which Python's
decoder waits for the byte behind it.
"""

NewDecoder = codecs.getincrementaldecoder("utf-8")


class Message:
    """What has come of one message, text or binary, and what may still come."""

    __slots__ = ("_decoder", "_deflation", "_limit", "_parts", "_taken", "size")

    def __init__(self, is_text: bool, limit: int, deflation: Deflation | None = None) -> None:
        """`limit` in bytes; with a `deflation` the payload is compressed, and the limit is for what it
        inflates to.
        """
        self._decoder = NewDecoder() if is_text else None
        self._deflation, self._limit = deflation, limit
        self._taken = 0
        self._parts: list[bytes | bytearray] = []
        self.size = 0
        """Bytes so far, inflated."""

    @staticmethod
    def most(limit: int, compressed: bool) -> int:
        """Bytes of payload that a message with this limit may have."""
        return 2 * limit + SPARE if compressed else limit

    def room(self) -> int:
        """Bytes of payload that may still come."""
        return self.most(self._limit, self._deflation is not None) - self._taken

    def take(self, piece: bytes) -> None:
        """A piece of the payload. Raises Failure for the first byte that is wrong, or one too many."""
        self._taken += len(piece)
        if not self._deflation:
            return self._gather(piece)
        for part in self._deflation.inflate(piece, self._limit - self.size):
            self._gather(part)
        return None

    def _gather(self, part: bytes) -> None:
        if self._decoder:
            self._check(part)
        self.size += len(part)
        if len(part) >= LARGE or not self._parts:
            self._parts.append(part)
            return
        last = self._parts[-1]
        if not isinstance(last, bytearray):
            self._parts.append(last := bytearray())
        last += part

    def _check(self, part: bytes, final: bool = False) -> None:
        assert self._decoder
        try:
            self._decoder.decode(part, final)
        except UnicodeDecodeError as problem:
            raise not_utf8(problem.reason) from None
        pending = self._decoder.getstate()[0]
        if pending[:1] == SURROGATE and pending[1:] >= BEYOND:
            raise not_utf8("invalid continuation byte")  # the decoder's words for it, one byte later

    def whole(self) -> str | bytes:
        """The message, of which nothing is to come. Raises Failure where that cannot be."""
        if self._deflation:
            for part in self._deflation.finish(self._limit - self.size):
                self._gather(part)
        if self._decoder:
            self._check(b"", final=True)
        payload = b"".join(self._parts)
        return payload.decode() if self._decoder else payload


def not_utf8(reason: str) -> Failure:
    """A failure of a text."""
    return Failure(NOT_UTF8, f"text is not UTF-8: {reason}", "8.1")
