"""WebSockets on real sockets: the handshake's hooks, words of control, and how both sides part."""

import asyncio
from random import Random
from typing import Any

import pytest

from refworker.client import AsyncTcpConnection
from refworker.connection import TcpConnection
from refworker.protocols.websocket import Deflate
from refworker.protocols.websocket.frames import BINARY, CLOSE, PING, PONG, TEXT, close_payload, frame
from refworker.protocols.websocket.handshake import switching
from refworker.status import CONNECT_FAIL, Status
from refworker.worker import Worker
from tests.refworker.peers import UPGRADE, Peer, connected, run, until

HOST = "127.0.0.1"
KEY = b"\x01\x02\x03\x04"
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)
OPEN = ACCEPTED + b"\r\n"

Words = list[Any]


def serving(**callbacks: Any) -> Worker:
    return Worker(f"websocket://{HOST}:0", **callbacks)


def asking(worker: Worker, **options: Any) -> AsyncTcpConnection:
    return AsyncTcpConnection(f"ws://{HOST}:{worker.port}", **options)


def echo(connection: TcpConnection, message: Any) -> None:
    connection.send(message)


def masked(opcode: int, payload: bytes = b"") -> bytes:
    return frame(opcode, payload, KEY)


# -- the handshake -------------------------------------------------------------------------------------


def test_what_is_sent_in_the_hooks_comes_behind_the_answer_in_order() -> None:
    async def program() -> None:
        worker = serving(
            on_connect=lambda c: c.send("connect"),
            on_websocket_connect=lambda c, request: c.send(request.path),
            on_websocket_connected=lambda c, request: c.send("connected"),
            on_message=echo,
        )
        async with worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(TEXT, b"message"))
            texts = (b"connect", b"/", b"connected", b"message")
            await peer.expect(OPEN + b"".join(frame(TEXT, text) for text in texts))

    run(program)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "1", "X-B": "a\r\nInjected: 1", "Upgrade": "no", "Bad Name": "1"},
        ["X-A: 1", "X-B: a\r\nInjected: 1", "Upgrade: no", "Bad Name: 1"],
    ],
    ids=["by name", "lines"],
)
def test_fields_are_added_to_the_answer_and_none_can_break_it(headers: Any) -> None:
    def visit(connection: TcpConnection, request: Any) -> None:
        connection.headers = headers

    async def program() -> None:
        async with serving(on_websocket_connect=visit) as worker, connected(worker) as peer:
            peer.send(UPGRADE)
            await peer.expect(ACCEPTED + b"X-A: 1\r\n\r\n")

    run(program)


OFFER = UPGRADE[:-2] + b"Sec-WebSocket-Protocol: chat, superchat\r\n\r\n"


def test_a_subprotocol_is_the_applications_choice() -> None:
    def visit(connection: TcpConnection, request: Any) -> None:
        connection.headers = {"Sec-WebSocket-Protocol": request.subprotocols[1]}

    async def program() -> None:
        async with serving(on_websocket_connect=visit) as worker, connected(worker) as peer:
            peer.send(OFFER)
            await peer.expect(ACCEPTED + b"Sec-WebSocket-Protocol: superchat\r\n\r\n")

    run(program)


def test_a_subprotocol_that_was_not_offered_is_the_services_mistake(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def visit(connection: TcpConnection, request: Any) -> None:
        connection.headers = {"Sec-WebSocket-Protocol": "other"}

    async def program() -> None:
        heard: Words = []
        worker = serving(
            on_websocket_connect=visit,
            on_websocket_connected=lambda c, request: heard.append("connected"),
            on_message=lambda c, message: heard.append(message),
        )
        async with worker, connected(worker) as peer:
            peer.send(OFFER + masked(TEXT, b"x"))
            assert (await peer.rest()).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert heard == []

    run(program)
    assert "subprotocol 'other' was not offered; the client offers: chat, superchat" in caplog.text


@pytest.mark.parametrize(
    ("how", "answer"),
    [
        (lambda c: c.close(), b""),
        (lambda c: c.close(b"HTTP/1.1 403 No\r\n\r\n", raw=True), b"HTTP/1.1 403 No\r\n\r\n"),
    ],
)
def test_a_visitor_is_sent_away_before_the_handshake(how: Any, answer: bytes) -> None:
    async def program() -> None:
        heard: Words = []
        worker = serving(
            on_websocket_connect=lambda c, request: how(c),
            on_websocket_connected=lambda c, request: heard.append("connected"),
            on_message=lambda c, message: heard.append(message),
        )
        async with worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(TEXT, b"x"))
            assert await peer.rest() == answer
        assert heard == []

    run(program)


