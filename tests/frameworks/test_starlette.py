"""Starlette on a worker, met by httpx and websockets: neither knows the other side."""

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from refworker import Worker
from refworker.components.asgi import serve_asgi
from tests.refworker.peers import run, until

notes: list[str] = []
BIG = os.urandom(3 * 2**20)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    notes.append("start")
    yield {"word": "kept"}
    notes.append("stop")


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"hello {request.query_params.get('name', 'world')} {request.state.word}")


async def echo(request: Request) -> Response:
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return JSONResponse(
        {"size": size, "sha256": digest.hexdigest(), "type": request.headers.get("content-type")}
    )


seen: list[int] = []


async def discard(request: Request) -> Response:
    seen.clear()
    async for piece in request.stream():
        seen.append(len(piece))  # noqa: PERF401  while they come
    return JSONResponse(sum(seen))


async def form(request: Request) -> Response:
    async with request.form() as data:
        upload: Any = data["file"]
        return JSONResponse(
            {"field": data["field"], "name": upload.filename, "size": len(await upload.read())}
        )


async def stream(request: Request) -> Response:
    async def numbers() -> AsyncIterator[str]:
        for number in range(1000):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(numbers(), media_type="text/plain")


async def endless(request: Request) -> Response:
    async def events() -> AsyncIterator[bytes]:
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(0.001)

    return Noted(events(), media_type="text/event-stream")


class Noted(StreamingResponse):
    """One that tells when it is over."""

    async def __call__(self, *args: Any) -> None:
        try:
            await super().__call__(*args)
        finally:
            notes.append("listener gone")


async def background(request: Request) -> Response:
    async def work() -> None:
        await asyncio.sleep(0)
        notes.append("worked")

    return PlainTextResponse("accepted", background=BackgroundTask(work))


async def count(request: Request) -> Response:
    request.session["n"] = request.session.get("n", 0) + 1
    return JSONResponse(request.session["n"])


async def fail(request: Request) -> Response:
    raise ZeroDivisionError


async def chat(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
    async for text in websocket.iter_text():
        await websocket.send_text(f"you said {text}")
    notes.append("chat over")


async def binary(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_bytes((await websocket.receive_bytes())[::-1])
    await websocket.close(code=3999, reason="enough")


async def closed(websocket: WebSocket) -> None:
    await websocket.close()


def application(folder: Path) -> Starlette:
    routes = [
        Route("/", hello),
        *(Route(f"/{each.__name__}", each) for each in (stream, endless, background, count, fail)),
        *(Route(f"/{each.__name__}", each, methods=["POST"]) for each in (echo, form, discard)),
        Route("/file", lambda request: FileResponse(folder / "big.bin")),
        Mount("/static", StaticFiles(directory=folder)),
        *(WebSocketRoute(f"/{each.__name__}", each) for each in (chat, binary, closed)),
    ]
    middleware = [Middleware(SessionMiddleware, secret_key="x" * 32), Middleware(GZipMiddleware)]
    return Starlette(routes=routes, lifespan=lifespan, middleware=middleware)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "big.bin").write_bytes(BIG)
    (tmp_path / "a.txt").write_text("static")
    return tmp_path


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Worker]:
    notes.clear()
    worker = Worker("http://127.0.0.1:0")
    serve_asgi(worker, application(folder), max_body_size=2**30)  # type: ignore[arg-type]
    async with worker:
        yield worker


@asynccontextmanager
async def visited(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        served(folder) as worker,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.port}", trust_env=False) as client,
    ):
        yield client


def test_requests_and_a_lifespan(folder: Path) -> None:
    async def program() -> None:
        async with visited(folder) as client:
            assert notes == ["start"]
            assert (await client.get("/", params={"name": "é&"})).text == "hello é& kept"
            assert (await client.get("/missing")).status_code == 404
            assert set((await client.post("/")).headers["allow"].split(", ")) == {"GET", "HEAD"}
            assert (await client.head("/")).headers["content-length"] == "16"
        assert notes == ["start", "stop"]

    run(program)


def test_bodies(folder: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(BIG), 100_000):
            yield BIG[start : start + 100_000]

    async def program() -> None:
        async with visited(folder) as client:
            for content in (BIG, pieces()):
                told = (await client.post("/echo", content=content)).json()
                assert told == {"size": len(BIG), "sha256": hashlib.sha256(BIG).hexdigest(), "type": None}
            sent = await client.post("/form", data={"field": "é"}, files={"file": ("a.bin", b"\r\n--x")})
            assert sent.json() == {"field": "é", "name": "a.bin", "size": 5}

    run(program)


