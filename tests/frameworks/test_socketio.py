"""The server of python-socketio on a worker, met by its own client over both of its transports."""

import asyncio
from typing import Any

import pytest
import socketio

from refworker import Worker
from refworker.components.asgi import serve_asgi
from tests.refworker.peers import run, until


def server(told: list[Any]) -> socketio.AsyncServer:
    """Rooms, events with an answer, and who comes and goes."""
    server = socketio.AsyncServer(async_mode="asgi", ping_interval=0.3, ping_timeout=0.5)

    @server.event
    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> bool:
        told.append(("connect", auth))
        return bool(auth != "wrong")

    @server.event
    async def join(sid: str, room: str) -> str:
        await server.enter_room(sid, room)
        return f"joined {room}"

    @server.event
    async def say(sid: str, data: Any) -> None:
        await server.emit("said", data, room="room")

    @server.event
    async def disconnect(sid: str, reason: str = "") -> None:
        told.append("disconnect")

    return server


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="+".join)
def test_two_clients_in_a_room(transports: list[str]) -> None:
    told: list[Any] = []

    async def program() -> None:
        worker = Worker("http://127.0.0.1:0")
        serve_asgi(worker, socketio.ASGIApp(server(told)))
        async with worker:
            heard: list[list[Any]] = [[], []]
            clients = [socketio.AsyncClient(reconnection=False) for _ in heard]
            for client, said in zip(clients, heard, strict=True):
                client.on("said", said.append)
                address = f"http://127.0.0.1:{worker.port}"
                await client.connect(address, auth={"name": "x"}, transports=transports)
                assert client.transport() == transports[-1]
                assert await client.call("join", "room") == "joined room"
            await clients[0].emit("say", {"text": "é", "data": b"\x00\xff"})
            await until(lambda: all(heard))
            assert heard == [[{"text": "é", "data": b"\x00\xff"}]] * 2
            for client in clients:
                await client.disconnect()
            await until(lambda: told.count("disconnect") == 2)
            assert told.count(("connect", {"name": "x"})) == 2

    run(program)


def test_who_is_refused() -> None:
    told: list[Any] = []

    async def program() -> None:
        worker = Worker("http://127.0.0.1:0")
        serve_asgi(worker, socketio.ASGIApp(server(told)))
        async with worker:
            client = socketio.AsyncClient(reconnection=False)
            with pytest.raises(socketio.exceptions.ConnectionError):
                await client.connect(
                    f"http://127.0.0.1:{worker.port}", auth="wrong", transports=["websocket"]
                )
            assert told == [("connect", "wrong")]
            await asyncio.sleep(0)

    run(program)
