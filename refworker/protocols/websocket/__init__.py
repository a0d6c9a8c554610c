"""`websocket://` and `ws://` (RFC 6455): read `frames.py` for the wire, `handshake.py` for how it begins,
`conversation.py` and `message.py` for what both sides do after that, `deflate.py` for how they save bytes.
The two sides differ in this: who asks, and who masks.
"""

from collections.abc import Callable
from typing import ClassVar

from refworker.protocols.base import MAX_PACKAGE_SIZE
from refworker.protocols.websocket.conversation import Conversation
from refworker.protocols.websocket.deflate import ASKING, GRANTING, Deflate, Wish
from refworker.protocols.websocket.handshake import ClientHandshake, ServerHandshake
from refworker.protocols.websocket.heads import Headers, Request, Response, application_fields, http_error

__all__ = [
    "Deflate",
    "Headers",
    "Request",
    "Response",
    "WebSocketClient",
    "WebSocketServer",
    "Wish",
    "application_fields",
    "http_error",
]


class WebSocketServer(Conversation):
    """The side that is asked: `on_websocket_connect` gets the `Request`."""

    __slots__ = ()
    opening, patient = b"", False

    def __init__(self, max_package_size: int = MAX_PACKAGE_SIZE, deflate: Deflate | None = GRANTING) -> None:
        super().__init__(ServerHandshake(deflate), max_package_size=max_package_size)


class WebSocketClient(Conversation):
    """The side that asks, and masks: `on_websocket_connect` gets the `Response`."""

    __slots__ = ("opening",)
    alike: ClassVar[bool] = False  # every frame has a mask of its own

    def __init__(
        self,
        host: str,
        path: str,
        random_bytes: Callable[[int], bytes],
        max_package_size: int = MAX_PACKAGE_SIZE,
        headers: Headers = (),
        deflate: Deflate | None = ASKING,
    ) -> None:
        """`host` is the Host field, with a port unless it is the scheme's own; `path` includes the query;
        `random_bytes(n)` gives n unpredictable bytes (`os.urandom`); `headers` are the application's own
        fields. Raises ValueError for a host or a path that cannot be meant.
        """
        handshake = ClientHandshake(host, path, random_bytes(16), headers, deflate)
        super().__init__(handshake, random_bytes, max_package_size)
        self.opening = handshake.request

    @property
    def patient(self) -> bool:
        """The server ends TCP first (RFC 6455 section 7.1.1), if the handshake has succeeded."""
        return self._held is None
