"""WebSocket: the opening request in every spelling (RFC 6455, section 4; RFC 9112, sections 2, 3 and 5;
WS-001 to WS-006, WS-011).

What HTTP/1.1 lets a client write must not make a difference; what it forbids, and what RFC 6455 asks for in
vain, must not be upgraded. Each case is a family of requests, one connection for each, side by side.
"""

from collections.abc import Mapping

from conformance.case import Violation, case
from conformance.cases.abreast import Segments, abreast, worst
from conformance.cases.dialogue import REFUSED, refuses, sentinel, text
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, new_key, request

UPGRADED = {"upgraded": "pass"}
AT_WILL = {"upgraded": "pass", **dict.fromkeys(REFUSED, "weak")}
"""Requests that HTTP asks a server to understand; many do not."""

TOLERATED = {**REFUSED, "upgraded": "weak"}
"""Requests that are wrong in a way that a server need not see (RFC 6455, 4.2.1: "at least part")."""

KEY = new_key()
EARLY = text(b"early")
LONG_HEAD = 20_000
"""Bytes of a field that is longer than heads are."""

VERSIONS = ("0", "1", "12", "14", "130", "255")
ODD_VERSIONS = ("7", "8", "013", "+13", "13.0", "13, 14", "8, 13", "thirteen", "")
METHODS = ("POST", "PUT", "DELETE", "OPTIONS", "PATCH")

Requests = Mapping[str, bytes]


def asked(target: Target, *more: str, start: str | None = None, **fields: str | None) -> bytes:
    """A request of this target's, with the key of this module unless another is given."""
    if "sec_websocket_key" not in fields:
        fields.setdefault("key", KEY)
    return request(target.endpoint(), *more, start=start, **fields)


def upgrades(peer: Peer) -> str:
    """How this is answered: `upgraded`, and a message is echoed; or an answer of `REFUSED`."""
    try:
        response = websocket.read_head(peer)
    except Violation as ending:
        if ending.outcome in {"fin", "reset"} and not peer.waiting:
            return "dropped"
        raise
    if response.status_code != 101:
        return "refused" if 400 <= response.status_code < 600 else "other-status"
    websocket.accepted(response, KEY)
    sentinel(peer)
    return "upgraded"


def all_upgraded(target: Target, requests: Requests) -> str:
    """Each of these is upgraded; the worst, of `AT_WILL`."""
    streams = {name: [data] for name, data in requests.items()}
    return worst(abreast(target, streams, upgrades, upgraded=False), AT_WILL)


def all_refused(target: Target, requests: Requests) -> str:
    """Each of these is refused; the worst, of `TOLERATED`."""
    streams = {name: [data] for name, data in requests.items()}
    return worst(abreast(target, streams, refuses, upgraded=False), TOLERATED)


# --- requests that are right -----------------------------------------------------------------------------


@case(
    "websocket/handshake/any-two-segments",
    service="websocket",
    requirements=("WS-006", "WS-011", "WS-016"),
    accept=UPGRADED,
)
def test_any_two_segments(target: Target) -> str:
    """The request and a frame behind it, cut into two segments at every place."""
    stream = asked(target) + EARLY
    cuts: dict[str, Segments] = {f"cut at {at}": [stream[:at], stream[at:]] for at in range(1, len(stream))}
    return worst(abreast(target, cuts, _upgrades_early, upgraded=False), UPGRADED)


def _upgrades_early(peer: Peer) -> str:
    websocket.accepted(websocket.read_head(peer), KEY)
    websocket.expect(peer, Opcode.TEXT, b"early")
    return sentinel(peer).replace("echoed", "upgraded")


@case("websocket/handshake/blanks", service="websocket", requirements=("WS-006",), accept=UPGRADED)
def test_blanks(target: Target) -> str:
    """Blanks and tabs around a value, or none before it, are no part of it (RFC 9112, section 5.1)."""
    values = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec_websocket_version": "13",
        "host": target.endpoint().authority,
    }
    return all_upgraded(
        target,
        {
            f"{name}, {spelt!r}": asked(target, **{name: spelt})
            for name, value in values.items()
            for spelt in (f"{value} ", f"{value}\t \t", f"\t  {value}")
        }
        | {"none before it": asked(target).replace(b": ", b":")},
    )


