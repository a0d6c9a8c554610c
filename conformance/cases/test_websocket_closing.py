"""WebSocket: control frames and the closing handshake (RFC 6455, sections 5.5 and 7; WS-024 to WS-033).

Pongs and echoes come from different floors of many servers, so their order to each other is free; pongs among
themselves, and echoes among themselves, keep theirs. After a Close frame nothing may come but the end.
"""

from collections.abc import Iterator

from conformance.case import Violation, case
from conformance.cases.abreast import abreast, bytewise, worst
from conformance.cases.dialogue import (
    FAILED_BEHIND,
    answered,
    closed,
    closes,
    each_fails,
    echo,
    fails_behind,
    fragments,
    opened,
    replies,
    sentinel,
    text,
)
from conformance.exchange import ECHOED, FAILED, Message, naming
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.clock import clock
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, close_payload, encode

CLOSED = {"closed": "pass", "other-code": "weak"}
"""The server's Close has the code of ours, "typically" (5.5.1), and is the last frame."""

NOT_VALID = {ending: grade for ending, grade in FAILED.items() if ending != "no-error"}
"""A wrong Close that is answered like a good one was not looked at (10.7: data MUST be validated)."""

PROMPT = 1.0
"""Seconds for "immediately" (5.5.1); Autobahn's client does not wait longer."""

INVALID_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
NORMAL = close_payload(1000)


def ping(payload: bytes) -> bytes:
    """A ping as a client sends it."""
    return encode(Opcode.PING, payload)


def closes_with(target: Target, payload: bytes) -> str:
    """How the target answers this Close frame."""
    with opened(target) as peer:
        frame = closes(peer, payload)
    return "closed" if frame.payload[:2] == payload[:2] else "other-code"


def each_closes(target: Target, codes: tuple[int, ...]) -> str:
    """How the target answers these codes, each on a connection of its own."""
    answers = set()
    for code in codes:
        with naming(f"code {code}"):
            answers.add(closes_with(target, close_payload(code)))
    return "other-code" if "other-code" in answers else "closed"


# --- ping and pong ---------------------------------------------------------------------------------------


@case("websocket/ping/any-length", service="websocket", requirements=("WS-025",), accept=ECHOED)
def test_ping_any_length(target: Target) -> str:
    """Pings of 0 to 125 bytes of any value come back as pongs of the same bytes."""
    with opened(target) as peer:
        for length in (*range(9), 63, 64, 65, 124, 125):
            payload = target.random.randbytes(length)
            peer.send(ping(payload))
            websocket.expect(peer, Opcode.PONG, payload)
        return sentinel(peer)


@case("websocket/ping/pipelined", service="websocket", requirements=("WS-025",), accept=ECHOED)
def test_ping_pipelined(target: Target) -> str:
    """Ten pings at once: their pongs in order, or at least that of the last one (5.5.3)."""
    pings = [b"number %d" % number for number in range(10)]
    with opened(target) as peer:
        peer.send(b"".join(map(ping, pings)))
        return answered(peer, [], pings)


@case("websocket/ping/between-messages", service="websocket", requirements=("WS-025",), accept=ECHOED)
def test_ping_between_messages(target: Target) -> str:
    """Pings and messages in turns, in one segment: all are answered, each kind in its order."""
    with opened(target) as peer:
        peer.send(b"".join(ping(b"p%d" % turn) + text(b"m%d" % turn) for turn in range(20)))
        messages = [(Opcode.TEXT, b"m%d" % turn) for turn in range(20)]
        return answered(peer, messages, [b"p%d" % turn for turn in range(20)])


@case("websocket/ping/between-fragments", service="websocket", requirements=("WS-025",), accept=ECHOED)
def test_ping_between_fragments(target: Target) -> str:
    """A ping inside a message is answered before the message ends, and leaves it whole."""
    begin, end = fragments(Opcode.TEXT, [b"before ", b"and after"])
    with opened(target) as peer:
        peer.send(begin + ping(b"amid"))
        websocket.expect(peer, Opcode.PONG, b"amid")
        peer.send(end)
        websocket.expect(peer, Opcode.TEXT, b"before and after")
        return sentinel(peer)


