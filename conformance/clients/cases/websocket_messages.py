"""WebSocket clients: fragments and UTF-8 (RFC 6455, sections 5.4 and 8.1).

The suite's own idea of UTF-8 is Python's strict decoder, which is that of RFC 3629.
"""

from collections.abc import Sequence

from conformance.case import Violation, case
from conformance.clients.client import Client
from conformance.clients.dialogue import SERVICE, answered, each_fails, fails, fragments, opened, text
from conformance.exchange import ECHOED, FAILED, naming, worst_of
from conformance.wire import websocket_server
from conformance.wire.websocket import Opcode
from conformance.wire.websocket_server import frame

WSC_009 = ("WSC-009",)

LETTERS = "κ€🂡".encode()
"""Letters of two, three and four bytes."""

EDGES = "\0\x7f\x80\u07ff\u0800\ud7ff\ue000\ufdd0\ufffe\uffff\U00010000\U0010ffff".encode()
"""The edges of every length and of the surrogates, and code points that are no characters."""

INVALID = {
    "stray": (b"\x80", b"\xbf", b"\xc3\xa9\xa9", b"\xfe", b"\xff"),
    "broken": (b"\xc3(", b"\xe2\x82(", b"\xe2(\xa1", b"\xf0\x9f\x92(", b"\xf0(\x8c\xbc"),
    "cut off": tuple(LETTERS[start:end] for start, end in ((0, 1), (2, 3), (2, 4), (5, 6), (5, 7), (5, 8))),
    "overlong": (b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf"),
    "surrogates": (b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80"),
    "beyond": (b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80"),
}
"""What RFC 3629 forbids, by the rule that it breaks."""

FAST = {**FAILED, "late": "weak"}
"""Invalid UTF-8 is noticed with its byte, or, which the RFC allows, when the message is complete."""

PIECE = 256
"""Bytes of a fragment where a message is cut into thousands; libraries limit their number, too."""


# --- fragments -------------------------------------------------------------------------------------------


def whole(client: Client, opcode: Opcode, parts: Sequence[bytes]) -> str:
    """These fragments, each in a segment of its own, come back as one message."""
    with opened(client) as peer:
        peer.send(*fragments(opcode, parts))
        return answered(peer, [(opcode, b"".join(parts))])


@case("websocket-client/fragments/two", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_two_fragments(client: Client) -> str:
    """A text in two fragments is one message, answered when it is complete."""
    begin, end = fragments(Opcode.TEXT, [b"to", b"gether"])
    with opened(client) as peer:
        peer.send(begin)
        peer.silent()
        peer.send(end)
        return answered(peer, [(Opcode.TEXT, b"together")])


@case("websocket-client/fragments/binary", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_binary_fragments(client: Client) -> str:
    """The type of a message is that of its first fragment."""
    return whole(client, Opcode.BINARY, [b"\x00\x01", b"\xfe", b"\xff", b"text?"])


@case("websocket-client/fragments/empty-ones", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_empty_fragments(client: Client) -> str:
    """Empty fragments at the beginning, in the middle and at the end add nothing, and end nothing."""
    for parts in ([b"", b"x"], [b"x", b"", b"y"], [b"x", b""], [b"", b"", b""]):
        with naming(repr(parts)):
            whole(client, Opcode.TEXT, parts)
    return "echoed"


@case("websocket-client/fragments/single-bytes", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_single_bytes(client: Client) -> str:
    """A fragment for each byte, in one segment, letters of several bytes among them."""
    letters = "Ein größeres Wörterbuch".encode()
    with opened(client) as peer:
        peer.send(b"".join(fragments(Opcode.TEXT, [bytes([byte]) for byte in letters])))
        return answered(peer, [(Opcode.TEXT, letters)])


@case("websocket-client/fragments/one-after-another", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_one_after_another(client: Client) -> str:
    """Fragmented and whole messages of both types in turns: no message knows of the one before."""
    messages = [(Opcode.TEXT, b"abc"), (Opcode.BINARY, b"\xff\xfe\xfd"), (Opcode.TEXT, b"abc")]
    stream = b"".join(b"".join(fragments(kind, [body[:1], body[1:2], body[2:]])) for kind, body in messages)
    with opened(client) as peer:
        peer.send(stream + text(b"whole") + stream)
        return answered(peer, [*messages, (Opcode.TEXT, b"whole"), *messages])


@case("websocket-client/fragments/thousands", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_thousands_of_fragments(client: Client) -> str:
    """A mebibyte in fragments of 256 bytes: the cost does not grow with the square."""
    body = bytes(1024 * 1024)
    parts = [body[start : start + PIECE] for start in range(0, len(body), PIECE)]
    with opened(client) as peer:
        peer.send(b"".join(fragments(Opcode.BINARY, parts)))
        return answered(peer, [(Opcode.BINARY, body)])


@case("websocket-client/fragments/continuation-first", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_continuation_first(client: Client) -> str:
    """A continuation of nothing fails the connection: at the beginning, and behind a complete message."""
    last, middle = frame(Opcode.CONTINUATION, b"x"), frame(Opcode.CONTINUATION, b"x", fin=False)
    streams = {"with FIN": last, "without FIN": middle, "empty": frame(Opcode.CONTINUATION)}
    first = each_fails(client, 1002, streams)
    with opened(client) as peer:
        peer.send(b"".join(fragments(Opcode.TEXT, [b"a", b"b"])))
        websocket_server.expect(peer, Opcode.TEXT, b"ab")
        peer.send(last)
        return worst_of({first, fails(peer, 1002)})


@case("websocket-client/fragments/message-inside", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_message_inside(client: Client) -> str:
    """A new message inside an unfinished one fails the connection, whole or in fragments."""
    begin = frame(Opcode.TEXT, b"a", fin=False)
    inside = {"text": text(b"x"), "binary": frame(Opcode.BINARY, b"x"), "fragment": begin}
    end, empty = frame(Opcode.CONTINUATION, b"b"), frame(Opcode.TEXT, b"", fin=False)
    streams = {name: begin + piece + end for name, piece in inside.items()}
    return each_fails(client, 1002, {**streams, "behind an empty fragment": empty + text(b"") + end})


# --- UTF-8 -----------------------------------------------------------------------------------------------


def each_invalid(client: Client, kind: str) -> str:
    """Each text of this kind fails the connection with 1007, whole and in fragments of one byte."""
    streams = {}
    for body in INVALID[kind]:
        parts = [body[index : index + 1] for index in range(len(body))]
        streams[f"{body!r}"] = text(b"good " + body)
        streams[f"{body!r} in fragments"] = b"".join(fragments(Opcode.TEXT, [b"good ", *parts]))
    return each_fails(client, 1007, streams)


@case("websocket-client/utf-8/valid", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_valid_texts(client: Client) -> str:
    """The edges of UTF-8, and code points that are no characters, pass unchanged."""
    bodies = ["Grüße aus Köln, κόσμε, 日本語, 🂡🃎".encode(), EDGES, LETTERS]
    with opened(client) as peer:
        peer.send(b"".join(map(text, bodies)))
        return answered(peer, [(Opcode.TEXT, body) for body in bodies])


@case("websocket-client/utf-8/across-fragments", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_letters_across_fragments(client: Client) -> str:
    """Letters may be cut by the end of a fragment, at any byte, with a ping amid."""
    with opened(client) as peer:
        for cut in range(1, len(LETTERS)):
            begin, end = fragments(Opcode.TEXT, [LETTERS[:cut], LETTERS[cut:]])
            peer.send(begin + frame(Opcode.PING, b"amid") + end)
            answered(peer, [(Opcode.TEXT, LETTERS)], [b"amid"])
    return "echoed"


@case("websocket-client/utf-8/across-segments", service=SERVICE, requirements=WSC_009, accept=ECHOED)
def test_letters_across_segments(client: Client) -> str:
    """Letters may be cut by the end of a segment."""
    whole_frame = text(LETTERS)
    with opened(client) as peer:
        peer.send(*(bytes([byte]) for byte in whole_frame))
        return answered(peer, [(Opcode.TEXT, LETTERS)])


@case("websocket-client/utf-8/stray-bytes", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_stray_bytes(client: Client) -> str:
    """Continuation bytes without a beginning, and bytes that UTF-8 does not have."""
    return each_invalid(client, "stray")


@case("websocket-client/utf-8/broken-letters", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_broken_letters(client: Client) -> str:
    """Letters of two to four bytes with something else inside."""
    return each_invalid(client, "broken")


@case("websocket-client/utf-8/cut-off", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_cut_off(client: Client) -> str:
    """A text that ends inside a letter."""
    return each_invalid(client, "cut off")


@case("websocket-client/utf-8/overlong", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_overlong(client: Client) -> str:
    """Characters in more bytes than they need."""
    return each_invalid(client, "overlong")


@case("websocket-client/utf-8/surrogates", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_surrogates(client: Client) -> str:
    """Halves of UTF-16 pairs, alone and in pairs."""
    return each_invalid(client, "surrogates")


@case("websocket-client/utf-8/beyond-unicode", service=SERVICE, requirements=WSC_009, accept=FAILED)
def test_beyond_unicode(client: Client) -> str:
    """Code points above U+10FFFF."""
    return each_invalid(client, "beyond")


@case("websocket-client/utf-8/fast-in-a-frame", service=SERVICE, requirements=WSC_009, accept=FAST)
def test_fast_in_a_frame(client: Client) -> str:
    """The bad byte has come, the rest of its frame has not."""
    whole_frame = text(b"good \xff and much that nobody has to wait for")
    return _fails_fast(client, whole_frame[:12], whole_frame[12:])


@case("websocket-client/utf-8/fast-in-a-message", service=SERVICE, requirements=WSC_009, accept=FAST)
def test_fast_in_a_message(client: Client) -> str:
    """The fragment with the bad byte has come, the last fragment has not."""
    begin, end = fragments(Opcode.TEXT, [LETTERS + b"\xed\xa0\x80", b"edited"])
    return _fails_fast(client, begin, end)


def _fails_fast(client: Client, bad: bytes, rest: bytes) -> str:
    """The bad part fails the connection by itself, or at least when the rest has come."""
    with opened(client) as peer:
        peer.send(bad)
        try:
            peer.silent()
        except Violation:
            return fails(peer, 1007)
        peer.send(rest)
        fails(peer, 1007)
    return "late"