def test_a_refusal_says_why() -> None:
    async def program() -> None:
        worker = serving(on_websocket_connect=lambda c, request: c.refuse(403, "not from there"))
        async with worker, connected(worker) as peer:
            peer.send(UPGRADE)
            head, _, body = (await peer.rest()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert body == b"not from there\n"

    run(program)


def test_whoever_asks_somebody_else_first_lets_the_client_wait() -> None:
    async def program() -> None:
        allowed = asyncio.Event()

        async def visit(connection: TcpConnection, request: Any) -> None:
            await allowed.wait()
            connection.send("welcome")

        async with serving(on_websocket_connect=visit, on_message=echo) as worker, connected(worker) as peer:
            peer.send(UPGRADE)
            await until(lambda: any(c.is_busy() for c in worker.connections.values()))
            peer.send(masked(TEXT, b"x"))
            allowed.set()
            await peer.expect(OPEN + frame(TEXT, b"welcome") + frame(TEXT, b"x"))

    run(program)


# -- messages and control frames -----------------------------------------------------------------------


def test_the_type_may_be_said() -> None:
    def speak(connection: TcpConnection, message: Any) -> None:
        connection.websocket_type = message or None
        assert connection.websocket_type == (message or None)
        assert connection.send(b"abc") is not False
        assert connection.send("abc") is not False
        assert (connection.send(b"\xff") is False) is (message == "text")

    async def program() -> None:
        async with serving(on_message=speak) as worker, connected(worker) as peer:
            peer.send(UPGRADE + b"".join(masked(TEXT, word) for word in (b"text", b"binary", b"")))
            await peer.expect(OPEN + frame(TEXT, b"abc") * 2)
            await peer.expect(frame(BINARY, b"abc") * 2 + frame(BINARY, b"\xff"))
            await peer.expect(frame(BINARY, b"abc") + frame(TEXT, b"abc") + frame(BINARY, b"\xff"))

    run(program)


def test_another_type_is_refused() -> None:
    connection = AsyncTcpConnection(f"ws://{HOST}:1")
    with pytest.raises(ValueError, match="'text', 'binary' or None, not 'blob'"):
        connection.websocket_type = "blob"


def test_a_hook_answers_pings_itself_and_what_it_sends_are_pongs() -> None:
    def pinged(connection: TcpConnection, payload: bytes) -> None:
        connection.send(payload + b"!")
        connection.pong(b"again")

    async def program() -> None:
        heard: Words = []
        worker = serving(on_websocket_ping=pinged, on_message=echo)
        worker.on_websocket_pong = lambda c, payload: heard.append(payload)
        async with worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(PING, b"a") + masked(PONG, b"b") + masked(TEXT, b"c"))
            await peer.expect(OPEN + frame(PONG, b"a!") + frame(PONG, b"again") + frame(TEXT, b"c"))
        assert heard == [b"b"]

    run(program)


def test_pings_of_the_services_own() -> None:
    def ask(connection: TcpConnection, message: Any) -> None:
        connection.ping(b"alive?")
        with pytest.raises(ValueError, match="at most 125"):
            connection.ping(bytes(126))

    async def program() -> None:
        async with serving(on_message=ask) as worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(TEXT))
            await peer.expect(OPEN + frame(PING, b"alive?"))

    run(program)