@case("websocket/handshake/lists-in-lines", service="websocket", requirements=("WS-002",), accept=UPGRADED)
def test_lists_in_lines(target: Target) -> str:
    """A list may stand in two fields (RFC 9110, section 5.3): tokens, offers of protocols and extensions."""
    offers = "sec-websocket-protocol", "sec-websocket-extensions"
    return all_upgraded(
        target,
        {
            "Connection, first": asked(target, "Connection: keep-alive"),
            "Connection, last": asked(target, "Connection: Upgrade", connection="keep-alive"),
            "empty elements": asked(target, connection=", ,Upgrade,,"),
        }
        | {name: asked(target, f"{name}: x-one", f"{name}: x-two") for name in offers},
    )


@case("websocket/handshake/upgrade-lists", service="websocket", requirements=("WS-002",), accept=AT_WILL)
def test_upgrade_lists(target: Target) -> str:
    """Upgrade is a list, too (RFC 9110, section 7.8), of which the server takes what it knows."""
    return all_upgraded(
        target,
        {
            "last": asked(target, upgrade="h2c, websocket"),
            "first": asked(target, upgrade="websocket, h2c"),
            "in a second field": asked(target, "Upgrade: websocket", upgrade="h2c"),
            "behind an empty element": asked(target, upgrade=",websocket"),
        },
    )


@case("websocket/handshake/origins", service="websocket", requirements=("WS-001",), accept=AT_WILL)
def test_origins(target: Target) -> str:
    """An echo asks nobody where he comes from: no Origin, `null`, this host, any other."""
    origins = ("null", f"http://{target.endpoint().authority}", "https://elsewhere.example:8443", "file://")
    return all_upgraded(
        target,
        {"no Origin": asked(target)} | {each: asked(target, f"Origin: {each}") for each in origins},
    )


@case("websocket/handshake/absolute-form", service="websocket", requirements=("WS-001",), accept=AT_WILL)
def test_absolute_form(target: Target) -> str:
    """The request target may be absolute (RFC 9112, section 3.2.2), with and without a path."""
    place = f"http://{target.endpoint().authority}"
    lines = [f"GET {place}{path} HTTP/1.1" for path in ("/", "/chat?a=1")]
    return all_upgraded(target, {line: asked(target, start=line) for line in lines})


@case("websocket/handshake/later-http", service="websocket", requirements=("WS-001",), accept=AT_WILL)
def test_later_http(target: Target) -> str:
    """HTTP/1.1 "or higher": a minor version that nobody has heard of is as good (RFC 9110, section 2.5)."""
    return all_upgraded(target, {"HTTP/1.2": asked(target, start="GET / HTTP/1.2")})


@case("websocket/handshake/empty-line-before", service="websocket", requirements=("WS-006",), accept=AT_WILL)
def test_empty_line_before(target: Target) -> str:
    """An empty line before the request is ignored (RFC 9112, section 2.2)."""
    return all_upgraded(target, {"CR LF": b"\r\n" + asked(target)})


# --- requests that are wrong -----------------------------------------------------------------------------


@case("websocket/refusal/other-versions", service="websocket", requirements=("WS-004",), accept=REFUSED)
def test_other_versions(target: Target) -> str:
    """Versions that never were, or that are no longer spoken."""
    return all_refused(target, {each: asked(target, sec_websocket_version=each) for each in VERSIONS})


@case("websocket/refusal/odd-versions", service="websocket", requirements=("WS-004",), accept=TOLERATED)
def test_odd_versions(target: Target) -> str:
    """Drafts, values that some read as 13 and that are none by the grammar (4.3), and 13 twice (11.3.5)."""
    odd = {repr(each): asked(target, sec_websocket_version=each) for each in ODD_VERSIONS}
    return all_refused(target, {**odd, "twice": asked(target, "Sec-WebSocket-Version: 13")})


