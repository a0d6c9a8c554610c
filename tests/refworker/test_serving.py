"""Forms, sessions and files on real connections."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refworker import serving as module
from refworker.connection import TcpConnection
from refworker.protocols.http import Chunk, Request, Response
from refworker.sessions import MemoryStore, Sessions
from refworker.status import Status
from refworker.uploads import Uploads
from refworker.worker import Worker
from tests.refworker.certificates import self_signed
from tests.refworker.peers import DEADLINE, Peer, connected, run, until

HOST = "127.0.0.1"
BIG = 3 * 1024 * 1024
CERT, KEY = self_signed("localhost")


def serving(handler: Callable[..., Any], **options: Any) -> Worker:
    return Worker(f"http://{HOST}:0", on_message=handler, **options)


def ask(peer: Peer, path: str = "/", *fields: str, body: bytes = b"", method: str = "GET") -> None:
    lines = ["Host: x", *fields, *([f"Content-Length: {len(body)}"] if body else [])]
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    peer.send(head.encode() + body)


async def answer(peer: Peer) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and body of the next answer."""
    async with asyncio.timeout(DEADLINE):
        head = (await peer.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return (
            int(first.split()[1]),
            fields,
            await peer.reader.readexactly(int(fields.get("content-length", 0))),
        )


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "big.bin"
    path.write_bytes(os.urandom(BIG))
    return path


# -- files ---------------------------------------------------------------------------------------------


def test_a_big_file_and_the_answer_behind_it(big: Path) -> None:
    def handler(connection: TcpConnection, request: Request) -> Any:
        return Response().with_file(big) if request.path == "/file" else "next"

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            for _ in range(2):
                ask(peer, "/file")
                ask(peer, "/")
                status, _, body = await answer(peer)
                assert (status, body == big.read_bytes()) == (200, True)
                assert (await answer(peer))[2] == b"next"
            (connection,) = worker.connections.values()
            assert connection.bytes_written > 2 * BIG

    run(program)


def test_a_slow_reader_costs_no_memory_and_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(2**31)

    async def program() -> None:
        async with serving(lambda connection, request: Response().with_file(path)) as worker:
            async with connected(worker, receive_buffer=4096) as slow, connected(worker) as quick:
                ask(slow)
                await slow.reader.readuntil(b"\r\n\r\n")
                ask(quick, "/", "Range: bytes=0-9")
                assert (await answer(quick))[0] == 206
                assert all(each.get_send_buffer_queue_size() == 0 for each in worker.connections.values())
            await until(lambda: not worker.connections)

    run(program)


@pytest.mark.parametrize("way", ["close", "field", "last"])
def test_a_file_is_whole_before_the_end(big: Path, way: str) -> None:
    def handler(connection: TcpConnection, request: Request) -> Any:
        if way == "close":
            connection.close(Response().with_file(big))
            return None
        return Response().with_file(big)

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            ask(peer, "/", *(["Connection: close"] if way == "field" else []))
            if way == "last":
                peer.finish()
            head, body = (await peer.rest()).split(b"\r\n\r\n", 1)
            assert body == big.read_bytes()
            assert (b"Connection: close" in head) is (way != "last")

    run(program)


def test_over_tls_it_goes_in_pieces(big: Path) -> None:
    async def program() -> None:
        context = {"ssl": {"local_cert": str(CERT), "local_pk": str(KEY)}}
        handler = lambda connection, request: Response().with_file(big)  # noqa: E731
        async with serving(handler, transport="ssl", context=context) as worker:
            trust = ssl.create_default_context(cafile=str(CERT))
            trust.check_hostname = False
            reader, writer = await asyncio.open_connection(HOST, worker.port, ssl=trust)
            peer = Peer(reader, writer)
            for _ in range(2):
                ask(peer)
                assert (await answer(peer))[2] == big.read_bytes()
            writer.close()

    run(program)


def test_a_close_waits_for_a_file_however_slowly_it_is_read(tmp_path: Path) -> None:
    path, size = tmp_path / "sparse", 12 * 2**20
    with open(path, "wb") as file:
        file.truncate(size)

    def handler(connection: TcpConnection, request: Request) -> None:
        connection.linger_timeout = 0.0
        connection.close(Response().with_file(path))

    async def program() -> None:
        context = {"ssl": {"local_cert": str(CERT), "local_pk": str(KEY)}}
        async with serving(handler, transport="ssl", context=context) as worker:
            trust = ssl.create_default_context(cafile=str(CERT))
            trust.check_hostname = False
            reader, writer = await asyncio.open_connection(HOST, worker.port, ssl=trust)
            peer = Peer(reader, writer)
            ask(peer)
            await reader.readuntil(b"\r\n\r\n")
            (connection,) = worker.connections.values()
            await until(connection.get_send_buffer_queue_size)
            assert len(await peer.rest()) == size
            writer.close()

    run(program)


def test_head_sends_no_file(big: Path) -> None:
    async def program() -> None:
        handler = lambda connection, request: Response().with_file(big)  # noqa: E731
        async with serving(handler) as worker, connected(worker) as peer:
            for _ in range(2):
                ask(peer, method="HEAD")
                head = await peer.reader.readuntil(b"\r\n\r\n")
                assert f"Content-Length: {BIG}\r\n".encode() in head

    run(program)


def test_nothing_can_be_sent_into_a_file(big: Path) -> None:
    told: list[Any] = []

    def handler(connection: TcpConnection, request: Request) -> None:
        connection.send(Response().with_file(big))
        told.append(connection.send(Chunk(b"x")))
        told.append(connection.send("x"))

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            ask(peer)
            assert (await answer(peer))[2] == big.read_bytes()
            assert told == [False, False]

    run(program)


@pytest.mark.parametrize("tls", [False, True])
def test_a_file_that_gets_shorter_ends_its_connection(tmp_path: Path, tls: bool) -> None:
    path = tmp_path / "shrinking"
    path.write_bytes(bytes(BIG))

    def handler(connection: TcpConnection, request: Request) -> Response:
        asyncio.get_running_loop().call_soon(os.truncate, path, 100_000)
        return Response().with_file(path)

    async def program() -> None:
        context = {"ssl": {"local_cert": str(CERT), "local_pk": str(KEY)}} if tls else None
        trust = ssl.create_default_context(cafile=str(CERT)) if tls else None
        if trust:
            trust.check_hostname = False
        async with serving(handler, transport="ssl" if tls else "", context=context) as worker:
            reader, writer = await asyncio.open_connection(HOST, worker.port, ssl=trust)
            peer = Peer(reader, writer)
            ask(peer)
            await reader.readuntil(b"\r\n\r\n")
            try:
                assert len(await peer.rest()) <= 100_000
            except OSError:
                pass  # a reset says the same
            await until(lambda: not worker.connections)
            writer.transport.abort()

    run(program)


def test_who_reads_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(2**31)

    async def program() -> None:
        worker = serving(lambda connection, request: Response().with_file(path))
        async with worker, connected(worker, receive_buffer=4096) as peer:
            ask(peer)
            await until(lambda: worker.connections)
            await until(lambda: not worker.connections)

    run(program)


def test_who_goes_meanwhile_leaves_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(2**31)

    async def program() -> None:
        async with serving(lambda connection, request: Response().with_file(path)) as worker:
            async with connected(worker):
                await until(lambda: worker.connections)
                before = len(os.listdir("/dev/fd"))
            await until(lambda: not worker.connections)
            for _ in range(5):
                async with connected(worker, receive_buffer=4096) as peer:
                    ask(peer)
                    await peer.reader.readuntil(b"\r\n\r\n")
                await until(lambda: not worker.connections)
            await until(lambda: len(os.listdir("/dev/fd")) <= before)

    run(program)


def test_a_file_that_is_never_begun_is_closed(big: Path) -> None:
    def handler(connection: TcpConnection, request: Request) -> None:
        connection.send(Response().with_file(big))
        connection.destroy()

    async def program() -> None:
        async with serving(handler) as worker:
            async with connected(worker) as peer:
                await until(lambda: worker.connections)
                before = len(os.listdir("/dev/fd"))
                ask(peer)
                await until(lambda: not worker.connections)
            await until(lambda: len(os.listdir("/dev/fd")) <= before)

    run(program)


def test_a_stop_waits_for_the_file(big: Path) -> None:
    async def program() -> None:
        worker = serving(lambda connection, request: Response().with_file(big), stop_timeout=DEADLINE)
        async with worker, connected(worker, receive_buffer=4096) as peer:
            ask(peer)
            await peer.reader.readuntil(b"\r\n\r\n")
            stopping = asyncio.create_task(worker.stop())
            async with asyncio.timeout(DEADLINE):
                assert await peer.reader.readexactly(BIG) == big.read_bytes()
            await stopping

    run(program)


# -- forms ---------------------------------------------------------------------------------------------

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + bytes(1000) + b"\r\n--b--\r\n"
)
KIND = "Content-Type: multipart/form-data; boundary=b"


