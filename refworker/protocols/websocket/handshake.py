"""The opening handshake (RFC 6455 sections 1.3 and 4): one HTTP request, one answer, and nothing of HTTP
after it.

How a head is read stands in `heads.py`; what a well-formed one must say, in two tables here, `REQUEST_RULES`
and `RESPONSE_RULES`, in the order in which it is checked.

Between a request that is good and its answer the application has the word: it may refuse, add fields of its
own, and choose one of the subprotocols that were offered. So `judge` only reads, and `conclude` answers.

Garbage is refused at the first byte that a good peer would not have sent, without waiting for a line's end
that may never come.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

from refworker.protocols.base import Event
from refworker.protocols.websocket.deflate import Deflate, Deflation, accept, answer, offer
from refworker.protocols.websocket.extensions import read_extensions
from refworker.protocols.websocket.heads import (
    PROTOCOL,
    REQUEST,
    RESPONSE,
    TARGET,
    TOKEN,
    Head,
    Headers,
    Request,
    Response,
    application_fields,
    field,
    fields_of,
    http_error,
)

HEAD_LIMIT = 16384
"""Bytes of a head, its empty line included (WS-006)."""

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What nobody but a WebSocket endpoint appends to the key (section 1.3)."""


class Refused(Exception):
    """The handshake failed: the HTTP status that a server answers, and why."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


class RequestRule(NamedTuple):
    """A condition on the request, and the refusal where it is not met."""

    met: Callable[[Request], object]
    status: int
    problem: str


class ResponseRule(NamedTuple):
    """A condition on the answer to what the client's handshake asked for."""

    met: Callable[[Response, "ClientHandshake"], object]
    problem: str


def bodiless(request: Request) -> bool:
    """Whether frames begin right behind the head."""
    return not request.values("transfer-encoding") and set(request.values("content-length")) <= {"0"}


def one_key(request: Request) -> bool:
    """Whether there is one key, base64 of 16 bytes (section 4.1, item 7)."""
    keys = request.values("sec-websocket-key")
    return len(keys) == 1 and bool(re.fullmatch(r"[A-Za-z0-9+/]{22}==", keys[0]))


def good_extensions(head: Head) -> bool:
    """Whether the offers can be read (section 9.1: what cannot fails the handshake)."""
    try:
        read_extensions(head.values("sec-websocket-extensions"))
    except ValueError:
        return False
    return True


REQUEST_RULES = (
    RequestRule(lambda request: len(request.values("host")) == 1, 400, "exactly one Host is needed"),
    RequestRule(bodiless, 400, "a handshake has no body"),
    RequestRule(
        lambda request: "websocket" in request.tokens("upgrade"), 426, "Upgrade: websocket is missing"
    ),
    RequestRule(
        lambda request: "upgrade" in request.tokens("connection"), 426, "Connection: Upgrade is missing"
    ),
    RequestRule(
        lambda request: request.values("sec-websocket-version") == ["13"],
        426,
        "Sec-WebSocket-Version must be 13",
    ),
    RequestRule(one_key, 400, "exactly one Sec-WebSocket-Key is needed, base64 of 16 bytes"),
    RequestRule(good_extensions, 400, "Sec-WebSocket-Extensions is not well formed"),
)

RESPONSE_RULES = (
    ResponseRule(lambda response, asked: response.status == 101, "the server answered {0.status} {0.reason}"),
    ResponseRule(
        lambda response, asked: response.tokens("upgrade") == {"websocket"}, "Upgrade: websocket is missing"
    ),
    ResponseRule(
        lambda response, asked: "upgrade" in response.tokens("connection"), "Connection: Upgrade is missing"
    ),
    ResponseRule(
        lambda response, asked: response.values("sec-websocket-accept") == [accept_value(asked.key)],
        "Sec-WebSocket-Accept does not fit the key",
    ),
    ResponseRule(
        lambda response, asked: response.values(PROTOCOL) in ([], *([name] for name in asked.protocols)),
        "a subprotocol was not asked for",
    ),
)


