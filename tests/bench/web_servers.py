"""The HTTP servers: `python -m tests.bench.web_servers NAME LOOP` prints its port and serves.

Each as its own documentation would have it, in one process, without an access log: `/hello` is a short text,
`/json` a kilobyte that was serialized beforehand: what is measured is the server.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from conformance.target.ports import free_port

HELLO = b"Hello, world!"
PAYLOAD = json.dumps(
    [{"id": number, "name": f"item {number}", "done": False} for number in range(22)]
).encode()
TEXT, JSON = "text/plain", "application/json"


async def refworker() -> None:
    from refworker import Request, Response, TcpConnection, Worker
    from refworker.memory import keep_freed_memory

    def serve(connection: TcpConnection, request: Request) -> Any:
        if request.path == "/json":
            return Response(200, {"Content-Type": JSON}, PAYLOAD)
        return Response(200, {"Content-Type": TEXT}, HELLO)

    keep_freed_memory()  # as `run_all` does
    async with Worker("http://127.0.0.1:0", on_message=serve) as worker:
        announce(worker.port)
        await asyncio.Event().wait()


async def aiohttp() -> None:
    from aiohttp import web

    async def hello(request: web.Request) -> web.Response:
        return web.Response(body=HELLO, content_type=TEXT)

    async def payload(request: web.Request) -> web.Response:
        return web.Response(body=PAYLOAD, content_type=JSON)

    app = web.Application()
    app.router.add_get("/hello", hello)
    app.router.add_get("/json", payload)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    announce(port)
    await asyncio.Event().wait()


async def tornado() -> None:
    from tornado.web import Application, RequestHandler

    class Hello(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", TEXT)
            self.write(HELLO)

    class Payload(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", JSON)
            self.write(PAYLOAD)

    quiet: Callable[[RequestHandler], None] = lambda handler: None  # noqa: E731
    app = Application([("/hello", Hello), ("/json", Payload)], log_function=quiet, compress_response=False)
    app.listen(port := free_port(), "127.0.0.1")
    announce(port)
    await asyncio.Event().wait()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The same as an ASGI application, for uvicorn and granian."""
    if scope["type"] != "http":
        return
    body, kind = (PAYLOAD, JSON) if scope["path"] == "/json" else (HELLO, TEXT)
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def uvicorn(http: str, loop: str) -> None:
    import uvicorn

    announce(port := free_port())
    uvicorn.run(app, port=port, http=http, loop=loop, access_log=False, log_level="error")


def granian(loop: str) -> None:
    announce(port := free_port())
    command = ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--loop", loop, "--workers", "1", "--no-log", "tests.bench.web_servers:app"]
    os.execv(sys.executable, [sys.executable, "-m", *command])


def announce(port: int) -> None:
    print(port, flush=True)


COROUTINES = {"refworker": refworker, "aiohttp": aiohttp, "tornado": tornado}


def main(name: str, loop: str) -> None:
    if name.startswith("uvicorn"):
        uvicorn(name.partition("-")[2], "uvloop" if loop == "uvloop" else "asyncio")
    elif name == "granian":
        granian("uvloop" if loop == "uvloop" else "asyncio")
    elif loop == "uvloop":
        import uvloop

        uvloop.run(COROUTINES[name]())
    else:
        asyncio.run(COROUTINES[name]())


if __name__ == "__main__":
    main(*sys.argv[1:])
