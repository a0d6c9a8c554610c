"""Another protocol in mid-connection: `connection.protocol = "frame"` (manual: tcp-connection/protocol;
TCP-022).

A chunk is parsed at once, so bytes behind the message whose handler assigns may have been taken for messages
of the former protocol already. Those are not handled: the former codec says where they begin, and the new one
reads them again.
"""

from collections.abc import Iterable
from typing import Any

from refworker.protocols.base import Codec
from refworker.protocols.registry import server_codec
from refworker.sender import Sender

SWITCHED, UNANSWERED = 4, 8
"""Bits of `_stalled`: nothing more is handled until what was parsed too early is taken over; until what was
asked is answered.
"""


class Switching(Sender):
    """The part of a connection that changes its protocol."""

    __slots__ = ("_asked", "_backlog", "_chunk", "_done", "_former", "_pending", "_stalled")

    _asked: bool
    """Whether something is to happen when the handler at work returns."""

    _backlog: list[bytes]
    _pending: Iterable[Any] | None
    """The items of a chunk whose handling was stalled: `_done` of them are handled."""
    _done: int
    _chunk: bytes
    """What they were parsed from."""
    _former: Codec | None
    _stalled: int

    @property
    def protocol(self) -> Any:
        """What lists of connections call the protocol; assign another one.

        A scheme (`"text"`, `"frame"`, `"tcp"` for none, `"websocket"`) or a user's own protocol, as for a
        worker. What is sent from now on is in that protocol, and so is everything that the peer sends behind
        the message that is being handled. Raises ValueError for an unknown scheme, and for a WebSocket, whose
        conversation ends with its connection; TypeError for what is no protocol.
        """
        return self._codec.name

    @protocol.setter
    def protocol(self, protocol: Any) -> None:
        former = self._codec
        if not hasattr(former, "unread"):
            raise ValueError(f"a connection of {former.name} keeps its protocol to its end")
        factory = server_codec(protocol) if isinstance(protocol, str) else server_codec("tcp", protocol)
        self._change(factory(self, former.max_package_size))

    def _change(self, codec: Codec) -> None:
        former = self._codec
        if self._batch:
            self._push_batch()
        self._speak(codec)
        self._former = self._former or former
        if self._batch is None:
            self._take_over()
        else:
            self._stalled |= SWITCHED
            self._asked = True

    def _keep(self, items: Iterable[Any], handled: int, chunk: bytes) -> None:
        """Let the rest of a chunk's items wait. A generator knows itself where it is."""
        self._pending, self._chunk = items, chunk
        self._done = handled if isinstance(items, list) else 0

    def _kept(self) -> tuple[Iterable[Any], bytes, int]:
        """What waits, what it was parsed from, and how much of it is done; it waits no more."""
        kept = self._pending or (), self._chunk, self._done
        self._pending, self._chunk, self._done = None, b"", 0
        return kept

    def _take_over(self) -> None:
        """Put what the former codec had parsed too early before the bytes that wait, and go on."""
        former, self._former = self._former, None
        items, chunk, handled = self._kept()
        rest = former.unread(items if isinstance(items, list) else [], handled, chunk)  # type: ignore[union-attr]
        if rest:
            self._backlog.insert(0, rest)
        self._stalled &= ~(SWITCHED | UNANSWERED)
        self._go_on()

    def _go_on(self) -> None:
        """Handle what has waited; the connection knows how."""
        raise NotImplementedError
