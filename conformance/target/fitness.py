"""The plainest exchange of every service: is there anything to judge at all?

An `exchange` is one good conversation with a random payload, checked strictly; it serves as the canary after
every case and, timed, as the calibration. A `gate` is what a target must pass besides, before any case of the
service counts: it tells a server of the protocol from one that only seems to answer, such as a raw echo.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from conformance.outcomes import Violation
from conformance.target.calibration import Calibration
from conformance.wire import frame, text, websocket
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt
from conformance.wire.websocket import Opcode

SAMPLES = 5
"""Exchanges timed for one calibration."""

Dialogue = Callable[[Peer], None]
"""A conversation on a fresh connection; raises Violation when the target does not play its part."""


@dataclass(frozen=True)
class Fitness:
    """What a service must do. `exchange` may be repeated on a connection that `opening` prepared."""

    exchange: Dialogue
    gate: Dialogue
    opening: Dialogue = lambda peer: None


def _payload() -> bytes:
    return secrets.token_hex(8).encode()


def _tcp(peer: Peer) -> None:
    payload = _payload()
    peer.send(payload)
    peer.expect(payload)


def _tcp_gate(peer: Peer) -> None:
    """After our FIN the target closes too, in order."""
    peer.finish()
    if (ending := peer.ending()) != "fin":
        raise Violation(ending, "after a FIN the service has to end the stream")


def _text(peer: Peer) -> None:
    for line in (_payload(), _payload()):
        peer.send(line + b"\n")
        peer.expect(text.encode(line))


def _text_gate(peer: Peer) -> None:
    """A CR before the LF is dropped, and an incomplete line waits: a raw echo does neither."""
    line = _payload()
    peer.send(line + b"\r\n")
    peer.expect(text.encode(line))
    _waits(peer, line, b"\n", text.encode(line))


def _waits(peer: Peer, head: bytes, tail: bytes, answer: bytes) -> None:
    """The first part of a message brings nothing, the last part its answer."""
    peer.send(head)
    peer.silent()
    peer.send(tail)
    peer.expect(answer)


def _frame(peer: Peer) -> None:
    for message in (_payload(), _payload()):
        peer.send(frame.encode(message))
        peer.expect(frame.encode(message))


def _frame_gate(peer: Peer) -> None:
    whole = frame.encode(_payload())
    _waits(peer, whole[:7], whole[7:], whole)


def _custom(peer: Peer) -> None:
    for payload in (_payload(), _payload()):
        message = bytes([len(payload)]) + payload
        peer.send(message)
        peer.expect(message)


def _custom_gate(peer: Peer) -> None:
    payload = _payload()
    message = bytes([len(payload)]) + payload
    _waits(peer, message[:5], message[5:], message)


def _task(peer: Peer) -> None:
    request, value = _echo_request()
    peer.send(request + b"\n")
    _is_json(text.read(peer), {"id": 7, "result": value})


def _echo_request() -> tuple[bytes, str]:
    value = secrets.token_hex(8)
    return json.dumps({"function": "echo", "args": {"value": value}, "id": 7}).encode(), value


def _is_json(seen: bytes, reply: dict[str, object]) -> None:
    """The bytes are this JSON object, in whatever spelling."""
    try:
        right = json.loads(seen) == reply
    except ValueError:
        right = False
    if not right:
        raise Violation("wrong-answer", f"{json.dumps(reply)} was due, {excerpt(seen)} came")


def _task_gate(peer: Peer) -> None:
    peer.send(b'{"function": "add", "args": {"a": 2, "b": 3}, "id": "x"}')
    peer.silent()
    peer.send(b"\n")
    _is_json(text.read(peer), {"id": "x", "result": 5})


def _websocket(peer: Peer) -> None:
    payload = _payload()
    peer.send(websocket.encode(Opcode.TEXT, payload))
    websocket.expect(peer, Opcode.TEXT, payload)


def _websocket_gate(peer: Peer) -> None:
    whole = websocket.encode(Opcode.BINARY, payload := _payload())
    peer.send(whole[:9])
    peer.silent()
    peer.send(whole[9:])
    websocket.expect(peer, Opcode.BINARY, payload)


def _relay(peer: Peer) -> None:
    peer.send(websocket.encode(Opcode.TEXT, b"ping"))
    websocket.expect(peer, Opcode.TEXT, b"pong")


def _relay_gate(peer: Peer) -> None:
    request, value = _echo_request()
    peer.send(websocket.encode(Opcode.TEXT, request))
    _is_json(websocket.read(peer).payload, {"id": 7, "result": value})


FITNESS = {
    "tcp": Fitness(_tcp, _tcp_gate),
    "text": Fitness(_text, _text_gate),
    "unix": Fitness(_text, _text_gate),
    "tls": Fitness(_text, _text_gate),
    "frame": Fitness(_frame, _frame_gate),
    "custom": Fitness(_custom, _custom_gate),
    "task": Fitness(_task, _task_gate),
    "websocket": Fitness(_websocket, _websocket_gate, websocket.upgrade),
    "wss": Fitness(_websocket, _websocket_gate, websocket.upgrade),
    "relay": Fitness(_relay, _relay_gate, websocket.upgrade),
}
"""What is asked of each service before its cases; a case can only be about a service that stands here."""


def exchange(service: str, peer: Peer) -> float:
    """One good exchange on a fresh connection; its round trip in seconds. Raises Violation."""
    fitness = FITNESS[service]
    fitness.opening(peer)
    started = monotonic()
    fitness.exchange(peer)
    return monotonic() - started


def examine(service: str, connect: Callable[[Calibration], Peer]) -> Calibration:
    """Whether the service is fit to be judged, and how fast it is. Raises Violation when it is unfit."""
    with connect(Calibration()) as peer:
        samples = [exchange(service, peer)]
        samples += [_timed(FITNESS[service].exchange, peer) for _ in range(SAMPLES - 1)]
    calibration = Calibration.of(samples)
    with connect(calibration) as peer:
        FITNESS[service].opening(peer)
        FITNESS[service].gate(peer)
    return calibration


def _timed(dialogue: Dialogue, peer: Peer) -> float:
    started = monotonic()
    dialogue(peer)
    return monotonic() - started
