"""WebSocket clients: the response, right and wrong (RFC 6455, section 4.1, the second list; WSC-003, WSC-004,
WSC-007).
"""

from collections.abc import Callable

from conformance.case import Violation, case
from conformance.clients.client import Client
from conformance.clients.dialogue import REFUSED, SERVICE, leave, opened, refuses, sentinel, text
from conformance.exchange import ECHOED, SENTINEL, naming
from conformance.wire import second_opinion, websocket_server
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, accept_value, new_key
from conformance.wire.websocket_server import Request, response

WSC_003, WSC_004 = ("WSC-003",), ("WSC-004",)

LAST = {"Connection": "Upgrade, close"}
"""Names Upgrade, and asks a client that has understood HTTP not to use the connection again."""

PATIENT = 12.0
"""Seconds after which a client that was not answered should have given up."""

ENDLESS = 20 * 1024 * 1024
"""Bytes of a head without end."""


def each_refused(client: Client, *responses: dict[str, str | None]) -> str:
    """Each of these changes to the right response is refused."""
    for changes in responses:
        name = ", ".join(f"{field}: {value}" for field, value in changes.items())
        with naming(name), client.connected() as peer:
            request = websocket_server.read_request(peer)
            refuses(peer, response(request, changes=changes))
    return "refused"


def unopened(peer: Peer, head: bytes) -> str:
    """After a whole response of another status, the client sends no frame, and ends when the server does."""
    message = text(SENTINEL)
    peer.send(head + b"Content-Length: %d\r\n\r\n" % len(message) + message)
    if seen := peer.receive(within=peer.calibration.quiet):
        raise Violation("opened", f"{seen!r:.80} came: the handshake counts")
    if not peer.ended:
        peer.finish()
        if peer.ending() == "open":
            raise Violation("stays-open", "the server has closed, and the client has not")
    return "refused"


# --- refused ---------------------------------------------------------------------------------------------