def accept_value(key: str) -> str:
    """What proves that the server understood the key (section 4.2.2, item 5.4)."""
    return b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()).decode()


class Handshake(ABC):
    """One side's part: collects the peer's head, judges it, and knows what to answer."""

    __slots__ = ("_buffer", "_options", "deflation", "is_read")
    beginning: ClassVar[bytes]
    """What every good head of the peer begins with."""
    blank: ClassVar[bytes] = b""
    """What may stand before it, and is no part of it."""
    section: ClassVar[str]
    """Of RFC 6455: what this side checks."""

    def __init__(self, options: Deflate | None) -> None:
        """`options` are for permessage-deflate; None: without it."""
        self._buffer = bytearray()
        self.is_read = False  # the peer's head
        self._options = options
        self.deflation: Deflation | None = None  # what was agreed on

    @property
    def collected(self) -> int:
        """Bytes of the head that have come so far."""
        return len(self._buffer)

    def read(self, data: bytes) -> tuple[list[Event], bytes]:
        """What the application is told, and the bytes behind the head; nothing while it is incomplete. Raises
        Refused.
        """
        end = self._end(data)
        if end is None:
            return [], b""
        head, rest = bytes(self._buffer[:end]), bytes(self._buffer[end:])
        self._buffer.clear()
        told = self.judge(head)
        self.is_read = True
        return told, rest

    def _end(self, data: bytes) -> int | None:
        """Where the head ends. Raises Refused for one that cannot become good."""
        self._buffer += data
        while self.blank and self._buffer.startswith(self.blank):
            del self._buffer[: len(self.blank)]
        if self.blank and self._buffer == self.blank[:1]:
            return None
        searched = max(len(self._buffer) - len(data) - 3, 0)
        self._check_beginning()
        end = self._buffer.find(b"\r\n\r\n", searched, HEAD_LIMIT) + 4
        if end >= 4:
            return end
        if len(self._buffer) >= HEAD_LIMIT:
            raise Refused(f"the head is longer than {HEAD_LIMIT} bytes", 431)
        return None

    def _check_beginning(self) -> None:
        for got, wanted in zip(self._buffer, self.beginning, strict=False):
            if got != wanted:
                word = re.fullmatch(TOKEN + b"| ", bytes([got]))
                problem = f"the head does not begin with {self.beginning.decode()!r}"
                raise Refused(problem, 405 if word else 400)

    @abstractmethod
    def judge(self, head: bytes) -> list[Event]:
        """What the application is told; the last event is the opening. Raises Refused."""

    @abstractmethod
    def conclude(self, headers: Headers) -> bytes:
        """The bytes that answer a good head, with an application's fields. Raises ValueError for fields that
        would make the answer a bad one.
        """

    @abstractmethod
    def refusal(self, refused: Refused) -> bytes:
        """The bytes that answer a head that was refused."""


class ServerHandshake(Handshake):
    """Waits for a request."""

    __slots__ = ("_extension", "_request")
    beginning, section = b"GET ", "4.2.1"
    blank = b"\r\n"  # RFC 9112 section 2.2
    _request: Request

    def judge(self, head: bytes) -> list[Event]:
        """The request, before it is answered and after (section 4.2)."""
        match = REQUEST.fullmatch(head)
        if not match:
            raise Refused("the head is not that of an HTTP/1.1 request")
        request = Request(fields_of(match[3]), match[1].decode(), match[2].decode())
        for rule in REQUEST_RULES:
            if not rule.met(request):
                raise Refused(rule.problem, rule.status)
        self._agree(request)
        return [
            Event("on_websocket_connect", (request,)),
            Event("on_websocket_connected", (request,), opening=True),
        ]

    def _agree(self, request: Request) -> None:
        offers = read_extensions(request.values("sec-websocket-extensions"))
        agreed = answer(offers, self._options) if self._options else None
        self._request, self._extension = request, None
        if agreed:
            self._extension, self.deflation = agreed

    def conclude(self, headers: Headers) -> bytes:
        """The 101 (section 4.2.2)."""
        own = application_fields(headers)
        chosen = [value for name, value in own if name.lower() == PROTOCOL]
        if len(chosen) > 1 or not set(chosen) <= set(self._request.subprotocols):
            offered = ", ".join(self._request.subprotocols) or "none"
            raise ValueError(
                f"subprotocol {', '.join(chosen)!r} was not offered; the client offers: {offered}"
            )
        return switching(self._request.values("sec-websocket-key")[0], [*own, *self._agreed()])

    def _agreed(self) -> list[tuple[str, str]]:
        return [("Sec-WebSocket-Extensions", str(self._extension))] if self._extension else []

    def refusal(self, refused: Refused) -> bytes:
        """An HTTP error that says why, as text."""
        return http_error(refused.status, f"WebSocket handshake refused: {refused}")


