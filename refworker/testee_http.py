"""The routes of the testee's `http` service: a table from path and method to a handler.

A handler gets the connection and the request, and returns the answer; what takes time is `async`.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote

from refworker import Chunk, Limits, Request, Response, ServerSentEvents, Streamed, TcpConnection
from refworker.components.static import StaticFiles
from refworker.protocols.http.content import MULTIPART
from refworker.sessions import FileStore, Session, Sessions
from refworker.sessions.redis_store import RedisStore
from refworker.uploads import Upload

Handler = Callable[[TcpConnection, Request], Any]

ROUTES: dict[str, dict[str, Handler]] = {}
"""Path -> method -> handler; the method `*` stands for every one."""

FILES = StaticFiles(folder, prefix="/static") if (folder := os.environ.get("STATIC_DIR")) else None
"""What is below `/static/`."""

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


def route(path: str, method: str = "GET") -> Callable[[Handler], Handler]:
    """Put a handler into the table; where there is GET, there is HEAD."""

    def put(handler: Handler) -> Handler:
        methods = ROUTES.setdefault(path, {})
        methods[method] = handler
        if method == "GET":
            methods["HEAD"] = handler
        return handler

    return put


def serve(connection: TcpConnection, request: Request) -> Any:
    """Find the handler: 404 for a path that is not there, 405 for a method that it does not have."""
    if FILES and request.path.startswith("/static/"):
        return FILES(connection, request)
    methods = ROUTES.get(unquote(request.path))
    if methods is None:
        return Response(404, TEXT, "there is nothing here\n")
    handler = methods.get(request.method) or methods.get("*")
    if handler is None:
        return Response(405, {**TEXT, "Allow": ", ".join(methods)}, "not with this method\n")
    return handler(connection, request)


def number(request: Request, name: str) -> int:
    """A number of the query. Raises ValueError."""
    text = dict(parse_qsl(request.query_string, keep_blank_values=True)).get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{name} is a number, not {text!r}")
    return int(text)


def numbers(*names: str) -> Callable[[Callable[..., Any]], Handler]:
    """For a handler that takes these numbers of the query; others than numbers are answered 400."""

    def wrap(handler: Callable[..., Any]) -> Handler:
        def checked(connection: TcpConnection, request: Request) -> Any:
            try:
                given = [number(request, name) for name in names]
            except ValueError as problem:
                return Response(400, TEXT, f"{problem}\n")
            return handler(connection, *given)

        return checked

    return wrap


@route("/")
def hello(connection: TcpConnection, request: Request) -> Response:
    """The plainest answer."""
    return Response(200, TEXT, "hello")


def take(connection: TcpConnection, request: Streamed) -> Any:
    """Who wants the octets of a form as they came takes them while they come; /echo does so always."""
    is_form = request.media_type[0] == MULTIPART
    path = unquote(request.path)
    return whole(connection, request) if path == "/echo" or (is_form and path == "/reflect") else None


async def whole(connection: TcpConnection, request: Streamed) -> Any:
    """Answer a request with all of its body in hand."""
    body = b"".join([piece async for piece in request.stream()])
    return serve(connection, Request(request.head, body, request.trailers, request.conversation))


@route("/reflect", "*")
def reflect(connection: TcpConnection, request: Request) -> dict[str, Any]:
    """What was understood of the request."""
    return {
        "method": request.method,
        "target": request.uri,
        "path": unquote(request.path),
        "query": parse_qsl(request.query_string, keep_blank_values=True),
        "version": request.protocol_version,
        "headers": request.headers,
        "length": len(request.raw_body),
        "sha256": hashlib.sha256(request.raw_body).hexdigest(),
    }


@route("/echo", "POST")
def echo(connection: TcpConnection, request: Request) -> Response:
    """The body goes back as what it came."""
    kind = request.header("content-type") or "application/octet-stream"
    return Response(200, {"Content-Type": kind}, request.raw_body)


@route("/chunked")
@numbers("n", "size")
async def chunked(connection: TcpConnection, n: int, size: int) -> None:
    """So many pieces of so many bytes, no faster than the client takes them."""
    connection.send(Response(200, {**TEXT, "Transfer-Encoding": "chunked"}))
    for _ in range(n if size else 0):
        connection.send(Chunk(b"x" * size))
        await connection.drain()
    connection.send(Chunk())


@route("/sse")
@numbers("n")
async def events(connection: TcpConnection, n: int) -> None:
    """So many events, then the end."""
    connection.send(Response(200, {"Content-Type": "text/event-stream", "Connection": "close"}))
    for k in range(1, n + 1):
        connection.send(ServerSentEvents({"event": "tick", "id": k, "data": k}))
        await connection.drain()
    connection.close()


@route("/sleep")
@numbers("ms")
async def sleep(connection: TcpConnection, ms: int) -> Response:
    """Others are served meanwhile."""
    await asyncio.sleep(ms / 1000)
    return Response(200, TEXT, "slept")


@route("/throw")
def throw(connection: TcpConnection, request: Request) -> NoReturn:
    """An error that nobody expects."""
    raise RuntimeError("thrown on purpose")


@route("/upload", "POST")
def upload(connection: TcpConnection, request: Request) -> Response:
    """What came, part by part."""
    if request.media_type[0] != MULTIPART:
        return Response(415, TEXT, "send a form: multipart/form-data\n")
    return Response.json([described(part) for part in request.parts])


def described(part: Upload) -> dict[str, Any]:
    """One part of a form."""
    digest = hashlib.sha256(part.read()).hexdigest()
    return {
        "name": part.field, "filename": part.name, "type": part.type, "length": part.size, "sha256": digest
    }  # fmt: skip


@route("/session")
def session(connection: TcpConnection, request: Request) -> Any:
    """How many requests this client has made."""
    found = request.session()
    return counted(found) if isinstance(found, Session) else awaited(found)


async def awaited(visits: Awaitable[Session]) -> Response:
    """The same, where the store has to be waited for."""
    return counted(await visits)


def counted(visits: Session) -> Response:
    """One request more."""
    visits.set("count", visits.get("count", 0) + 1)
    return Response(200, TEXT, visits.get("count"))


@route("/cookies")
def cookies(connection: TcpConnection, request: Request) -> Response:
    """Those that came, and one more to keep."""
    return Response.json(request.cookie()).cookie("a", "1", path="/", http_only=True, same_site="Lax")


def sessions() -> Sessions:
    """In the Redis server with the URL SESSION_REDIS, or in the folder SESSION_DIR, where they are named."""
    if url := os.environ.get("SESSION_REDIS"):
        return Sessions(RedisStore(url))
    return Sessions(FileStore(os.environ.get("SESSION_DIR")))


def limits() -> Limits:
    """Those of the environment: MAX_REQUEST_LINE and so on, each named as in `Limits`."""
    kinds: dict[str, type[int] | type[float]] = {
        "max_request_line": int,
        "max_header_size": int,
        "max_header_count": int,
        "header_timeout": float,
        "body_timeout": float,
        "keepalive_timeout": float,
    }
    given = {name: os.environ.get(name.upper()) for name in kinds}
    return Limits(**{name: kinds[name](text) for name, text in given.items() if text})  # type: ignore[arg-type]
