"""The plainest exchange with a client: is there anything to judge at all?

It connects, and echoes text. How right its bytes are is not looked at here: that is the business of cases.
"""

import secrets
from time import monotonic

from conformance.clients.client import Client
from conformance.outcomes import Violation
from conformance.target.calibration import Calibration
from conformance.wire import websocket_server
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt
from conformance.wire.websocket import Opcode, close_payload
from conformance.wire.websocket_server import frame

SAMPLES = 5
"""Exchanges timed for the calibration."""


def examine(client: Client) -> Calibration:
    """How fast the client answers. Raises Violation when it is unfit."""
    with client.connected() as peer:
        request = websocket_server.read_request(peer)
        peer.send(websocket_server.response(request))
        client.pause()
        samples = [_exchange(peer) for _ in range(SAMPLES)]
        peer.send(frame(Opcode.CLOSE, close_payload(1000)))
        peer.finish()
        peer.rest()
    return Calibration.of(samples)


def _exchange(peer: Peer) -> float:
    payload, started = secrets.token_hex(8).encode(), monotonic()
    peer.send(frame(Opcode.TEXT, payload))
    while (answer := websocket_server.read(peer, strict=False)).opcode in (Opcode.PING, Opcode.PONG):
        pass  # a client may have a heartbeat
    if answer.payload != payload:
        raise Violation("wrong-answer", f"{excerpt(payload)} was due, {excerpt(answer.payload)} came")
    return monotonic() - started
