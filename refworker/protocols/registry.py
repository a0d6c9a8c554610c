"""Which scheme speaks which protocol (CUSTOM-002)."""

from collections.abc import Callable
from typing import Any

from refworker.protocols.base import Codec, Raw
from refworker.protocols.custom import Custom, Shape
from refworker.protocols.frame import Frame
from refworker.protocols.http import HttpServer, Limits
from refworker.protocols.text import Text
from refworker.protocols.websocket import Deflate, WebSocketClient, WebSocketServer, Wish
from refworker.protocols.websocket.deflate import ASKING, GRANTING, options_for
from refworker.protocols.websocket.masking import speed_up

Factory = Callable[[Any, int], Codec]
"""From a connection and its `max_package_size` to the codec of that connection."""

BOTH: dict[str, Callable[[int], Codec]] = {"tcp": Raw, "text": Text, "frame": Frame}
"""The protocols whose two sides are alike."""

_users: dict[str, Any] = {}


def register_protocol(scheme: str, protocol: Any) -> None:
    """Make `scheme://` speak a user's protocol (see `custom.py`), for every address used after this call.

    Raises ValueError for a scheme that is not letters and digits, starting with a letter.
    """
    if not (scheme.isascii() and scheme.isalnum() and scheme[0].isalpha()):
        raise ValueError(f"{scheme!r} cannot be a scheme: letters and digits only, starting with a letter")
    _users[scheme.lower()] = protocol


def server_codec(
    scheme: str, protocol: Any = None, deflate: Wish = True, limits: Limits | None = None
) -> Factory:
    """The codec of a listener; `protocol` is a user's own, `deflate` is for WebSockets, `limits` are for
    HTTP. Raises ValueError for an unknown scheme and for options that it cannot have, TypeError for what are
    no options.
    """
    if scheme == "http" and protocol is None and scheme not in _users:
        return _http(limits or Limits(), options_for(deflate, GRANTING))
    if limits:
        raise ValueError(f"{scheme}:// is not HTTP; leave limits out")
    if scheme in ("websocket", "wss") and protocol is None and scheme not in _users:
        speed_up()
        options = options_for(deflate, GRANTING)
        return lambda connection, limit: WebSocketServer(limit, options)
    if scheme == "ws":
        raise ValueError("ws:// is the client's side; listen on websocket://")
    refuse_options(scheme, deflate)
    return _common(scheme, protocol, "websocket", "http")


def _http(limits: Limits, options: Deflate | None) -> Factory:
    speed_up()

    def websocket(limit: int) -> Codec:
        return WebSocketServer(limit, options)

    return lambda connection, limit: HttpServer(connection, limit, limits, websocket)


def client_codec(
    scheme: str,
    host: str,
    path: str,
    random_bytes: Callable[[int], bytes],
    protocol: Any = None,
    deflate: Wish = True,
) -> Factory:
    """The codec of an outgoing connection to `host` (as in a Host header), whose `asked_for()` gives the
    fields of its handshake. Raises ValueError as above.
    """
    if scheme in ("ws", "wss") and protocol is None and scheme not in _users:
        speed_up()
        options = options_for(deflate, ASKING)
        return lambda connection, limit: WebSocketClient(
            host, path, random_bytes, limit, connection.asked_for(), options
        )
    if scheme == "websocket":
        raise ValueError("websocket:// is the server's side; connect to ws://")
    refuse_options(scheme, deflate)
    return _common(scheme, protocol, "ws")


def refuse_options(scheme: str, deflate: Wish) -> None:
    """Raise ValueError for options that would do nothing."""
    if isinstance(deflate, Deflate):
        raise ValueError(f"{scheme}:// does not compress, as WebSockets do; leave deflate out")


def _common(scheme: str, protocol: Any, *others: str) -> Factory:
    protocol = protocol if protocol is not None else _users.get(scheme)
    if protocol is not None:
        shape = Shape(protocol)
        return lambda connection, limit: Custom(shape, connection, limit)
    if scheme not in BOTH:
        known = ", ".join(f"{name}://" for name in [*BOTH, *others, *_users])
        raise ValueError(
            f"unknown protocol {scheme}://; known are {known}, or register_protocol({scheme!r}, …)"
        )
    codec = BOTH[scheme]
    return lambda connection, limit: codec(limit)