def test_long_messages_are_compressed_where_both_sides_want_it() -> None:
    async def program() -> None:
        heard: Words = []
        for options, wish in ((Deflate(), True), (False, True), (Deflate(), False)):
            async with serving(on_message=echo, deflate=options) as worker:
                client = asking(worker, on_message=lambda c, message: heard.append(message), deflate=wish)
                client.connect()
                for message in ("ab" * 5000, b"\0" * 5000, "short"):
                    client.send(message)
                await until(lambda: len(heard) == 3)
                assert heard == ["ab" * 5000, b"\0" * 5000, "short"]
                assert (client.bytes_read < 1000) is bool(options and wish)
                heard.clear()
                client.close()

    run(program)


def test_a_message_that_is_dropped_is_in_nobodys_window() -> None:
    async def program() -> None:
        heard: Words = []
        sent: list[str] = []
        letters = Random(1)

        async with serving(deflate=Deflate(threshold=0)) as worker:
            client = asking(worker, on_message=lambda c, message: heard.append(message), deflate=True)
            client.connect()
            await until(lambda: client.status is Status.ESTABLISHED and worker.connections)
            (connection,) = worker.connections.values()
            await until(lambda: not connection._codec.overdue())
            client.pause_recv()
            connection.max_send_buffer_size = 1
            dropped = ""
            while not dropped:  # until the kernel takes no more
                text = letters.randbytes(50_000).hex()
                if connection.send(text) is False:
                    dropped = text
                else:
                    sent.append(text)
            client.resume_recv()
            await until(lambda: len(heard) == len(sent))
            connection.send(dropped)  # refers to itself, if it was taken for sent
            connection.send("end")
            await until(lambda: "end" in heard)
            assert heard == [*sent, dropped, "end"]

    run(program)


# -- parting -------------------------------------------------------------------------------------------


def test_a_close_is_told_once_with_code_and_reason_and_answered() -> None:
    async def program() -> None:
        heard: Words = []
        worker = serving(on_websocket_close=lambda c, code, reason: heard.append((code, reason)))
        worker.on_close = lambda c: heard.append("gone")
        async with worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(CLOSE, close_payload(1001, "bye")) + b"late")
            assert await peer.rest() == OPEN + frame(CLOSE, close_payload(1001))
            await until(lambda: len(heard) > 1)
        assert heard == [(1001, "bye"), "gone"]

    run(program)


def test_a_hook_that_closes_itself_changes_nothing_for_the_peer() -> None:
    async def program() -> None:
        worker = serving(on_websocket_close=lambda c, code, reason: c.close(code=3000))
        async with worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(CLOSE))
            assert await peer.rest() == OPEN + frame(CLOSE, close_payload(3000))

    run(program)


def test_code_and_reason_of_our_own_and_the_answer_is_told() -> None:
    async def program() -> None:
        heard: Words = []
        worker = serving(
            on_message=lambda c, message: c.close("last", code=3001, reason="grün"),
            on_websocket_close=lambda c, code, reason: heard.append((code, reason)),
        )
        async with worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(TEXT))
            await peer.expect(OPEN + frame(TEXT, b"last") + frame(CLOSE, close_payload(3001, "grün")))
            peer.send(masked(TEXT, b"late") + masked(CLOSE, close_payload(3001, "too")))
            assert await peer.rest() == b""
        assert heard == [(3001, "too")]

    run(program)


def test_a_code_that_may_not_be_sent_is_an_error_and_changes_nothing() -> None:
    async def program() -> None:
        refused: list[bool] = []

        def answer(connection: TcpConnection, message: Any) -> None:
            with pytest.raises(ValueError, match="close code 1006 may not be sent"):
                connection.close(code=1006)
            refused.append(connection.status is Status.ESTABLISHED)
            connection.send("still here")

        async with serving(on_message=answer) as worker, connected(worker) as peer:
            peer.send(UPGRADE + masked(TEXT))
            await peer.expect(OPEN + frame(TEXT, b"still here"))
        assert refused == [True]

    run(program)


# -- the side that asks --------------------------------------------------------------------------------


