"""RFC 6455 from the client's side: the opening handshake, raw frames out, strict frames in.

Encoding does what it is told, right or wrong: reserved bits, unmasked frames and odd opcodes are what cases
are made of. Reading accepts only what a server may send (section 5.1: unmasked; 5.2: minimal lengths; 5.5:
short, whole control frames) and raises Violation `wrong-answer` for the rest. Messages may be compressed on
connections that have agreed to that, and only there (RFC 7692). The handshake's answer is judged by h11.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import h11

from conformance.outcomes import Violation
from conformance.wire.address import Address
from conformance.wire.deflate import Deflate, agreed
from conformance.wire.peer import Peer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

RSV1 = 4
"""The reserved bit that marks a compressed message (RFC 7692, section 6), as `encode` takes it."""

EXTENSIONS = b"sec-websocket-extensions"

CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Codes that may stand in a Close frame: section 7.4, and 1012 to 1014, which IANA has added since."""

UNASKED = 3
"""So many pings in a row may come before something that we wait for."""


class Opcode(IntEnum):
    """Section 5.2; everything else is reserved."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True)
class Frame:
    """One frame from the target; `compressed` on the first of a message, `close_code` of a close frame."""

    opcode: Opcode
    payload: bytes
    fin: bool = True
    compressed: bool = False

    @property
    def close_code(self) -> int | None:
        """The status code of a close frame (section 5.5.1), None where there is none."""
        return int.from_bytes(self.payload[:2], "big") if len(self.payload) >= 2 else None


def mask(payload: bytes, key: bytes) -> bytes:
    """XOR with the four-byte masking key (section 5.3)."""
    stream = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")


def encode(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = b"\x37\xfa\x21\x3d",
    length_bytes: int | None = None,
) -> bytes:
    """One frame. `rsv` has RSV1 as 4, RSV2 as 2, RSV3 as 1; `key` None leaves it unmasked.

    `length_bytes` (0, 2 or 8) forces the form of the length, also where it is not the shortest.
    """
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    masked = b"" if key is None else key
    body = payload if key is None else mask(payload, key)
    return bytes([first]) + _length(len(payload), length_bytes, 0 if key is None else 0x80) + masked + body


def _length(length: int, form: int | None, mask_bit: int) -> bytes:
    size = form if form is not None else 0 if length < 126 else 2 if length < 65536 else 8
    short = {0: length, 2: 126, 8: 127}[size]
    return bytes([mask_bit | short]) + (length.to_bytes(size, "big") if size else b"")


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """The body of a close frame."""
    return code.to_bytes(2, "big") + reason


def read(peer: Peer, within: float | None = None) -> Frame:
    """The next frame that is no question whether we are there, which a server may ask at any time (5.5.2): it
    is answered. Raises Violation `wrong-answer`, or what `Peer.exactly` raises.
    """
    for _ in range(UNASKED):
        if (frame := read_any(peer, within)).opcode is not Opcode.PING:
            return frame
        peer.send(encode(Opcode.PONG, frame.payload))
    return read_any(peer, within)


def read_any(peer: Peer, within: float | None = None) -> Frame:
    """The next frame, whatever it is. Raises as `read`."""
    first, second = peer.exactly(2, within)
    opcode, length, reserved = first & 0x0F, second & 0x7F, first >> 4 & 7
    _refuse(reserved & ~_permitted(peer, opcode), "a reserved bit is set (5.2)")
    _refuse(opcode not in Opcode.__members__.values(), f"opcode {opcode} is reserved (5.2)")
    _refuse(second & 0x80, "a server must not mask (5.1)")
    _refuse(
        opcode >= Opcode.CLOSE and (length > 125 or not first & 0x80),
        "a control frame is long or split (5.5)",
    )
    if length >= 126:
        length = _read_long(peer, 2 if length == 126 else 8, within)
    payload = peer.exactly(length, within)
    frame = Frame(Opcode(opcode), payload, bool(first & 0x80), bool(reserved & RSV1))
    _refuse(opcode == Opcode.CLOSE and not may_close(frame.payload), f"Close of {frame.payload!r} (7.4)")
    return frame


def _permitted(peer: Peer, opcode: int) -> int:
    """The reserved bits that mean something on this frame: RFC 7692 marks the first of a message."""
    return RSV1 if peer.deflate and opcode in {Opcode.TEXT, Opcode.BINARY} else 0


def content(peer: Peer, first: Frame, body: bytes) -> bytes:
    """What a message says, by its first frame and the payload of all: inflated if it was compressed."""
    return peer.deflate.inflate(body) if peer.deflate and first.compressed else body


def may_close(payload: bytes) -> bool:
    """Whether a Close frame may have this payload: nothing, or a code for the wire and UTF-8 (7.4, 5.5.1)."""
    code = int.from_bytes(payload[:2], "big")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return False
    return not payload or (len(payload) > 1 and any(code in codes for codes in CODES))


def _read_long(peer: Peer, size: int, within: float | None) -> int:
    length = int.from_bytes(peer.exactly(size, within), "big")
    _refuse(length < {2: 126, 8: 65536}[size], f"length {length} is not in its shortest form (5.2)")
    return length


def _refuse(wrong: object, why: str) -> None:
    if wrong:
        raise Violation("wrong-answer", why)


def expect(peer: Peer, opcode: Opcode, payload: bytes, within: float | None = None) -> None:
    """The next message is exactly this, in one frame or several."""
    frame = first = (read_any if opcode is Opcode.PING else read)(peer, within)
    body = frame.payload
    while not frame.fin:
        frame = read(peer, within)
        _refuse(frame.opcode is not Opcode.CONTINUATION, "a message is interrupted by another (5.4)")
        body += frame.payload
    body = content(peer, first, body)
    _refuse(
        (first.opcode, body) != (opcode, payload),
        f"{opcode.name} of {payload!r:.80} was due, {first.opcode.name} of {body!r:.80} came",
    )


def handshake(peer: Peer, **fields: str | None) -> h11.Response | h11.InformationalResponse:
    """Send the opening handshake and return the response head; bytes after it stay in the peer.

    `fields` are those of `request`.
    """
    peer.send(request(peer.address, **fields))
    return read_head(peer)


def request(address: Address, *more: str, start: str | None = None, **fields: str | None) -> bytes:
    """The request that opens a WebSocket (section 4.1), right or wrong.

    `more` are whole header lines; `start` replaces the request line; `fields` changes header fields
    (`sec_websocket_version="8"`), None leaves one out; `key` replaces the random key.
    """
    headers: dict[str, str | None] = {
        "host": address.authority,
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": fields.pop("key", None) or new_key(),
        "sec-websocket-version": "13",
    }
    headers.update({name.replace("_", "-"): value for name, value in fields.items()})
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    first = start or f"GET {address.path} HTTP/1.1"
    return "\r\n".join([first, *lines, *more, "", ""]).encode("latin-1")


def new_key() -> str:
    """A fresh `Sec-WebSocket-Key` (section 4.1)."""
    return base64.b64encode(os.urandom(16)).decode()


def read_head(peer: Peer) -> h11.Response | h11.InformationalResponse:
    """The head of an HTTP response, judged by h11; Violation `wrong-answer` when it is none."""
    head = peer.until(b"\r\n\r\n", maximum=64 * 1024)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "h"), ("upgrade", "websocket")]))
    client.receive_data(head)
    try:
        event = client.next_event()
    except h11.RemoteProtocolError as problem:
        raise Violation("wrong-answer", f"not an HTTP response: {problem}") from problem
    assert isinstance(event, h11.Response | h11.InformationalResponse)
    return event


def accept_value(key: str) -> bytes:
    """What `Sec-WebSocket-Accept` has to be for a key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest())


