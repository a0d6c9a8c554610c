"""WebSocket clients: permessage-deflate, where the client offers it (RFC 7692; WSC-014)."""

from conformance.case import Unsupported, case
from conformance.clients.client import Client
from conformance.clients.deflate import Agreed, answered, asked, check_offer, opened
from conformance.clients.dialogue import REFUSED, RSV1, SERVICE, fails, leave, refuses
from conformance.exchange import ECHOED, FAILED, naming, worst_of
from conformance.wire.websocket import Opcode
from conformance.wire.websocket_server import frame, response

WSC_014 = ("WSC-014",)

CORRUPT = {**FAILED, "other-code": "pass"}
"""What does not inflate fails the connection; RFC 7692 names no code."""

HELLO = {
    "fixed block": "f248cdc9c90700",
    "stored block": "000500faff48656c6c6f00",
    "final block": "f348cdc9c9070000",
    "two blocks": "f248050000 00ffffcac9c90700",
}
"""The examples of RFC 7692, section 7.2.3: all of them are `Hello`."""

ILLEGAL = (
    ("foo",),
    ("server_max_window_bits=7",),
    ("server_max_window_bits=16",),
    ("server_max_window_bits=010",),
    ("server_max_window_bits",),
    ("client_max_window_bits=x",),
    ("server_no_context_takeover=1",),
    ("server_no_context_takeover", "server_no_context_takeover"),
)
"""Parameters that no answer may have (7.1)."""


@case("websocket-client/deflate/offer", service=SERVICE, requirements=WSC_014, accept={"right": "pass"})
def test_offer(client: Client) -> str:
    """An offer has known parameters, with values that they may have, once each."""
    with client.connected() as peer:
        request, offers = asked(peer)
        peer.send(response(request))
        leave(peer)
    for parameters in offers:
        check_offer(parameters)
    return "right"


@case("websocket-client/deflate/messages", service=SERVICE, requirements=WSC_014, accept=ECHOED)
def test_messages(client: Client) -> str:
    """Compressed messages of both types come back: empty, short, long, and without a pattern."""
    noise = client.random.randbytes(70_000)
    messages = [
        (Opcode.TEXT, b"Hello"),
        (Opcode.TEXT, b""),
        (Opcode.BINARY, noise),
        (Opcode.TEXT, b"a" * 200_000),
    ]
    with opened(client) as (peer, agreed):
        for opcode, body in messages:
            peer.send(agreed.frame(opcode, body))
            agreed.expect(peer, opcode, body)
    return "echoed"


@case("websocket-client/deflate/context-kept", service=SERVICE, requirements=WSC_014, accept=ECHOED)
def test_context_kept(client: Client) -> str:
    """A message may refer to those before it: the window is kept, also behind one that was not compressed."""
    with opened(client) as (peer, agreed):
        for _ in range(3):
            peer.send(agreed.frame(Opcode.TEXT, b"the same words again"))
            agreed.expect(peer, Opcode.TEXT, b"the same words again")
            peer.send(frame(Opcode.TEXT, b"plain words"))
            agreed.expect(peer, Opcode.TEXT, b"plain words")
    return "echoed"


@case("websocket-client/deflate/no-context", service=SERVICE, requirements=WSC_014, accept=ECHOED)
def test_no_context(client: Client) -> str:
    """A server may ask the client to begin each message anew, and do so itself (7.1.1)."""
    parameters = ("server_no_context_takeover", "client_no_context_takeover")
    with opened(client, *parameters, agreed=Agreed(client_keeps=False, server_keeps=False)) as (peer, agreed):
        for _ in range(3):
            peer.send(agreed.frame(Opcode.TEXT, b"the same words again"))
            agreed.expect(peer, Opcode.TEXT, b"the same words again")
    return "echoed"


