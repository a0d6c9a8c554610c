"""WebSocket clients: control frames and the closing handshake (RFC 6455, sections 5.5 and 7).

The server closes TCP first (7.1.1): a client that has answered a Close waits for that.
"""

from conformance.case import Violation, case
from conformance.clients.client import Client
from conformance.clients.dialogue import (
    NORMAL,
    SERVICE,
    answered,
    closed,
    closes,
    each_fails,
    ends_behind,
    fails,
    fragments,
    opened,
    sentinel,
    text,
)
from conformance.exchange import ECHOED, FAILED, naming
from conformance.wire import websocket_server
from conformance.wire.websocket import Opcode, close_payload
from conformance.wire.websocket_server import frame

WSC_009, WSC_011 = ("WSC-009",), ("WSC-011",)

CLOSED = {"closed": "pass", "other-code": "weak"}
"""The client's Close has the code of ours, "typically" (5.5.1), and is its last frame."""

NOT_VALID = {ending: grade for ending, grade in FAILED.items() if ending != "no-error"}
"""A wrong Close that is answered like a good one was not looked at (10.7: data MUST be validated)."""

VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 3000, 3999, 4000, 4999)
INVALID_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999)
CODES_BEYOND = (5000, 65535)


def ping(payload: bytes) -> bytes:
    """A ping as a server sends it."""
    return frame(Opcode.PING, payload)


def closes_with(client: Client, payload: bytes) -> str:
    """How the client answers this Close frame."""
    with opened(client) as peer:
        last = closes(peer, payload)
    return "closed" if last.payload[:2] == payload[:2] else "other-code"


# --- ping and pong ---------------------------------------------------------------------------------------


