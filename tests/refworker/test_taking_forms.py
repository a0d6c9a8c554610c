"""Forms that are taken while they come, on real connections."""

import tracemalloc
from pathlib import Path

import pytest

from refworker.connection import TcpConnection
from refworker.protocols.http import Limits, Request
from refworker.uploads import PREFIX, Uploads
from tests.refworker.asking import answer, ask
from tests.refworker.peers import run, until
from tests.refworker.posting import MIB, PIECE, head, living, met

FORM = "Content-Type: multipart/form-data; boundary=b"
OPENING = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
CLOSING = b"\r\n--b--\r\n"


def sizes(connection: TcpConnection, request: Request) -> str:
    return ",".join(str(part.size) for part in request.parts)


def files(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.glob(f"{PREFIX}*")]


def test_a_large_form_goes_to_files_while_it_comes(tmp_path: Path) -> None:
    def listing(connection: TcpConnection, request: Request) -> str:
        with pytest.raises(RuntimeError, match="at_once"):
            request.raw_body  # noqa: B018
        (name,) = tmp_path.iterdir()
        return f"{sizes(connection, request)} {request.file('f').tmp_name == str(name)}"

    async def program() -> None:
        async with met(on_message=listing, uploads=Uploads(tmp_path, at_once=1000)) as (_, peer):
            for framing in (True, False):
                body = OPENING + PIECE + CLOSING
                if framing:
                    peer.send(head(FORM, f"Content-Length: {len(body)}"))
                    peer.send(body[:5000])
                    await until(lambda: sum(files(tmp_path)) > 4000)
                    peer.send(body[5000:])
                else:
                    peer.send(head(FORM, "Transfer-Encoding: chunked"))
                    peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
                assert (await answer(peer))[2] == f"{len(PIECE)} True".encode()
                assert not files(tmp_path)

    run(program)


def test_its_memory_is_bounded(tmp_path: Path) -> None:
    size = 32 * MIB

    async def program() -> None:
        async with met(on_message=sizes, uploads=Uploads(tmp_path)) as (worker, peer):
            (connection,) = await living(worker)
            connection.max_package_size = 2 * size
            tracemalloc.start()
            try:
                peer.send(head(FORM, f"Content-Length: {len(OPENING) + size + len(CLOSING)}") + OPENING)
                for _ in range(size // len(PIECE)):
                    peer.send(PIECE)
                    await peer.writer.drain()
                peer.send(CLOSING)
                assert (await answer(peer))[2] == str(size).encode()
                assert tracemalloc.get_traced_memory()[1] < 4 * MIB
            finally:
                tracemalloc.stop()

    run(program)


@pytest.mark.parametrize("way", ["reset", "fin", "malformed", "too large", "late", "destroyed"])
def test_nothing_is_left_of_a_form_that_is_never_whole(way: str, tmp_path: Path) -> None:
    async def program() -> None:
        limits = Limits(body_timeout=0.3, min_body_rate=10**6) if way == "late" else None
        async with met(on_message=sizes, uploads=Uploads(tmp_path, at_once=1000), limits=limits) as (
            worker,
            peer,
        ):
            (connection,) = await living(worker)
            connection.max_package_size = 5000
            peer.send(
                head(FORM, "Transfer-Encoding: chunked") + b"bb8\r\n" + (OPENING + PIECE)[:3000] + b"\r\n"
            )
            await until(lambda: files(tmp_path))
            if way == "reset":
                peer.writer.transport.abort()
            elif way == "fin":
                peer.finish()
            elif way == "destroyed":
                connection.destroy()
            elif way != "late":
                peer.send(b"zz\r\n" if way == "malformed" else b"bb8\r\n")
            await until(lambda: not files(tmp_path))

    run(program)


def test_a_form_that_is_wrong_is_answered_when_it_is_whole(tmp_path: Path) -> None:
    for broken in (OPENING + PIECE, PIECE, b"--b\r\nX: y\r\n\r\n" + PIECE + CLOSING):

        async def program(broken: bytes = broken) -> None:
            async with met(on_message=sizes, uploads=Uploads(tmp_path, at_once=1000)) as (_, peer):
                for _ in range(2):
                    ask(peer, "/", FORM, body=broken, method="POST")
                    assert (await answer(peer))[0] == 400
                assert not files(tmp_path)
                ask(peer, "/", FORM.replace("=b", '="b "'), body=PIECE, method="POST")
                assert (await answer(peer))[0] == 400

        run(program)


def test_a_form_that_nobody_asks_for_is_no_trouble(tmp_path: Path) -> None:
    async def program() -> None:
        async with met(
            on_message=lambda connection, request: "fine", uploads=Uploads(tmp_path, at_once=1000)
        ) as (_, peer):
            for body in (PIECE, OPENING + PIECE + CLOSING):
                ask(peer, "/", FORM, body=body, method="POST")
                assert (await answer(peer))[2] == b"fine"

    run(program)


def test_a_disk_that_is_full_is_a_mistake_of_ours(tmp_path: Path) -> None:
    async def program() -> None:
        missing = Uploads(tmp_path / "missing", at_once=1000)
        async with met(on_message=sizes, uploads=missing) as (_, peer):
            ask(peer, "/", FORM, body=OPENING + PIECE + CLOSING, method="POST")
            assert (await answer(peer))[0] == 500

    run(program)


def test_a_small_form_in_chunks_is_as_every_other_body(tmp_path: Path) -> None:
    async def program() -> None:
        async with met(uploads=Uploads(tmp_path, at_once=1000)) as (_, peer):
            body = OPENING + b"abc" + CLOSING
            peer.send(head(FORM, "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            assert (await answer(peer))[2] == body

    run(program)


def test_a_large_body_that_is_no_form_is_collected() -> None:
    async def program() -> None:
        async with met(uploads=Uploads(at_once=1000)) as (_, peer):
            ask(peer, body=PIECE, method="POST")
            assert (await answer(peer))[2] == PIECE

    run(program)