def upgrade(peer: Peer, *offers: str) -> None:
    """Do the whole opening handshake, strictly. Raises Violation `wrong-answer`.

    Each of `offers` is a header field that offers permessage-deflate, once or several times; what the target
    agrees to is then in `peer.deflate`, unless it is nothing.
    """
    key = new_key()
    peer.send(request(peer.address, *offering(offers), key=key))
    response = read_head(peer)
    accepted(response, key)
    if offers:
        extend(peer, offers, response)


def offering(offers: Sequence[str]) -> list[str]:
    """Header lines with offers of extensions, a field for each."""
    return [f"Sec-WebSocket-Extensions: {offer}" for offer in offers]


def extend(peer: Peer, offers: Sequence[str], response: h11.Response | h11.InformationalResponse) -> None:
    """What this response agrees to counts on the connection from now on. Raises Violation `wrong-answer`."""
    answers = [value.decode("latin-1") for name, value in response.headers if name == EXTENSIONS]
    agreement = agreed(", ".join(offers), answers)
    peer.deflate = Deflate(agreement) if agreement else None


def accepted(response: h11.Response | h11.InformationalResponse, key: str) -> None:
    """The response opens the WebSocket for this key (section 4.2.2), or Violation `wrong-answer`."""
    fields = dict(response.headers)
    _refuse(response.status_code != 101, f"status 101 was due, {response.status_code} came")
    _refuse(fields.get(b"upgrade", b"").lower() != b"websocket", "no `Upgrade: websocket`")
    _refuse(b"upgrade" not in fields.get(b"connection", b"").lower(), "no `Connection: Upgrade`")
    _refuse(fields.get(b"sec-websocket-accept") != accept_value(key), "Sec-WebSocket-Accept is wrong")
