"""The sending half of a connection: framing, batches, the send buffer and its limit.

Replies that are made while one chunk is handled form a *batch* and leave in one write. A batch of a protocol
whose whole framing is a suffix (`text`: an LF) holds the bare messages, and one join frames them all.

The transport's buffer limits are set to zero: it then reports each change between empty and not empty, which
are the manual's `on_buffer_drain` and the moment to look at `max_send_buffer_size`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

from refworker.callbacks import ConnectionCallbacks, logger
from refworker.endpoints import Endpoints
from refworker.protocols.base import LARGE, MANY, Codec, as_bytes
from refworker.status import SEND_FAIL, Status, statistics

ESTABLISHED, CLOSED = Status.ESTABLISHED, Status.CLOSED  # looked up for every message


class Sender(ConnectionCallbacks, Endpoints):
    """What a connection says, on its way to the transport."""

    __slots__ = (
        "_batch", "_codec", "_congested", "_pushed", "_silent", "_simple", "_suffix", "_transport",
        "_waiting", "id", "max_send_buffer_size", "room", "status",
    )  # fmt: skip

    default_max_send_buffer_size: ClassVar[int] = 1024 * 1024

    id: int
    status: Status
    max_send_buffer_size: int
    _transport: Any
    _waiting: list[asyncio.Future[None]]

    def _begin(self) -> None:
        """The state of one transport's life."""
        self._speak(self._codec)
        self._pushed = 0
        self._congested = self._silent = False
        self._batch: list[bytes] | None = None
        self._transport = None

    def _speak(self, codec: Codec) -> None:
        """From here on this is how things are said."""
        self._codec = codec
        self._simple = codec.suffix is not None
        self._suffix = codec.suffix or b""
        self.room: list[bytes] | None = None
        """The batch, while nothing speaks against appending to it."""

    def pause_writing(self) -> None:
        """The send buffer is not empty any more."""
        self._congested = True
        self.room = None

    def resume_writing(self) -> None:
        """The send buffer is empty again."""
        self._congested = False
        self._drained()

    def _drained(self) -> None:
        statistics.buffer_drain += 1
        self._wake()
        self._tell("on_buffer_drain")

    async def drain(self) -> None:
        """Wait until there is room in the send buffer: at once where it is not full, else until the peer has
        taken all of it. For loops that make more than the peer may want to read.

        Raises ConnectionResetError when the connection is closed, or is while this waits.
        """
        if self._batch:
            self._push_batch()
        if self.status is CLOSED:
            raise ConnectionResetError(f"connection {self.id} is closed: nothing more can be sent")
        if self.get_send_buffer_queue_size() >= self.max_send_buffer_size:
            self._waiting.append(room := asyncio.get_running_loop().create_future())
            await room

    def _wake(self, problem: Exception | None = None) -> None:
        """Let those go on who wait for room, or tell them that there will be none."""
        waiting, self._waiting = self._waiting, []
        for room in waiting:
            if not room.done():
                room.set_exception(problem) if problem else room.set_result(None)

    def _fall_silent(self) -> None:
        """Write what is queued, then FIN; a connection that does not stand yet does so later."""
        if self._batch:
            self._push_batch()
        self._silent, self._simple, self.room = True, False, None  # no batch can be merely bytes any more
        if self._transport:
            try:
                self._transport.write_eof()
            except OSError:
                pass  # the peer is gone: what is read next tells it

    def send(self, message: Any, raw: bool = False) -> bool | None:
        """Send one message; `raw` sends bytes as they are, without the protocol's framing.

        True: the kernel has every byte. None: accepted, and written soon. False: refused, since the
        connection is closing, the send buffer is full (`max_send_buffer_size`, FLOW-002), or the message
        cannot be encoded (the log says why).
        """
        batch = self.room
        if batch is None or raw:
            return self._send_framed(message, raw)
        if not self._simple or type(message) is not bytes:
            try:
                message = bytes(as_bytes(message)) if self._simple else self._codec.encode(message)
            except Exception:
                return self._not_sent()
        batch.append(message)
        if len(message) > LARGE or len(batch) >= MANY:
            self._push_batch()
        return None

    def _send_framed(self, message: Any, raw: bool) -> bool | None:
        """What cannot merely be appended to a batch."""
        if self.status is not ESTABLISHED or self._silent:
            return False
        if self._congested and self._is_full():  # first: what a codec has compressed it takes for sent
            return self._refuse("send buffer full and drop package")
        try:
            data = as_bytes(message) if raw else self._codec.encode(message)
        except Exception:
            return self._not_sent()
        if self._batch is None or self._congested:
            return self._push_batch(data)
        self._write(data)
        return None

    def _send_as_others(self, message: Any, framed: dict[type, bytes]) -> bool | None:
        """Send what may have been framed for another connection of this protocol, or is for the next ones."""
        codec = self._codec
        if self.status is not ESTABLISHED or not codec.alike or codec.overdue():
            return self.send(message)  # a handshake may hold it back
        if (data := framed.get(type(codec))) is None:
            try:
                data = framed[type(codec)] = codec.encode(message)
            except Exception:
                return self._not_sent()
        return self._send_framed(data, raw=True)

    def _not_sent(self) -> bool:
        logger.exception("connection %d: message not sent", self.id)
        return False

    def _write(self, data: bytes) -> None:
        """Send bytes that no limit may refuse and that are framed already: what the protocol says, raw
        messages, and last words.
        """
        batch = self._batch
        if batch is None or self._simple:
            self._push_batch(data)
        else:
            batch.append(data)
            if len(data) > LARGE or len(batch) >= MANY:
                self._push_batch()

    def _push_batch(self, last: bytes = b"") -> bool | None:
        """Write the batch so far, and framed bytes after it; batching goes on."""
        if batch := self._batch:
            last = self._suffix.join(batch) + self._suffix + last
            batch.clear()
        return self._push(last)

    def _flush(self) -> None:
        """Write the batch and leave batching."""
        batch = self._batch
        self._batch = self.room = None
        if batch and self.status is not CLOSED:
            suffix = self._suffix
            data = suffix.join(batch) + suffix
            self._push(data) if self._congested or self._silent else self._put(data)

    def _push(self, data: bytes) -> bool | None:
        """Give bytes to the transport, if it takes any."""
        if self._transport.is_closing():
            return self._refuse("client closed")
        if not data or self._silent:
            return None
        return self._put(data, self._congested and self._is_full())

    def _put(self, data: bytes, was_full: bool = False) -> bool | None:
        """Give bytes to the transport, and look at the limit if it could not pass them on."""
        self._pushed += len(data)
        self._transport.write(data)
        if not self._congested:
            return True
        if self._is_full() and not was_full:  # once for each time that it fills up (FLOW-003)
            self._filled()
        return None

    def _is_full(self) -> bool:
        return self.get_send_buffer_queue_size() >= self.max_send_buffer_size

    def _filled(self) -> None:
        statistics.buffer_full += 1
        self._tell("on_buffer_full")

    def _refuse(self, reason: str) -> bool:
        statistics.send_fail += 1
        self._tell("on_error", SEND_FAIL, reason)
        return False

    def _tell(self, name: str, *args: Any) -> None:
        """Call a callback, if set; the connection knows how."""
        raise NotImplementedError

    @property
    def bytes_written(self) -> int:
        """Bytes that the kernel has taken, framing included (TCP-008)."""
        return self._pushed - (self._transport.get_write_buffer_size() if self._transport else 0)


def broadcast(message: Any, receivers: Iterable[Sender]) -> int:
    """Send one message to many, framed once for each protocol among them (FAQ-010); how many took it. A
    receiver that is closing, or does not read and has a full send buffer, holds nobody up. Logs a message
    that cannot be encoded.
    """
    framed: dict[type, bytes] = {}
    return sum(receiver._send_as_others(message, framed) is not False for receiver in tuple(receivers))