def switching(key: str, more: Iterable[tuple[str, str]] = ()) -> bytes:
    """The 101 for a key, with more fields (section 4.2.2)."""
    lines = b"".join(field(name, value) for name, value in more)
    return (
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_value(key)}\r\n"
        ).encode()
        + lines
        + b"\r\n"
    )


class ClientHandshake(Handshake):
    """Sends `request`, and waits for the answer."""

    __slots__ = ("key", "protocols", "request")
    key: str
    protocols: set[str]
    beginning, section = b"HTTP/1.1 ", "4.1"

    def __init__(
        self, host: str, path: str, nonce: bytes, headers: Headers = (), options: Deflate | None = None
    ) -> None:
        """`host` is the Host field, `path` includes the query, `nonce` is 16 random bytes; a Host among the
        application's `headers` replaces `host` (WSC-002). Raises ValueError for a host or a path that cannot
        stand in a request.
        """
        super().__init__(options)
        if not re.fullmatch(TARGET, path.encode()) or not re.fullmatch(r"[!-~]+", host):
            raise ValueError(f"ws://{host}{path}: only visible ASCII can be asked for; quote the rest with %")
        self.key = b64encode(nonce).decode()
        own = application_fields(headers)
        if not any(name.lower() == "host" for name, _ in own):
            own.insert(0, ("Host", host))
        offers = [value for name, value in own if name.lower() == PROTOCOL]
        self.protocols = {name.strip() for offer in offers for name in offer.split(",")}
        lines = b"".join(field(name, value) for name, value in [*own, *self._fixed()])
        self.request = f"GET {path} HTTP/1.1\r\n".encode() + lines + b"\r\n"

    def _fixed(self) -> list[tuple[str, str]]:
        extensions = [("Sec-WebSocket-Extensions", str(offer(self._options)))] if self._options else []
        return [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self.key),
            ("Sec-WebSocket-Version", "13"),
            *extensions,
        ]

    def judge(self, head: bytes) -> list[Event]:
        """The answer (section 4.1)."""
        match = RESPONSE.fullmatch(head)
        if not match:
            raise Refused("the head is not that of an HTTP/1.1 answer")
        reason = (match[2] or b"").decode("latin-1")
        response = Response(fields_of(match[3]), int(match[1]), reason)
        for rule in RESPONSE_RULES:
            if not rule.met(response, self):
                raise Refused(rule.problem.format(response))
        self._agree(response)
        return [Event("on_websocket_connect", (response,), opening=True)]

    def _agree(self, response: Response) -> None:
        try:
            answered = read_extensions(response.values("sec-websocket-extensions"))
            if len(answered) > bool(self._options):
                raise ValueError("an extension was not asked for")
            if answered and self._options:
                self.deflation = accept(answered[0], self._options)
        except ValueError as problem:
            raise Refused(str(problem)) from None

    def conclude(self, headers: Headers) -> bytes:
        """Nothing: the answer was the last word."""
        return b""

    def refusal(self, refused: Refused) -> bytes:
        """Nothing: a client goes without a word."""
        return b""
