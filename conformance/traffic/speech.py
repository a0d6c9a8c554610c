"""What a client says and hears in each protocol: messages to bytes, and bytes, as they come, to messages.

A `Speech` belongs to one connection. It is strict where the suite's readers are strict: what no server may
send raises `Gibberish`, and the request that waits has got a *wrong* answer. No I/O here.
"""

from collections.abc import Callable, Mapping

import h11

from conformance.wire import frame, http, text, websocket
from conformance.wire.address import Address
from conformance.wire.websocket import Opcode

FIXED = 16
"""Bytes of a message where the protocol has no frames (`tcp`)."""


STATUS = b"HTTP"
"""How a reply begins that is no body but a status."""


class Gibberish(Exception):
    """Bytes that are no message of the protocol; `args[0]` are the bytes."""


class Speech:
    """Messages without any opening, cut out of one buffer by `_cut`."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.buffer = b""
        self.ready = True  # False while an opening handshake is under way
        self.farewell = ""  # what the server has said about leaving: a close code, or `close`
        self.outbox = b""  # what the protocol itself wants to be sent

    def opening(self) -> bytes:
        """Sent as soon as the connection is there."""
        return b""

    def say(self, message: bytes) -> bytes:
        """The bytes of one message."""
        raise NotImplementedError

    def hear(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete. Raises Gibberish."""
        self.buffer += data
        heard = []
        while (message := self._cut()) is not None:
            heard.append(message)
        return heard

    def _cut(self) -> bytes | None:
        """The first message of the buffer, taken out, or None while it is incomplete."""
        raise NotImplementedError

    def _take(self, count: int) -> bytes:
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken


class Tcp(Speech):
    """Messages of one length, for an echo without frames."""

    def say(self, message: bytes) -> bytes:
        """Padded to `FIXED` bytes."""
        return message.ljust(FIXED, b".")

    def _cut(self) -> bytes | None:
        return self._take(FIXED).rstrip(b".") if len(self.buffer) >= FIXED else None


class Text(Speech):
    """Lines."""

    def say(self, message: bytes) -> bytes:
        """With its line feed."""
        return text.encode(message)

    def _cut(self) -> bytes | None:
        end = self.buffer.find(b"\n")
        return self._take(end + 1)[:-1] if end >= 0 else None


class Frame(Speech):
    """Four bytes of length that count themselves."""

    def say(self, message: bytes) -> bytes:
        """With its header."""
        return frame.encode(message)

    def _cut(self) -> bytes | None:
        if len(self.buffer) < frame.HEADER:
            return None
        total = int.from_bytes(self.buffer[: frame.HEADER], "big")
        if not frame.HEADER <= total <= 1 << 20:
            raise Gibberish(self.buffer)
        return self._take(total)[frame.HEADER :] if len(self.buffer) >= total else None


class Custom(Speech):
    """One byte of length."""

    def say(self, message: bytes) -> bytes:
        """With its length byte."""
        return bytes([len(message)]) + message

    def _cut(self) -> bytes | None:
        complete = self.buffer and len(self.buffer) > self.buffer[0]
        return self._take(1 + self.buffer[0])[1:] if complete else None


class WebSocket(Speech):
    """RFC 6455: the handshake, then text messages; pings are answered, a Close is noted and answered."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.ready = False
        self.key = websocket.new_key()

    def opening(self) -> bytes:
        """Section 4.1."""
        return websocket.request(self.address, key=self.key)

    def say(self, message: bytes) -> bytes:
        """One masked text frame."""
        return websocket.encode(Opcode.TEXT, message)

    def _cut(self) -> bytes | None:
        if not self.ready and not self._upgraded():
            return None
        while (found := self._frame()) is not None:
            opcode, payload = found
            if opcode == Opcode.TEXT:
                return payload
            self._control(opcode, payload)
        return None

    def _upgraded(self) -> bool:
        """Whether the response head is there, and right (section 4.2.2)."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.buffer[: end + 4]
        if not head.startswith(b"HTTP/1.1 101") or websocket.accept_value(self.key) not in head:
            raise Gibberish(head)
        self._take(end + 4)
        self.ready = True
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload of the next whole frame; a server of short echoes sends no other ones."""
        if len(self.buffer) < 2:
            return None
        first, length, at = self.buffer[0], self.buffer[1], 2
        if not first & 0x80 or first & 0x70 or length > 126:
            raise Gibberish(self.buffer)
        if length == 126:
            length, at = int.from_bytes(self.buffer[2:4], "big"), 4
        if len(self.buffer) < at + length:
            return None
        return first & 0x0F, self._take(at + length)[at:]

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.PING:
            self.outbox += websocket.encode(Opcode.PONG, payload)
        elif opcode == Opcode.CLOSE:
            self.farewell = str(int.from_bytes(payload[:2], "big") or "close")
            self.outbox += websocket.encode(Opcode.CLOSE, payload[:2])
        elif opcode != Opcode.PONG:
            raise Gibberish(payload)


class Http(Speech):
    """HTTP/1.1, judged by h11. A message is `METHOD TARGET`, a line feed and the body; a reply is the body.

    Of a response whose status is not 200 the reply is just `HTTP STATUS`.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.client = h11.Connection(h11.CLIENT)
        self.body = b""
        self.status = 0

    def say(self, message: bytes) -> bytes:
        """The request, with a length where it has a body."""
        line, _, body = message.partition(b"\n")
        method, target = line.decode().split(" ")
        return http.request(self.client, self.address.authority, method, target, body)

    def hear(self, data: bytes) -> list[bytes]:
        """The bodies of the responses that are complete."""
        self.buffer += data
        heard = []
        try:
            self.client.receive_data(data)
            while (event := self.client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                heard += self._listen(event)
        except h11.RemoteProtocolError as problem:
            raise Gibberish(self.buffer) from problem
        return heard

    def _listen(self, event: object) -> list[bytes]:
        if isinstance(event, h11.Response):
            self.status, self.body = event.status_code, b""
        elif isinstance(event, h11.Data):
            self.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return self._complete()
        elif isinstance(event, h11.ConnectionClosed):
            raise Gibberish(self.buffer)
        return []

    def _complete(self) -> list[bytes]:
        self.buffer = b""
        if self.client.our_state is h11.DONE and self.client.their_state is h11.DONE:
            self.client.start_next_cycle()
        else:
            self.farewell = "close"
        return [self.body] if self.status == http.OK else [STATUS + b" %d" % self.status]


SPEECH: Mapping[str, Callable[[Address], Speech]] = {
    "tcp": Tcp,
    "text": Text,
    "unix": Text,
    "frame": Frame,
    "custom": Custom,
    "websocket": WebSocket,
    "task": Text,
    "relay": WebSocket,
    "http": Http,
}
"""By service: everything that traffic can be made of."""
