"""A WebSocket conversation: what server and client have in common (RFC 6455 sections 5 to 8).

First a handshake, then frames. What is encoded before the handshake is complete is held back and leaves with
its last bytes, so that nothing overtakes it (WS-011, WSC-006).

A payload is taken as it comes, in whatever pieces: unmasked, and if it is text checked as far as it goes, so
that the first wrong byte ends the conversation, not the last byte of a frame that never becomes whole
(section 8.1, WS-036). Pieces and fragments gather in one bytearray, so cost grows with bytes alone, and a
fragment without bytes leaves nothing behind (WS-021).

Control frames are short and handled whole. `CONTROLS` says by whom.
"""

import codecs
from collections.abc import Callable
from typing import Any, ClassVar

from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Event, as_bytes
from refworker.protocols.websocket.frames import (
    BINARY,
    BROKEN_RULE,
    CLOSE,
    CONTINUATION,
    DATA,
    LONGEST_SHORT,
    NORMAL,
    NOT_UTF8,
    PING,
    PONG,
    TEXT,
    Failure,
    Header,
    close_payload,
    frame,
    mask,
    read_close,
    read_header,
    read_short,
)
from refworker.protocols.websocket.handshake import Handshake, Refused

NewDecoder = codecs.getincrementaldecoder("utf-8")


