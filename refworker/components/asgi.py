"""A bridge to ASGI 3: existing frameworks run on a worker (asgi.readthedocs.io; HTTP and WebSocket 2.4,
lifespan 2.0).

    worker = Worker("http://0.0.0.0:8000", count=4)
    serve_asgi(worker, app)
    run_all()

Each process starts the application when it starts, and lets it end when it stops. The application hears of a
request as soon as its head is there, and gets the body as it comes: no faster than it asks for it, with a 100
for who waits for one when it asks first, and no more than `max_body_size`. Answers are streamed, no faster
than the client takes them, and may leave before the body is read. What goes on behind an answer holds up
nobody. The worker speaks WebSocket, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from refworker.callbacks import logger
from refworker.components.asgi_websocket import WebSockets
from refworker.connection import TcpConnection
from refworker.protocols.http import Chunk, Request, Response, Streamed
from refworker.protocols.http.framing import EVENTS
from refworker.protocols.http.response import Announced, File, Value
from refworker.worker import Worker

Message = dict[str, Any]
App = Callable[
    [Mapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any
]

VERSIONS = {"version": "3.0", "spec_version": "2.4"}
MISTAKE = Response(500, {"Content-Type": "text/plain; charset=utf-8"}, "the application made a mistake\n")


def serve_asgi(worker: Worker, app: App, root_path: str = "", max_body_size: float | None = None) -> "Bridge":
    """Let an application answer all that a worker of `http://` is asked; `root_path` is where it stands. A
    body has `max_body_size` bytes at most (413), `math.inf` for any number; None: `max_package_size`.
    """
    return Bridge(worker, app, root_path, max_body_size)


class Bridge:
    """One application on one worker."""

    def __init__(
        self, worker: Worker, app: App, root_path: str = "", max_body_size: float | None = None
    ) -> None:
        self.app, self.root_path, self.max_body_size = app, root_path, max_body_size
        self.state: dict[str, Any] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.exchanges: dict[TcpConnection, Exchange] = {}
        self.lifespan = Lifespan(app, self.state)
        worker.on_worker_start = lambda worker: self.lifespan.start()
        worker.on_worker_stop = lambda worker: self.lifespan.stop()
        worker.on_message = self.message
        worker.on_body = self.body
        worker.on_close = self.close
        self.websockets = WebSockets(self)
        self.websockets.attach(worker)

    def message(self, connection: TcpConnection, request: Request) -> None:
        """A request: the application goes its own way, and answers when it likes."""
        self.spawn(self.call(connection, request))

    def body(self, connection: TcpConnection, request: Streamed) -> Coroutine[Any, Any, None]:
        """A request whose body is to come."""
        if self.max_body_size is not None:
            request.max_body_size = self.max_body_size
        return self.call(connection, request)

    def call(self, connection: TcpConnection, request: Request) -> Coroutine[Any, Any, None]:
        """One call of the application, that is to be awaited."""
        self.exchanges[connection] = exchange = Exchange(connection, request)
        return self.run(exchange, self.scope(connection, request))

    async def run(self, exchange: "Exchange", scope: Message) -> None:
        """Let it go its way."""
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            if exchange.connection in self.exchanges:  # else it has only learnt that its client is gone
                logger.exception("connection %d: the application failed", exchange.connection.id)
        exchange.finish()

    def close(self, connection: TcpConnection) -> None:
        """A connection is gone."""
        if exchange := self.exchanges.pop(connection, None):
            exchange.over.set()
        self.websockets.close(connection)

    def spawn(self, coroutine: Any) -> None:
        """Let something go on beside the connections."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def scope(self, connection: TcpConnection, request: Request) -> Message:
        """What the application is told of a request."""
        scheme = "https" if connection.transport == "ssl" else "http"
        extensions: Message = {"http.response.pathsend": {}}
        return {
            "type": "http",
            "http_version": request.protocol_version,
            "method": request.method,
            "extensions": extensions,
            **self.common(connection, scheme, request.path, request.query_string, request.headers),
        }

    def common(
        self,
        connection: TcpConnection,
        scheme: str,
        path: str,
        query: str,
        headers: Iterable[tuple[str, str]],
    ) -> Message:
        """What HTTP and WebSocket have in common."""
        remote, local = connection.get_remote_ip(), connection.get_local_ip()
        return {
            "asgi": VERSIONS,
            "scheme": scheme,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": self.root_path,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
            "client": (remote, connection.get_remote_port()) if remote else None,
            "server": (local, connection.get_local_port()) if local else None,
            "state": dict(self.state),
        }


