"""The probe (contract, section 5): connections that act on a word of ours, and a log of their callbacks.

    with probe(target) as (control, peer):
        me = act(peer, "info")["id"]
        act(peer, "close", data="bye")
        log = control.ended(me)

Requests and replies are lines of JSON. `probe.control` answers `{"result": VALUE}`, or `{"error": {"type",
"message"}}`; a connection of `probe.text` answers `info` and `set` with its own view of itself, `send` with
what was sent and then the list of return values.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from conformance.outcomes import Violation
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.wire import text
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt


@dataclass(frozen=True)
class Event:
    """One callback: seconds on the target's clock, its name, the connection's id, and what belongs to it."""

    time: float
    callback: str
    connection: int | None
    detail: Any


class Control:
    """Our connection to `probe.control`, and everything that the log has said since."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.log: list[Event] = []

    def ask(self, do: str, **more: Any) -> Any:
        """The result of a request. Raises Violation `wrong-answer` for an error."""
        reply = self.answer(do, **more)
        if "result" not in reply:
            raise Violation("wrong-answer", f"{do}: a result was due, {json.dumps(reply)} came")
        return reply["result"]

    def answer(self, do: str, **more: Any) -> dict[str, Any]:
        """The whole reply to a request, result or error."""
        self.peer.send(json.dumps({"do": do, **more}).encode() + b"\n")
        reply = parsed(text.read(self.peer))
        if not isinstance(reply, dict):
            raise Violation("wrong-answer", f"an object was due, {json.dumps(reply)} came")
        return reply

    def events(self, connection: int | None) -> list[Event]:
        """Every callback of a connection, so far."""
        self.log += [Event(*each) for each in self.ask("events")]
        return [event for event in self.log if event.connection == connection]

    def names(self, connection: int | None) -> list[str]:
        """The callbacks of a connection by name, so far."""
        return [event.callback for event in self.events(connection)]

    def until(self, connection: int | None, callback: str) -> list[Event]:
        """The callbacks of a connection, when this one is among them. Raises Violation `no-callback`."""
        if not wait_until(lambda: callback in self.names(connection), self.peer.calibration.deadline):
            seen = ", ".join(self.names(connection)) or "nothing"
            raise Violation("no-callback", f"{callback} was due; the log has {seen}")
        return self.events(connection)


@contextmanager
def control(target: Target) -> Iterator[Control]:
    """A connection to the control service, with an empty log."""
    with target.connect("probe.control") as peer:
        service = Control(peer)
        service.ask("events")
        yield service


@contextmanager
def probe(target: Target, receive_buffer: int = 0) -> Iterator[tuple[Control, Peer]]:
    """The control service, and a connection to the case's own."""
    with control(target) as service, target.connect(receive_buffer=receive_buffer) as peer:
        yield service, peer


def verb(do: str, **more: Any) -> bytes:
    """A line that has its connection do something."""
    return json.dumps({"do": do, **more}).encode() + b"\n"


def act(peer: Peer, do: str, **more: Any) -> Any:
    """Have a connection do something, and read its answer."""
    peer.send(verb(do, **more))
    return parsed(text.read(peer))


def parsed(line: bytes) -> Any:
    """The JSON value of a line. Raises Violation `wrong-answer`."""
    try:
        return json.loads(line)
    except ValueError as problem:
        raise Violation("wrong-answer", f"not JSON ({problem}): {excerpt(line)}") from problem
