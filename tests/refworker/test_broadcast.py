"""One message to many: framed once, and nobody waits for anybody (FAQ-010)."""

from typing import Any

import pytest

from refworker.client import AsyncTcpConnection
from refworker.connection import TcpConnection
from refworker.protocols.frame import Frame
from refworker.status import Status
from refworker.worker import Worker
from tests.refworker.peers import UPGRADE, connected, run, until

HOST = "127.0.0.1"
FRAME = b"\x81\x03all"


class Numbered:
    """A protocol of one's own that looks at the connection."""

    @staticmethod
    def input(buffer: bytes) -> int:
        return len(buffer)

    @staticmethod
    def decode(buffer: bytes) -> bytes:
        return buffer

    @staticmethod
    def encode(data: bytes, connection: TcpConnection) -> bytes:
        return data + str(connection.id).encode()


def test_a_message_is_framed_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    framed, encode = [], Frame.encode
    monkeypatch.setattr(Frame, "encode", lambda *given: framed.append(1) or encode(*given))

    async def program() -> None:
        async with Worker(f"frame://{HOST}:0") as worker, connected(worker) as one, connected(worker) as two:
            await until(lambda: len(worker.connections) == 2)
            assert worker.broadcast(b"all") == 2
            assert len(framed) == 1
            for peer in (one, two):
                await peer.expect(b"\0\0\0\x07all")

    run(program)


def test_a_protocol_that_looks_at_the_connection_is_asked_each_time() -> None:
    async def program() -> None:
        worker = Worker(f"tcp://{HOST}:0", protocol=Numbered)
        async with worker, connected(worker) as one, connected(worker) as two:
            await until(lambda: len(worker.connections) == 2)
            first, second = sorted(worker.connections)
            assert worker.broadcast(b"you are ") == 2
            heard = {await peer.reader.read(100) for peer in (one, two)}
            assert heard == {b"you are %d" % number for number in (first, second)}

    run(program)


def test_it_keeps_its_place_among_the_replies() -> None:
    async def program() -> None:
        def talk(connection: TcpConnection, message: bytes) -> None:
            connection.send(b"before")
            worker.broadcast(message)
            connection.send(b"after")

        worker = Worker(f"text://{HOST}:0", on_message=talk)
        async with worker, connected(worker) as one, connected(worker) as two:
            await until(lambda: len(worker.connections) == 2)
            one.send(b"all\n")
            await one.expect(b"before\nall\nafter\n")
            await two.expect(b"all\n")

    run(program)


def test_some_are_chosen() -> None:
    async def program() -> None:
        def others(connection: TcpConnection, message: bytes) -> None:
            chosen = (each for each in worker.connections.values() if each is not connection)
            connection.send(str(worker.broadcast(message, to=chosen)))

        worker = Worker(f"text://{HOST}:0", on_message=others)
        async with worker, connected(worker) as one, connected(worker) as two:
            await until(lambda: len(worker.connections) == 2)
            one.send(b"hello\n")
            await one.expect(b"1\n")
            await two.expect(b"hello\n")

    run(program)


def test_who_does_not_read_holds_nobody_up_and_costs_no_more_than_its_buffer() -> None:
    async def program() -> None:
        worker = Worker(f"text://{HOST}:0")
        async with worker, connected(worker) as stuck, connected(worker) as reader:
            await until(lambda: len(worker.connections) == 2)
            stuck.reader._transport.pause_reading()  # type: ignore[attr-defined]
            message = bytes(2**20)
            while worker.broadcast(message) == 2:
                await reader.expect(message + b"\n")
            await reader.expect(message + b"\n")
            queued = [each.get_send_buffer_queue_size() for each in worker.connections.values()]
            assert max(queued) <= 2 * 2**20 + 2

    run(program)


def test_a_websocket_that_is_not_open_yet_hears_it_when_it_is() -> None:
    async def program() -> None:
        async with Worker(f"websocket://{HOST}:0") as worker, connected(worker) as early:
            await until(lambda: worker.connections)
            assert worker.broadcast("all") == 1
            early.send(UPGRADE)
            answer = await early.reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 101")
            await early.expect(FRAME)
            assert worker.broadcast("all") == 1
            await early.expect(FRAME)

    run(program)


def test_clients_are_sent_to_each_in_their_own_words() -> None:
    async def program() -> None:
        heard: list[Any] = []
        async with Worker(f"websocket://{HOST}:0", on_message=lambda c, m: heard.append(m)) as worker:
            client = AsyncTcpConnection(f"ws://{HOST}:{worker.port}")
            client.connect()
            await until(lambda: worker.connections and client.status is Status.ESTABLISHED)
            assert worker.broadcast("to both", to=[client, *worker.connections.values()]) == 2
            await until(lambda: heard == ["to both"])
            client.destroy()

    run(program)


def test_what_cannot_be_sent_is_sent_to_nobody() -> None:
    async def program() -> None:
        async with Worker(f"websocket://{HOST}:0") as worker, connected(worker) as peer:
            peer.send(UPGRADE)
            await peer.reader.readuntil(b"\r\n\r\n")
            assert worker.broadcast("\ud800") == 0

    run(program)
