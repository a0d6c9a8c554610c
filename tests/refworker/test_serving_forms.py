"""Forms on real connections."""

import asyncio
import socket
import struct
from pathlib import Path
from typing import Any

from refworker.connection import TcpConnection
from refworker.protocols.http import Request
from refworker.uploads import Uploads
from tests.refworker.asking import answer, ask, serving
from tests.refworker.peers import connected, run, until

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
