"""`websocket://` and `ws://` (RFC 6455): read `frames.py` for the wire, `handshake.py` for how it begins and
`conversation.py` for what both sides do after that. The two sides differ in this: who asks, and who masks.
"""

from collections.abc import Callable, Iterable
from typing import ClassVar

from refworker.protocols.base import MAX_PACKAGE_SIZE
from refworker.protocols.websocket.conversation import Conversation
from refworker.protocols.websocket.handshake import ClientHandshake, Request, Response, ServerHandshake

__all__ = ["Request", "Response", "WebSocketClient", "WebSocketServer"]


class WebSocketServer(Conversation):
    """The side that is asked: `on_websocket_connect` gets the `Request`."""

    __slots__ = ()
    opening = b""

    def __init__(self, max_package_size: int = MAX_PACKAGE_SIZE) -> None:
        super().__init__(ServerHandshake(), max_package_size=max_package_size)


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
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """`host` is the Host field, with a port unless it is 80; `path` includes the query;
        `random_bytes(n)` gives n unpredictable bytes (`os.urandom`); `headers` are the application's own
        fields. Raises ValueError for a host or a path that cannot be meant.
        """
        handshake = ClientHandshake(host, path, random_bytes(16), headers)
        super().__init__(handshake, random_bytes, max_package_size)
        self.opening = handshake.request
