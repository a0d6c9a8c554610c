"""The opening handshake (RFC 6455 sections 1.3 and 4): one HTTP request, one answer, and nothing of HTTP
after it.

A head is read strictly, since a proxy that reads it otherwise is an attack: every line ends in CR LF, a name
is a token and touches its colon, no line is folded. What a well-formed head must say stands in two tables,
`REQUEST_RULES` and `RESPONSE_RULES`, in the order in which it is checked. A subprotocol or an extension would
add a rule, and a field of the answer.

Garbage is refused at the first byte that a good peer would not have sent, without waiting for a line's end
that may never come.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

HEAD_LIMIT = 16384
"""Bytes of a head, its empty line included (WS-006)."""

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What nobody but a WebSocket endpoint appends to the key (section 1.3)."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
TARGET = rb"""(?:/|https?://[!"$-.0-~])[!"$-~]*"""
FIELD = re.compile(rb"(%s):(%s)\r\n" % (TOKEN, VALUE))
FIELDS = rb"((?:%s:%s\r\n)*)\r\n" % (TOKEN, VALUE)
REQUEST = re.compile(rb"(GET) (%s) HTTP/1\.[1-9]\r\n" % TARGET + FIELDS)
RESPONSE = re.compile(rb"HTTP/1\.1 ([0-9]{3})(?: (%s))?\r\n" % VALUE + FIELDS)

STATUSES: dict[int, tuple[str, dict[str, str]]] = {
    400: ("Bad Request", {}),
    405: ("Method Not Allowed", {"Allow": "GET"}),
    408: ("Request Timeout", {}),
    426: (
        "Upgrade Required",
        {"Connection": "close, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    ),
    431: ("Request Header Fields Too Large", {}),
}
"""Reason phrase and particular fields of each refusal (section 4.4; RFC 9110 sections 7.8 and 15.5)."""

RESERVED_FIELDS = frozenset(
    {"upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"}
)
"""Fields of the request that are the handshake itself, and not the application's to set."""


class Refused(Exception):
    """The handshake failed: the HTTP status that a server answers, and why."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """The fields of a request or an answer, in their order, names in lower case."""

    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Every value of a field, whatever the case of its name."""
        return [value for known, value in self.headers if known == name.lower()]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of a field; a repeated one's are joined with commas (RFC 9110 section 5.3)."""
        values = self.values(name)
        return ", ".join(values) if values else default

    def tokens(self, name: str) -> set[str]:
        """The members of a comma list, in lower case."""
        return {token.strip().lower() for value in self.values(name) for token in value.split(",")}


@dataclass(frozen=True, slots=True)
class Request(Head):
    """What a client asked for: `on_websocket_connect(connection, request)` (WS-007)."""

    method: str
    target: str

    @property
    def path(self) -> str:
        """The path, as it was sent: nothing is unquoted."""
        return re.sub(r"^https?://[^/?]*", "", self.target).partition("?")[0] or "/"

    @property
    def query(self) -> str:
        """What follows the `?`, as it was sent; `urllib.parse.parse_qs` reads it."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Response(Head):
    """What a server answered: `on_websocket_connect(connection, response)` (WSC-005)."""

    status: int
    reason: str


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
        lambda response, asked: not response.values("sec-websocket-extensions"),
        "an extension was not asked for",
    ),
    ResponseRule(
        lambda response, asked: set(response.values("sec-websocket-protocol")) <= asked.protocols,
        "a subprotocol was not asked for",
    ),
)


def accept_value(key: str) -> str:
    """What proves that the server understood the key (section 4.2.2, item 5.4)."""
    return b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()).decode()


def field(name: str, value: str) -> bytes:
    """One line of a head."""
    return f"{name}: {value}\r\n".encode()


def fields_of(block: bytes) -> tuple[tuple[str, str], ...]:
    """The fields of a block that is known to be well formed: names in lower case, values without blanks
    around them.
    """
    return tuple(
        (name.decode().lower(), value.strip(b" \t").decode("latin-1")) for name, value in FIELD.findall(block)
    )


class Handshake(ABC):
    """One side's part: collects the peer's head, judges it, and knows what to answer."""

    __slots__ = ("_buffer",)
    beginning: ClassVar[bytes]
    """What every good head of the peer begins with."""
    section: ClassVar[str]
    """Of RFC 6455: what this side checks."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def collected(self) -> int:
        """Bytes of the head that have come so far."""
        return len(self._buffer)

    def take(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The head and what stands behind it, or None while it is incomplete. Raises Refused for a head that
        cannot become good.
        """
        searched = max(len(self._buffer) - 3, 0)
        self._buffer += data
        self._check_beginning()
        end = self._buffer.find(b"\r\n\r\n", searched, HEAD_LIMIT) + 4
        if end >= 4:
            return bytes(self._buffer[:end]), bytes(self._buffer[end:])
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
    def judge(self, head: bytes) -> tuple[Head, bytes]:
        """What was agreed on, for `on_websocket_connect`, and the bytes that answer it. Raises Refused."""

    @abstractmethod
    def refusal(self, refused: Refused) -> bytes:
        """The bytes that answer a head that was refused."""


class ServerHandshake(Handshake):
    """Waits for a request."""

    __slots__ = ()
    beginning, section = b"GET ", "4.2.1"

    def judge(self, head: bytes) -> tuple[Request, bytes]:
        """The request and the 101 (section 4.2)."""
        match = REQUEST.fullmatch(head)
        if not match:
            raise Refused("the head is not that of an HTTP/1.1 request")
        request = Request(fields_of(match[3]), match[1].decode(), match[2].decode())
        for rule in REQUEST_RULES:
            if not rule.met(request):
                raise Refused(rule.problem, rule.status)
        return request, switching(request.values("sec-websocket-key")[0])

    def refusal(self, refused: Refused) -> bytes:
        """An HTTP error that says why, as text."""
        reason, particular = STATUSES[refused.status]
        body = f"WebSocket handshake refused: {refused}\n".encode()
        fields = {
            "Connection": "close",
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            **particular,
        }
        lines = b"".join(field(name, value) for name, value in fields.items())
        return f"HTTP/1.1 {refused.status} {reason}\r\n".encode() + lines + b"\r\n" + body


def switching(key: str) -> bytes:
    """The 101 for a key (section 4.2.2)."""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_value(key)}\r\n\r\n"
    ).encode()


class ClientHandshake(Handshake):
    """Sends `request`, and waits for the answer."""

    __slots__ = ("key", "protocols", "request")
    key: str
    protocols: set[str]
    beginning, section = b"HTTP/1.1 ", "4.1"

    def __init__(self, host: str, path: str, nonce: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
        """`host` is the Host field, `path` includes the query, `nonce` is 16 random bytes. Of `headers`,
        those are dropped that cannot be a field, or that are the handshake itself; a Host replaces `host`
        (WSC-002). Raises ValueError for a host or a path that cannot stand in a request.
        """
        super().__init__()
        if not re.fullmatch(TARGET, path.encode()) or not re.fullmatch(r"[!-~]+", host):
            raise ValueError(f"ws://{host}{path}: only visible ASCII can be asked for; quote the rest with %")
        self.key = b64encode(nonce).decode()
        own = [(name, value) for name, value in headers if sendable(name, value)]
        if not any(name.lower() == "host" for name, _ in own):
            own.insert(0, ("Host", host))
        offers = [value for name, value in own if name.lower() == "sec-websocket-protocol"]
        self.protocols = {name.strip() for offer in offers for name in offer.split(",")}
        lines = b"".join(field(name, value) for name, value in [*own, *self._fixed()])
        self.request = f"GET {path} HTTP/1.1\r\n".encode() + lines + b"\r\n"

    def _fixed(self) -> list[tuple[str, str]]:
        return [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self.key),
            ("Sec-WebSocket-Version", "13"),
        ]

    def judge(self, head: bytes) -> tuple[Response, bytes]:
        """The answer, to which nothing is said (section 4.1)."""
        match = RESPONSE.fullmatch(head)
        if not match:
            raise Refused("the head is not that of an HTTP/1.1 answer")
        reason = (match[2] or b"").decode("latin-1")
        response = Response(fields_of(match[3]), int(match[1]), reason)
        for rule in RESPONSE_RULES:
            if not rule.met(response, self):
                raise Refused(rule.problem.format(response))
        return response, b""

    def refusal(self, refused: Refused) -> bytes:
        """Nothing: a client goes without a word."""
        return b""


def sendable(name: str, value: str) -> bool:
    """Whether an application's field may go into the request: one line, and none of the handshake's own."""
    well_formed = re.fullmatch(TOKEN, name.encode()) and re.fullmatch(VALUE, value.encode())
    return bool(well_formed) and name.lower() not in RESERVED_FIELDS