def test_temporary_files_go_with_the_answer(tmp_path: Path) -> None:
    seen: list[int] = []

    async def handler(connection: TcpConnection, request: Request) -> str:
        seen.append(len(request.file("f").read()))
        seen.append(len(list(tmp_path.iterdir())))
        return "taken"

    async def program() -> None:
        async with (
            serving(handler, uploads=Uploads(tmp_path, in_memory=10)) as worker,
            connected(worker) as peer,
        ):
            for _ in range(2):
                ask(peer, "/", KIND, body=FORM, method="POST")
                assert (await answer(peer))[0] == 200
                assert not list(tmp_path.iterdir())
            assert seen == [1000, 1, 1000, 1]

    run(program)


def test_temporary_files_go_with_the_client(tmp_path: Path) -> None:
    ready = asyncio.Event()

    async def handler(connection: TcpConnection, request: Request) -> str:
        upload = request.file("f")
        await ready.wait()
        assert len(upload.read()) == 1000
        return "taken"

    async def program() -> None:
        async with serving(handler, uploads=Uploads(tmp_path, in_memory=10)) as worker:
            async with connected(worker) as peer:
                ask(peer, "/", KIND, body=FORM, method="POST")
                await until(lambda: list(tmp_path.iterdir()))
                reset = struct.pack("ii", 1, 0)
                peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            await until(lambda: not worker.connections)
            assert list(tmp_path.iterdir()), "the handler is at work"
            ready.set()
            await until(lambda: not list(tmp_path.iterdir()))

    run(program)


