"""A worker of HTTP that takes bodies, and a client that sends them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from refworker.connection import TcpConnection
from refworker.worker import Worker
from tests.refworker.peers import Peer, connected, until

MIB = 2**20
PIECE = bytes(range(256)) * 256


@asynccontextmanager
async def met(
    on_body: Callable[..., Any] | None = None, **options: Any
) -> AsyncIterator[tuple[Worker, Peer]]:
    options.setdefault("on_message", lambda connection, request: request.raw_body or "whole")
    async with Worker("http://127.0.0.1:0", on_body=on_body, **options) as worker, connected(worker) as peer:
        yield worker, peer


def head(*fields: str, path: str = "/") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *fields, "\r\n"]).encode()


async def living(worker: Worker) -> list[TcpConnection]:
    await until(lambda: worker.connections)
    return list(worker.connections.values())
