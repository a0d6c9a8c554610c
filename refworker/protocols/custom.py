"""Protocols of users: the manual's three functions, turned into the reader contract (manual:
protocols/how-protocols).

    class LengthByte:
        def input(buffer, connection):    # how long is the package that begins here? 0: not known yet
            return 1 + buffer[0]

        def decode(package, connection):  # exactly that many bytes in, the message out
            return package[1:]

        def encode(message, connection):  # the message in, bytes out
            return bytes([len(message)]) + message

    Worker("tcp://127.0.0.1:9000", protocol=LengthByte)

A class whose functions are called as they stand, or an object with methods; every function may leave out the
connection. A class that can be instantiated without arguments and whose functions take `self` is instantiated
once for each connection, so that it can keep state.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Plain

Function = Callable[[Any, Any], Any]

FUNCTIONS = ("input", "decode", "encode")


class Custom(Plain):
    """The codec around a user's protocol, for one connection (CUSTOM-001 to CUSTOM-010)."""

    __slots__ = ("_buffer", "_connection", "_decode", "_encode", "_input", "_need")
    name = "custom"
    alike: ClassVar[bool] = False  # a user's `encode` may look at the connection

    def __init__(self, protocol: Any, connection: Any, max_package_size: int = MAX_PACKAGE_SIZE) -> None:
        super().__init__(max_package_size)
        self._connection = connection
        self._buffer = bytearray()
        self._need = 0
        shape = protocol if isinstance(protocol, Shape) else Shape(protocol)
        self._input, self._decode, self._encode = shape.functions()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages that `data` completes. Any wrong answer or exception of the protocol is a `Close`, for
        this connection only.

        A generator, so that each message is handled before the protocol sees the next: `input` may close the
        connection, and what stood before must have been delivered by then.
        """
        self._buffer += data
        try:
            while self._buffer and (package := self._next()) is not None:
                yield self._decode(package, self._connection)
        except Exception as problem:
            yield Close(error=f"custom protocol: {type(problem).__name__}: {problem}")

    def _next(self) -> bytes | None:
        buffer = self._buffer
        while not self._need and buffer:
            before = len(buffer)
            self._need = self._checked(self._input(buffer, self._connection))
            if not self._need and len(buffer) == before:
                self._check_waiting()
                return None
        if not self._need or len(buffer) < self._need:
            return None
        package = bytes(buffer[: self._need])
        self.consume(self._need)
        self._need = 0
        return package

    def _check_waiting(self) -> None:
        # Bytes that the protocol cannot measure yet are bounded too, or a peer could send for ever.
        if len(self._buffer) > self.max_package_size:
            raise ValueError(f"no length found in max_package_size ({self.max_package_size}) bytes")

    def _checked(self, length: Any) -> int:
        if type(length) is not int:
            raise TypeError(f"input() must return an int, not {type(length).__name__}")
        if length < 0:
            raise ValueError(f"input() returned {length}")
        if length > self.max_package_size:
            raise ValueError(f"{length} bytes exceed max_package_size ({self.max_package_size})")
        return length

    def consume(self, count: int) -> None:
        """Drop `count` bytes from the front of the buffer; `input` may do so through
        `connection.consume_recv_buffer`.
        """
        del self._buffer[:count]

    def unfinished(self) -> int:
        """Bytes of a package whose end is still to come."""
        return len(self._buffer)

    def unread(self, items: list[Any], handled: int, chunk: bytes) -> bytes:
        """All that is in the buffer: packages are taken out of it one by one."""
        return bytes(self._buffer)

    def encode(self, message: Any) -> bytes:
        """Whatever the protocol's `encode` gives; TypeError unless it is bytes, so that nothing unframed is
        ever sent (CUSTOM-009).
        """
        data = self._encode(message, self._connection)
        if not isinstance(data, bytes):
            raise TypeError(f"encode() must return bytes, not {type(data).__name__}")
        return data


class Shape:
    """What a protocol looks like, found out once: a listener makes a codec of it for each connection."""

    def __init__(self, protocol: Any) -> None:
        for name in FUNCTIONS:
            if not callable(getattr(protocol, name, None)):
                raise TypeError(f"a protocol needs input, decode and encode; {protocol!r} has no {name}")
        arguments = [positional(getattr(protocol, name)) for name in FUNCTIONS]
        self._protocol = protocol
        self._own = inspect.isclass(protocol) and arguments[0][0] == "self"
        self._wants_connection = [len(names) - self._own >= 2 for names in arguments]

    def functions(self) -> tuple[Function, Function, Function]:
        """`input`, `decode` and `encode` for one connection, all callable with (value, connection)."""
        subject = self._protocol() if self._own else self._protocol
        functions = (getattr(subject, name) for name in FUNCTIONS)
        first, second, third = map(with_connection, functions, self._wants_connection)
        return first, second, third


def positional(function: Callable[..., Any]) -> list[str]:
    """The names of a function's positional arguments; one for a built-in that does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return ["value"]
    return [
        each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]


def with_connection(function: Callable[..., Any], wanted: bool) -> Function:
    """A function that may leave out the connection, as one that takes it."""
    return function if wanted else lambda value, connection: function(value)
