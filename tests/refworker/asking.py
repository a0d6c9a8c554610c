"""A worker of HTTP, and clients that ask it."""

import asyncio
from collections.abc import Callable
from typing import Any

from refworker.worker import Worker
from tests.refworker.peers import DEADLINE, Peer

HOST = "127.0.0.1"


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
