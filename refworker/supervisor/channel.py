"""JSON objects, one a line, in the text protocol over a non-blocking stream socket.

The master speaks it with each of its processes (over a socket pair made before the fork) and with the
commands `stop` and `status` (over the control socket).
"""

import json
import socket
from typing import Any

from refworker.protocols.base import Close
from refworker.protocols.text import Text

CHUNK = 65536
"""Bytes that one `recv` takes at most."""

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of one message at most: a status of tens of thousands of processes."""

Message = dict[str, Any]


class MessageError(ValueError):
    """What came is not one JSON object a line; the message says what is wrong."""


class Channel:
    """One end of a conversation."""

    def __init__(self, sock: socket.socket, max_message: int = MAX_MESSAGE) -> None:
        """Own `sock` from now on. A line longer than `max_message` bytes is refused."""
        sock.setblocking(False)
        self.sock = sock
        self._codec = Text(max_message)
        self._unsent = bytearray()

    def fileno(self) -> int:
        """For selectors; -1 when closed."""
        return self.sock.fileno()

    def receive(self) -> list[Message]:
        """The messages that have come in. Raises EOFError when the other end is closed, MessageError for what
        is no message.
        """
        try:
            data = self.sock.recv(CHUNK)
        except BlockingIOError:
            return []
        except OSError as problem:  # reset, or closed here: either way there is nobody to talk to
            raise EOFError from problem
        if not data:
            raise EOFError
        return [parsed(line) for line in self._codec.feed(data)]

    def send(self, message: Message) -> bool:
        """Send `message`, whole or not at all: False while an earlier one is still waiting for the other end
        to read, or when that end is gone. `flush` brings the rest of a long one on its way.
        """
        if not self.flush():
            return False
        self._unsent += self._codec.encode(message)
        self.flush()
        return True

    def flush(self) -> bool:
        """Write what is waiting; True when nothing is left."""
        while self._unsent:
            try:
                sent = self.sock.send(self._unsent)
            except OSError:  # a full buffer, or nobody at the other end; `receive` will tell
                return False
            del self._unsent[:sent]
        return True

    def close(self) -> None:
        """Close the socket; harmless when it is closed."""
        self.sock.close()


def parsed(line: bytes | Close) -> Message:
    """The object of one line. Raises MessageError."""
    if isinstance(line, Close):
        raise MessageError(line.error)
    try:
        message = json.loads(line)
    except ValueError as problem:
        raise MessageError(f"not JSON: {problem}") from None
    except RecursionError:
        raise MessageError("not JSON that anybody means: nested too deeply") from None
    if not isinstance(message, dict):
        raise MessageError('not a JSON object, such as {"command": "status"}')
    return message
