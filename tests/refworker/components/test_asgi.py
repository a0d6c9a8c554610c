"""The bridge to ASGI, with applications of a few lines."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from refworker.components.asgi import headers_of, serve_asgi
from refworker.worker import Worker
from tests.refworker.asking import answer, ask
from tests.refworker.peers import connected, run, until

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ADDRESS = "http://127.0.0.1:0"


def only_http(app: Callable[[Message, Receive, Send], Awaitable[None]]) -> Any:
    """An application without a lifespan."""

    async def whole(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await app(scope, receive, send)

    return whole


def serving(app: Any, **options: Any) -> Worker:
    worker = Worker(ADDRESS, **options)
    serve_asgi(worker, app)
    return worker


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def piece(body: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


def test_what_the_application_is_told() -> None:
    seen: list[Message] = []

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        seen.append(scope)
        body = await receive()
        assert body == {"type": "http.request", "body": b"abc", "more_body": False}
        await send(
            start(201, (b"x-a", b"1"), (b"X-A", b"2"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
        )
        await send(piece(b"done"))
        assert await receive() == {"type": "http.disconnect"}

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            for _ in range(2):
                ask(peer, "/a%20b?c=%20", "X-B: é", body=b"abc", method="PATCH")
                status, fields, body = await answer(peer)
                assert (status, fields["content-length"], body) == (201, "4", b"done")
            scope = seen[0]
            told = {"method": "PATCH", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"c=%20"}
            assert scope | told | {"root_path": "", "scheme": "http"} == scope
            assert scope["server"] == ("127.0.0.1", worker.port)
            assert scope["client"] == peer.address()
            assert (b"host", b"x") in scope["headers"]
            assert (scope["http_version"], scope["asgi"]["version"]) == ("1.1", "3.0")

    run(program)


pieces: list[bytes] = []


@only_http
async def reading(scope: Message, receive: Receive, send: Send) -> None:
    """Tells how the body came."""
    pieces.clear()
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        pieces.append(message["body"])
        if not message["more_body"]:
            break
    await send(start())
    await send(piece(repr(pieces).encode()))


def test_a_body_in_pieces() -> None:
    async def program() -> None:
        async with serving(reading) as worker, connected(worker) as peer:
            ask(peer, "/", "Transfer-Encoding: chunked", method="POST")
            for number, chunk in enumerate((b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n")):
                await until(lambda number=number: len(pieces) == number)
                peer.send(chunk)
            ask(peer)
            ask(peer, body=b"whole", method="POST")
            assert (await answer(peer))[2] == b"[b'abc', b'de', b'']"
            assert [(await answer(peer))[2] for _ in range(2)] == [b"[b'']", b"[b'whole']"]

    run(program)


def test_a_100_comes_when_the_application_asks() -> None:
    asks = asyncio.Event()

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await asks.wait()
        await reading(scope, receive, send)

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            ask(peer, "/", "Expect: 100-continue", "Content-Length: 5", method="POST")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await peer.reader.readexactly(1)
            asks.set()
            await peer.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.send(b"hello")
            assert (await answer(peer))[2] == b"[b'hello']"

    run(program)


@pytest.mark.parametrize("closes", [False, True])
def test_an_answer_before_the_body(closes: bool) -> None:
    told: list[Message] = []

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(401))
        await send(piece(b"who?"))
        told.append(await receive())

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            length = 10**6 if closes else 1000
            ask(peer, "/", f"Content-Length: {length}", method="POST")
            assert ("connection" in (await answer(peer))[1]) is closes
            peer.send(bytes(length))
            ask(peer)
            assert (await peer.rest() == b"") if closes else ((await answer(peer))[0] == 401)
            assert told[0] == {"type": "http.disconnect"}

    run(program)


@pytest.mark.parametrize("malformed", [False, True])
def test_a_client_that_goes_in_the_middle_of_its_body(malformed: bool) -> None:
    told: list[Message] = []

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        while not told or told[-1]["type"] != "http.disconnect":
            told.append(await receive())

    async def program() -> None:
        async with serving(app) as worker:
            async with connected(worker) as peer:
                ask(peer, "/", "Transfer-Encoding: chunked", method="POST")
                peer.send(b"3\r\nabc\r\n")
                await until(lambda: told)
                if malformed:
                    peer.send(b"zz\r\n")
                    assert (await answer(peer))[0] == 400
            await until(lambda: len(told) == 2)
            first = {"type": "http.request", "body": b"abc", "more_body": True}
            assert told == [first, {"type": "http.disconnect"}]

    run(program)


@pytest.mark.parametrize(("limit", "status"), [(None, 413), (20, 413), (math.inf, 200)])
def test_how_much_a_body_may_have(limit: float | None, status: int) -> None:
    async def program() -> None:
        worker = Worker(ADDRESS)
        serve_asgi(worker, reading, max_body_size=limit)
        async with worker, connected(worker) as peer:
            await until(lambda: worker.connections)
            (connection,) = worker.connections.values()
            connection.max_package_size = 30
            ask(peer, body=bytes(31), method="POST")
            assert (await answer(peer))[0] == status
        assert not worker.connections

    run(program)


@pytest.mark.parametrize("length", [None, b"6"])
def test_an_answer_in_pieces(length: bytes | None) -> None:
    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(200, *([(b"content-length", length)] if length else [])))
        await send(piece(b"abc", more=True))
        await send(piece(b"", more=True))
        await send(piece(b"def"))

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            for method in ("GET", "HEAD", "GET"):
                ask(peer, method=method)
                head = await peer.reader.readuntil(b"\r\n\r\n")
                assert (b"Content-Length: 6" if length else b"Transfer-Encoding: chunked") in head
                if method == "GET":
                    await peer.expect(b"abcdef" if length else b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")

    run(program)


def test_what_head_would_get_has_the_length_that_the_application_says() -> None:
    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(200, (b"Content-Length", b"5")))
        await send(piece(b"" if scope["method"] == "HEAD" else b"hello"))

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            for _ in range(2):
                ask(peer, method="HEAD")
                assert b"\r\nContent-Length: 5\r\n" in await peer.reader.readuntil(b"\r\n\r\n")
            ask(peer)
            assert (await answer(peer))[2] == b"hello"

    run(program)


def test_events_that_are_all_there_at_once() -> None:
    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(200, (b"content-type", b"text/event-stream")))
        await send(piece(b"data: 1\n\n" if scope["path"] == "/one" else b""))

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            for path, body in (("/none", b"0\r\n\r\n"), ("/one", b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")):
                ask(peer, path)
                assert b"\r\nTransfer-Encoding: chunked\r\n" in await peer.reader.readuntil(b"\r\n\r\n")
                await peer.expect(body)

    run(program)


@pytest.mark.parametrize("pieces", [[b"ab", b"c"], [b"abcdef", b""]], ids=["short", "long"])
def test_a_length_that_does_not_hold_ends_the_connection(pieces: list[bytes]) -> None:
    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start(200, (b"content-length", b"5")))
        for data in pieces:
            await send(piece(data, more=data is not pieces[-1]))

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            ask(peer)
            assert len((await peer.rest()).split(b"\r\n\r\n")[1]) < 5

    run(program)


def test_no_faster_than_the_client_takes_it() -> None:
    sent: list[int] = []

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            while True:
                await send(piece(bytes(2**20), more=True))
                sent.append(1)
        except OSError:
            sent.append(-1)

    async def program() -> None:
        async with serving(app) as worker:
            async with connected(worker, receive_buffer=4096) as peer:
                ask(peer)
                await peer.reader.readuntil(b"\r\n\r\n")
                (connection,) = worker.connections.values()
                await until(connection.get_send_buffer_queue_size)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(sent) < 20
            await until(lambda: sent[-1] == -1)

    run(program)


def test_what_goes_on_behind_an_answer_holds_up_nobody() -> None:
    forever = asyncio.Event()

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(start())
        await send(piece(b"done"))
        await forever.wait()

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            for _ in range(3):
                ask(peer)
            for _ in range(3):
                assert (await answer(peer))[2] == b"done"
            forever.set()

    run(program)


def test_a_client_that_goes_is_told() -> None:
    told: list[Any] = []

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(start())
        await send(piece(b"x", more=True))
        told.append(await receive())
        try:
            await send(piece(b"y"))
        except OSError:
            told.append("gone")

    async def program() -> None:
        async with serving(app) as worker:
            async with connected(worker) as peer:
                ask(peer)
                await peer.reader.readuntil(b"x")
                next(iter(worker.connections.values())).destroy()
            await until(lambda: len(told) == 2)
            assert told == [{"type": "http.disconnect"}, "gone"]

    run(program)


@pytest.mark.parametrize("kind", ["raises", "says nothing", "begins", "streams", "is out of turn"])
def test_an_application_that_fails(kind: str) -> None:
    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if kind in ("begins", "streams"):
            await send(start())
        if kind == "streams":
            await send(piece(b"half", more=True))
        if kind == "is out of turn":
            await send(piece(b"x"))
        if kind != "says nothing":
            raise ZeroDivisionError

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            if kind == "streams":
                ask(peer)
                assert not (await peer.rest()).endswith(b"0\r\n\r\n")
                return
            for _ in range(2):
                ask(peer)
                assert (await answer(peer))[0] == 500

    run(program)


def test_a_file_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(bytes(100_000))

    @only_http
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert "http.response.pathsend" in scope["extensions"]
        await send(start(200, (b"content-type", b"a/b"), (b"content-length", b"100000")))
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "a.txt")})

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            for _ in range(2):
                ask(peer)
                _, fields, body = await answer(peer)
                assert (fields["content-type"], body) == ("a/b", bytes(100_000))

    run(program)


def test_a_lifespan() -> None:
    told: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(start())
            await send(piece(scope["state"]["word"].encode()))
            return
        scope["state"]["word"] = "kept"
        for moment in ("startup", "shutdown"):
            assert await receive() == {"type": f"lifespan.{moment}"}
            told.append(moment)
            await send({"type": f"lifespan.{moment}.complete"})

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            assert told == ["startup"]
            ask(peer)
            assert (await answer(peer))[2] == b"kept"
        assert told == ["startup", "shutdown"]

    run(program)


def test_an_application_that_cannot_start() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def program() -> None:
        with pytest.raises(RuntimeError, match="no database"):
            await serving(app).start()

    run(program)


def test_fields_of_the_same_name() -> None:
    assert headers_of(start(200, (b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"a", b"4"))) == {
        "a": ["1", "3", "4"],
        "b": "2",
    }
