"""A connection as a conversation sees it, with a clock that stands still, and requests to read."""

from collections.abc import Callable
from typing import Any

from refworker.protocols.base import Close
from refworker.protocols.http import HttpServer, Limits, Request
from refworker.protocols.http.heads import Head
from refworker.protocols.http.intake import Taker
from tests.refworker.protocols.whole import read

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"


class FakeHost:
    """Knows the time; counts how often it was told to go on."""

    draining = upgrades = False
    room: list[bytes] | None = None
    _on_message: Callable[[Any, Request], Any] | None = None

    def __init__(self) -> None:
        self.now = 0.0
        self.answers = 0
        self.taker: Callable[[Head], Taker] | None = None
        self.said: list[bytes] = []

    def date(self) -> bytes:
        return DATE

    def moment(self) -> float:
        return self.now

    def answered(self) -> None:
        self.answers += 1

    def taker_for(self, head: Head) -> Taker | None:
        return self.taker(head) if self.taker else None

    def say(self, words: bytes) -> None:
        self.said.append(words)

    def part(self) -> None:
        self.said.append(b"")


def maker(limit: int = 1000, **limits: Any) -> Callable[[], HttpServer]:
    """Makes servers with these limits, each with a host of its own."""
    return lambda: HttpServer(FakeHost(), limit, Limits(**limits))


def post(body: bytes, *fields: bytes) -> bytes:
    """A request with a body whose framing is among the fields."""
    return (
        b"POST /echo HTTP/1.1\r\n"
        + b"".join(field + b"\r\n" for field in (b"Host: a", *fields))
        + b"\r\n"
        + body
    )


def chunked(body: bytes) -> bytes:
    """A request whose body is these chunks."""
    return post(body, b"Transfer-Encoding: chunked")


def refusal(data: bytes, make: Callable[[], HttpServer] | None = None) -> Close:
    """How a stream is refused at its first request."""
    items = read((make or maker())(), [data])
    assert isinstance(items[-1], Close), items
    return items[-1]


def status(close: Close) -> int:
    """The status of a refusal that is well formed."""
    head, _, body = close.reply.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"\r\nDate: " + DATE in head
    assert b"\r\nConnection: close" in head
    return int(head.split(b" ")[1])
