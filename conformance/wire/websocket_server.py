"""RFC 6455 from the server's side: requests read, responses right or wrong out, masked frames in.

What a server sends is made by `websocket.encode` without a key (`frame` below), right or wrong. Reading
accepts only what a client may send (section 5.1: masked; 5.2: minimal lengths; 5.5: short, whole control
frames) and raises Violation for the rest; `strict=False` overlooks all that, for a first look at a client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import h11

from conformance.outcomes import Violation
from conformance.wire import websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Frame, Opcode

LONG = {126: 2, 127: 8}
"""The 7-bit length that announces so many bytes of the real one."""

SWITCHING = "HTTP/1.1 101 Switching Protocols"
"""The status line that opens a WebSocket."""

SHORTEST = {126: 126, 127: 65536}
"""The least length that needs this form."""


@dataclass(frozen=True)
class Request:
    """The head of a request: its first line, and its fields in order, names in lower case."""

    head: bytes
    line: str
    fields: tuple[tuple[str, str], ...]

    @property
    def target(self) -> str:
        """The second word of the first line, or nothing."""
        return ([*self.line.split(" "), ""])[1]

    def values(self, name: str) -> list[str]:
        """The values of a field, one for each line that has it."""
        return [value for key, value in self.fields if key == name]

    def tokens(self, name: str) -> list[str]:
        """The members of a field that is a list, in lower case."""
        members = ",".join(self.values(name)).lower().split(",")
        return [member.strip(" \t") for member in members if member.strip(" \t")]

    @property
    def key(self) -> str:
        """The `Sec-WebSocket-Key`, empty where there is none."""
        return "".join(self.values("sec-websocket-key")[:1])


def read_request(peer: Peer) -> Request:
    """The head of the client's request, taken as it is. Raises what `Peer.until` raises."""
    head = peer.until(b"\r\n\r\n", maximum=64 * 1024)
    line, *rest = head[:-4].decode("latin-1").split("\r\n")
    pairs = (field.partition(":") for field in rest)
    return Request(head, line, tuple((name.lower(), value.strip(" \t")) for name, _, value in pairs))


def is_http(request: Request) -> None:
    """The head is a request of HTTP/1.1 without a body, or Violation `wrong-answer`; h11 is the judge."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(request.head)
    try:
        events = [server.next_event(), server.next_event()]
    except h11.RemoteProtocolError as problem:
        raise Violation("wrong-answer", f"not an HTTP request: {problem}") from problem
    _refuse(not isinstance(events[1], h11.EndOfMessage), "a request that opens a WebSocket has no body")


def response(
    request: Request,
    *more: str,
    start: str = SWITCHING,
    changes: Mapping[str, str | None] = MappingProxyType({}),
) -> bytes:
    """The response that opens the WebSocket (section 4.2.2), right or wrong.

    `more` are whole header lines; `start` replaces the status line; `changes` replaces the values of fields,
    None leaves one out.
    """
    fields: dict[str, str | None] = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": websocket.accept_value(request.key).decode(),
        **changes,
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([start, *lines, *more, "", ""]).encode("latin-1")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = None,
    length_bytes: int | None = None,
) -> bytes:
    """One frame as a server sends it, unmasked unless there is a `key`; the rest is as in `encode`."""
    return websocket.encode(opcode, payload, fin=fin, rsv=rsv, key=key, length_bytes=length_bytes)


@dataclass(frozen=True)
class Masked(Frame):
    """A frame from the client: `payload` is unmasked; `key` is empty where there was no mask."""

    key: bytes = b""
    rsv: int = 0


def read(peer: Peer, within: float | None = None, *, strict: bool = True, rsv: int = 0) -> Masked:
    """The next frame. Raises Violation `unmasked` or `wrong-answer`, or what `Peer.exactly` raises.

    `rsv` are the reserved bits that an extension allows.
    """
    first, second = peer.exactly(2, within)
    opcode, length = first & 0x0F, second & 0x7F
    if strict:
        _check_head(first, second, rsv)
    if length in LONG:
        form, length = length, int.from_bytes(peer.exactly(LONG[length], within), "big")
        _refuse(strict and length < SHORTEST[form], f"length {length} is not in its shortest form (5.2)")
    key = peer.exactly(4, within) if second & 0x80 else b""
    payload = peer.exactly(length, within)
    payload = websocket.mask(payload, key) if key else payload
    known = Opcode(opcode) if opcode in Opcode.__members__.values() else Opcode.BINARY
    seen = Masked(known, payload, bool(first & 0x80), key=key, rsv=first >> 4 & 7)
    wrong = strict and known == Opcode.CLOSE and not websocket.may_close(seen.payload)
    _refuse(wrong, f"Close of {seen.payload!r} (7.4)")
    return seen


def _check_head(first: int, second: int, rsv: int) -> None:
    """The first two bytes of a frame are what a client may send."""
    opcode, length = first & 0x0F, second & 0x7F
    _refuse(first & 0x70 & ~(rsv << 4), "a reserved bit is set (5.2)")
    _refuse(opcode not in Opcode.__members__.values(), f"opcode {opcode} is reserved (5.2)")
    if not second & 0x80:
        raise Violation("unmasked", "a client masks every frame (5.1)")
    split = opcode >= Opcode.CLOSE and (length > 125 or not first & 0x80)
    _refuse(split, "a control frame is long or split (5.5)")


def message(peer: Peer, within: float | None = None) -> tuple[Opcode, bytes]:
    """The next message, whole: in one frame or several; a control frame is given as it is."""
    piece = read(peer, within)
    opcode, parts = piece.opcode, [piece.payload]
    while not piece.fin:
        piece = read(peer, within)
        _refuse(piece.opcode is not Opcode.CONTINUATION, "a message is interrupted by another (5.4)")
        parts.append(piece.payload)
    _refuse(opcode is Opcode.CONTINUATION, "a continuation of nothing (5.4)")
    return opcode, b"".join(parts)


def expect(peer: Peer, opcode: Opcode, payload: bytes, within: float | None = None) -> None:
    """The next message is exactly this, in one frame or several."""
    got, body = message(peer, within)
    wrong = (got, body) != (opcode, payload)
    _refuse(wrong, f"{opcode.name} of {payload!r:.80} was due, {got.name} of {body!r:.80} came")


def _refuse(wrong: object, why: str) -> None:
    if wrong:
        raise Violation("wrong-answer", why)
