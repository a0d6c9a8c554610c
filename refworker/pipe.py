"""`source.pipe(destination)`: what one connection receives the other one sends (FLOW-008).

Two pipes make a proxy:

    def proxy(client):
        backend = AsyncTcpConnection("tcp://127.0.0.1:9000")
        client.pipe(backend)
        backend.pipe(client)
        backend.connect()

*Memory.* The source is not read while the destination's send buffer is full: TCP slows the sender down, and
a pipe holds one send buffer and one chunk, however much passes through it.

*The end.* Where two connections are piped to each other, the FIN of one becomes the FIN of the other as soon
as everything before it is written, and the answers still travel back; both are closed when both sides have
finished. A connection that is closed, reset or never stood closes the other one.
"""

from typing import Any, Protocol

from refworker.callbacks import Function
from refworker.status import Status


class End(Protocol):
    """What a pipe wants of a connection."""

    on_message: Any
    on_close: Any
    on_buffer_full: Any
    on_buffer_drain: Any
    status: Status
    max_send_buffer_size: int

    def send(self, message: Any) -> bool | None:
        """Send one message, or queue it."""

    def get_send_buffer_queue_size(self) -> int:
        """Bytes that are queued."""

    def pause_recv(self) -> None:
        """Deliver no more messages."""

    def resume_recv(self) -> None:
        """Deliver what has waited, and go on."""

    def end_sending(self) -> None:
        """Write what is queued, then FIN."""

    def close(self) -> None:
        """Write what is queued, then close."""


def join(source: End, destination: End) -> None:
    """Let everything that `source` receives be sent by `destination`, and the end of one be the other's."""

    def forward(_: End, message: Any) -> None:
        destination.send(message)

    source.on_message = forward
    destination.on_buffer_full = lambda _: source.pause_recv()
    destination.on_buffer_drain = lambda _: source.resume_recv()
    source.on_close = _and_then(source.on_close.function, lambda: _finish(destination))
    destination.on_close = _and_then(destination.on_close.function, source.close)
    if destination.get_send_buffer_queue_size() >= destination.max_send_buffer_size:
        source.pause_recv()


def _and_then(former: Function | None, then: Function) -> Function:
    """A callback that does what it did before, and more."""

    def both(connection: End) -> Any:
        then()
        return former(connection) if former else None

    return both


def _finish(destination: End) -> None:
    """Close it; where it does not stand yet, when what was sent early is written."""
    destination.end_sending() if destination.status is Status.CONNECTING else destination.close()
