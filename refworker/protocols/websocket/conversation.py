"""A WebSocket conversation: what server and client have in common (RFC 6455 sections 5 to 8).

First a handshake, then frames. What is encoded before the handshake is concluded is held back and leaves with
its last bytes, so that nothing overtakes it (WS-011, WSC-006). Frames that stand right behind the peer's head
are read at once; of a peer that the application refuses, nobody will see them.

A payload is taken as it comes, in whatever pieces: unmasked, inflated if it was compressed, and if it is text
checked as far as it goes, so that the first wrong byte ends the conversation, not the last byte of a frame
that never becomes whole (section 8.1, WS-036). `message.py` gathers the pieces.

Control frames are short and handled whole. `CONTROLS` says by whom.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Event, as_bytes
from refworker.protocols.websocket.deflate import Deflation
from refworker.protocols.websocket.frames import (
    BINARY,
    BINARY_HEADS,
    CLOSE,
    COMPRESSED,
    CONTINUATION,
    DATA,
    LEGAL,
    LEGAL_WITH_DEFLATE,
    LONGEST_SHORT,
    NO_CODE,
    NORMAL,
    PING,
    PONG,
    TEXT,
    TEXT_HEADS,
    Failure,
    Header,
    close_payload,
    frame,
    read_close,
    read_header,
    read_short,
)
from refworker.protocols.websocket.handshake import Handshake, Refused
from refworker.protocols.websocket.heads import Headers
from refworker.protocols.websocket.masking import mask
from refworker.protocols.websocket.message import Message


class Conversation:
    """One side of a WebSocket. Messages are `str` for text and `bytes` for binary."""

    __slots__ = (
        "_deflation", "_final", "_handshake", "_held", "_key", "_legal", "_message", "_missing",
        "_peer_masks", "_random_bytes", "_said", "_swift", "_tail", "kind", "max_package_size",
    )  # fmt: skip
    name: ClassVar[str] = "WebSocket"
    suffix: ClassVar[bytes | None] = None
    owes: ClassVar[bool] = False
    paced: ClassVar[bool] = False

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
        self.kind: int | None = None
        """The opcode of whatever is encoded; None: that of its type."""
        self._handshake: Handshake | None = handshake  # None: it is concluded
        self._random_bytes = random_bytes
        self._peer_masks = random_bytes is None
        self._held: bytearray | None = bytearray()  # frames that wait for the conclusion; None: it is drawn
        self._said = False  # our farewell
        self._swift = False  # whether a short message of the usual types needs nothing but a head
        self._deflation: Deflation | None = None
        self._legal = LEGAL
        self._tail = b""  # a header or a control frame that is not whole yet
        self._message: Message | None = None  # what is under way
        self._missing = 0  # bytes of the frame that is under way
        self._key = b""  # its key, turned to the next byte
        self._final = False  # whether it is the last of its message

    @property
    def alike(self) -> bool:
        """Whether a message has the same bytes on every connection: not where each compresses it behind
        others.
        """
        return self._deflation is None

    # -- the handshake -----------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[Any]:
        """The messages and signals that `data` completes."""
        handshake = self._handshake
        if handshake is None and self._message is None and not self._tail and not self._said:
            return self._read_short(data)
        if handshake is None or handshake.is_read:
            return self._read_frames(data)
        return self._read_head(handshake, data)

    def _read_short(self, data: bytes) -> list[Any]:
        """What comes most of the time: whole frames, short and plain, and nothing is under way."""
        items: list[Any] = []
        position = 0
        if self.max_package_size >= LONGEST_SHORT:
            position = read_short(data, 0, self._peer_masks, items)
        if position == len(data):
            return items
        return items + self._read_frames(data[position:])

    def _read_head(self, handshake: Handshake, data: bytes) -> list[Any]:
        try:
            told, rest = handshake.read(data)
        except Refused as refused:
            return [refusal_of(handshake, refused)]
        if handshake.deflation:
            self._deflation, self._legal = handshake.deflation, LEGAL_WITH_DEFLATE
        return [*told, *self._read_frames(rest)] if told else []

    def open(self, headers: Headers = ()) -> bytes:
        """This side's last bytes of the handshake, with an application's fields, and the frames that were
        held back. Raises ValueError for a subprotocol that was not offered.
        """
        assert self._handshake
        answer = self._handshake.conclude(headers)
        held, self._held, self._handshake = bytes(self._held or b""), None, None
        least = self._deflation.threshold if self._deflation else LONGEST_SHORT + 1
        self._swift = self._peer_masks and least > LONGEST_SHORT
        return answer + held

    def unfinished(self) -> int:
        """Bytes of a message, a frame or a handshake that is under way."""
        if self._handshake and not self._handshake.is_read:
            return self._handshake.collected
        return max(len(self._tail) + (self._message.size if self._message else 0), self._message is not None)

    def overdue(self) -> Close | None:
        """A refusal while the handshake is not concluded: nobody waits for it for ever (WS-006)."""
        return refusal_of(self._handshake, Refused("it took too long", 408)) if self._handshake else None

    # -- reading -----------------------------------------------------------------------------------

    def _read_frames(self, data: bytes) -> list[Any]:
        items: list[Any] = []
        if self._tail:
            data, self._tail = self._tail + data, b""
        try:
            self._scan(data, items)
        except Failure as failure:
            items.append(self._parting(failure.code, str(failure)))
        return [item for item in items if is_farewell(item)] if self._said else items

    def _scan(self, data: bytes, items: list[Any]) -> None:
        position, end = 0, len(data)
        if self._missing:
            position = self._take_payload(data, 0, items)
        while position < end:
            if self._message is None and self.max_package_size >= LONGEST_SHORT:
                position = read_short(data, position, self._peer_masks, items)
            if position < end:
                position = self._read_frame(data, position, items)

    def _read_frame(self, data: bytes, position: int, items: list[Any]) -> int:
        """Read one frame of whatever sort, or its beginning; returns the position behind it."""
        legal = self._legal.inside if self._message else self._legal.between
        header = read_header(data, position, self._peer_masks, self._room, legal)
        if header and header.opcode in DATA:
            self._begin_frame(header)
            return self._take_payload(data, header.start, items)
        if header is None or len(data) < header.start + header.length:
            self._tail = data[position:]
            return len(data)
        stop = header.start + header.length
        payload = data[header.start : stop]
        items += self.CONTROLS[header.opcode](self, mask(payload, header.key) if header.key else payload)
        return len(data) if header.opcode == CLOSE else stop

    def _room(self, compressed: bool) -> int:
        """How many bytes the next frame's payload may have."""
        if self._message:
            return self._message.room()
        return Message.most(self.max_package_size, compressed)

    def _begin_frame(self, header: Header) -> None:
        if header.opcode != CONTINUATION:
            deflation = self._deflation if header.compressed else None
            self._message = Message(header.opcode == TEXT, self.max_package_size, deflation)
        self._missing, self._key, self._final = header.length, header.key, header.final

    def _take_payload(self, data: bytes, position: int, items: list[Any]) -> int:
        """Take what there is of the frame under way; returns the position behind it."""
        message = self._message
        assert message
        piece = data[position : position + self._missing]
        if self._key:
            turn = len(piece) % 4
            piece, self._key = mask(piece, self._key), self._key[turn:] + self._key[:turn]
        self._missing -= len(piece)
        message.take(piece)
        if self._final and not self._missing:
            self._message = None
            items.append(message.whole())
        return position + len(piece)

    # -- control frames (section 5.5) --------------------------------------------------------------

    def _on_ping(self, payload: bytes) -> list[Event | Close]:
        return [Event("on_websocket_ping", (payload,), self._frame(PONG, payload), unless_handled=True)]

    def _on_pong(self, payload: bytes) -> list[Event | Close]:
        return [Event("on_websocket_pong", (payload,))]

    def _on_close(self, payload: bytes) -> list[Event | Close]:
        code, reason = read_close(payload)
        told = Event("on_websocket_close", (NO_CODE if code is None else code, reason), parting=True)
        return [told, self._parting(code)]

    CONTROLS: ClassVar[dict[int, Callable[["Conversation", bytes], list[Event | Close]]]] = {
        PING: _on_ping,
        PONG: _on_pong,
        CLOSE: _on_close,
    }

    def _parting(self, code: int | None, error: str | None = None) -> Close:
        return Close(b"" if self._said else self._frame(CLOSE, close_payload(code)), error)

    # -- writing -----------------------------------------------------------------------------------

    def encode(self, message: Any) -> bytes:
        """One frame: binary for bytes, bytearray and memoryview, text for everything else, unless `kind` says
        otherwise. While the handshake is not concluded it is held back, and `b""` given.

        Raises TypeError for what is no message, ValueError for text that is not Unicode (WS-037), after the
        farewell, and where more than `max_package_size` bytes would be held back.
        """
        if self._swift and self.kind is None:
            payload: bytes = message
            if (sort := type(message)) is bytes:
                heads = BINARY_HEADS
            elif sort is str:
                payload, heads = message.encode(), TEXT_HEADS
            else:
                return self._encode(message)
            if (length := len(payload)) < len(heads):
                return heads[length] + payload
        return self._encode(message)

    def _encode(self, message: Any) -> bytes:
        kind = self.kind or (BINARY if isinstance(message, (bytes, bytearray, memoryview)) else TEXT)
        payload = as_bytes(message)
        if self.kind:
            check_payload(kind, payload)
        # What waits for the handshake may be refused, and then must not be in the compressor's window.
        deflation = self._deflation if self._held is None else None
        if deflation and kind in DATA and (packed := deflation.deflate(payload)) is not None:
            return self._send(kind, packed, COMPRESSED)
        return self._send(kind, payload)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """What is encoded in this block answers a ping (WS-027)."""
        before, self.kind = self.kind, PONG
        try:
            yield
        finally:
            self.kind = before

    def ping(self, payload: bytes = b"") -> bytes:
        """A ping; raises ValueError as `encode`, and for more than 125 bytes."""
        check_payload(PING, payload)
        return self._send(PING, payload)

    def pong(self, payload: bytes = b"") -> bytes:
        """A pong, asked for or not; raises ValueError as `ping`."""
        check_payload(PONG, payload)
        return self._send(PONG, payload)

    def final(self, message: Any = None) -> bytes:
        """A last message is like every other one."""
        return b"" if message is None else self.encode(message)

    def apology(self, problem: BaseException | None = None) -> None:
        """None: a failed handler ends the conversation."""

    def farewell(self, code: int = NORMAL, reason: str = "") -> bytes:
        """Our Close frame, once; `b""` after that, and while the handshake is not concluded. From then on
        `feed` gives nothing but what the peer's answer means. Raises ValueError for a code or a reason that
        may not be sent.

        A `Close` that `feed` gave has its own reply. Where the application ended the conversation at a
        message before it, so that it was never obeyed, this says farewell instead.
        """
        payload = close_payload(code, reason)
        if self._said or self._held is not None:
            return b""
        self._said, self._swift = True, False
        return self._frame(CLOSE, payload)

    def _send(self, opcode: int, payload: bytes, compressed: int = 0) -> bytes:
        if self._said:
            raise ValueError("websocket: nothing can follow the Close frame (RFC 6455 section 5.5.1)")
        data = self._frame(opcode, payload, compressed)
        if self._held is None:
            return data
        if len(self._held) + len(data) > self.max_package_size:
            raise ValueError(f"websocket: more than {self.max_package_size} bytes wait for the handshake")
        self._held += data
        return b""

    def _frame(self, opcode: int, payload: bytes, compressed: int = 0) -> bytes:
        return frame(opcode, payload, self._random_bytes(4) if self._random_bytes else b"", compressed)


def refusal_of(handshake: Handshake, refused: Refused) -> Close:
    """The end of a conversation that has not begun."""
    error = f"websocket: handshake failed: {refused} (RFC 6455 section {handshake.section})"
    return Close(handshake.refusal(refused), error)


def is_farewell(item: Any) -> bool:
    """Whether this is what a peer says in the end."""
    return isinstance(item, Close) or (isinstance(item, Event) and item.parting)


def check_payload(kind: int, payload: bytes) -> None:
    """Raise ValueError for what a frame of this kind cannot carry (sections 5.5 and 5.6)."""
    if kind == TEXT:
        payload.decode()
    elif kind not in DATA and len(payload) > LONGEST_SHORT:
        raise ValueError(f"{len(payload)} bytes do not fit into a control frame; at most {LONGEST_SHORT} do")
