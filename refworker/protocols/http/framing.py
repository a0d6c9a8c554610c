"""How an answer is framed for the request that it answers (RFC 9112 sections 6 and 9; RFC 9110 sections 6.4.1
and 9.3.2).

A body of known length is sent with it. One whose end is not known yet is sent in chunks, and to a client of
HTTP/1.0, which knows none, up to the end of the connection. HEAD, 204 and 304 get the head alone, whatever
the application made.
"""

from typing import Any, NamedTuple

from refworker.protocols.http.events import ServerSentEvents
from refworker.protocols.http.heads import Head
from refworker.protocols.http.response import (
    HTML,
    Chunk,
    OpenFile,
    Response,
    field_line,
    lines_of,
    payload_of,
    status_line,
)

WHOLE, CHUNKS, PLAIN, MUTE, FILE = range(5)
"""What follows a head that was sent: nothing; pieces as chunks, as they are, or not at all; a file."""

BODILESS = frozenset({204, 304})
EMPTY = frozenset({205})
END = b"0\r\n\r\n"
EVENTS = "text/event-stream"

PLAIN_OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: %d\r\nDate: %b\r\n%b\r\n%b"
)
JSON_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nDate: %b\r\n%b\r\n%b"


class Answer(NamedTuple):
    """The bytes of an answer or of its beginning, what follows, and whether the connection ends with it."""

    data: bytes
    follows: int
    closes: bool


def short_answer(message: Any, head: Head, date: bytes, closes: bool) -> Answer:
    """The answer to a handler that gave no `Response`: 200, HTML, or JSON for a dict or a list (HAPI-004).
    Raises TypeError.
    """
    body = payload_of(message)
    form = JSON_OK if isinstance(message, (dict, list)) else PLAIN_OK
    closes = closes or not head.keep_alive
    tail = b"Connection: close\r\n" if closes else head.tail
    return Answer(form % (len(body), date, tail, b"" if head.is_head else body), WHOLE, closes)


def answer(response: Response, head: Head, date: bytes, closes: bool) -> Answer:
    """A `Response` on the wire. Raises TypeError or ValueError for what cannot be sent."""
    status, file = response.status, response.body if isinstance(response.body, OpenFile) else None
    body = b"" if file else payload_of(response.body)
    lines, wishes = lines_of(response.headers)
    first = status_line(status, response.reason)
    if status < 200:
        return Answer(b"" if head.version == "1.0" else b"%b%b\r\n" % (first, lines), WHOLE, False)
    closes = closes or not head.keep_alive or "close" in wishes.get("connection", "").lower()
    follows = stream_of(wishes, head, status)
    closes = closes or follows == PLAIN
    if body and "content-type" not in wishes and status not in BODILESS:
        lines += field_line("Content-Type", HTML)
    tail = b"Connection: close\r\n" if closes else head.tail
    framing = framing_of(follows, head, status, file.length if file else len(body))
    data = b"%b%bDate: %b\r\n%b%b\r\n" % (first, lines, date, framing, tail)
    if follows != WHOLE:
        data += piece(body, follows) if body and EVENTS not in wishes.get("content-type", "") else b""
    elif not (head.is_head or status in BODILESS or status in EMPTY):
        data += body
    return Answer(data, FILE if file and file.length and not head.is_head else follows, closes)


def stream_of(wishes: dict[str, str], head: Head, status: int) -> int:
    """What follows the head: the end of a stream is not known when it begins."""
    is_stream = "transfer-encoding" in wishes or wishes.get("content-type", "").startswith(EVENTS)
    if not is_stream:
        return WHOLE
    if head.is_head or status in BODILESS:
        return MUTE
    return PLAIN if head.version == "1.0" else CHUNKS


def framing_of(follows: int, head: Head, status: int, length: int) -> bytes:
    """How the client finds the body's end."""
    if follows == CHUNKS or (follows == MUTE and status not in BODILESS and head.version != "1.0"):
        return b"Transfer-Encoding: chunked\r\n"
    if follows == WHOLE and status not in BODILESS:
        return b"Content-Length: %d\r\n" % (0 if status in EMPTY else length)
    return b""


def piece(data: bytes, follows: int) -> bytes:
    """A piece of a stream on the wire."""
    if follows == CHUNKS and data:
        return b"%x\r\n%b\r\n" % (len(data), data)
    return data if follows == PLAIN else b""


def piece_of(message: Any) -> bytes:
    """The bytes of what is sent while a stream is under way. Raises TypeError or ValueError."""
    if isinstance(message, Response):
        raise ValueError("a response is under way: send Chunk(data), and Chunk() at its end")
    if isinstance(message, Chunk):
        return message.data
    return bytes(message) if isinstance(message, ServerSentEvents) else payload_of(message)


def refusal(status: int, problem: str, date: bytes, mute: bool = False) -> bytes:
    """The answer to a request that no application sees; the connection closes behind it."""
    body = f"{problem}\n".encode()
    return b"%bContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nDate: %b\r\n%b\r\n%b" % (
        status_line(status, None),
        len(body),
        date,
        b"Connection: close\r\n",
        b"" if mute else body,
    )