class Exchange:
    """One request and its answer, as an application sees them."""

    def __init__(self, connection: TcpConnection, request: Request) -> None:
        self.connection, self.request = connection, request
        self.over = asyncio.Event()
        """The answer is complete, or the client is gone."""
        self._is_read = self._is_stream = self._is_done = False
        self._start: Response | None = None
        self._left: int | None = None  # bytes of the body that the application has announced

    async def receive(self) -> Message:
        """The body as it comes, and then the end of it all."""
        if not (self._is_read or self.over.is_set()):
            try:
                body = await self._next_piece()
            except ConnectionResetError:
                pass  # the client is gone, or the answer has left meanwhile
            else:
                return {"type": "http.request", "body": body, "more_body": not self._is_read}
        await self.over.wait()
        return {"type": "http.disconnect"}

    async def _next_piece(self) -> bytes:
        if not isinstance(self.request, Streamed):
            self._is_read = True
            return self.request.raw_body
        piece: bytes = await self.request.taker.next()
        self._is_read = self.request.taker.is_whole
        return piece

    async def send(self, message: Message) -> None:
        """What the application says. Raises OSError when the client is gone, RuntimeError for what is not in
        turn.
        """
        kind = message["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = Response(message["status"], headers_of(message))
        elif kind == "http.response.body" and self._start is not None and not self._is_done:
            await self._body(bytes(message.get("body", b"")), bool(message.get("more_body", False)))
        elif kind == "http.response.pathsend" and self._start is not None and not self._is_stream:
            self._answer(File(str(message["path"])))
        else:
            raise RuntimeError(f"{kind} is not what is due")

    async def _body(self, data: bytes, more: bool) -> None:
        if not (self._is_stream or more or self._is_special()):
            self._answer(data)
            return
        if not self._is_stream:
            self._begin()
        if data:
            self._piece(data)
        if not more:
            self._end()
        elif not self.over.is_set():
            await self.connection.drain()

    def _is_special(self) -> bool:
        """Whether an answer is more than a head and these octets, also where all of it is here: events have
        no length, and of what HEAD asks for only the application knows it.
        """
        assert self._start
        is_head = self.request.method == "HEAD" and self._start.get_header("Content-Length") is not None
        kind = self._start.get_header("Content-Type")
        return is_head or (isinstance(kind, str) and kind.startswith(EVENTS))

    def _answer(self, body: bytes | File) -> None:
        assert self._start
        self._say(self._start.with_body(body))
        self._complete()

    def _begin(self) -> None:
        """A body that comes in pieces, of a length that was announced or not."""
        assert self._start
        response, self._is_stream = self._start, True
        length = response.get_header("Content-Length")
        if isinstance(length, str) and length.isdecimal() and length.isascii():
            self._left = int(length) if self.request.method != "HEAD" else None
            response.body = Announced(int(length))
        else:
            response.header("Transfer-Encoding", "chunked")
        self._say(response)

    def _piece(self, data: bytes) -> None:
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise RuntimeError("the body is longer than Content-Length says")
        self._say(Chunk(data))

    def _end(self) -> None:
        if self._left:
            raise RuntimeError("the body is shorter than Content-Length says")
        self._say(Chunk())
        self._complete()

    def _say(self, message: Any) -> None:
        if self.over.is_set() or self.connection.send(message) is False:
            raise ConnectionResetError("the client is gone")

    def _complete(self) -> None:
        self._is_done = True
        self.over.set()

    def finish(self) -> None:
        """The application has returned: half an answer must not look whole, and none is a mistake."""
        if self.over.is_set():
            return
        if self._is_stream:
            self.connection.destroy()
        else:
            self._say(MISTAKE)
            self._complete()


def headers_of(start: Message) -> dict[str, Value]:
    """The fields of an answer, those of the same name together."""
    headers: dict[str, Value] = {}
    for name, value in start.get("headers", ()):
        key, text = bytes(name).decode("latin-1"), bytes(value).decode("latin-1")
        known = headers.get(key)
        headers[key] = text if known is None else [*([known] if isinstance(known, str) else known), text]
    return headers


class Lifespan:
    """An application hears when its process starts and stops; one that does not want to is not told."""

    def __init__(self, app: App, state: dict[str, Any]) -> None:
        self.app, self.state = app, state
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Let it start. Raises RuntimeError where it says that it cannot."""
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._tell("startup")

    async def stop(self) -> None:
        """Let it end."""
        if self._task and not self._task.done():
            await self._tell("shutdown")
            await self._task

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {**VERSIONS, "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self._said.get, self._heard.put)
        except Exception as problem:
            logger.info("the application has no lifespan: %r", problem)
        await self._heard.put({"type": "lifespan.over"})

    async def _tell(self, moment: str) -> None:
        await self._said.put({"type": f"lifespan.{moment}"})
        answer = await self._heard.get()
        if answer["type"] == f"lifespan.{moment}.failed":
            raise RuntimeError(f"the application cannot do its {moment}: {answer.get('message', '')}")
