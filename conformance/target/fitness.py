"""The plainest exchange of every service: is there anything to judge at all?

An `exchange` is one good conversation with a random payload, checked strictly; it serves as the canary after
every case and, timed, as the calibration. It must tell a server of the protocol from one that only seems to
answer: silent, closing, resetting, dripping, always the same bytes. A raw echo may pass it, and is found out
by the beginning of a message. Anything subtler is left to the cases, which can say what is wrong.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from conformance.outcomes import Violation
from conformance.target.calibration import Calibration
from conformance.wire import frame, http, text, websocket
from conformance.wire.datagram import TRIES
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt
from conformance.wire.websocket import Opcode

SAMPLES = 5
"""Exchanges timed for one calibration."""

RAW_ECHO = 0.5
"""Seconds in which a raw echo would have answered, also on a busy machine: waited once for each service."""

Dialogue = Callable[[Peer], None]
"""A conversation on a fresh connection; raises Violation when the target does not play its part."""


@dataclass(frozen=True)
class Fitness:
    """What a service must do. `exchange` may be repeated on a connection that `opening` prepared.

    `part` is the beginning of a message: a server that sends just those bytes back is a raw echo.
    """

    exchange: Dialogue
    opening: Dialogue = lambda peer: None
    part: bytes = b""


def _payload() -> bytes:
    return secrets.token_hex(8).encode()


def _tcp(peer: Peer) -> None:
    payload = _payload()
    peer.send(payload)
    peer.expect(payload)


def _text(peer: Peer) -> None:
    for line in (_payload(), _payload()):
        peer.send(line + b"\n")
        peer.expect(text.encode(line))


def _frame(peer: Peer) -> None:
    for message in (_payload(), _payload()):
        peer.send(frame.encode(message))
        peer.expect(frame.encode(message))


def _custom(peer: Peer) -> None:
    for payload in (_payload(), _payload()):
        message = bytes([len(payload)]) + payload
        peer.send(message)
        peer.expect(message)


def _udp(peer: Peer) -> None:
    """A datagram may be lost on its way; a server that never answers loses them all."""
    peer.receive(within=0)  # what came late for an earlier try
    payload = _payload()
    for _ in range(TRIES):
        peer.send(payload)
        answer = peer.receive(within=peer.calibration.deadline / TRIES)
        if answer == payload:
            return
        if answer:
            raise Violation("wrong-answer", f"{excerpt(payload)} was due, {excerpt(answer)} came")
        if peer.ended:
            raise Violation("refused", f"{peer.address.url} cannot be reached, or answers with nothing")
    raise Violation("no-answer", f"{TRIES} times asked, never answered")


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


def _websocket(peer: Peer) -> None:
    payload = _payload()
    peer.send(websocket.encode(Opcode.TEXT, payload))
    websocket.expect(peer, Opcode.TEXT, payload)


def _relay(peer: Peer) -> None:
    peer.send(websocket.encode(Opcode.TEXT, b"ping"))
    websocket.expect(peer, Opcode.TEXT, b"pong")


def _login(peer: Peer) -> None:
    peer.send(b"login\n")
    peer.expect(b"welcome\n")


def _http(peer: Peer) -> None:
    http.expect(peer, "GET", "/", b"hello")


def _control(peer: Peer) -> None:
    peer.send(b'{"do": "counters"}\n')
    reply = text.read(peer)
    try:
        right = isinstance(json.loads(reply)["result"], dict)
    except (ValueError, TypeError, KeyError):
        right = False
    if not right:
        raise Violation("wrong-answer", f"the counters were due, {excerpt(reply)} came")


_TEXT = Fitness(_text, part=b"half a li")
_WEBSOCKET = Fitness(_websocket, websocket.upgrade)

_HTTP = Fitness(_http)

FITNESS = {
    "tcp": Fitness(_tcp),
    "text": _TEXT,
    "unix": _TEXT,
    "tls": _TEXT,
    "frame": Fitness(_frame, part=b"\x00\x00\x00\x0chalf"),
    "udp": Fitness(_udp),
    "custom": Fitness(_custom, part=b"\x08half"),
    "task": Fitness(_task),
    "websocket": _WEBSOCKET,
    "wss": _WEBSOCKET,
    "relay": Fitness(_relay, websocket.upgrade),
    "pipe": Fitness(_tcp),
    "flow": _TEXT,
    "auth": Fitness(_text, _login),
    "heartbeat": _TEXT,
    "http": _HTTP,
    "https": _HTTP,
    "probe.control": Fitness(_control),
    "probe.text": _TEXT,
    "probe.websocket": _WEBSOCKET,
    "probe.tcp": Fitness(_tcp),
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
    if part := FITNESS[service].part:
        with connect(calibration) as peer:
            _is_no_raw_echo(peer, part)
    return calibration


def _is_no_raw_echo(peer: Peer, part: bytes) -> None:
    """Only this one mistake is looked for here; everything else is the business of cases."""
    peer.send(part)
    if peer.receive(within=max(RAW_ECHO, peer.calibration.quiet)) == part:
        raise Violation("raw-echo", f"{excerpt(part)} is no message yet, and came back as it was")


def _timed(dialogue: Dialogue, peer: Peer) -> float:
    started = monotonic()
    dialogue(peer)
    return monotonic() - started
