"""WebSocket: the opening handshake (RFC 6455, section 4.2; WS-001 to WS-011).

A server "must parse at least part of this handshake" (4.2.1). What it needs for its answer it has to look at,
and a request without it must not be upgraded. Host, the HTTP version and the exact size of the key are not
among that: servers in wide use do not look at them, which is reported as weak.
"""

from conformance.case import Violation, case
from conformance.cases.dialogue import REFUSED, opened, refuses, sentinel, text
from conformance.exchange import ECHOED
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.websocket import Opcode, request

UPGRADED = {"upgraded": "pass"}
TOLERATED = {**REFUSED, "upgraded": "weak"}

SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The example of section 1.3; its accept value has a plus sign."""

UNASKED = {
    *(b"content-length", b"transfer-encoding"),
    *(b"sec-websocket-protocol", b"sec-websocket-extensions"),
}
"""Fields that no 101 may have (RFC 9110, section 8.6), or only if they were offered."""

FROM_A_BROWSER = (
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0",
    "Accept-Encoding: gzip, deflate",
    "Accept-Language: de,en;q=0.9",
    "Cookie: a=1; b=2",
    "X-Unknown: ?",
)

UNBOUNDED = 4 * 1024 * 1024
"""Bytes of a head that nobody may swallow."""

PATIENCE = 12.0
"""Seconds for a handshake that does not go on; ten are usual."""


def upgrades(target: Target, *more: str, start: str | None = None, **fields: str | None) -> str:
    """This request is upgraded, and a message is echoed."""
    key = fields.setdefault("key", websocket.new_key())
    assert key is not None
    with target.connect() as peer:
        peer.send(request(peer.address, *more, start=start, **fields))
        websocket.accepted(websocket.read_head(peer), key.strip())
        sentinel(peer)
    return "upgraded"


def refused(target: Target, *more: str, start: str | None = None, **fields: str | None) -> str:
    """How this request is refused."""
    with target.connect() as peer:
        peer.send(request(peer.address, *more, start=start, **fields))
        return refuses(peer)


@case("websocket/handshake/answer", service="websocket", requirements=("WS-005",), accept=UPGRADED)
def test_answer(target: Target) -> str:
    """The RFC's own key: accepted once, no field that promises a body or agrees to what nobody offered."""
    with target.connect() as peer:
        response = websocket.handshake(peer, key=SAMPLE_KEY)
        websocket.accepted(response, SAMPLE_KEY)
        names = [name for name, _ in response.headers]
        if UNASKED.intersection(names) or names.count(b"sec-websocket-accept") != 1:
            raise Violation("wrong-answer", f"fields of the answer: {b', '.join(names).decode()}")
        sentinel(peer)
    return "upgraded"


@case("websocket/handshake/token-case", service="websocket", requirements=("WS-002",), accept=UPGRADED)
def test_token_case(target: Target) -> str:
    """`websocket` and `Upgrade` are compared without regard to case."""
    upgrades(target, upgrade="WebSocket", connection="upgrade")
    return upgrades(target, upgrade="WEBSOCKET", connection="UPGRADE")


@case("websocket/handshake/connection-list", service="websocket", requirements=("WS-002",), accept=UPGRADED)
def test_connection_list(target: Target) -> str:
    """`Connection: keep-alive, Upgrade`, as Firefox sends it, in either order and without the blank."""
    upgrades(target, connection="keep-alive, Upgrade")
    return upgrades(target, connection="Upgrade,keep-alive")


@case("websocket/handshake/field-name-case", service="websocket", requirements=("WS-006",), accept=UPGRADED)
def test_field_name_case(target: Target) -> str:
    """Field names may be written in any case."""
    key = websocket.new_key()
    for spell in (str.upper, str.title):
        with target.connect() as peer:
            first, *fields = request(peer.address, key=key).decode().split("\r\n")
            spelt = [spell(name) + colon + value for name, colon, value in map(_partition, fields)]
            peer.send("\r\n".join([first, *spelt]).encode())
            websocket.accepted(websocket.read_head(peer), key)
            sentinel(peer)
    return "upgraded"


def _partition(line: str) -> tuple[str, str, str]:
    return line.partition(":")