@case("websocket-client/deflate/small-window", service=SERVICE, requirements=WSC_014, accept=ECHOED)
def test_small_window(client: Client) -> str:
    """A client that lets the server limit its window keeps to the limit (7.1.2.2)."""
    with client.connected() as peer:
        request, offers = asked(peer)
        limited = any(part.startswith("client_max_window_bits") for part in offers[0])
        peer.send(answered(request, "client_max_window_bits=9") if limited else response(request))
        if not limited:
            leave(peer)
            raise Unsupported("the client does not offer client_max_window_bits")
        client.pause()
        agreed, block = Agreed(client_bits=9), client.random.randbytes(2000)
        peer.send(frame(Opcode.BINARY, block * 3))
        agreed.expect(peer, Opcode.BINARY, block * 3)
        leave(peer)
    return "echoed"


@case("websocket-client/deflate/illegal-answers", service=SERVICE, requirements=WSC_014, accept=REFUSED)
def test_illegal_answers(client: Client) -> str:
    """Parameters that are not known, not possible or repeated fail the connection."""
    for parameters in ILLEGAL:
        with naming("; ".join(parameters)), client.connected() as peer:
            request, _ = asked(peer)
            refuses(peer, answered(request, *parameters))
    return "refused"


@case("websocket-client/deflate/blocks", service=SERVICE, requirements=WSC_014, accept=ECHOED)
def test_blocks(client: Client) -> str:
    """Every kind of block is understood, and the next message, too."""
    with opened(client) as (peer, agreed):
        for name, data in HELLO.items():
            with naming(name):
                peer.send(frame(Opcode.TEXT, bytes.fromhex(data), rsv=RSV1))
                agreed.expect(peer, Opcode.TEXT, b"Hello")
    return "echoed"


@case("websocket-client/deflate/fragments", service=SERVICE, requirements=WSC_014, accept=ECHOED)
def test_fragments(client: Client) -> str:
    """A compressed message is one stream, wherever it is cut; RSV1 stands on its first fragment only."""
    with opened(client) as (peer, agreed):
        data = agreed.compress(b"in many fragments")
        first, *rest = [data[index : index + 1] for index in range(len(data))]
        peer.send(
            frame(Opcode.TEXT, first, rsv=RSV1, fin=False)
            + b"".join(frame(Opcode.CONTINUATION, part, fin=False) for part in rest)
            + frame(Opcode.CONTINUATION)
        )
        agreed.expect(peer, Opcode.TEXT, b"in many fragments")
    return "echoed"


def each_fails(client: Client, code: int, streams: dict[str, bytes]) -> str:
    """Each stream fails a connection with the extension; the worst of the endings."""
    endings = set()
    for name, stream in streams.items():
        with naming(name), opened(client) as (peer, _):
            peer.send(stream)
            endings.add(fails(peer, code))
    return worst_of(endings)


@case("websocket-client/deflate/rsv1-elsewhere", service=SERVICE, requirements=WSC_014, accept=FAILED)
def test_rsv1_elsewhere(client: Client) -> str:
    """RSV1 on a continuation or a control frame is an error, and so are the other bits anywhere."""
    begin = frame(Opcode.TEXT, b"a", fin=False)
    streams = {
        "continuation": begin + frame(Opcode.CONTINUATION, b"b", rsv=RSV1),
        "ping": frame(Opcode.PING, b"x", rsv=RSV1),
        "RSV2": frame(Opcode.TEXT, b"x", rsv=2),
        "RSV3": frame(Opcode.TEXT, b"x", rsv=1),
    }
    return each_fails(client, 1002, streams)


@case("websocket-client/deflate/corrupt", service=SERVICE, requirements=WSC_014, accept=CORRUPT)
def test_corrupt(client: Client) -> str:
    """Data that does not inflate fails the connection."""
    return each_fails(client, 1007, {"corrupt": frame(Opcode.TEXT, b"\xff\xff\xff", rsv=RSV1)})


@case("websocket-client/deflate/not-utf-8", service=SERVICE, requirements=WSC_014, accept=FAILED)
def test_not_utf_8(client: Client) -> str:
    """Text is UTF-8 when it has been inflated."""
    return each_fails(client, 1007, {"invalid": Agreed().frame(Opcode.TEXT, b"good \xed\xa0\x80")})
