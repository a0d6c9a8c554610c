"""How an answer is framed for the request that it answers (RFC 9112 sections 6 and 9; RFC 9110 sections 6.4.1
and 9.3.2).

A body of known length is sent with it. One whose end is not known yet is sent in chunks, and to a client of
HTTP/1.0, which knows none, up to the end of the connection. HEAD, 204 and 304 get the head alone, whatever
the application made.

Applications repeat themselves, too: what status and fields make of a head is kept.
"""

from typing import Any, NamedTuple, Protocol

from refworker.protocols.http.events import ServerSentEvents
from refworker.protocols.http.manner import CLOSE, KEEP_ALIVE, Manner, keep
from refworker.protocols.http.response import (
    HTML,
    OLD,
    Announced,
    Chunk,
    OpenFile,
    Response,
    lines_of,
    payload_of,
    status_line,
)

WHOLE, CHUNKS, PLAIN, MUTE, INTERIM, FILE, SIZED = range(7)
"""What follows the head that was made: nothing but its body; pieces as chunks, as they are, or not at all;
another head; a file; pieces of a length that was announced.
"""


class Asked(Protocol):
    """What is answered: a head, or who has its parts."""

    @property
    def manner(self) -> Manner:
        """How it travelled."""

    @property
    def method(self) -> str:
        """What was asked for."""


Answer = tuple[bytes, int, bool]
"""The bytes of an answer or of its beginning, what follows, and whether the connection ends with it."""

NO_CONTENT, RESET_CONTENT, NOT_MODIFIED = 204, 205, 304
BODILESS = frozenset({NO_CONTENT, NOT_MODIFIED})
EMPTY = BODILESS | {RESET_CONTENT}
END = b"0\r\n\r\n"
EVENTS = "text/event-stream"

SHORT = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\nDate: %b\r\n%b\r\n%b"
"""A whole answer: type, length, date, what is said of the connection, body."""


class Plan(NamedTuple):
    """What status and fields of a response make of its head."""

    lines: bytes
    """All lines up to the value of Date."""
    status: int
    is_stream: bool
    """Whether its end is not known when it begins."""
    is_events: bool
    closes: bool
    is_typed: bool
    is_usual: bool
    """Whether nothing about it is remarkable."""
    is_old: bool
    """Whether it is an answer of HTTP/1.0, whatever the client speaks."""


_plans: dict[Any, Plan] = {}
_starts: dict[Any, bytes] = {}


def plan_of(response: Response) -> Plan:
    """Status and fields on the wire. Raises ValueError for what is no status."""
    lines, wishes = lines_of(response.headers)
    status, kind = response.status, wishes.get("content-type", "")
    is_events = kind.startswith(EVENTS)
    is_stream = is_events or "transfer-encoding" in wishes
    closes = "close" in wishes.get("connection", "").lower()
    is_old = response.version == OLD
    is_plain = not (is_stream or closes or is_old or status < 200 or status in EMPTY)
    first = status_line(status, response.reason, response.version)
    usual = is_plain and bool(kind)
    plan = Plan(first + lines + b"Date: ", status, is_stream, is_events, closes, bool(kind), usual, is_old)
    if is_simple(response):
        keep(_plans, said(response), plan, len(plan.lines))
    return plan


def said(response: Response) -> tuple[Any, ...]:
    """All that decides about its head. It has no hash where a field has a list of values."""
    return (response.status, response.reason, response.version, *response.headers.items())


def is_simple(response: Response) -> bool:
    """Whether every field has one line."""
    return all(type(value) is str for value in response.headers.values())


def plan_for(response: Response) -> Plan:
    """The plan that is kept, or a new one. Raises ValueError for what is no status."""
    try:
        return _plans.get(said(response)) or plan_of(response)
    except TypeError:  # a list of values
        return plan_of(response)


def short_answer(message: Any, head: Asked, date: bytes, closes: bool) -> Answer:
    """The answer to a handler that gave no `Response`: 200, HTML, or JSON for a dict or a list (HAPI-004).
    Raises TypeError.
    """
    body = payload_of(message)
    kind = b"application/json" if isinstance(message, (dict, list)) else HTML
    closes = closes or not head.manner.keep_alive
    tail = CLOSE if closes else head.manner.tail
    return SHORT % (kind, len(body), date, tail, b"" if head.method == "HEAD" else body), WHOLE, closes


