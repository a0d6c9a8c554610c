"""HTTP: Upgrade that leads nowhere (RFC 9110, section 7.8; HTTP-90)."""

from conformance.case import Violation, case
from conformance.cases.browsing import OK, Requests, due, each, greet
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunks, request
from conformance.wire.http_responses import Response, read
from conformance.wire.peer import Peer
from conformance.wire.websocket import new_key

IGNORED = {"ignored": "pass", "refused": "weak"}
UPGRADE = "Connection: Upgrade"
WEBSOCKET = ("Upgrade: websocket", f"Sec-WebSocket-Key: {new_key()}", "Sec-WebSocket-Version: 13")
H2C = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")


def _ignores(peer: Peer, body: bytes = b"hello") -> str:
    """The response as without Upgrade, and the next one in the same protocol; or a refusal."""
    response = read(peer)
    if response.status == 101:
        raise Violation("upgraded", f"nobody could ask for that: {response}")
    if 400 <= response.status < 500:
        return "refused"
    return _goes_on(peer, due(response, OK, body))


def _goes_on(peer: Peer, response: Response) -> str:
    if not response.closes:
        greet(peer)
    return "ignored"


@case("http/upgrade/unknown", service="http", requirements=("HTTP-90",), accept=IGNORED)
def test_unknown(target: Target) -> str:
    """Protocols that nobody knows, HTTP/2 without TLS, and none at all."""
    requests: Requests = {
        "foo": request("GET", "/", "Upgrade: foo/9", UPGRADE),
        "several": request("GET", "/", "Upgrade: foo/9, bar", UPGRADE),
        "h2c": request("GET", "/", *H2C),
        "TLS": request("GET", "/", "Upgrade: TLS/1.0", UPGRADE),
        "HTTP itself": request("GET", "/", "Upgrade: HTTP/2.0", UPGRADE),
        "empty": request("GET", "/", "Upgrade: ", UPGRADE),
        "the option alone": request("GET", "/", UPGRADE),
    }
    return each(target, requests, _ignores, IGNORED)


@case("http/upgrade/not-in-connection", service="http", requirements=("HTTP-90",), accept=IGNORED)
def test_not_in_connection(target: Target) -> str:
    """WebSocket that Connection does not name is not asked for."""
    requests: Requests = {
        "no Connection": request("GET", "/", *WEBSOCKET),
        "keep-alive": request("GET", "/", *WEBSOCKET, "Connection: keep-alive"),
        "another word": request("GET", "/", *WEBSOCKET, "Connection: upgraded, x-upgrade"),
    }
    return each(target, requests, _ignores, IGNORED)


@case("http/upgrade/http-1.0", service="http", requirements=("HTTP-90",), accept=IGNORED)
def test_http_1_0(target: Target) -> str:
    """A client of HTTP/1.0 cannot upgrade (7.8: the field is ignored)."""
    requests: Requests = {
        "foo": request("GET", "/", "Upgrade: foo/9", UPGRADE, version="HTTP/1.0"),
        "WebSocket": request("GET", "/", *WEBSOCKET, UPGRADE, version="HTTP/1.0"),
    }
    return each(target, requests, _ignores_once, IGNORED)


def _ignores_once(peer: Peer) -> str:
    response = read(peer)
    if response.status == 101:
        raise Violation("upgraded", "HTTP/1.0 has no 101")
    return "ignored" if response.status == OK else "refused"


@case("http/upgrade/with-a-body", service="http", requirements=("HTTP-90",), accept=IGNORED)
def test_with_a_body(target: Target) -> str:
    """The body of a request that asks for an unknown protocol is its body, by length and in chunks."""
    requests: Requests = {
        "length": request("POST", "/echo", "Upgrade: foo/9", UPGRADE, body=b"body"),
        "chunks": request("POST", "/echo", "Upgrade: foo/9", UPGRADE, CHUNKED) + chunks(b"bo", b"dy"),
        "looks like a request": request("POST", "/echo", "Upgrade: foo/9", UPGRADE, body=request("GET", "/")),
    }
    bodies = {"length": b"body", "chunks": b"body", "looks like a request": request("GET", "/")}
    outcomes = [
        each(target, {name: data}, lambda peer, body=bodies[name]: _ignores(peer, body), IGNORED)  # type: ignore[misc]
        for name, data in requests.items()
    ]
    return max(outcomes, key=list(IGNORED).index)
