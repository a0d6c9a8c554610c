"""WebSocket clients: the request that opens the connection (RFC 6455, section 4.1; WSC-001)."""

import base64
import binascii
import re

from conformance.case import Violation, case
from conformance.clients.client import Client
from conformance.clients.dialogue import SERVICE
from conformance.wire import websocket_server
from conformance.wire.websocket_server import Request

RIGHT = {"right": "pass"}
WSC_001 = ("WSC-001",)
KEYS = 4
"""Requests whose keys are compared."""

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
PARAMETER = rf'{TOKEN}(?:[ \t]*=[ \t]*(?:{TOKEN}|"{TOKEN}"))?'
OFFER = re.compile(rf"{TOKEN}(?:[ \t]*;[ \t]*{PARAMETER})*")
"""One extension with its parameters (9.1)."""


def asked(client: Client) -> tuple[Request, str]:
    """The client's next request, and the path that it was told. It is refused: it has said enough."""
    with client.connected() as peer:
        request = websocket_server.read_request(peer)
        peer.send(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        peer.finish()
        peer.rest(within=peer.calibration.quiet)
        return request, peer.address.path


def check(right: object, due: str, seen: object) -> None:
    """Violation `wrong-request`, unless it is right."""
    if not right:
        raise Violation("wrong-request", f"{due} was due, {seen!r} came")


@case("websocket-client/request/line", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_line(client: Client) -> str:
    """GET, the path with its query as it was given, and HTTP/1.1."""
    request, path = asked(client)
    check(request.line == f"GET {path} HTTP/1.1", f"GET {path} HTTP/1.1", request.line)
    return "right"


@case("websocket-client/request/http", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_http(client: Client) -> str:
    """The head is a request of HTTP/1.1 without a body, as h11 reads it."""
    request, _ = asked(client)
    websocket_server.is_http(request)
    return "right"


@case("websocket-client/request/host", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_host(client: Client) -> str:
    """One Host, by whatever name the client knows it, with the port, which is not the default one."""
    request, _ = asked(client)
    hosts, port = request.values("host"), client.gate.address.port
    right = len(hosts) == 1 and re.fullmatch(rf"[^\s/@]+:{port}", hosts[0])
    check(right, f"one Host with port {port}", hosts)
    return "right"


@case("websocket-client/request/upgrade", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_upgrade(client: Client) -> str:
    """Upgrade names websocket, and Connection names Upgrade."""
    request, _ = asked(client)
    check("websocket" in request.tokens("upgrade"), "Upgrade: websocket", request.values("upgrade"))
    check("upgrade" in request.tokens("connection"), "Connection: Upgrade", request.values("connection"))
    return "right"


@case("websocket-client/request/version", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_version(client: Client) -> str:
    """One Sec-WebSocket-Version, which is 13."""
    request, _ = asked(client)
    versions = request.values("sec-websocket-version")
    check(versions == ["13"], "Sec-WebSocket-Version: 13", versions)
    return "right"


@case("websocket-client/request/key", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_key(client: Client) -> str:
    """One Sec-WebSocket-Key, which is 16 bytes in base64."""
    request, _ = asked(client)
    keys = request.values("sec-websocket-key")
    check(len(keys) == 1 and len(decoded(keys[0])) == 16, "base64 of 16 bytes", keys)
    return "right"


@case("websocket-client/request/fresh-key", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_fresh_key(client: Client) -> str:
    """Each connection has a key of its own, all of it chosen anew."""
    keys = [decoded(asked(client)[0].key) for _ in range(KEYS)]
    for place in range(16):
        column = {key[place : place + 1] for key in keys}
        check(len(column) > 1, f"{KEYS} keys that differ in byte {place}", [key.hex() for key in keys])
    return "right"


@case("websocket-client/request/offers", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_offers(client: Client) -> str:
    """What is offered is spelled as it has to be: extensions with parameters, subprotocols once each."""
    request, _ = asked(client)
    for offer in filter(None, ",".join(request.values("sec-websocket-extensions")).split(",")):
        check(OFFER.fullmatch(offer.strip(" \t")), "an extension (9.1)", offer)
    names = [name for value in request.values("sec-websocket-protocol") for name in value.split(",")]
    for name in (stripped := [name.strip(" \t") for name in names]):
        check(re.fullmatch(TOKEN, name), "a subprotocol (4.1)", name)
        check(stripped.count(name) == 1, "each subprotocol once", stripped)
    return "right"


@case("websocket-client/request/waits", service=SERVICE, requirements=WSC_001, accept=RIGHT)
def test_waits(client: Client) -> str:
    """Nothing comes behind the request before it is answered."""
    with client.connected() as peer:
        websocket_server.read_request(peer)
        peer.silent()
    return "right"


def decoded(key: str) -> bytes:
    """The bytes of a key, none where it is no base64."""
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return b""