@case("websocket/handshake/as-browsers-do", service="websocket", requirements=("WS-006",), accept=UPGRADED)
def test_as_browsers_do(target: Target) -> str:
    """Fields in another order, with those that browsers add: origin, cookies, languages, and unknown ones.

    The page is the server's own: one of somebody else's it may refuse (10.2).
    """
    key = websocket.new_key()
    with target.connect() as peer:
        more = (*FROM_A_BROWSER, f"Origin: http://{peer.address.authority}")
        first, *fields = request(peer.address, *more, key=key).decode().removesuffix("\r\n\r\n").split("\r\n")
        peer.send("\r\n".join([first, *reversed(fields), "", ""]).encode())
        websocket.accepted(websocket.read_head(peer), key)
        sentinel(peer)
    return "upgraded"


@case("websocket/handshake/any-path", service="websocket", requirements=("WS-001",), accept=UPGRADED)
def test_any_path(target: Target) -> str:
    """The service is at every path, with or without a query."""
    upgrades(target, start="GET / HTTP/1.1")
    upgrades(target, start="GET /chat/room%20one?user=a&list[]=1 HTTP/1.1")
    return upgrades(target, start=f"GET /{'long/' * 100} HTTP/1.1")


@case("websocket/handshake/large-head", service="websocket", requirements=("WS-006",), accept=UPGRADED)
def test_large_head(target: Target) -> str:
    """A head of ten kilobytes, cookies mostly, is not too much."""
    return upgrades(target, *(f"X-Cookie-{number}: {'c' * 1000}" for number in range(10)))


@case("websocket/handshake/key-among-blanks", service="websocket", requirements=("WS-003",), accept=UPGRADED)
def test_key_among_blanks(target: Target) -> str:
    """Blanks around the key are no part of it."""
    return upgrades(target, key=f"  {websocket.new_key()} \t ")


@case(
    "websocket/handshake/byte-by-byte",
    service="websocket",
    requirements=("WS-006", "WS-016"),
    accept=UPGRADED,
)
def test_byte_by_byte(target: Target) -> str:
    """The request may come in any segments, one for each byte even."""
    key = websocket.new_key()
    with target.connect() as peer:
        whole = request(peer.address, key=key)
        peer.send(*(bytes([byte]) for byte in whole), gap=0.0005)
        websocket.accepted(websocket.read_head(peer), key)
        sentinel(peer)
    return "upgraded"


@case(
    "websocket/handshake/split-at-line-ends", service="websocket", requirements=("WS-006",), accept=UPGRADED
)
def test_split_at_line_ends(target: Target) -> str:
    """The request comes in lines, and the CR LF of the end in two parts: silence, then the answer."""
    key = websocket.new_key()
    with target.connect() as peer:
        whole = request(peer.address, key=key)
        peer.send(*whole[:-2].splitlines(keepends=True), b"\r")
        peer.silent()
        peer.send(b"\n")
        websocket.accepted(websocket.read_head(peer), key)
        sentinel(peer)
    return "upgraded"


@case("websocket/handshake/frame-behind-it", service="websocket", requirements=("WS-011",), accept=ECHOED)
def test_frame_behind_it(target: Target) -> str:
    """A frame in the same segment as the request is answered behind the 101, without more bytes."""
    key = websocket.new_key()
    with target.connect() as peer:
        peer.send(request(peer.address, key=key) + text(b"early") + text(b"birds"))
        websocket.accepted(websocket.read_head(peer), key)
        websocket.expect(peer, Opcode.TEXT, b"early")
        websocket.expect(peer, Opcode.TEXT, b"birds")
        return sentinel(peer)


@case(
    "websocket/handshake/half-a-frame-behind-it", service="websocket", requirements=("WS-011",), accept=ECHOED
)
def test_half_a_frame_behind_it(target: Target) -> str:
    """The frame's first half comes with the request, its second half later."""
    key, frame = websocket.new_key(), text(b"in two halves")
    with target.connect() as peer:
        peer.send(request(peer.address, key=key) + frame[:8], frame[8:])
        websocket.accepted(websocket.read_head(peer), key)
        websocket.expect(peer, Opcode.TEXT, b"in two halves")
        return sentinel(peer)