@case("websocket-client/ping/any-length", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_ping_any_length(client: Client) -> str:
    """Pings of 0 to 125 bytes of any value come back as pongs of the same bytes."""
    with opened(client) as peer:
        for length in (0, 1, 2, 3, 4, 5, 64, 124, 125):
            payload = client.random.randbytes(length)
            peer.send(ping(payload))
            websocket_server.expect(peer, Opcode.PONG, payload)
        return sentinel(peer)


@case("websocket-client/ping/pipelined", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_pings_pipelined(client: Client) -> str:
    """Ten pings in one segment are answered in order, or by the last pong."""
    pings = [b"ping %d" % number for number in range(10)]
    with opened(client) as peer:
        peer.send(b"".join(map(ping, pings)))
        return answered(peer, [], pings)


@case("websocket-client/ping/between-fragments", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_ping_between_fragments(client: Client) -> str:
    """A ping between two fragments is answered at once, and leaves the message whole."""
    begin, end = fragments(Opcode.TEXT, [b"before", b" and after"])
    with opened(client) as peer:
        peer.send(begin + ping(b"amid"))
        websocket_server.expect(peer, Opcode.PONG, b"amid")
        peer.send(end)
        return answered(peer, [(Opcode.TEXT, b"before and after")])


@case("websocket-client/pong/unsolicited", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_pong_unsolicited(client: Client) -> str:
    """A pong that nobody asked for has no effect, alone and between fragments."""
    begin, end = fragments(Opcode.TEXT, [b"to", b"gether"])
    pong = frame(Opcode.PONG, b"nobody asked")
    with opened(client) as peer:
        peer.send(pong + begin + pong + end)
        return answered(peer, [(Opcode.TEXT, b"together")])


@case("websocket-client/control/too-long", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_control_too_long(client: Client) -> str:
    """A ping, a pong or a Close of more than 125 bytes fails the connection."""
    streams = {
        opcode.name: frame(opcode, NORMAL + b"r" * 124) for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
    }
    return each_fails(client, 1002, {**streams, "65536 bytes": ping(bytes(65536))})


@case("websocket-client/control/fragmented", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_control_fragmented(client: Client) -> str:
    """A control frame without FIN fails the connection, whether a continuation follows or not."""
    streams = {
        opcode.name: frame(opcode, NORMAL, fin=False) for opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
    }
    both = frame(Opcode.PING, b"a", fin=False) + frame(Opcode.CONTINUATION, b"b")
    return each_fails(client, 1002, {**streams, "two parts": both})


# --- the server closes -----------------------------------------------------------------------------------


@case("websocket-client/close/valid-codes", service=SERVICE, requirements=WSC_011, accept=CLOSED)
def test_valid_codes(client: Client) -> str:
    """A Close with a code that may stand there is answered with the same."""
    answers = set()
    for code in VALID_CODES:
        with naming(f"code {code}"):
            answers.add(closes_with(client, close_payload(code)))
    return max(answers, key=list(CLOSED).index)


@case("websocket-client/close/empty", service=SERVICE, requirements=WSC_011, accept={"closed": "pass"})
def test_empty_close(client: Client) -> str:
    """A Close without a code is answered, with none or with 1000."""
    with opened(client) as peer:
        last = closes(peer, b"")
    return "closed" if last.close_code in {None, 1000} else f"code-{last.close_code}"


@case("websocket-client/close/longest-reason", service=SERVICE, requirements=WSC_011, accept=CLOSED)
def test_longest_reason(client: Client) -> str:
    """A reason of 123 bytes is the longest that fits."""
    return closes_with(client, close_payload(1001, "é".encode() * 61 + b"!"))


@case("websocket-client/close/invalid-codes", service=SERVICE, requirements=WSC_011, accept=NOT_VALID)
def test_invalid_codes(client: Client) -> str:
    """A code that must not stand in a Close is a protocol error."""
    codes = {f"code {code}": frame(Opcode.CLOSE, close_payload(code)) for code in INVALID_CODES}
    return each_fails(client, 1002, codes)


@case("websocket-client/close/codes-beyond", service=SERVICE, requirements=WSC_011, accept=FAILED)
def test_codes_beyond(client: Client) -> str:
    """Codes from 5000 on have no meaning in 7.4.2, which does not say what to make of them."""
    codes = {f"code {code}": frame(Opcode.CLOSE, close_payload(code)) for code in CODES_BEYOND}
    return each_fails(client, 1002, codes)


@case("websocket-client/close/one-byte", service=SERVICE, requirements=WSC_011, accept=NOT_VALID)
def test_one_byte(client: Client) -> str:
    """One byte is no code."""
    return each_fails(client, 1002, {"one byte": frame(Opcode.CLOSE, b"\x03")})


@case(
    "websocket-client/close/reason-not-utf-8",
    service=SERVICE,
    requirements=WSC_011,
    accept={**NOT_VALID, "other-code": "pass"},
)
def test_reason_not_utf_8(client: Client) -> str:
    """A reason is UTF-8; 1002 says that it is not as well as 1007."""
    streams = {
        f"{bad!r}": frame(Opcode.CLOSE, close_payload(1000, bad)) for bad in (b"\xed\xa0\x80", b"ok\xff")
    }
    return each_fails(client, 1007, streams)


@case(
    "websocket-client/close/server-ends-first",
    service=SERVICE,
    requirements=WSC_011,
    accept={"waits": "pass", "ends-first": "weak"},
)
def test_server_ends_first(client: Client) -> str:
    """Behind its Close the client waits for the server to end TCP (a SHOULD), and then ends, too."""
    with opened(client) as peer:
        peer.send(frame(Opcode.CLOSE, NORMAL))
        closed(peer)
        try:
            peer.silent()
        except Violation as ending:
            if ending.outcome != "fin":
                raise
            return "ends-first"
        ends_behind(peer)
    return "waits"


@case(
    "websocket-client/close/nothing-behind", service=SERVICE, requirements=WSC_011, accept={"silent": "pass"}
)
def test_nothing_behind(client: Client) -> str:
    """What the server sends behind its Close is not answered: no echo, no pong, and no second Close."""
    behind = {"text": text(b"late"), "ping": ping(b"late"), "Close": frame(Opcode.CLOSE, NORMAL)}
    for name, late in behind.items():
        with naming(name), opened(client) as peer:
            peer.send(frame(Opcode.CLOSE, NORMAL) + late)
            closed(peer)
            ends_behind(peer)
    return "silent"


@case("websocket-client/close/inside-a-message", service=SERVICE, requirements=WSC_011, accept=CLOSED)
def test_inside_a_message(client: Client) -> str:
    """A Close between two fragments is answered; the message is never complete."""
    begin, end = fragments(Opcode.TEXT, [b"never", b"more"])
    with opened(client) as peer:
        peer.send(begin + frame(Opcode.CLOSE, close_payload(1001)) + end)
        last = closed(peer)
        ends_behind(peer)
    return "closed" if last.close_code == 1001 else "other-code"


@case("websocket-client/close/byte-by-byte", service=SERVICE, requirements=WSC_011, accept=CLOSED)
def test_close_byte_by_byte(client: Client) -> str:
    """A Close that comes byte by byte is answered when it is complete."""
    whole_frame = frame(Opcode.CLOSE, close_payload(1001, b"bye"))
    with opened(client) as peer:
        peer.send(*(bytes([byte]) for byte in whole_frame))
        last = closed(peer)
        ends_behind(peer)
    return "closed" if last.close_code == 1001 else "other-code"


@case("websocket-client/close/without-a-word", service=SERVICE, requirements=WSC_011, accept={"ends": "pass"})
def test_without_a_word(client: Client) -> str:
    """A server that ends TCP without a Close, also inside a frame, leaves a client that ends."""
    begun = {"idle": b"", "inside a frame": text(b"half of it")[:6], "inside a header": ping(b"")[:1]}
    for name, stream in begun.items():
        with naming(name), opened(client) as peer:
            sentinel(peer)
            peer.send(stream)
            peer.finish()
            peer.rest()
            if not peer.ended:
                raise Violation("tcp-stays-open", "the server has gone, and the client stays")
    return "ends"


@case(
    "websocket-client/close/violation-behind-a-message", service=SERVICE, requirements=WSC_009, accept=FAILED
)
def test_violation_behind_a_message(client: Client) -> str:
    """A failure in the middle of a conversation is the same as one at its beginning."""
    with opened(client) as peer:
        sentinel(peer)
        peer.send(frame(3, b"unknown"))
        return fails(peer, 1002)
