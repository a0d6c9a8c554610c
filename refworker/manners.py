"""What only a WebSocket can say: pings, pongs, explicit types, fields of its handshake, a refusal (manual:
appendices/about-websocket).

    @worker.on_websocket_connect
    def visit(connection, request):
        if request.get("origin") != "https://example.org":
            connection.refuse(403, "not from there")
        elif "chat" in request.subprotocols:
            connection.headers = {"Sec-WebSocket-Protocol": "chat"}

That runs before the handshake is answered, and may be `async`: the client waits. What is sent there leaves
behind the answer.
"""

from typing import Any

from refworker.callbacks import logger
from refworker.protocols.websocket import Headers, http_error
from refworker.protocols.websocket.frames import BINARY, TEXT
from refworker.sender import ESTABLISHED
from refworker.serving import Serving

TYPES = {"text": TEXT, "binary": BINARY, None: None}
"""The explicit types of messages."""

INTERNAL_ERROR = 500


class Manners(Serving):
    """The part of a connection that is for WebSockets; with other protocols its methods do nothing."""

    __slots__ = ()

    headers: Headers = ()
    """Fields for the answer to the handshake, set in `on_websocket_connect`; of an outgoing connection for
    the request, set before it connects. By name, or lines `Name: value` (WS-009, WSC-002).
    """

    @property
    def websocket_type(self) -> str | None:
        """`"text"` or `"binary"` for whatever is sent from now on; None, the default: text for str, numbers,
        dict and list, binary for bytes (WS-018). Assigning raises ValueError for anything else.
        """
        kind = getattr(self._codec, "kind", None)
        return next(name for name, known in TYPES.items() if known == kind)

    @websocket_type.setter
    def websocket_type(self, name: str | None) -> None:
        if name not in TYPES:
            raise ValueError(f"websocket_type is 'text', 'binary' or None, not {name!r}")
        self._codec.kind = TYPES[name]  # type: ignore[attr-defined]

    def ping(self, payload: bytes = b"") -> None:
        """Ask whether the peer is alive, with at most 125 bytes that its pong repeats. Raises ValueError for
        more. Nothing is sent while the send buffer is not empty: the peer is alive, and slow.
        """
        self._say("ping", payload)

    def pong(self, payload: bytes = b"") -> None:
        """Answer a ping, where `on_websocket_ping` takes that upon itself."""
        self._say("pong", payload)

    def _say(self, what: str, payload: bytes) -> None:
        word = getattr(self._codec, what, None)
        if word and self.status is ESTABLISHED and not self._congested and not self._codec.overdue():
            self._write(word(payload))

    def refuse(self, status: int = 403, text: str = "refused") -> None:
        """In `on_websocket_connect`: answer with an HTTP error instead of a handshake, and close. Raises
        ValueError for a status that is no refusal.
        """
        self.close(http_error(status, text), raw=True)

    def _shake_hands(self) -> bool:
        """The application has not refused: end the handshake. False where what it has set cannot be said."""
        try:
            self._write(self._codec.open(self.headers))  # type: ignore[attr-defined]
        except ValueError:
            logger.exception("connection %d: the handshake cannot be answered", self.id)
            self.refuse(INTERNAL_ERROR, "the service made a mistake")
            return False
        return True

    def close(self, data: Any = None, raw: bool = False, code: int | None = None, reason: str = "") -> None:
        """Close the connection; it knows how."""
        raise NotImplementedError