def test_a_malformed_form_is_answered_400() -> None:
    async def slow(connection: TcpConnection, request: Request) -> Any:
        await asyncio.sleep(0)
        return request.post()

    async def program() -> None:
        for handler in (lambda connection, request: request.post(), slow):
            async with serving(handler) as worker, connected(worker) as peer:
                for _ in range(2):
                    ask(peer, "/", KIND, body=FORM[:-5], method="POST")
                    status, _, body = await answer(peer)
                    assert (status, body) == (400, b"the form ends before its last boundary\n")

    run(program)


# -- sessions ------------------------------------------------------------------------------------------


class Slow(MemoryStore):
    """A store that has to be waited for."""

    async def read(self, key: str) -> str:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().read(key)

    async def write(self, key: str, text: str, lifetime: float) -> None:  # type: ignore[override]
        await asyncio.sleep(0.01)
        super().write(key, text, lifetime)

    async def update_timestamp(self, key: str, lifetime: float) -> None:  # type: ignore[override]
        await asyncio.sleep(0)

    async def destroy(self, key: str) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().destroy(key)


def cookie_of(fields: dict[str, str]) -> str:
    return f"Cookie: {fields['set-cookie'].partition(';')[0]}"


@pytest.mark.parametrize("kind", ["str", "dict", "response", "send"])
def test_a_session_is_kept_whatever_the_answer_is(kind: str) -> None:
    shared = Response(200, {"X-Own": "1"}, "shared")

    def handler(connection: TcpConnection, request: Request) -> Any:
        session = request.session()
        assert request.session() is session
        assert request.session_id() == session.id
        session.set("n", session.get("n", 0) + 1)
        if kind == "send":
            connection.send(str(session.get("n")))
            return None
        return {"str": str(session.get("n")), "dict": {"n": session.get("n")}, "response": shared}[kind]

    async def program() -> None:
        store = MemoryStore()
        async with serving(handler, sessions=Sessions(store)) as worker, connected(worker) as peer:
            ask(peer)
            _, fields, body = await answer(peer)
            assert "HttpOnly" in fields["set-cookie"]
            ask(peer, "/", cookie_of(fields))
            _, again, body = await answer(peer)
            assert "set-cookie" not in again
            assert again["content-type"] == fields["content-type"]
            assert body in (b"2", b'{"n":2}', b"shared")
            assert next(iter(store._kept.values()))[0] == '{"n":2}'
            assert "set-cookie" not in map(str.lower, shared.headers)

    run(program)