@case("websocket/ping/in-pieces", service="websocket", requirements=("WS-016", "WS-025"), accept=ECHOED)
def test_ping_in_pieces(target: Target) -> str:
    """A ping that comes byte by byte is answered once, when it is whole."""
    with opened(target) as peer:
        frame = ping(b"piece by piece")
        peer.send(*(bytes([byte]) for byte in frame[:-1]))
        peer.silent()
        peer.send(frame[-1:])
        websocket.expect(peer, Opcode.PONG, b"piece by piece")
        return sentinel(peer)


@case(
    "websocket/ping/pipelined-in-pieces",
    service="websocket",
    requirements=("WS-025", "WS-016"),
    accept=ECHOED,
)
def test_ping_pipelined_in_pieces(target: Target) -> str:
    """Ten pings byte by byte, the longest among them, and each gets its pong."""
    pings = [b"number %d" % number for number in range(9)] + [b"\xfe" * 125]
    with opened(target) as peer:
        peer.send(*bytewise(b"".join(map(ping, pings))))
        return answered(peer, [], pings)


@case("websocket/pong/unsolicited", service="websocket", requirements=("WS-026",), accept=ECHOED)
def test_pong_unsolicited(target: Target) -> str:
    """Pongs that answer no ping, empty and full ones, are not answered either (5.5.3)."""
    with opened(target) as peer:
        peer.send(encode(Opcode.PONG), encode(Opcode.PONG, b"x" * 125))
        echo(peer, Opcode.TEXT, b"as before")
        return sentinel(peer)


@case("websocket/pong/between-fragments", service="websocket", requirements=("WS-026",), accept=ECHOED)
def test_pong_between_fragments(target: Target) -> str:
    """A pong inside a message leaves it whole."""
    begin, end = fragments(Opcode.TEXT, [b"before ", b"and after"])
    with opened(target) as peer:
        peer.send(begin + encode(Opcode.PONG, b"amid") + end)
        websocket.expect(peer, Opcode.TEXT, b"before and after")
        return sentinel(peer)


@case("websocket/control/too-long", service="websocket", requirements=("WS-024",), accept=FAILED)
def test_control_too_long(target: Target) -> str:
    """A control frame of 126 bytes or more fails the connection."""
    body = NORMAL + b"x" * 124
    kinds = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)
    streams = {f"{kind.name} of 126 bytes": encode(kind, body) for kind in kinds}
    return each_fails(target, 1002, {**streams, "PING of 65536 bytes": ping(bytes(65536))})


@case("websocket/control/fragmented", service="websocket", requirements=("WS-024",), accept=FAILED)
def test_control_fragmented(target: Target) -> str:
    """A control frame without FIN fails the connection, whatever follows."""
    kinds = {Opcode.PING: b"a", Opcode.PONG: b"a", Opcode.CLOSE: NORMAL}
    end = encode(Opcode.CONTINUATION, b"b")
    streams = {kind.name: encode(kind, body, fin=False) + end for kind, body in kinds.items()}
    return each_fails(target, 1002, streams)


# --- Close is answered -----------------------------------------------------------------------------------


@case("websocket/close/empty", service="websocket", requirements=("WS-028",), accept=CLOSED)
def test_close_empty(target: Target) -> str:
    """A Close without a code is answered by one without, or by 1000."""
    with opened(target) as peer:
        frame = closes(peer, b"")
    return "closed" if frame.close_code in {None, 1000} else "other-code"


@case("websocket/close/normal", service="websocket", requirements=("WS-028",), accept=CLOSED)
def test_close_normal(target: Target) -> str:
    """1000 is answered by 1000, then the server closes TCP in order."""
    return closes_with(target, NORMAL)


@case("websocket/close/with-reason", service="websocket", requirements=("WS-028", "WS-030"), accept=CLOSED)
def test_close_with_reason(target: Target) -> str:
    """A reason of 123 bytes, the most there can be, with letters of three bytes."""
    return closes_with(target, close_payload(1000, "因".encode() * 41))