@case("websocket/refusal/other-keys", service="websocket", requirements=("WS-003",), accept=TOLERATED)
def test_other_keys(target: Target) -> str:
    """Keys that are not base64 of 16 bytes: too short, too long, unpadded, of another alphabet, empty."""
    keys = {
        "15 bytes": "MTIzNDU2Nzg5MDEyMzQ1",
        "17 bytes": "MTIzNDU2Nzg5MDEyMzQ1Njc=",
        "unpadded": "dGhlIHNhbXBsZSBub25jZQ",
        "of 24 letters": "x" * 24,
        "url-safe": "-_-_-_-_-_-_-_-_-_-_-w==",
        "blank inside": "dGhlIHNhbXBs SBub25jZQ==",
        "empty": "",
    }
    return all_refused(target, {name: asked(target, sec_websocket_key=key) for name, key in keys.items()})


@case("websocket/refusal/decoy-keys", service="websocket", requirements=("WS-003",), accept=REFUSED)
def test_decoy_keys(target: Target) -> str:
    """No key, but the word for it: in a folded line, in the name of another field, in the path."""
    lines = {
        "folded": f"X-Note: b\r\n Sec-WebSocket-Key: {KEY}",
        "longer name": f"X-Sec-WebSocket-Key: {KEY}",
        "older name": f"Sec-WebSocket-Key1: {KEY}",
        "blank before the colon": f"Sec-WebSocket-Key : {KEY}",
    }
    path = f"GET /?Sec-WebSocket-Key:{KEY} HTTP/1.1"
    return all_refused(
        target,
        {name: asked(target, line, sec_websocket_key=None) for name, line in lines.items()}
        | {"in the path": asked(target, start=path, sec_websocket_key=None)},
    )


@case("websocket/refusal/other-tokens", service="websocket", requirements=("WS-002",), accept=REFUSED)
def test_other_tokens(target: Target) -> str:
    """Words that only look like `websocket` and `Upgrade`."""
    upgrade = {each: asked(target, upgrade=each) for each in ("websockets", "x-websocket", "web socket", "")}
    connection = {each: asked(target, connection=each) for each in ("close", "upgrades", "no-upgrade", "")}
    return all_refused(
        target,
        {f"Upgrade: {name}": data for name, data in upgrade.items()}
        | {f"Connection: {name}": data for name, data in connection.items()},
    )


@case("websocket/refusal/malformed-fields", service="websocket", requirements=("WS-001",), accept=TOLERATED)
def test_malformed_fields(target: Target) -> str:
    """Lines that are no fields: no colon, no name, a blank in it or behind it, NUL, a CR alone."""
    lines = {
        "no colon": "X-Note",
        "no name": ": b",
        "blank in the name": "X Note: b",
        "blank behind the name": "X-Note : b",
        "NUL in the name": "X\0Note: b",
        "NUL": "X-Note: a\0b",
        "a CR alone": "X-Note: a\rb",
        "a bracket in the name": "X(Note): b",
    }
    return all_refused(target, {name: asked(target, line) for name, line in lines.items()})


@case("websocket/refusal/malformed-lines", service="websocket", requirements=("WS-001",), accept=TOLERATED)
def test_malformed_lines(target: Target) -> str:
    """Request lines that are none: of other protocols, with too much or too little in them."""
    lines = (
        *("GET / http/1.1", "GET / HTTPS/1.1", "GET / HTTP/1", "GET / HTTP/1.1 more", "GET / HTTP/1.1x"),
        *("GET /", "GET HTTP/1.1", " GET / HTTP/1.1", "get / HTTP/1.1"),
    )
    return all_refused(target, {line: asked(target, start=line) for line in lines})


@case("websocket/refusal/other-targets", service="websocket", requirements=("WS-001",), accept=TOLERATED)
def test_other_targets(target: Target) -> str:
    """Request targets that a GET cannot have, or that RFC 6455, section 3, forbids: a fragment."""
    targets = ("*", target.endpoint().authority, "chat", "/chat#fragment", "/a b")
    return all_refused(target, {each: asked(target, start=f"GET {each} HTTP/1.1") for each in targets})


# --- how it is refused -----------------------------------------------------------------------------------