@case(
    "websocket/handshake/subprotocols",
    service="websocket",
    requirements=("WS-010",),
    accept={"upgraded": "pass", "selected": "weak"},
)
def test_subprotocols(target: Target) -> str:
    """Of offered subprotocols a service that knows none agrees to none; to one of them would be weak."""
    agreed = agreement(target, "sec-websocket-protocol", "chat, superchat")
    if agreed not in {None, b"chat", b"superchat"}:
        raise Violation("wrong-answer", f"{agreed!r} was not offered")
    return "selected" if agreed else "upgraded"


@case("websocket/handshake/extensions", service="websocket", requirements=("WS-005",), accept=UPGRADED)
def test_extensions(target: Target) -> str:
    """An offered extension that nobody knows is not agreed to."""
    if agreed := agreement(target, "sec-websocket-extensions", "x-nobody-knows-this; level=9"):
        raise Violation("wrong-answer", f"the target agrees to {agreed!r}")
    return "upgraded"


def agreement(target: Target, name: str, offer: str) -> bytes | None:
    """The value of this field in the 101 that follows the offer."""
    key = websocket.new_key()
    with target.connect() as peer:
        peer.send(request(peer.address, f"{name}: {offer}", key=key))
        response = websocket.read_head(peer)
        websocket.accepted(response, key)
        sentinel(peer)
    return dict(response.headers).get(name.encode())


# --- requests that are not upgraded ----------------------------------------------------------------------


@case("websocket/refusal/other-method", service="websocket", requirements=("WS-001",), accept=REFUSED)
def test_other_method(target: Target) -> str:
    """POST opens no WebSocket."""
    return refused(target, "content-length: 0", start="POST / HTTP/1.1")


@case("websocket/refusal/unknown-method", service="websocket", requirements=("WS-001",), accept=REFUSED)
def test_unknown_method(target: Target) -> str:
    """GETX is not GET."""
    return refused(target, start="GETX / HTTP/1.1")


@case("websocket/refusal/http-1.0", service="websocket", requirements=("WS-001",), accept=TOLERATED)
def test_http_1_0(target: Target) -> str:
    """HTTP/1.0 knows no upgrade."""
    return refused(target, start="GET / HTTP/1.0")


@case("websocket/refusal/no-http", service="websocket", requirements=("WS-001",), accept=REFUSED)
def test_no_http(target: Target) -> str:
    """Bytes that are no request at all."""
    with target.connect() as peer:
        peer.send(b"\x16\x03\x01 these are no words of HTTP\r\n\r\n")
        return refuses(peer)


@case("websocket/refusal/no-host", service="websocket", requirements=("WS-001",), accept=TOLERATED)
def test_no_host(target: Target) -> str:
    """A request without Host is none of HTTP/1.1."""
    return refused(target, host=None)


@case("websocket/refusal/two-hosts", service="websocket", requirements=("WS-001",), accept=TOLERATED)
def test_two_hosts(target: Target) -> str:
    """Neither is one with two."""
    return refused(target, "Host: elsewhere.example")


@case("websocket/refusal/no-upgrade", service="websocket", requirements=("WS-002",), accept=REFUSED)
def test_no_upgrade(target: Target) -> str:
    """Without the field Upgrade it is an ordinary request."""
    return refused(target, upgrade=None)


@case("websocket/refusal/other-upgrade", service="websocket", requirements=("WS-002",), accept=REFUSED)
def test_other_upgrade(target: Target) -> str:
    """An upgrade to HTTP/2 is none to WebSocket."""
    return refused(target, upgrade="h2c")


@case("websocket/refusal/no-connection", service="websocket", requirements=("WS-002",), accept=REFUSED)
def test_no_connection(target: Target) -> str:
    """The field Connection has to name the upgrade."""
    return refused(target, connection=None)


@case("websocket/refusal/other-connection", service="websocket", requirements=("WS-002",), accept=REFUSED)
def test_other_connection(target: Target) -> str:
    """`keep-alive` does not name it, nor does a word that has it inside."""
    return refused(target, connection="keep-alive, x-upgrade-x")


@case("websocket/refusal/no-key", service="websocket", requirements=("WS-003",), accept=REFUSED)
def test_no_key(target: Target) -> str:
    """Without a key there is nothing to accept."""
    return refused(target, sec_websocket_key=None)


@case("websocket/refusal/malformed-key", service="websocket", requirements=("WS-003",), accept=REFUSED)
def test_malformed_key(target: Target) -> str:
    """`abc` is no base64."""
    return refused(target, key="abc")


