"""Every speech hears the same, whole and byte by byte, and knows gibberish."""

import pytest

from conformance.traffic.speech import SPEECH, Gibberish, Speech
from conformance.wire import frame, websocket
from conformance.wire.address import Address
from conformance.wire.websocket import Opcode

ADDRESS = Address.parse("ws://127.0.0.1:9/")
MESSAGES = [b"1.0", b"1.1", b"1.2"]


def server_frame(opcode: int, payload: bytes) -> bytes:
    return websocket.encode(opcode, payload, key=None)


def speech(service: str) -> Speech:
    made = SPEECH[service](ADDRESS)
    if not made.ready:
        key = made.opening().split(b"sec-websocket-key: ")[1].split(b"\r\n")[0].decode()
        accept = websocket.accept_value(key).decode()
        head = f"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        assert made.hear(head.encode()) == []
        assert made.ready
    return made


def stream(service: str) -> bytes:
    """What an echo server sends back for the messages."""
    if service in {"websocket", "relay"}:
        return b"".join(server_frame(Opcode.TEXT, message) for message in MESSAGES)
    return b"".join(SPEECH[service](ADDRESS).say(message) for message in MESSAGES)


@pytest.mark.parametrize("service", [name for name in SPEECH if name != "http"])
def test_whole_and_byte_by_byte(service: str) -> None:
    assert speech(service).hear(stream(service)) == MESSAGES
    slow = speech(service)
    assert [m for byte in stream(service) for m in slow.hear(bytes([byte]))] == MESSAGES
    assert not slow.buffer


@pytest.mark.parametrize("service", [name for name in SPEECH if name != "http"])
def test_a_part_stays_in_the_buffer(service: str) -> None:
    made = speech(service)
    assert made.hear(stream(service)[:-1]) == MESSAGES[:-1]
    assert made.buffer


RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_http_answers_one_after_the_other() -> None:
    made = SPEECH["http"](ADDRESS)
    for number in range(2):
        assert made.say(b"POST /echo\n%d" % number).endswith(b"\r\n\r\n%d" % number)
        assert [m for byte in RESPONSE for m in made.hear(bytes([byte]))] == [b"hello"]
    assert not made.farewell
    assert made.say(b"GET /").startswith(b"GET / HTTP/1.1\r\n")
    assert made.hear(RESPONSE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)) == [b"hello"]
    assert made.farewell == "close"


def test_http_errors_are_heard_as_their_status() -> None:
    made = SPEECH["http"](ADDRESS)
    made.say(b"GET /")
    assert made.hear(RESPONSE.replace(b"200", b"503")) == [b"HTTP 503"]


@pytest.mark.parametrize(
    ("service", "rubbish"),
    [
        ("frame", frame.header(3)),
        ("websocket", server_frame(Opcode.TEXT, b"x").replace(b"\x81", b"\xc1")),
        ("websocket", server_frame(Opcode.BINARY, b"x")),
        ("http", b"nonsense\r\n\r\n"),
    ],
)
def test_gibberish(service: str, rubbish: bytes) -> None:
    made = speech(service)
    if service == "http":
        made.say(b"GET /")
    with pytest.raises(Gibberish):
        made.hear(rubbish)


def test_a_handshake_that_is_none() -> None:
    made = SPEECH["websocket"](ADDRESS)
    with pytest.raises(Gibberish):
        made.hear(b"HTTP/1.1 400 No\r\n\r\n")


def test_control_frames() -> None:
    made = speech("websocket")
    assert made.hear(server_frame(Opcode.PING, b"p") + server_frame(Opcode.PONG, b"")) == []
    assert made.outbox == websocket.encode(Opcode.PONG, b"p")
    made.hear(server_frame(Opcode.CLOSE, websocket.close_payload(1001)))
    assert made.farewell == "1001"