@case("websocket-client/response/status-200", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_status_200(client: Client) -> str:
    """Status 200 opens nothing, though all fields are right."""
    with client.connected() as peer:
        request = websocket_server.read_request(peer)
        return unopened(peer, response(request, start="HTTP/1.1 200 OK", changes=LAST)[:-2])


@case("websocket-client/response/status-404", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_status_404(client: Client) -> str:
    """Neither does 404, nor 500, with or without the right fields."""
    for status in ("404 Not Found", "500 Internal Server Error"):
        for right in (True, False):
            with naming(status), client.connected() as peer:
                request, start = websocket_server.read_request(peer), f"HTTP/1.1 {status}"
                bare = f"{start}\r\nConnection: close\r\n\r\n".encode()
                head = response(request, start=start, changes=LAST) if right else bare
                unopened(peer, head[:-2])
    return "refused"


@case("websocket-client/response/no-upgrade", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_no_upgrade(client: Client) -> str:
    """No Upgrade, or another protocol, is refused."""
    return each_refused(client, {"Upgrade": None}, {"Upgrade": "h2c"}, {"Upgrade": "websockets"})


@case("websocket-client/response/no-connection", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_no_connection(client: Client) -> str:
    """No Connection, or one that does not name Upgrade, is refused."""
    return each_refused(
        client, {"Connection": None}, {"Connection": "keep-alive"}, {"Connection": "Upgraded"}
    )


@case("websocket-client/response/no-accept", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_no_accept(client: Client) -> str:
    """No Sec-WebSocket-Accept, or an empty one, is refused."""
    return each_refused(client, {"Sec-WebSocket-Accept": None}, {"Sec-WebSocket-Accept": ""})


@case("websocket-client/response/wrong-accept", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_wrong_accept(client: Client) -> str:
    """The accept value of another key, the key itself, and the right value in capitals are refused."""
    for spoil in (
        lambda key: accept_value(new_key()).decode(),
        lambda key: key,
        lambda key: accept_value(key).decode().swapcase(),
    ):
        with client.connected() as peer:
            request = websocket_server.read_request(peer)
            refuses(peer, response(request, changes={"Sec-WebSocket-Accept": spoil(request.key)}))
    return "refused"


@case("websocket-client/response/foreign-subprotocol", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_foreign_subprotocol(client: Client) -> str:
    """A subprotocol that nobody has offered is refused."""
    return each_refused(client, {"Sec-WebSocket-Protocol": "conformance.of.nobody"})


@case("websocket-client/response/foreign-extension", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_foreign_extension(client: Client) -> str:
    """An extension that nobody has offered is refused."""
    return each_refused(client, {"Sec-WebSocket-Extensions": "x-conformance-of-nobody"})


@case("websocket-client/response/not-http", service=SERVICE, requirements=WSC_003, accept=REFUSED)
def test_not_http(client: Client) -> str:
    """A status line that is none is refused, whatever the fields behind it say."""
    for start in ("WEBSOCKET 101 Switching Protocols", "HTTP/1.1 1010 Switching", "Switching Protocols"):
        with naming(start), client.connected() as peer:
            request = websocket_server.read_request(peer)
            refuses(peer, response(request, start=start))
    return "refused"


# --- accepted --------------------------------------------------------------------------------------------


def served(client: Client, head: Callable[[Request], bytes]) -> str:
    """This response opens the connection."""
    with client.connected() as peer:
        peer.send(head(websocket_server.read_request(peer)))
        client.pause()
        sentinel(peer)
        leave(peer)
    return "echoed"


@case("websocket-client/response/any-case", service=SERVICE, requirements=WSC_003, accept=ECHOED)
def test_any_case(client: Client) -> str:
    """Names of fields and both tokens come in any case."""
    lines = ("HTTP/1.1 101 SWITCHING", "UPGRADE: WebSocket", "connection: UPGRADE")

    def head(request: Request) -> bytes:
        accept = f"sec-websocket-ACCEPT: {accept_value(request.key).decode()}"
        return "\r\n".join([*lines, accept, "", ""]).encode()

    return served(client, head)


@case("websocket-client/response/other-fields", service=SERVICE, requirements=WSC_003, accept=ECHOED)
def test_other_fields(client: Client) -> str:
    """Other fields, a list in Connection, any reason and blanks around values do not matter."""
    more = ("Server: conformance", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "Set-Cookie: a=1", "X-Empty:")
    dressed = {"Connection": "keep-alive, Upgrade", "Upgrade": "  websocket \t"}
    served(client, lambda request: response(request, *more, changes=dressed))
    return served(client, lambda request: response(request, start="HTTP/1.1 101 "))


@case("websocket-client/response/byte-by-byte", service=SERVICE, requirements=WSC_003, accept=ECHOED)
def test_byte_by_byte(client: Client) -> str:
    """The head may come in any segments."""
    with client.connected() as peer:
        head = response(websocket_server.read_request(peer))
        peer.send(*(head[index : index + 1] for index in range(len(head))), gap=0.001)
        client.pause()
        sentinel(peer)
        leave(peer)
    return "echoed"


@case("websocket-client/response/frames-behind", service=SERVICE, requirements=("WSC-007",), accept=ECHOED)
def test_frames_behind(client: Client) -> str:
    """Frames in the segment of the head are answered at once, without waiting for more."""
    with client.connected() as peer:
        head = response(websocket_server.read_request(peer))
        peer.send(head + text(b"one") + text(b"two"))
        for payload in (b"one", b"two"):
            websocket_server.expect(peer, Opcode.TEXT, payload)
        sentinel(peer)
        second_opinion.examine(peer, by_client=True)
        leave(peer)
    return "echoed"


@case(
    "websocket-client/response/half-a-frame-behind", service=SERVICE, requirements=("WSC-007",), accept=ECHOED
)
def test_half_a_frame_behind(client: Client) -> str:
    """So is a frame of which the first half came with the head."""
    message = text(b"in two halves")
    with client.connected() as peer:
        head = response(websocket_server.read_request(peer))
        peer.send(head + message[:5], message[5:])
        websocket_server.expect(peer, Opcode.TEXT, b"in two halves")
        sentinel(peer)
        leave(peer)
    return "echoed"


# --- bounds ----------------------------------------------------------------------------------------------


@case("websocket-client/response/endless", service=SERVICE, requirements=WSC_004, accept=REFUSED)
def test_endless(client: Client) -> str:
    """A head without end is not collected for ever."""
    field = b"X-Cookie: " + b"c" * 1000 + b"\r\n"
    with client.connected() as peer:
        websocket_server.read_request(peer)
        peer.flood(b"HTTP/1.1 101 Switching Protocols\r\n" + field * (ENDLESS // len(field)))
        if peer.ending() == "open":
            raise Violation("unbounded", f"{ENDLESS >> 20} MiB of a head, and the client waits for more")
    return "refused"


@case(
    "websocket-client/response/silence",
    service=SERVICE,
    requirements=WSC_004,
    accept={"gave-up": "pass", "waits": "weak"},
)
def test_silence(client: Client) -> str:
    """A server that does not answer is given up in reasonable time."""
    with client.connected() as peer:
        websocket_server.read_request(peer)
        return "waits" if peer.ending(within=PATIENT) == "open" else "gave-up"


@case("websocket-client/response/once-more", service=SERVICE, requirements=WSC_003, accept=ECHOED)
def test_once_more(client: Client) -> str:
    """After a refusal, in whatever way, the next connection is as good as any."""
    with client.connected() as peer:
        peer.send(response(websocket_server.read_request(peer), changes={"Upgrade": None}))
        peer.finish()
        peer.rest(within=peer.calibration.quiet)
    with opened(client) as peer:
        return sentinel(peer)
