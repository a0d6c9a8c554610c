"""WebSockets over the bridge to ASGI, with our own client."""

import asyncio
from typing import Any

import pytest

from refworker.client import AsyncTcpConnection
from refworker.components.asgi_websocket import WAITING
from tests.refworker.components.test_asgi import Message, Receive, Send, answer, ask, piece, serving, start
from tests.refworker.peers import connected, run, until

ACCEPT = {"type": "websocket.accept"}


def only_websockets(app: Any) -> Any:
    """An application without anything else."""

    async def whole(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await app(scope, receive, send)

    return whole


class Client:
    """One of ours, which notes what it hears."""

    def __init__(self, worker: Any, **options: Any) -> None:
        self.heard: list[Any] = []
        self.closed: list[Any] = []
        self.fields: list[Any] = []
        self.connection = AsyncTcpConnection(
            f"ws://127.0.0.1:{worker.port}/chat?room=1",
            on_message=lambda connection, message: self.heard.append(message),
            on_websocket_connect=lambda connection, response: self.fields.append(response),
            on_websocket_close=lambda connection, *why: self.closed.append(why),
            on_close=lambda connection: self.closed.append("gone"),
            **options,
        )
        self.connection.connect()


def test_messages_both_ways() -> None:
    told: list[Message] = []

    @only_websockets
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        told.append(scope)
        assert await receive() == {"type": "websocket.connect"}
        await send({**ACCEPT, "subprotocol": "chat", "headers": [(b"x-a", b"1")]})
        await send({"type": "websocket.send", "text": "welcome"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})
        told.append(event)

    async def program() -> None:
        async with serving(app) as worker:
            client = Client(worker, websocket_client_protocol="chat")
            client.connection.send("é")
            client.connection.send(b"\x00")
            await until(lambda: len(client.heard) == 3)
            assert client.heard == ["welcome", "é", b"\x00"]
            assert client.fields[0].get("x-a") == "1"
            assert client.fields[0].get("sec-websocket-protocol") == "chat"
            client.connection.close(code=3001, reason="bye")
            await until(lambda: len(told) == 2)
            scope, event = told
            expected = {"path": "/chat", "query_string": b"room=1", "scheme": "ws", "subprotocols": ["chat"]}
            assert scope | expected == scope
            assert event == {"type": "websocket.disconnect", "code": 3001, "reason": "bye"}

    run(program)


@pytest.mark.parametrize("way", ["close", "return", "raise"])
def test_a_refusal(way: str) -> None:
    @only_websockets
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        if way == "close":
            await send({"type": "websocket.close"})
        if way == "raise":
            raise ZeroDivisionError

    async def program() -> None:
        async with serving(app) as worker:
            client = Client(worker)
            await until(lambda: client.closed)
            assert (client.closed, client.fields) == (["gone"], [])

    run(program)


@pytest.mark.parametrize(("way", "code"), [("close", 4000), ("return", 1000), ("raise", 1011)])
def test_the_application_ends_it(way: str, code: int) -> None:
    @only_websockets
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        if way == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        if way == "raise":
            raise ZeroDivisionError

    async def program() -> None:
        async with serving(app) as worker:
            client = Client(worker)
            await until(lambda: len(client.closed) == 2)
            assert client.closed[0] == (code, "enough" if way == "close" else "")

    run(program)


def test_who_goes_without_a_word() -> None:
    told: list[Any] = []

    @only_websockets
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await receive()
        told.append(await receive())
        for message in ({"type": "websocket.send", "text": "x"}, ACCEPT):
            try:
                await send(message)
            except OSError:
                told.append("gone")

    async def program() -> None:
        async with serving(app) as worker:
            client = Client(worker)
            await until(lambda: client.fields)
            client.connection.destroy()
            await until(lambda: len(told) == 3)
            assert told == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}, "gone", "gone"]

    run(program)


def test_what_is_out_of_turn() -> None:
    problems: list[str] = []

    @only_websockets
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in ({"type": "websocket.send", "text": "x"}, ACCEPT, ACCEPT):
            try:
                await send(message)
            except RuntimeError as problem:
                problems.append(str(problem))

    async def program() -> None:
        async with serving(app) as worker:
            client = Client(worker)
            await until(lambda: client.closed)
            assert problems == ["websocket.send is not what is due", "websocket.accept is not what is due"]

    run(program)


def test_an_application_that_does_not_listen_is_not_flooded() -> None:
    listen = asyncio.Event()
    heard: list[str] = []

    @only_websockets
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        await listen.wait()
        while (event := await receive())["type"] == "websocket.receive":
            heard.append(event["text"])

    async def program() -> None:
        async with serving(app) as worker:
            client = Client(worker)
            for number in range(5 * WAITING):
                client.connection.send(str(number))
            await until(lambda: worker.connections and next(iter(worker.connections.values())).is_busy())
            listen.set()
            await until(lambda: len(heard) == 5 * WAITING)
            assert heard == [str(number) for number in range(5 * WAITING)]
            client.connection.close()

    run(program)


def test_requests_and_websockets_on_one_port() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(start())
            await send(piece(b"plain"))
        elif scope["type"] == "websocket":
            await send(ACCEPT)
            await send({"type": "websocket.send", "bytes": b"socket"})
            await receive()
            await receive()

    async def program() -> None:
        async with serving(app) as worker, connected(worker) as peer:
            client = Client(worker)
            await until(lambda: client.heard == [b"socket"])
            ask(peer)
            assert (await answer(peer))[2] == b"plain"
            client.connection.close()

    run(program)
