import asyncio

import pytest

from refworker.protocols.http import Limits, Streamed
from refworker.protocols.http.heads import read_head
from tests.refworker.protocols.http.hosts import post


class Pieces:
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces, b""]

    async def next(self) -> bytes:
        return self.pieces.pop(0)


def streamed(*pieces: bytes) -> Streamed:
    request = Streamed(read_head(post(b"", b"Content-Length: 5"), Limits()))
    request.taker = Pieces(*pieces)
    return request


def test_pieces() -> None:
    async def read() -> list[bytes]:
        return [piece async for piece in streamed(b"he", b"llo").stream()]

    assert asyncio.run(read()) == [b"he", b"llo"]


def test_a_body_that_is_not_kept() -> None:
    request = streamed()
    for name in ("raw_body", "body", "json", "form"):
        with pytest.raises(RuntimeError, match="while it comes"):
            getattr(request, name)
    assert (request.method, request.path, request.trailers) == ("POST", "/echo", ())
    assert repr(request) == "<Request POST /echo, a body that is not kept>"


def test_each_is_its_own() -> None:
    one, other = streamed(), streamed()
    assert one == one
    assert one != other
    assert len({one, other}) == 2