class Conversation:
    """One side of a WebSocket. Messages are `str` for text and `bytes` for binary."""

    __slots__ = (
        "_decoder", "_final", "_gathered", "_handshake", "_held", "_key", "_kind", "_missing", "_peer_masks",
        "_random_bytes", "_said", "_tail", "max_package_size",
    )  # fmt: skip
    name: ClassVar[str] = "WebSocket"
    suffix: ClassVar[bytes | None] = None
    alike: ClassVar[bool] = True

    def __init__(
        self,
        handshake: Handshake,
        random_bytes: Callable[[int], bytes] | None = None,
        max_package_size: int = MAX_PACKAGE_SIZE,
    ) -> None:
        """`random_bytes(n)` gives unpredictable bytes for masking keys; only a client has it, since exactly
        one side masks (section 5.1).
        """
        self.max_package_size = max_package_size
        self._handshake = handshake
        self._random_bytes = random_bytes
        self._peer_masks = random_bytes is None
        self._held: bytearray | None = bytearray()  # frames that wait for the handshake; None: it is complete
        self._said = False  # our farewell
        self._tail = b""  # a header or a control frame that is not whole yet
        self._kind = CONTINUATION  # of the message that is under way; CONTINUATION: none is
        self._gathered = bytearray()  # its payload so far
        self._decoder = NewDecoder()  # and, if it is text, how far that is UTF-8
        self._missing = 0  # bytes of the frame that is under way
        self._key = b""  # its key, turned to the next byte
        self._final = False  # whether it is the last of its message

    # -- reading -----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[Any]:
        """The messages and signals that `data` completes."""
        return self._read_frames(data) if self._held is None else self._read_head(data)

    def _read_head(self, data: bytes) -> list[Any]:
        try:
            taken = self._handshake.take(data)
            if taken is None:
                return []
            head, rest = taken
            subject, answer = self._handshake.judge(head)
        except Refused as refused:
            return [self._refusal(refused)]
        held, self._held = bytes(self._held or b""), None
        opening = Event("on_websocket_connect", (subject,), answer + held, opening=True)
        return [opening, *self._read_frames(rest)]

    def unfinished(self) -> int:
        """Bytes of a message, a frame or a handshake that is under way."""
        if self._held is not None:
            return self._handshake.collected
        return max(len(self._tail) + len(self._gathered), self._kind != CONTINUATION)

    def overdue(self) -> Close | None:
        """A refusal while the handshake is not complete: nobody waits for it for ever (WS-006)."""
        return None if self._held is None else self._refusal(Refused("it took too long", 408))

    def _refusal(self, refused: Refused) -> Close:
        error = f"websocket: handshake failed: {refused} (RFC 6455 section {self._handshake.section})"
        return Close(self._handshake.refusal(refused), error)

    def _read_frames(self, data: bytes) -> list[Any]:
        items: list[Any] = []
        if self._tail:
            data, self._tail = self._tail + data, b""
        try:
            self._scan(data, items)
        except Failure as failure:
            items.append(self._parting(failure.code, str(failure)))
        if self._said:  # what comes now is too late, except the peer's own farewell
            items = [item for item in items if isinstance(item, Close)]
        return items

    def _scan(self, data: bytes, items: list[Any]) -> None:
        position, end = 0, len(data)
        if self._missing:
            position = self._take_payload(data, 0, items)
        while position < end:
            if self._kind == CONTINUATION:
                longest = min(self.max_package_size, LONGEST_SHORT)
                position = read_short(data, position, longest, self._peer_masks, items)
            if position < end:
                position = self._read_frame(data, position, items)

    def _read_frame(self, data: bytes, position: int, items: list[Any]) -> int:
        """Read one frame of whatever sort, or its beginning; returns the position behind it."""
        room = self.max_package_size - len(self._gathered)
        header = read_header(data, position, self._peer_masks, room)
        if header and header.opcode in DATA:
            self._begin_frame(header)
            return self._take_payload(data, header.start, items)
        if header is None or len(data) < header.start + header.length:
            self._tail = data[position:]
            return len(data)
        stop = header.start + header.length
        payload = data[header.start : stop]
        items.append(self.CONTROLS[header.opcode](self, mask(payload, header.key) if header.key else payload))
        return len(data) if header.opcode == CLOSE else stop

    def _begin_frame(self, header: Header) -> None:
        begins, under_way = header.opcode != CONTINUATION, self._kind != CONTINUATION
        if begins is under_way:
            problem = "a message begins inside another" if begins else "there is nothing to continue"
            raise Failure(BROKEN_RULE, problem, "5.4")
        self._kind = self._kind or header.opcode
        self._missing, self._key, self._final = header.length, header.key, header.final

    def _take_payload(self, data: bytes, position: int, items: list[Any]) -> int:
        """Take what there is of the frame under way; returns the position behind it."""
        piece = data[position : position + self._missing]
        if self._key:
            turn = len(piece) % 4
            piece, self._key = mask(piece, self._key), self._key[turn:] + self._key[:turn]
        self._missing -= len(piece)
        self._gathered += piece
        whole = self._final and not self._missing
        if self._kind == TEXT:
            self._check_text(piece, whole)
        if whole:
            items.append(self._message())
        return position + len(piece)

    def _check_text(self, piece: bytes, whole: bool) -> None:
        try:
            self._decoder.decode(piece, whole)
        except UnicodeDecodeError as problem:
            raise Failure(NOT_UTF8, f"text is not UTF-8: {problem.reason}", "8.1") from None

    def _message(self) -> str | bytes:
        message = self._gathered.decode() if self._kind == TEXT else bytes(self._gathered)
        self._gathered = bytearray()
        self._kind = CONTINUATION
        return message

    # -- control frames (section 5.5) --------------------------------------------------------------

    def _on_ping(self, payload: bytes) -> Event:
        return Event("on_websocket_ping", (payload,), self._frame(PONG, payload), unless_handled=True)

    def _on_pong(self, payload: bytes) -> Event:
        return Event("on_websocket_pong", (payload,))

    def _on_close(self, payload: bytes) -> Close:
        return self._parting(read_close(payload))

    CONTROLS: ClassVar[dict[int, Callable[["Conversation", bytes], Event | Close]]] = {
        PING: _on_ping,
        PONG: _on_pong,
        CLOSE: _on_close,
    }

    def _parting(self, code: int | None, error: str | None = None) -> Close:
        return Close(b"" if self._said else self._frame(CLOSE, close_payload(code)), error)

    # -- writing -----------------------------------------------------------------------------------

    def encode(self, message: Any) -> bytes:
        """One frame: binary for bytes, bytearray and memoryview, text for everything else. While the
        handshake is not complete it is held back, and `b""` given.

        Raises TypeError for what is no message, ValueError for a str that is not Unicode (WS-037), after the
        farewell, and where more than `max_package_size` bytes would be held back.
        """
        kind = BINARY if isinstance(message, (bytes, bytearray, memoryview)) else TEXT
        return self._send(kind, as_bytes(message))

    def ping(self, payload: bytes = b"") -> bytes:
        """A ping; raises ValueError as `encode`, and for more than 125 bytes."""
        return self._send(PING, short(payload))

    def pong(self, payload: bytes = b"") -> bytes:
        """A pong, asked for or not; raises ValueError as `ping`."""
        return self._send(PONG, short(payload))

    def farewell(self, code: int = NORMAL, reason: str = "") -> bytes:
        """Our Close frame, once; `b""` after that, and while the handshake is not complete. From then on
        `feed` gives nothing but the `Close` that the peer's answer means. Raises ValueError for a code or a
        reason that may not be sent.

        A `Close` that `feed` gave has its own reply. Where the application ended the conversation at a
        message before it, so that it was never obeyed, this says farewell instead.
        """
        payload = close_payload(code, reason)
        if self._said or self._held is not None:
            return b""
        self._said = True
        return self._frame(CLOSE, payload)

    def _send(self, opcode: int, payload: bytes) -> bytes:
        if self._said:
            raise ValueError("websocket: nothing can follow the Close frame (RFC 6455 section 5.5.1)")
        data = self._frame(opcode, payload)
        if self._held is None:
            return data
        if len(self._held) + len(data) > self.max_package_size:
            raise ValueError(f"websocket: more than {self.max_package_size} bytes wait for the handshake")
        self._held += data
        return b""

    def _frame(self, opcode: int, payload: bytes) -> bytes:
        return frame(opcode, payload, self._random_bytes(4) if self._random_bytes else b"")


def short(payload: bytes) -> bytes:
    """The payload of a control frame. Raises ValueError for more than 125 bytes (section 5.5)."""
    if len(payload) > LONGEST_SHORT:
        raise ValueError(f"{len(payload)} bytes do not fit into a control frame; at most {LONGEST_SHORT} do")
    return payload