@case("websocket/close/reason-of-every-length", service="websocket", requirements=("WS-030",), accept=CLOSED)
def test_reason_of_every_length(target: Target) -> str:
    """Reasons of 0 to 123 bytes, letters of two bytes among them."""
    reasons = {
        f"{size} bytes": ("ö" * 61).encode()[: size // 2 * 2] + b"." * (size % 2) for size in range(124)
    }
    frames = {name: [encode(Opcode.CLOSE, close_payload(1000, each))] for name, each in reasons.items()}
    return worst(abreast(target, frames, closed_normally), CLOSED)


def closed_normally(peer: Peer) -> str:
    """The target's Close comes, with 1000 as ours."""
    return "closed" if closed(peer).close_code == 1000 else "other-code"


@case("websocket/close/defined-codes", service="websocket", requirements=("WS-029",), accept=CLOSED)
def test_close_defined_codes(target: Target) -> str:
    """The codes of the RFC that may be sent are answered alike."""
    return each_closes(target, (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011))


@case("websocket/close/registered-codes", service="websocket", requirements=("WS-029",), accept=CLOSED)
def test_close_registered_codes(target: Target) -> str:
    """So are two that IANA has registered since; the third, 1014, our second judge does not know."""
    return each_closes(target, (1012, 1013))


@case("websocket/close/free-codes", service="websocket", requirements=("WS-029",), accept=CLOSED)
def test_close_free_codes(target: Target) -> str:
    """3000 to 4999 belong to libraries and applications (7.4.2)."""
    return each_closes(target, (3000, 3999, 4000, 4999))


@case("websocket/close/in-pieces", service="websocket", requirements=("WS-028", "WS-016"), accept=CLOSED)
def test_close_in_pieces(target: Target) -> str:
    """A Close is answered when it is whole, not when it begins."""
    frame = encode(Opcode.CLOSE, NORMAL)
    with opened(target) as peer:
        peer.send(*(bytes([byte]) for byte in frame[:-1]))
        peer.silent()
        peer.send(frame[-1:])
        return "closed" if closed(peer).close_code == 1000 else "other-code"


@case("websocket/close/at-once", service="websocket", requirements=("WS-028",), accept={"at-once": "pass"})
def test_close_at_once(target: Target) -> str:
    """The server closes TCP at once, without waiting for the client to do so."""
    with opened(target) as peer:
        started = clock.exactly()
        closes(peer, NORMAL)
        waited = clock.exactly() - started
    outcome = "at-once" if waited <= max(PROMPT, target.calibration.quiet) else "late"
    return Observation(outcome, f"TCP ended after {waited:.3f} s")


# --- Close frames that are wrong -------------------------------------------------------------------------


@case("websocket/close/invalid-codes", service="websocket", requirements=("WS-029",), accept=NOT_VALID)
def test_close_invalid_codes(target: Target) -> str:
    """Codes that must not be on the wire, or that nobody has defined, are a protocol error."""
    streams = {f"code {code}": encode(Opcode.CLOSE, close_payload(code)) for code in INVALID_CODES}
    return each_fails(target, 1002, streams)


@case("websocket/close/one-byte", service="websocket", requirements=("WS-029",), accept=NOT_VALID)
def test_close_one_byte(target: Target) -> str:
    """A body of one byte is no code."""
    return each_fails(target, 1002, {"one byte": encode(Opcode.CLOSE, b"\x03")})


@case(
    "websocket/close/reason-not-utf-8",
    service="websocket",
    requirements=("WS-030",),
    accept={**NOT_VALID, "other-code": "pass"},
)
def test_close_reason_not_utf_8(target: Target) -> str:
    """A reason that is no UTF-8 fails the connection, with 1007 or 1002."""
    reasons = {"surrogate": b"\xed\xa0\x80", "half a letter": b"good by\xc3", "latin-1": b"sch\xf6n"}
    streams = {name: encode(Opcode.CLOSE, close_payload(1000, reason)) for name, reason in reasons.items()}
    return each_fails(target, 1007, streams)


# --- before and after Close ------------------------------------------------------------------------------


@case(
    "websocket/close/messages-before",
    service="websocket",
    requirements=("WS-031",),
    accept={"answered": "pass", "unanswered": "weak"},
)
def test_messages_before_close(target: Target) -> str:
    """Messages in the same segment before a Close are answered first; the RFC does not insist."""
    with opened(target) as peer:
        peer.send(text(b"one") + text(b"two") + encode(Opcode.CLOSE, NORMAL))
        for word in (b"one", b"two"):
            frame = websocket.read(peer)
            if frame.opcode is Opcode.CLOSE:
                return "unanswered" if peer.ending() != "open" else "tcp-stays-open"
            if (frame.opcode, frame.payload) != (Opcode.TEXT, word):
                raise Violation("wrong-answer", f"{word!r} was due, {frame.payload!r:.80} came")
        closed(peer)
    return "answered"


@case(
    "websocket/close/behind-a-long-message",
    service="websocket",
    requirements=("WS-031",),
    accept={"answered": "pass", "unanswered": "weak"},
)
def test_close_behind_a_long_message(target: Target) -> str:
    """256 KiB, a word and a Close in one write, and a ping behind them: what is answered comes in order."""
    messages = [(Opcode.TEXT, b"0123456789" * 26214), (Opcode.TEXT, b"the word behind")]
    with opened(target) as peer:
        peer.send(b"".join(encode(*each) for each in messages) + encode(Opcode.CLOSE, NORMAL) + ping(b"no"))
        got = [message for message in until_close(peer) if message != messages[0]]
    if got not in ([], messages[1:]):
        raise Violation("wrong-answer", f"{got!r:.80} came behind the long message")
    return "answered" if got else "unanswered"


def until_close(peer: Peer) -> Iterator[Message]:
    """What comes before the target's Close, which is the last."""
    for opcode, payload in replies(peer):
        if opcode is Opcode.CLOSE:
            peer.ending()
            return
        yield opcode, payload


@case("websocket/close/frames-behind", service="websocket", requirements=("WS-031", "TCP-012"), accept=CLOSED)
def test_frames_behind_close(target: Target) -> str:
    """Messages, pings, a second Close and even nonsense behind a Close are ignored."""
    behind = {
        "text": text(b"too late"),
        "ping": ping(b"too late"),
        "second Close": encode(Opcode.CLOSE, close_payload(1001)),
        "nonsense": b"\xff" * 64,
    }
    codes = set()
    for name, stream in behind.items():
        with naming(name), opened(target) as peer:
            peer.send(encode(Opcode.CLOSE, NORMAL) + stream)
            codes.add(closed(peer).close_code)
    return "closed" if codes == {1000} else "other-code"


@case("websocket/close/in-a-message", service="websocket", requirements=("WS-031",), accept=CLOSED)
def test_close_in_a_message(target: Target) -> str:
    """A Close between fragments is answered; the message that it cuts off is not."""
    begin, end = fragments(Opcode.TEXT, [b"never ", b"finished"])
    with opened(target) as peer:
        peer.send(begin + encode(Opcode.CLOSE, NORMAL) + end)
        return "closed" if closed(peer).close_code == 1000 else "other-code"


@case(
    "websocket/close/by-fin",
    service="websocket",
    requirements=("TCP-017",),
    accept={"fin": "pass", "reset": "pass"},
)
def test_close_by_fin(target: Target) -> str:
    """A client that ends TCP without a Close, in mid-frame even, is answered by the end."""
    with opened(target) as peer:
        echo(peer, Opcode.TEXT, b"before")
        peer.send(text(b"cut off")[:7])
        peer.finish()
        if peer.receive():
            peer.rest()
        return peer.ended or "open"


@case(
    "websocket/failure/messages-before",
    service="websocket",
    requirements=("WS-033", "TCP-018"),
    accept=FAILED_BEHIND,
)
def test_messages_before_failure(target: Target) -> str:
    """A message before a violation, in the same segment, is answered first."""
    with opened(target) as peer:
        peer.send(text(b"good") + encode(Opcode.TEXT, b"bad", rsv=1))
        return fails_behind(peer, Opcode.TEXT, b"good", 1002)


@case(
    "websocket/failure/unread-input",
    service="websocket",
    requirements=("WS-033", "TCP-013"),
    accept=FAILED_BEHIND,
)
def test_failure_with_unread_input(target: Target) -> str:
    """A slow reader gets a long answer and the Close behind it, whatever it was still sending."""
    body = target.random.randbytes(256 * 1024)
    with opened(target, receive_buffer=4096) as peer:
        peer.flood(encode(Opcode.BINARY, body) + encode(3, b"unknown opcode") + b"\xff" * len(body))
        return fails_behind(peer, Opcode.BINARY, body, 1002)
