"""Callbacks: attributes that also work as decorators, plain or async, and whose errors stay where they
happen.

    worker.on_message = echo

    @worker.on_close
    def gone(connection): ...

The function itself is stored under `_on_message`, so that hot loops read a plain attribute.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any, overload

logger = logging.getLogger("refworker")

Function = Callable[..., Any]


class Registrar:
    """What reading a callback attribute gives: a decorator that sets it, true where it is set."""

    __slots__ = ("_name", "_owner")

    def __init__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name

    def __call__(self, function: Function) -> Function:
        """Set the callback; returns the function, as decorators do."""
        setattr(self._owner, self._name, function)
        return function

    @property
    def function(self) -> Function | None:
        """The function that is set, or None."""
        return getattr(self._owner, f"_{self._name}", None)

    def __bool__(self) -> bool:
        return self.function is not None


class Callback:
    """The descriptor behind every `on_…` attribute."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> "Callback": ...
    @overload
    def __get__(self, instance: Any, owner: type) -> Registrar: ...
    def __get__(self, instance: Any, owner: type) -> "Callback | Registrar":
        return self if instance is None else Registrar(instance, self._name)

    def __set__(self, instance: Any, function: "Function | Registrar | None") -> None:
        if isinstance(function, Registrar):
            function = function.function
        if function is not None and not callable(function):
            raise TypeError(f"{self._name} must be a function, not {type(function).__name__}")
        setattr(instance, f"_{self._name}", function)


class ConnectionCallbacks:
    """The callbacks about connections: a worker's are for all that it accepts, a connection's for itself."""

    __slots__ = ()

    on_connect = Callback()
    on_message = Callback()
    on_body = Callback()
    """With a request of HTTP as soon as its head is there, where a body is to come; None: as usual, else
    what answers it, a coroutine or the answer. See `taking.py`.
    """
    on_close = Callback()
    on_error = Callback()
    on_buffer_full = Callback()
    on_buffer_drain = Callback()
    on_websocket_connect = Callback()
    """With the handshake's request, before it is answered; of an outgoing connection with the answer."""
    on_websocket_connected = Callback()
    """With the request: the answer is on its way."""
    on_websocket_message = Callback()
    """With a message; on a worker of `http://`, which speaks WebSocket, too, where this is set."""
    on_websocket_ping = Callback()
    """With its payload; in place of the pong that is sent where nobody asks for this."""
    on_websocket_pong = Callback()
    on_websocket_close = Callback()
    """With code (1005: none) and reason of the peer's Close frame."""

    def take_over(self, other: "ConnectionCallbacks") -> None:
        """Begin with the callbacks of another."""
        for name in STORED:
            setattr(self, name, getattr(other, name, None))


STORED = tuple(f"_{name}" for name, value in vars(ConnectionCallbacks).items() if isinstance(value, Callback))
"""Where the functions themselves are."""


def set_callbacks(owner: Any, callbacks: dict[str, Any]) -> None:
    """Set callbacks that were given as keyword arguments. Raises TypeError for a name that `owner` does not
    have.
    """
    for name, function in callbacks.items():
        if not isinstance(getattr(type(owner), name, None), Callback):
            known = ", ".join(name for name in dir(type(owner)) if name.startswith("on_"))
            raise TypeError(f"{type(owner).__name__} has no callback {name!r}; it has {known}")
        setattr(owner, name, function)


def spawn(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that has already run to its first real suspension where Python can do that (3.12 and up)."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.get_running_loop().create_task(coroutine)
