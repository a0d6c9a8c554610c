"""WebSockets from inside: how a connection of the probe ends, and what it says by itself (contract, 5).

A closing handshake that the server begins, types of messages that nobody has sent before, pings of the
server's own, and what its program hears of the client's Close: no echo has any of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conformance.case import Violation, case
from conformance.cases.dialogue import opened, sentinel, text
from conformance.cases.probing import Control, control, parsed
from conformance.cases.test_probe import CONTROL, check
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, close_payload, encode

AS_ASKED = {"as-asked": "pass"}
NORMAL = close_payload(1000)

PATIENCE = 5.0
"""Seconds that a server gives a client for the answer to its Close."""


def act(peer: Peer, do: str, **more: Any) -> None:
    """Have a connection do something."""
    peer.send(text(json.dumps({"do": do, **more}).encode()))


def says_close(peer: Peer) -> None:
    """Close with 1000 comes next."""
    websocket.expect(peer, Opcode.CLOSE, NORMAL)


@contextmanager
def watched(target: Target) -> Iterator[tuple[Control, Peer, int]]:
    """The log, an open WebSocket, and its id."""
    with control(target) as service, opened(target) as peer:
        act(peer, "info")
        frame = websocket.read(peer)
        yield service, peer, parsed(frame.payload)["id"]


@case("probe/websocket/close-waits", service="probe.websocket", requirements=("WS-032",), accept=AS_ASKED)
def test_close_waits(target: Target) -> str:
    """`close` says Close with 1000, waits for the client's, and then ends TCP at once."""
    with opened(target) as peer:
        act(peer, "close")
        says_close(peer)
        peer.silent()
        peer.send(encode(Opcode.CLOSE, NORMAL))
        return ended(peer)


def ended(peer: Peer) -> str:
    """TCP ends."""
    if peer.ending() == "open":
        raise Violation("tcp-stays-open", "behind both Close frames the server has to end TCP")
    return "as-asked"


@case("probe/websocket/close-with-data", service="probe.websocket", requirements=("WS-032",), accept=AS_ASKED)
def test_close_with_data(target: Target) -> str:
    """`close` with a message sends that first, then Close."""
    with opened(target) as peer:
        act(peer, "close", data="bye")
        websocket.expect(peer, Opcode.TEXT, b"bye")
        says_close(peer)
        peer.send(encode(Opcode.CLOSE, NORMAL))
        return ended(peer)


@case(
    "probe/websocket/close-unanswered", service="probe.websocket", requirements=("WS-032",), accept=AS_ASKED
)
def test_close_unanswered(target: Target) -> str:
    """A client that does not answer is not waited for without end."""
    with opened(target) as peer:
        act(peer, "close")
        says_close(peer)
        if peer.ending(2 * PATIENCE + target.calibration.deadline) == "open":
            raise Violation("waits-for-ever", f"open {2 * PATIENCE:g} s behind a Close without answer")
    return "as-asked"


@case(
    "probe/websocket/close-and-messages",
    service="probe.websocket",
    requirements=("WS-031", "TCP-012"),
    accept=AS_ASKED,
)
def test_close_and_messages(target: Target) -> str:
    """What the client sends behind the server's Close has no answer, pings neither; its own Close ends it."""
    with opened(target) as peer:
        act(peer, "close")
        says_close(peer)
        peer.send(text(b"late"), encode(Opcode.PING, b"late"), encode(Opcode.CLOSE, NORMAL))
        return ended(peer)


@case("probe/websocket/destroy", service="probe.websocket", requirements=("WS-032",), accept=AS_ASKED)
def test_destroy(target: Target) -> str:
    """`destroy` drops TCP, without a Close frame."""
    with opened(target) as peer:
        act(peer, "destroy")
        return ended(peer)


VALUES: tuple[tuple[Any, bytes], ...] = (
    ("größer", "größer".encode()),
    ("", b""),
    (123, b"123"),
    (-1.5, b"-1.5"),
    ({"größe": ["€"]}, '{"größe":["€"]}'.encode()),
)
"""What is sent, and the text that it has to be; blanks in JSON are the sender's own business."""


@case("probe/websocket/types", service="probe.websocket", requirements=("WS-018", "TCP-009"), accept=AS_ASKED)
def test_types(target: Target) -> str:
    """Strings, numbers and JSON are sent as text, letters beyond ASCII as themselves."""
    with opened(target) as peer:
        for value, due in VALUES:
            act(peer, "send", value=value)
            frame = websocket.read(peer)
            check(frame.opcode is Opcode.TEXT, f"{value!r} as text", frame.opcode)
            check(frame.payload.replace(b": ", b":") == due, repr(due), frame.payload)
            check(websocket.read(peer).opcode is Opcode.TEXT, "the list of what send returned", frame)
    return "as-asked"


@case("probe/websocket/half-a-letter", service="probe.websocket", requirements=("WS-037",), accept=AS_ASKED)
def test_half_a_letter(target: Target) -> str:
    """Half of a surrogate pair is no text: `send` gives False, nothing comes, and the connection lives."""
    with opened(target) as peer:
        act(peer, "send", value="\ud800")
        frame = websocket.read(peer)
        check(parsed(frame.payload) == [False], "[false]", frame.payload)
        sentinel(peer)
    return "as-asked"


@case(
    "probe/websocket/ping",
    service="probe.websocket",
    requirements=("WS-027",),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_ping(target: Target) -> str:
    """`ping` sends a ping with its payload; the program hears of the pong."""
    with watched(target) as (service, peer, me):
        act(peer, "ping", payload="alive?")
        websocket.expect(peer, Opcode.PING, b"alive?")
        peer.send(encode(Opcode.PONG, b"alive?"))
        service.until(me, "websocket_pong")
        pongs = heard(service, me, "websocket_pong")
        check(pongs == ["alive?"], "one pong with its payload", pongs)
    return "as-asked"


def heard(service: Control, me: int, callback: str) -> list[Any]:
    """What the program was told by this callback so far."""
    return [each.detail for each in service.events(me) if each.callback == callback]


def farewells(service: Control, me: int) -> list[Any]:
    """What the program has heard of the client's Close, when it has heard that all is over."""
    service.until(me, "close")
    return heard(service, me, "websocket_close")


@case(
    "probe/websocket/close-is-told",
    service="probe.websocket",
    requirements=("WS-034",),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_close_is_told(target: Target) -> str:
    """The client's Close is told once, with code and reason; 1005 stands for none."""
    for payload, due in ((close_payload(3001, b"genug"), [3001, "genug"]), (b"", [1005, ""])):
        with watched(target) as (service, peer, me):
            peer.send(encode(Opcode.CLOSE, payload))
            websocket.read(peer)
            ended(peer)
            check((told := farewells(service, me)) == [due], repr([due]), told)
    return "as-asked"


@case(
    "probe/websocket/answer-is-told",
    service="probe.websocket",
    requirements=("WS-034",),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_answer_is_told(target: Target) -> str:
    """The Close that answers the server's own is told, too."""
    with watched(target) as (service, peer, me):
        act(peer, "close")
        says_close(peer)
        peer.send(encode(Opcode.CLOSE, close_payload(1001, b"you too")))
        ended(peer)
        check((told := farewells(service, me)) == [[1001, "you too"]], '[[1001, "you too"]]', told)
    return "as-asked"
