"""What the tests of this folder share: a key that is known, heads that are good, and sides that are open."""

from collections.abc import Callable

import pytest

from refworker.protocols.base import Close, Event, Signal
from refworker.protocols.websocket import WebSocketClient, WebSocketServer
from refworker.protocols.websocket.conversation import Conversation
from refworker.protocols.websocket.frames import CLOSE, CONTINUATION, MASKED, PONG, frame

KEY = bytes.fromhex("37fa213d")
"""The key of the examples in RFC 6455 section 5.7."""

REQUEST = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
"""The example of RFC 6455 section 1.3, with a query."""

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""Its answer."""


Make = Callable[..., Conversation]
"""How a side is made: with its limit, or without."""


def known_bytes(count: int) -> bytes:
    """In place of randomness: the example's nonce, and the example's key."""
    return b"the sample nonce" if count == 16 else KEY


def new_client(max_package_size: int = 1 << 20) -> WebSocketClient:
    return WebSocketClient("server.example.com", "/chat?room=1", known_bytes, max_package_size, deflate=None)


def server(max_package_size: int = 1 << 20) -> WebSocketServer:
    """A server whose handshake is complete."""
    codec = WebSocketServer(max_package_size)
    codec.feed(REQUEST)
    codec.open()
    return codec


def client(max_package_size: int = 1 << 20) -> WebSocketClient:
    """A client whose handshake is complete."""
    codec = new_client(max_package_size)
    codec.feed(ANSWER)
    codec.open()
    return codec


ROLES = {"server": (server, KEY), "client": (client, b"")}
"""How to make each side, and the key with which its peer masks."""

both_roles = pytest.mark.parametrize(("make", "key"), ROLES.values(), ids=ROLES)

LIMIT = 1000
"""Bytes of a message, where it matters."""


def opened(codec: Conversation, head: bytes) -> Conversation:
    """A side of another making, whose peer has said this."""
    codec.feed(head)
    codec.open()
    return codec


def parted(reply: bytes, code: int | None, reason: str = "") -> list[Signal]:
    """What a peer's Close frame gives."""
    told = Event("on_websocket_close", (1005 if code is None else code, reason), parting=True)
    return [told, Close(reply)]


def raw_frame(first: int, payload: bytes = b"", key: bytes = KEY) -> bytes:
    """A frame that begins with any byte, good or bad."""
    return bytes([first]) + frame(0, payload, key)[1:]


def closing(code: int | None, key: bytes = b"") -> bytes:
    """A Close frame, with no care whether its code may be sent."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big"), key)


def promised(first: int, length: int, masked: bool = True) -> bytes:
    """A header whose payload, and key, never come."""
    form = MASKED if masked else 0
    if length <= 125:
        return bytes([first, form | length])
    if length < 1 << 16:
        return bytes([first, form | 126]) + length.to_bytes(2, "big")
    return bytes([first, form | 127]) + length.to_bytes(8, "big")


def sent(make: Make, opcode: int, payload: bytes) -> bytes:
    """A frame as this role sends it."""
    return frame(opcode, payload, b"" if make is server else KEY)


def pinged(make: Make, payload: bytes) -> Event:
    return Event("on_websocket_ping", (payload,), sent(make, PONG, payload), unless_handled=True)


def failed(make: Make, code: int, problem: str, section: str) -> Close:
    reply = sent(make, CLOSE, code.to_bytes(2, "big"))
    return Close(reply, f"websocket: {problem} (RFC 6455 section {section})")


def fragments(opcode: int, *payloads: bytes, key: bytes) -> list[bytes]:
    """The frames of one message."""
    opcodes = [opcode, *[CONTINUATION] * (len(payloads) - 1)]
    last = len(payloads) - 1
    return [
        raw_frame(kind | (0x80 if index == last else 0), payload, key)
        for index, (kind, payload) in enumerate(zip(opcodes, payloads, strict=True))
    ]