@case(
    "websocket/refusal/method-status",
    service="websocket",
    requirements=("WS-001",),
    accept={"405": "pass", "without-allow": "weak", "other-status": "weak", "dropped": "weak"},
)
def test_method_status(target: Target) -> str:
    """Other methods are told 405, and which one is allowed (RFC 9110, section 15.5.6)."""
    requests: dict[str, Segments] = {
        name: [asked(target, "Content-Length: 0", start=f"{name} / HTTP/1.1")] for name in METHODS
    }
    ranks = ("405", "without-allow", "other-status", "dropped")
    return worst(abreast(target, requests, _method_status, upgraded=False), ranks)


def _method_status(peer: Peer) -> str:
    response = _refusal(peer)
    if response is None:
        return "dropped"
    fields = dict(response[1])
    if response[0] != 405:
        return "other-status"
    return "405" if b"GET" in fields.get(b"allow", b"") else "without-allow"


def _refusal(peer: Peer) -> tuple[int, list[tuple[bytes, bytes]]] | None:
    """Status and fields of a refusal, None for a dropped connection. Violation `upgraded` for a 101."""
    try:
        response = websocket.read_head(peer)
    except Violation as ending:
        if ending.outcome in {"fin", "reset"} and not peer.waiting:
            return None
        raise
    if response.status_code == 101:
        raise Violation("upgraded", "a refusal was due")
    return response.status_code, list(response.headers)


@case(
    "websocket/refusal/long-head",
    service="websocket",
    requirements=("WS-006",),
    accept={"431": "pass", "other-status": "weak", "dropped": "weak", "upgraded": "info"},
)
def test_long_head(target: Target) -> str:
    """A field of 20 KB is too long, and 431 says so (RFC 6585, section 5); who takes it has another limit."""
    with target.connect() as peer:
        peer.send(asked(target, f"X-Filler: {'f' * LONG_HEAD}"))
        try:
            refusal = _refusal(peer)
        except Violation as violation:
            if violation.outcome != "upgraded":
                raise
            return "upgraded"
    return "dropped" if refusal is None else "431" if refusal[0] == 431 else "other-status"


@case(
    "websocket/refusal/names-the-upgrade",
    service="websocket",
    requirements=("WS-002", "WS-004"),
    accept={"named": "pass", "unnamed": "weak", "no-426": "info", "dropped": "weak"},
)
def test_names_the_upgrade(target: Target) -> str:
    """A 426 has the field Upgrade, which says to what (RFC 9110, section 15.5.22)."""
    requests: dict[str, Segments] = {
        "no Upgrade": [asked(target, upgrade=None)],
        "version 14": [asked(target, sec_websocket_version="14")],
    }
    ranks = ("named", "no-426", "unnamed", "dropped")
    return worst(abreast(target, requests, _names_the_upgrade, upgraded=False), ranks)


def _names_the_upgrade(peer: Peer) -> str:
    refusal = _refusal(peer)
    if refusal is None:
        return "dropped"
    status, fields = refusal
    named = dict(fields).get(b"upgrade", b"").lower() == b"websocket"
    return "no-426" if status != 426 else "named" if named else "unnamed"


@case(
    "websocket/refusal/whole-response",
    service="websocket",
    requirements=("WS-001",),
    accept={"whole": "pass", "unframed": "weak", "dropped": "weak"},
)
def test_whole_response(target: Target) -> str:
    """A refusal says how long it is and that it closes; frames behind the request are not answered."""
    with target.connect() as peer:
        peer.send(asked(target, sec_websocket_key=None) + EARLY * 3)
        refusal = _refusal(peer)
        rest = peer.rest()
    if refusal is None:
        return "dropped"
    fields = dict(refusal[1])
    length = fields.get(b"content-length", b"")
    behind = rest[int(length) :] if length.isdigit() else b""
    if len(rest) < int(length or 0) or (behind and not behind.startswith(b"HTTP/1.")):
        raise Violation("wrong-answer", f"{length.decode()} bytes of body were promised, {rest!r:.80} came")
    whole = length.isdigit() and fields.get(b"connection", b"").lower() == b"close" and not behind
    return Observation("whole" if whole else "unframed", f"status {refusal[0]}")
