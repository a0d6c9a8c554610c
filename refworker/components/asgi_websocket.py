"""WebSockets of the bridge to ASGI."""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from refworker.callbacks import logger
from refworker.connection import TcpConnection
from refworker.worker import Worker

Message = dict[str, Any]

WAITING = 16
"""Messages that wait for an application; then its client is not read."""

ABNORMAL, NO_STATUS = 1006, 1005


class Applications(Protocol):
    """What is needed of the bridge."""

    app: Any

    def common(
        self,
        connection: TcpConnection,
        scheme: str,
        path: str,
        query: str,
        headers: Iterable[tuple[str, str]],
    ) -> Message:
        """What an application is told."""

    def spawn(self, coroutine: Any) -> None:
        """Let something go on."""


class WebSockets:
    """Those of one worker."""

    def __init__(self, bridge: Applications) -> None:
        self.bridge = bridge
        self.open: dict[TcpConnection, Conversation] = {}

    def attach(self, worker: Worker) -> None:
        """Hear what happens on a worker."""
        worker.on_websocket_connect = self.connect
        worker.on_websocket_connected = self.connected
        worker.on_websocket_message = self.message
        worker.on_websocket_close = self.closing

    async def connect(self, connection: TcpConnection, request: Any) -> None:
        """A client asks for one; it waits until the application has decided."""
        self.open[connection] = conversation = Conversation(connection)
        self.bridge.spawn(self._run(conversation, self.scope(connection, request)))
        await conversation.decided.wait()

    def connected(self, connection: TcpConnection, request: Any) -> None:
        """The handshake is answered."""
        self.open[connection].opened.set()

    def scope(self, connection: TcpConnection, request: Any) -> Message:
        """What the application is told of it."""
        scheme = "wss" if connection.transport == "ssl" else "ws"
        return {
            "type": "websocket",
            "http_version": "1.1",
            "subprotocols": request.subprotocols,
            **self.bridge.common(connection, scheme, request.path, request.query, request.headers),
        }

    async def _run(self, conversation: "Conversation", scope: Message) -> None:
        try:
            await self.bridge.app(scope, conversation.receive, conversation.send)
        except Exception:
            logger.exception("connection %d: the application failed", conversation.connection.id)
            conversation.end(1011)
        conversation.end(1000)

    async def message(self, connection: TcpConnection, message: str | bytes) -> None:
        """A message for the application."""
        kind = "text" if isinstance(message, str) else "bytes"
        await self.open[connection].heard.put({"type": "websocket.receive", kind: message})

    def closing(self, connection: TcpConnection, code: int, reason: str) -> None:
        """The client says that it goes."""
        if conversation := self.open.get(connection):
            conversation.code, conversation.reason = code, reason

    def close(self, connection: TcpConnection) -> None:
        """It is gone."""
        if conversation := self.open.pop(connection, None):
            for moment in (conversation.over, conversation.decided, conversation.opened):
                moment.set()


class Conversation:
    """One WebSocket, as an application sees it."""

    def __init__(self, connection: TcpConnection) -> None:
        self.connection = connection
        self.decided, self.opened, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """The application has said yes or no; the handshake is answered; the connection is gone."""
        self.heard: asyncio.Queue[Message] = asyncio.Queue(WAITING)
        self.heard.put_nowait({"type": "websocket.connect"})
        self.code, self.reason = ABNORMAL, ""
        self._accepted = self._ended = False

    async def receive(self) -> Message:
        """The next event; what has come before the end is heard before it."""
        getting = asyncio.ensure_future(self.heard.get())
        ending = asyncio.ensure_future(self.over.wait())
        await asyncio.wait((getting, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if getting.done():
            return getting.result()
        getting.cancel()
        return {"type": "websocket.disconnect", "code": self.code, "reason": self.reason}

    async def send(self, message: Message) -> None:
        """What the application says. Raises OSError when the client is gone, RuntimeError for what is not in
        turn.
        """
        kind = message["type"]
        if kind == "websocket.accept" and not self.decided.is_set():
            await self._accept(message)
        elif kind == "websocket.close":
            self.end(message.get("code", 1000), message.get("reason") or "")
        elif kind == "websocket.send" and self._accepted and not self._ended:
            await self._pass_on(message)
        elif self.over.is_set():
            raise OSError("the client is gone")
        else:
            raise RuntimeError(f"{kind} is not what is due")

    async def _accept(self, message: Message) -> None:
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())
        ]
        if protocol := message.get("subprotocol"):
            headers.append(("Sec-WebSocket-Protocol", protocol))
        self.connection.headers = headers
        self._accepted = True
        self.decided.set()
        await self.opened.wait()

    async def _pass_on(self, message: Message) -> None:
        text = message.get("text")
        data = message.get("bytes", b"") if text is None else text
        if self.over.is_set() or self.connection.send(data) is False:
            raise OSError("the client is gone")
        await self.connection.drain()

    def end(self, code: int, reason: str = "") -> None:
        """The application has no more to say: before it has accepted that is a refusal."""
        if self._ended or self.over.is_set():
            return
        self._ended = True
        if self._accepted:
            self.connection.close(code=code, reason=reason)
        else:
            self.connection.refuse(403, "the application refuses")
            self.decided.set()