def test_a_session_of_a_store_that_has_to_be_waited_for() -> None:
    async def handler(connection: TcpConnection, request: Request) -> str:
        session = await request.session()
        assert await request.session() is session
        assert await request.session_id() == session.id
        session.set("n", session.get("n", 0) + 1)
        if request.path == "/login":
            await request.session_regenerate_id(delete_old=True)
        return str(session.get("n"))

    async def program() -> None:
        async with serving(handler, sessions=Sessions(Slow())) as worker, connected(worker) as peer:
            ask(peer)
            _, fields, _ = await answer(peer)
            old = cookie_of(fields)
            ask(peer, "/login", old)
            _, fields, body = await answer(peer)
            assert (body, cookie_of(fields) != old) == (b"2", True)
            ask(peer, "/", cookie_of(fields))
            assert (await answer(peer))[2] == b"3"
            ask(peer, "/", old)
            assert (await answer(peer))[2] == b"1"

    run(program)


@pytest.mark.parametrize("delete_old", [True, False])
def test_another_id_after_a_login(delete_old: bool) -> None:
    def handler(connection: TcpConnection, request: Request) -> str:
        session = request.session()
        session.set("n", session.get("n", 0) + 1)
        if request.path == "/login":
            request.session_regenerate_id(delete_old)
        return str(session.get("n"))

    async def program() -> None:
        async with serving(handler, sessions=Sessions(MemoryStore())) as worker, connected(worker) as peer:
            ask(peer)
            _, fields, _ = await answer(peer)
            old = cookie_of(fields)
            ask(peer, "/login", old)
            _, fields, _ = await answer(peer)
            ask(peer, "/", cookie_of(fields))
            assert (await answer(peer))[2] == b"3"
            ask(peer, "/", old)
            assert (await answer(peer))[2] == (b"1" if delete_old else b"2")

    run(program)


def test_a_session_behind_the_answer_is_an_error_and_touches_no_other() -> None:
    problems: list[Exception] = []

    def handler(connection: TcpConnection, request: Request) -> str | None:
        if request.path != "/late":
            return "plain"
        connection.send("early")
        try:
            request.session()
        except RuntimeError as problem:
            problems.append(problem)
        return None

    async def program() -> None:
        async with serving(handler, sessions=Sessions(MemoryStore())) as worker, connected(worker) as peer:
            ask(peer, "/late")
            ask(peer, "/late")
            ask(peer, "/str")
            for _ in range(3):
                assert "set-cookie" not in (await answer(peer))[1]
            assert len(problems) == 2

    run(program)


def test_a_session_that_cannot_be_kept_is_a_500() -> None:
    def handler(connection: TcpConnection, request: Request) -> str:
        request.session().set("x", object())
        return "never"

    async def program() -> None:
        async with serving(handler, sessions=Sessions(MemoryStore())) as worker, connected(worker) as peer:
            ask(peer)
            status, fields, _ = await answer(peer)
            assert (status, "set-cookie" in fields) == (500, False)

    run(program)


def test_a_worker_has_sessions_without_being_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def handler(connection: TcpConnection, request: Request) -> str:
        request.session().set("n", 1)
        return "kept"

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            ask(peer)
            await answer(peer)
            (folder,) = tmp_path.iterdir()
            assert len(list(folder.iterdir())) == 1
            assert all(each.status is Status.ESTABLISHED for each in worker.connections.values())

    run(program)
