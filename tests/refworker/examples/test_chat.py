import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from refworker.client import AsyncTcpConnection
from refworker.examples import chat
from refworker.worker import Worker
from tests.refworker.peers import connected, run, until

HOST = "127.0.0.1"


class Member:
    """A client that notes what it hears."""

    def __init__(self, port: int) -> None:
        self.heard: list[Any] = []
        self.connection = AsyncTcpConnection(f"ws://{HOST}:{port}")
        self.connection.on_message = lambda c, message: self.heard.append(json.loads(message))
        self.connection.connect()

    def say(self, **order: Any) -> None:
        self.connection.send(order)

    async def hears(self, *expected: Any) -> None:
        await until(lambda: len(self.heard) >= len(expected))
        assert self.heard == list(expected)
        self.heard.clear()


@asynccontextmanager
async def room(*names: str) -> AsyncIterator[list[Member]]:
    """A chat with these members in it; each has logged in when the next one comes."""
    async with Worker(f"websocket://{HOST}:0", on_message=chat.hear, on_close=chat.leave) as worker:
        members = []
        for name in names:
            members.append(member := Member(worker.port))
            if name:
                member.say(login=name)
                await until(lambda: len(chat.names) == len(members))
        yield members
        for member in members:
            member.connection.destroy()
    assert not chat.members
    assert not chat.names


def test_to_all_and_to_one() -> None:
    async def program() -> None:
        async with room("ann", "bob") as (ann, bob):
            ann.say(text="hello")
            for each in (ann, bob):
                await each.hears({"text": "hello", "from": "ann"})
            bob.say(to="ann", text="psst: you")
            await ann.hears({"to": "ann", "text": "psst: you", "from": "bob"})
            assert bob.heard == []

    run(program)


def test_a_second_login_takes_the_place_of_the_first() -> None:
    async def program() -> None:
        async with room("ann", "bob", "") as (first, bob, second):
            second.say(login="ann")
            await first.hears({"error": "ann has logged in elsewhere"})
            await until(lambda: first.connection.get_status(False) == "CLOSED")
            bob.say(to="ann", text="hello")
            await second.hears({"to": "ann", "text": "hello", "from": "bob"})

    run(program)


def test_a_stranger_is_told_what_to_do() -> None:
    async def program() -> None:
        async with room("") as (stranger,):
            for nonsense in ({"text": "hello"}, [1], "hello"):
                stranger.connection.send(nonsense)
                await stranger.hears({"error": 'log in first: {"login": "your name"}'})

    run(program)


def test_another_program_pushes_through_the_door() -> None:
    async def program() -> None:
        async with (
            room("ann", "bob") as (ann, bob),
            Worker(f"text://{HOST}:0", on_message=chat.knock) as door,
            connected(door) as shop,
        ):
            shop.send(
                b'{"to": "ann", "text": "ready"}\n{"to": "zoe", "text": "?"}\n{"text": "open"}\nnonsense\n'
            )
            await shop.expect(b'{"taken":1}\n{"taken":0}\n{"taken":2}\n{"taken":0}\n')
            await ann.hears({"to": "ann", "text": "ready"}, {"text": "open"})
            await bob.hears({"text": "open"})

    run(program)
