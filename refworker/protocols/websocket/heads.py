"""Heads of HTTP as an opening handshake has them: a request, an answer, and fields (RFC 9110 section 5).

A head is read strictly, since a proxy that reads it otherwise is an attack: every line ends in CR LF, a name
is a token and touches its colon, no line is folded.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Headers = Mapping[str, str] | Iterable[str | tuple[str, str]]
"""An application's fields: by name, or as lines `Name: value`, or as pairs."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
TARGET = rb"""(?:/|https?://[!"$-.0-~])[!"$-~]*"""
FIELD = re.compile(rb"(%s):(%s)\r\n" % (TOKEN, VALUE))
FIELDS = rb"((?:%s:%s\r\n)*)\r\n" % (TOKEN, VALUE)
REQUEST = re.compile(rb"(GET) (%s) HTTP/1\.[1-9]\r\n" % TARGET + FIELDS)
RESPONSE = re.compile(rb"HTTP/1\.1 ([0-9]{3})(?: (%s))?\r\n" % VALUE + FIELDS)

STATUSES: dict[int, tuple[str, dict[str, str]]] = {
    400: ("Bad Request", {}),
    401: ("Unauthorized", {}),
    403: ("Forbidden", {}),
    404: ("Not Found", {}),
    405: ("Method Not Allowed", {"Allow": "GET"}),
    408: ("Request Timeout", {}),
    426: (
        "Upgrade Required",
        {"Connection": "close, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    ),
    429: ("Too Many Requests", {}),
    431: ("Request Header Fields Too Large", {}),
    500: ("Internal Server Error", {}),
    503: ("Service Unavailable", {}),
}
"""Reason phrase and particular fields of each refusal (section 4.4; RFC 9110 sections 7.8 and 15.5)."""

RESERVED_FIELDS = frozenset(
    {
        *("upgrade", "connection", "content-length", "transfer-encoding", "sec-websocket-key"),
        *("sec-websocket-version", "sec-websocket-accept", "sec-websocket-extensions"),
    }
)
"""Fields that are the handshake itself, or would say that a body follows: not the application's to set."""

PROTOCOL = "sec-websocket-protocol"


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

    @property
    def cookies(self) -> dict[str, str]:
        """What the field Cookie has, by name (RFC 6265 section 5.4); quotes stay as they are."""
        pairs = [pair.partition("=") for value in self.values("cookie") for pair in value.split(";")]
        return {name.strip(): value.strip() for name, mark, value in pairs if mark}

    @property
    def subprotocols(self) -> list[str]:
        """The names that the client offers, the best first (RFC 6455 section 1.9)."""
        offered = ",".join(self.values(PROTOCOL)).split(",")
        return [name.strip() for name in offered if name.strip()]


@dataclass(frozen=True, slots=True)
class Response(Head):
    """What a server answered: `on_websocket_connect(connection, response)` (WSC-005)."""

    status: int
    reason: str


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


def application_fields(headers: Headers) -> list[tuple[str, str]]:
    """The fields that an application may add: names that are tokens, values of one line, and nothing that is
    the handshake's own. Others are left out (WS-009, WSC-002).
    """
    given = headers.items() if isinstance(headers, Mapping) else headers
    pairs = [pair if isinstance(pair, tuple) else _pair_of(pair) for pair in given]
    return [(name, value) for name, value in pairs if _sendable(name, value)]


def _pair_of(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip(" \t")


def _sendable(name: str, value: str) -> bool:
    well_formed = re.fullmatch(TOKEN, name.encode()) and re.fullmatch(VALUE, value.encode())
    return bool(well_formed) and name.lower() not in RESERVED_FIELDS


def http_error(status: int, text: str) -> bytes:
    """A whole HTTP answer that refuses, and says why; the connection closes behind it."""
    reason, particular = STATUSES[status]
    body = f"{text}\n".encode()
    fields = {
        "Connection": "close",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        **particular,
    }
    lines = b"".join(field(name, value) for name, value in fields.items())
    return f"HTTP/1.1 {status} {reason}\r\n".encode() + lines + b"\r\n" + body