@case("websocket/refusal/short-key", service="websocket", requirements=("WS-003",), accept=TOLERATED)
def test_short_key(target: Target) -> str:
    """A key of 15 bytes in good base64; a server need not decode it (4.2.2)."""
    return refused(target, key="MTIzNDU2Nzg5MDEyMzQ1")


@case("websocket/refusal/two-keys", service="websocket", requirements=("WS-003",), accept=REFUSED)
def test_two_keys(target: Target) -> str:
    """There must be one key, not two (11.3.1)."""
    return refused(target, f"Sec-WebSocket-Key: {websocket.new_key()}")


@case("websocket/refusal/decoy-key", service="websocket", requirements=("WS-003",), accept=REFUSED)
def test_decoy_key(target: Target) -> str:
    """What stands in another field's value is no key."""
    return refused(target, f"X-Decoy: Sec-WebSocket-Key: {websocket.new_key()}", sec_websocket_key=None)


@case("websocket/refusal/no-version", service="websocket", requirements=("WS-004",), accept=REFUSED)
def test_no_version(target: Target) -> str:
    """A request without a version."""
    return refused(target, sec_websocket_version=None)


@case(
    "websocket/refusal/unknown-version",
    service="websocket",
    requirements=("WS-004",),
    accept={**REFUSED, "unnamed": "weak"},
)
def test_unknown_version(target: Target) -> str:
    """Version 14 does not exist: the answer is a refusal that names 13 (4.4)."""
    with target.connect() as peer:
        response = websocket.handshake(peer, sec_websocket_version="14")
        known = b",".join(value for name, value in response.headers if name == b"sec-websocket-version")
        if response.status_code == 101:
            return "upgraded"
        if b"13" not in [version.strip() for version in known.split(b",")]:
            return Observation("unnamed", f"status {response.status_code} without Sec-WebSocket-Version: 13")
        return "refused" if 400 <= response.status_code < 500 else "other-status"


@case(
    "websocket/refusal/closes",
    service="websocket",
    requirements=("WS-001",),
    accept={"closed": "pass", "kept-alive": "weak"},
)
def test_refusal_closes(target: Target) -> str:
    """Behind a refusal the connection ends, as its own `Connection: close` promises."""
    with target.connect() as peer:
        response = websocket.handshake(peer, sec_websocket_key=None)
        peer.rest()
        if peer.ended:
            return "closed"
        if dict(response.headers).get(b"connection", b"").lower() == b"close":
            raise Violation("stays-open", "the answer says `Connection: close`, and the connection stays")
        return "kept-alive"


@case(
    "websocket/refusal/frame-first", service="websocket", requirements=("TCP-002", "WS-002"), accept=REFUSED
)
def test_frame_first(target: Target) -> str:
    """A frame that was good on an open connection means nothing on a new one."""
    frame = text(b"equal bytes")
    with opened(target) as peer:
        peer.send(frame)
        websocket.expect(peer, Opcode.TEXT, b"equal bytes")
    with target.connect() as peer:
        peer.send(frame + b"\r\n\r\n")
        return refuses(peer)


@case(
    "websocket/refusal/endless-head",
    service="websocket",
    requirements=("WS-006", "TCP-021"),
    accept=REFUSED,
)
def test_endless_head(target: Target) -> str:
    """A head without end is refused before megabytes of it are in memory."""
    line = b"X-Filler: " + b"f" * 1012 + b"\r\n"
    with target.connect() as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: " + peer.address.authority.encode() + b"\r\n")
        for _ in range(UNBOUNDED // len(line) // 64):
            peer.send(line * 64)
            try:
                peer.silent(peer.calibration.gap)
            except Violation:
                return refuses(peer)
    raise Violation("swallowed", f"{UNBOUNDED >> 20} MiB of a head were taken without an answer")


@case(
    "websocket/refusal/unfinished",
    service="websocket",
    requirements=("WS-006",),
    accept={"ended": "pass", "open": "weak"},
)
def test_unfinished(target: Target) -> str:
    """A handshake that does not go on is given up, by ten seconds as a rule."""
    with target.connect() as peer:
        peer.send(request(peer.address)[:-2])
        peer.rest(within=PATIENCE)
        return "ended" if peer.ended else "open"