class Server:
    """A server of raw bytes: what it hears, and what it says to the first head."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.heard, self.peers = answer, b"", list[Peer]()
        self.port = 0

    async def __aenter__(self) -> "Server":
        self.server = await asyncio.start_server(self.serve, HOST, 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for peer in self.peers:
            peer.writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers.append(Peer(reader, writer))
        self.heard += await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)


def asked(lines: bytes) -> list[bytes]:
    return lines.split(b"\r\n")


def test_what_a_client_asks_for_can_be_said() -> None:
    async def program() -> None:
        async with Server(b"HTTP/1.1 404 Not Found\r\n\r\n") as server:
            client = AsyncTcpConnection(
                f"ws://localhost:{server.port}/chat?room=1",
                headers={"Cookie": "a=1", "X": "1\r\nY: 2"},
                websocket_origin="http://example.org",
                websocket_client_protocol="chat",
            )
            client.connect()
            await until(lambda: server.heard)
            lines = asked(server.heard)
            assert lines[0] == b"GET /chat?room=1 HTTP/1.1"
            for line in (
                b"Host: localhost:%d" % server.port,
                b"Cookie: a=1",
                b"Origin: http://example.org",
                b"Sec-WebSocket-Protocol: chat",
                b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            ):
                assert line in lines
            assert b"Y: 2" not in lines
            client.headers, client.websocket_origin = ["Cookie: b=2"], ""
            await until(lambda: client.status is Status.CLOSED)
            server.heard = b""
            client.connect()
            await until(lambda: server.heard)
            assert b"Cookie: b=2" in asked(server.heard)
            assert b"Origin" not in server.heard
            client.destroy()

    run(program)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 404 Not Found\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 101 X\r\nX: " + b"a" * 20_000],
    ids=["404", "not HTTP", "endless"],
)
def test_a_handshake_that_fails_is_an_error_and_then_the_end(answer: bytes) -> None:
    async def program() -> None:
        heard: Words = []
        async with Server(answer) as server:
            client = AsyncTcpConnection(f"ws://{HOST}:{server.port}")
            client.on_error = lambda c, code, reason: heard.append((code, reason[:29]))
            client.on_close = lambda c: heard.append("gone")
            client.on_websocket_connect = lambda c, response: heard.append("connected")
            client.connect()
            await until(lambda: "gone" in heard)
        assert heard == [(CONNECT_FAIL, "websocket: handshake failed: "), "gone"]

    run(program)


def test_a_client_lets_the_server_end_tcp() -> None:
    async def program() -> None:
        heard: Words = []
        async with serving(on_message=lambda c, message: c.close(code=3000, reason="enough")) as worker:
            client = asking(worker, on_websocket_close=lambda c, code, reason: heard.append((code, reason)))
            client.on_close = lambda c: heard.append("gone")
            client.connect()
            client.send("x")
            await until(lambda: "gone" in heard)
        assert heard == [(3000, "enough"), "gone"]

    run(program)


def test_a_client_waits_for_a_server_that_takes_its_time() -> None:
    async def program() -> None:
        heard: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            key = head.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
            writer.write(switching(key) + frame(CLOSE, close_payload(1001)))
            heard.append(await reader.readexactly(8))
            with pytest.raises(TimeoutError):  # no FIN: ending TCP is the server's part
                await asyncio.wait_for(reader.read(1), 0.2)
            heard.append(b"")
            writer.close()

        server = await asyncio.start_server(serve, HOST, 0)
        client = AsyncTcpConnection(f"ws://{HOST}:{server.sockets[0].getsockname()[1]}")
        client.connect()
        await until(lambda: client.status is Status.CLOSED)
        server.close()
        assert heard[0][:2] == b"\x88\x82"
        assert heard[1:] == [b""]

    run(program)


def test_a_client_pings_at_its_interval_until_the_end() -> None:
    async def program() -> None:
        pings: Words = []
        worker = serving(on_websocket_ping=lambda c, payload: pings.append(payload))
        async with worker:
            client = asking(worker, websocket_ping_interval=0.02)
            client.connect()
            await until(lambda: len(pings) > 2)
            client.close()
            await until(lambda: client.status is Status.CLOSED)
            assert client._pinging
            assert client._pinging.cancelled()
        assert set(pings) == {b""}

    run(program)
