"""The reader contract: how bytes become messages, without any I/O.

A *codec* is the state of one connection's protocol. The connection feeds it whatever the socket gave, in
pieces of any size, and gets a list of items in the order in which they stand on the wire:

* a message: any object that is not a `Signal`; it goes to `on_message`;
* an `Event`: something beside a message that the user may want to see (a handshake, a ping), with the bytes
  that answer it;
* a `Close`, always the last one: the conversation is over. It carries the bytes to send before the FIN, and,
  where the peer broke the protocol, an error that names the rule.

Nothing is raised for what a peer sends, so that the same bytes give the same list under every segmentation,
and a test compares whole lists. `feed` takes one whole chunk, not one message: the hot loop is a single split
or a single scan.

Everything in this package is pure: no asyncio, no sockets, no clock, no operating system. Randomness is
passed in.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

MAX_PACKAGE_SIZE = 10 * 1024 * 1024
"""Default limit of one message's payload in bytes: room for a large document, no room to exhaust a process
with one header.
"""

LARGE, MANY = 4096, 256
"""So many bytes of one reply, or so many replies, are written though more messages wait in the chunk."""


class Signal:
    """What a codec says beside messages."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Event(Signal):
    """Something the user may want to see, in its place among the messages.

    `callback` names the attribute of the connection that is called with the connection and `args`. `reply` is
    written first; with `unless_handled` only where no such callback is set, for that makes the reply itself.
    `opening`: the handshake is concluded with this, and the peer has said nothing behind it yet. `parting`:
    it belongs to the `Close` that follows.
    """

    callback: str
    args: tuple[Any, ...] = ()
    reply: bytes = b""
    unless_handled: bool = False
    opening: bool = False
    parting: bool = False


@dataclass(frozen=True, slots=True)
class Close(Signal):
    """The conversation is over: write `reply`, then FIN. `error` is None for a regular end, else one line
    that says what was broken.
    """

    reply: bytes = b""
    error: str | None = None


class Codec(Protocol):
    """One connection's protocol. After a `Close` was returned, `feed` is not called again."""

    max_package_size: int
    """Limit of one message's payload in bytes: without delimiter, header or length field. May be set at any
    time.
    """
    name: ClassVar[str]
    """What lists of connections call the protocol."""
    suffix: ClassVar[bytes | None]
    """Where a message's payload and these bytes are all that `encode` makes; None where it does more."""
    paced: ClassVar[bool]
    """Whether it is one of questions and answers: nothing is read while the peer has not taken what it asked
    for, and `begin`, `serve` and `rest` do what `feed` does, in less time.
    """

    @property
    def owes(self) -> object:
        """Whether something was asked and is not answered, where the protocol says what answers what. Then
        what a handler returns is sent, too.
        """

    @property
    def alike(self) -> bool:
        """Whether `encode` gives the same bytes on every connection of this protocol."""

    @property
    def opening(self) -> bytes:
        """What this side says first, before any message (a client's handshake), else `b""`."""

    def feed(self, data: bytes) -> Iterable[Any]:
        """Take one chunk (never empty), give the items that it completes. The caller exhausts it before it
        feeds again.
        """

    def encode(self, message: Any) -> bytes:
        """Give a message its form on the wire. Raises TypeError or ValueError for what cannot be sent."""

    @property
    def patient(self) -> bool:
        """Whether it is the peer that ends TCP behind the last words, as a WebSocket's server does."""

    def farewell(self, code: int = 1000, reason: str = "") -> bytes:
        """What this side says before it closes, else `b""`. If not empty, the peer's own farewell is awaited:
        `feed` gives `Close`.
        """

    def final(self, message: Any = None) -> bytes:
        """As `encode`, for the last message; with None whatever must be said before a regular end."""

    def apology(self, problem: BaseException | None = None) -> bytes | None:
        """What answers the message whose handler failed with this; None: that ends the connection."""

    def unfinished(self) -> int:
        """Bytes that are kept of a message whose rest has not come yet; at least 1 where one is under way."""

    def overdue(self) -> Close | None:
        """The end of a conversation whose opening is not complete by now; None where it is or none is due."""


def as_bytes(message: Any) -> bytes:
    """The payload of a message: bytes as they are, str as UTF-8, numbers as text, dict and list as JSON
    (TCP-009).
    """
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return message.encode()
    if isinstance(message, (bytearray, memoryview)):
        return bytes(message)
    if isinstance(message, (int, float)):
        return str(message).encode()
    if isinstance(message, (dict, list)):
        return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    raise TypeError(f"cannot send {type(message).__name__}: give str, bytes, a number, a dict or a list")


class Plain:
    """What the codecs without opening and farewell have in common."""

    __slots__ = ("max_package_size",)
    name: ClassVar[str]
    suffix: ClassVar[bytes | None] = None
    alike: ClassVar[bool] = True
    opening, patient = b"", False
    owes: ClassVar[bool] = False
    paced: ClassVar[bool] = False

    def __init__(self, max_package_size: int = MAX_PACKAGE_SIZE) -> None:
        self.max_package_size = max_package_size

    def farewell(self, code: int = 1000, reason: str = "") -> bytes:
        """Nothing: the FIN says it."""
        return b""

    def encode(self, message: Any) -> bytes:
        """Give a message its form on the wire; each protocol has its own."""
        raise NotImplementedError

    def final(self, message: Any = None) -> bytes:
        """The last message is like every other one."""
        return b"" if message is None else self.encode(message)

    def apology(self, problem: BaseException | None = None) -> None:
        """None."""

    def unfinished(self) -> int:
        """Nothing is kept."""
        return 0

    def overdue(self) -> None:
        """Never: the first byte may be a message's."""

    def unread(self, items: list[Any], handled: int, chunk: bytes) -> bytes:
        """The bytes behind the first `handled` of the items that `feed` gave for `chunk`, as they came: some
        other protocol goes on there (TCP-022). With `handled` 0 there was no such chunk, and what `feed`
        keeps is meant.
        """
        return b""


class Raw(Plain):
    """`tcp://`: bytes as they come, with no boundaries; nothing to limit, since nothing is kept (TCP-001)."""

    __slots__ = ()
    name = "tcp"
    suffix: ClassVar[bytes | None] = b""

    def feed(self, data: bytes) -> list[Any]:
        """Every chunk is a message."""
        return [data]

    def encode(self, message: Any) -> bytes:
        """The payload, unchanged."""
        return as_bytes(message)