def test_a_slow_sender_is_heard_piece_by_piece(folder: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(1, 6):
            yield b"x" * number
            await until(lambda: sum(seen) == number * (number + 1) // 2)  # noqa: B023

    async def program() -> None:
        async with visited(folder) as client:
            assert (await client.post("/discard", content=pieces())).json() == 15
            assert seen[:5] == [1, 2, 3, 4, 5]

    run(program)


def test_a_large_body_costs_little_memory(folder: Path) -> None:
    size, piece = 32 * 2**20, bytes(2**16)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    async def program() -> None:
        async with visited(folder) as client:
            assert (await client.post("/discard", content=b"warm")).json() == 4
            tracemalloc.start()
            try:
                assert (await client.post("/discard", content=pieces())).json() == size
                assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
            finally:
                tracemalloc.stop()

    run(program)


def test_a_file_in_a_form_goes_to_the_disk(folder: Path) -> None:
    async def program() -> None:
        async with visited(folder) as client:
            sent = await client.post("/form", data={"field": "é"}, files={"file": ("a.bin", BIG)})
            assert sent.json() == {"field": "é", "name": "a.bin", "size": len(BIG)}

    run(program)


def test_streams(folder: Path) -> None:
    async def program() -> None:
        async with visited(folder) as client:
            answer = await client.get("/stream", headers={"Accept-Encoding": "identity"})
            assert answer.text == "".join(f"{number}\n" for number in range(1000))
            assert answer.headers["transfer-encoding"] == "chunked"
            zipped = await client.get("/stream", headers={"Accept-Encoding": "gzip"})
            assert (zipped.headers["content-encoding"], zipped.text) == ("gzip", answer.text)
            async with client.stream("GET", "/endless") as events:
                async for line in events.aiter_lines():
                    assert line == "data: x"
                    break
            await until(lambda: "listener gone" in notes)

    run(program)


def test_files(folder: Path) -> None:
    async def program() -> None:
        async with visited(folder) as client:
            whole = await client.get("/file")
            assert (whole.content, whole.headers["content-length"]) == (BIG, str(len(BIG)))
            part = await client.get("/file", headers={"Range": "bytes=10-19"})
            assert (part.status_code, part.content) == (206, BIG[10:20])
            static = await client.get("/static/a.txt")
            assert static.text == "static"
            known = await client.get("/static/a.txt", headers={"If-None-Match": static.headers["etag"]})
            assert known.status_code == 304

    run(program)


def test_sessions_background_and_errors(folder: Path) -> None:
    async def program() -> None:
        async with visited(folder) as client:
            assert [(await client.get("/count")).json() for _ in range(3)] == [1, 2, 3]
            assert (await client.get("/background")).text == "accepted"
            await until(lambda: "worked" in notes)
            assert (await client.get("/fail")).status_code == 500
            assert (await client.get("/")).status_code == 200

    run(program)


def test_many_at_once(folder: Path) -> None:
    async def program() -> None:
        async with visited(folder) as client:
            answers = await asyncio.gather(*(client.get("/", params={"name": str(n)}) for n in range(50)))
            assert [answer.text for answer in answers] == [f"hello {n} kept" for n in range(50)]

    run(program)


def test_websockets(folder: Path) -> None:
    async def program() -> None:
        async with served(folder) as worker:
            address = f"ws://127.0.0.1:{worker.port}"
            async with websockets.connect(f"{address}/chat", subprotocols=["chat"], proxy=None) as socket:  # type: ignore[list-item]
                assert socket.subprotocol == "chat"
                for text in ("é", "x" * 100_000):
                    await socket.send(text)
                    assert await socket.recv() == f"you said {text}"
            await until(lambda: "chat over" in notes)
            async with websockets.connect(f"{address}/binary", proxy=None) as socket:
                await socket.send(b"abc")
                assert await socket.recv() == b"cba"
                with pytest.raises(websockets.ConnectionClosed) as ended:
                    await socket.recv()
                assert ended.value.rcvd
                assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (3999, "enough")
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with websockets.connect(f"{address}/closed", proxy=None):
                    pass
            assert refused.value.response.status_code == 403

    run(program)