def known_answer(message: Any, date: bytes) -> bytes | None:
    """The whole answer to a request of HTTP/1.1 that is not HEAD, on a connection that goes on, where the
    head of such an answer was made before; None where it was not.
    """
    if type(message) is not Response:
        return None
    body = message.body
    try:
        if type(body) is not bytes:
            body = str.encode(body)
        start = _starts.get(  # as `said` has it, for nearly every answer comes by here
            (date, len(body), message.status, message.reason, message.version, *message.headers.items())
        )
    except (TypeError, ValueError):  # another body; a list of values
        return None
    return start + body if start else None


def answer(response: Response, head: Asked, date: bytes, closes: bool) -> Answer:
    """A `Response` on the wire. Raises TypeError or ValueError for what cannot be sent."""
    is_usual = not (closes or head.manner.tail or head.method == "HEAD")
    if is_usual and (words := known_answer(response, date)) is not None:
        return words, WHOLE, False
    plan, body = plan_for(response), response.body
    if type(body) is OpenFile or type(body) is Announced:
        return announcement(plan, body, head, date, closes)
    payload = payload_of(body)
    made = any_answer(plan, payload, head, date, closes)
    if is_usual and plan.is_usual:
        remember(response, date, len(payload), made[0])
    return made


def remember(response: Response, date: bytes, length: int, words: bytes) -> None:
    """Keep what stands before a body of this length."""
    if is_simple(response):
        start = words[: len(words) - length]
        keep(_starts, (date, length, *said(response)), start, len(start))


def announcement(plan: Plan, body: OpenFile | Announced, head: Asked, date: bytes, closes: bool) -> Answer:
    """The head of an answer whose body is known by its length alone."""
    closes = closes or plan.closes or not head.manner.keep_alive
    tail = tail_of(closes, plan, head)
    data = b"%b%b\r\nContent-Length: %d\r\n%b\r\n" % (plan.lines, date, body.length, tail)
    if type(body) is Announced:
        return data, MUTE if head.method == "HEAD" else SIZED, closes
    return data, WHOLE if head.method == "HEAD" else FILE, closes


def any_answer(plan: Plan, body: bytes, head: Asked, date: bytes, closes: bool) -> Answer:
    """What is known whole, or begins a stream."""
    if plan.status < 200:
        lines = plan.lines.removesuffix(b"Date: ")
        return b"" if is_old(plan, head) else lines + b"\r\n", INTERIM, False
    follows = stream_of(plan, head)
    closes = closes or plan.closes or follows == PLAIN or not head.manner.keep_alive
    tail = tail_of(closes, plan, head)
    if plan.status == RESET_CONTENT:  # RFC 9110 section 15.3.6
        body = b""
    if body and not plan.is_typed and plan.status not in BODILESS:
        tail = b"Content-Type: %b\r\n%b" % (HTML, tail)
    data = b"%b%b\r\n%b%b\r\n" % (plan.lines, date, framing_of(follows, plan, head, len(body)), tail)
    if follows == WHOLE and head.method != "HEAD" and plan.status not in BODILESS:
        data += body
    elif not plan.is_events:
        data += piece(body, follows)
    return data, follows, closes


def is_old(plan: Plan, head: Asked) -> bool:
    """Whether either side is of HTTP/1.0, which knows neither chunks nor interim answers."""
    return plan.is_old or head.manner.version == OLD


def tail_of(closes: bool, plan: Plan, head: Asked) -> bytes:
    """The line about the connection: an answer of HTTP/1.0 says it always (RFC 9112 section 9.3)."""
    return CLOSE if closes else KEEP_ALIVE if plan.is_old else head.manner.tail


def stream_of(plan: Plan, head: Asked) -> int:
    """What follows the head."""
    if not plan.is_stream:
        return WHOLE
    if head.method == "HEAD" or plan.status in BODILESS:
        return MUTE
    return PLAIN if is_old(plan, head) else CHUNKS


def framing_of(follows: int, plan: Plan, head: Asked, length: int) -> bytes:
    """How the client finds the body's end; HEAD is told what GET would be."""
    if plan.status in BODILESS or follows == PLAIN:
        return b""
    if follows == WHOLE:
        return b"Content-Length: %d\r\n" % length
    return b"" if is_old(plan, head) else b"Transfer-Encoding: chunked\r\n"


def piece(data: bytes, follows: int) -> bytes:
    """A piece of a stream on the wire."""
    if follows == CHUNKS and data:
        return b"%x\r\n%b\r\n" % (len(data), data)
    return data if follows in (PLAIN, SIZED) else b""


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
        CLOSE,
        b"" if mute else body,
    )
