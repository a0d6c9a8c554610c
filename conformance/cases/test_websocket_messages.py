"""WebSocket: fragments, UTF-8, limits, and whole conversations (RFC 6455, sections 5.4, 8.1 and 10.4).

The suite's own idea of UTF-8 is Python's strict decoder, which is that of RFC 3629.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.cases.dialogue import answered, each_fails, fails, fragments, opened, sentinel, text
from conformance.exchange import ECHOED, FAILED, Message, naming
from conformance.exploration import explore
from conformance.strategies import splits
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, encode

VALID_TEXTS = (
    *("κόσμε", "Grüße aus Köln", "日本語", "🂡🃎", "\0\x7f\x80\u07ff\u0800"),
    *("\ud7ff\ue000\ufffd\U00010000\U0010ffff", "\ufffe\uffff\U0001fffe\U0010ffff\ufdd0"),
)
"""The edges of every length of UTF-8, and non-characters, which are valid (Unicode, corrigendum 9)."""

STRAY = (b"\x80", b"\xbf", b"a\x80b", b"\xc3\xa9\xa9", b"\xfe", b"\xff")
BROKEN = (b"\xc3(", b"\xe2\x82(", b"\xe2(\xa1", b"\xf0\x9f\x92(", b"\xf0(\x8c\xbc")
CUT_OFF = (b"caf\xc3", b"\xe2\x82", b"\xe2", b"\xf0\x9f\x92", b"\xf0\x9f", b"\xf0")
OVERLONG = (b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf")
SURROGATES = (b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80")
BEYOND = (b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80")

FAST = {**FAILED, "late": "weak"}
"""Invalid UTF-8 is noticed with its byte, or, which the RFC allows, when the message is complete."""

PIECE = 256
"""Bytes of a fragment where a message is cut into thousands; libraries limit their number, too."""


# --- fragments -------------------------------------------------------------------------------------------


def whole(target: Target, opcode: Opcode, parts: Sequence[bytes]) -> str:
    """These fragments, each in a segment of its own, come back as one message."""
    with opened(target) as peer:
        peer.send(*fragments(opcode, parts))
        return answered(peer, [(opcode, b"".join(parts))])


@case("websocket/fragments/two", service="websocket", requirements=("WS-022",), accept=ECHOED)
def test_two_fragments(target: Target) -> str:
    """A text in two fragments is one message, answered when it is complete."""
    begin, end = fragments(Opcode.TEXT, [b"to", b"gether"])
    with opened(target) as peer:
        peer.send(begin)
        peer.silent()
        peer.send(end)
        return answered(peer, [(Opcode.TEXT, b"together")])


@case("websocket/fragments/binary", service="websocket", requirements=("WS-022", "WS-017"), accept=ECHOED)
def test_binary_fragments(target: Target) -> str:
    """The type of a message is that of its first fragment."""
    return whole(target, Opcode.BINARY, [b"\x00\x01", b"\xfe", b"\xff", b"text?"])


@case("websocket/fragments/empty-ones", service="websocket", requirements=("WS-022",), accept=ECHOED)
def test_empty_fragments(target: Target) -> str:
    """Empty fragments at the beginning, in the middle and at the end add nothing, and end nothing."""
    for parts in ([b"", b"x"], [b"x", b"", b"y"], [b"x", b""], [b"", b"", b""], [b"", b"x", b"", b"y", b""]):
        with naming(repr(parts)):
            whole(target, Opcode.TEXT, parts)
    return "echoed"


@case("websocket/fragments/single-bytes", service="websocket", requirements=("WS-022",), accept=ECHOED)
def test_single_bytes(target: Target) -> str:
    """A fragment for each byte, in one segment, letters of several bytes among them."""
    letters = "Ein größeres Wörterbuch".encode()
    with opened(target) as peer:
        peer.send(b"".join(fragments(Opcode.TEXT, [bytes([byte]) for byte in letters])))
        return answered(peer, [(Opcode.TEXT, letters)])


@case("websocket/fragments/one-after-another", service="websocket", requirements=("WS-022",), accept=ECHOED)
def test_one_after_another(target: Target) -> str:
    """Fragmented and whole messages of both types in turns: no message knows of the one before."""
    messages = [
        (Opcode.TEXT, b"abc"),
        (Opcode.BINARY, b"\xff\xfe\xfd"),
        (Opcode.TEXT, b"abc"),
        (Opcode.BINARY, b"abc"),
    ]
    stream = b"".join(b"".join(fragments(kind, [body[:1], body[1:2], body[2:]])) for kind, body in messages)
    with opened(target) as peer:
        peer.send(stream + text(b"whole") + stream)
        return answered(peer, [*messages, (Opcode.TEXT, b"whole"), *messages])


@case(
    "websocket/fragments/equal-frames", service="websocket", requirements=("TCP-002", "WS-022"), accept=ECHOED
)
def test_equal_frames(target: Target) -> str:
    """The same last fragment behind two different first ones: it belongs to the message that it ends."""
    end = encode(Opcode.CONTINUATION, b"BBB")
    with opened(target) as peer:
        for first in (b"AAA", b"CCC"):
            peer.send(encode(Opcode.TEXT, first, fin=False), end)
            websocket.expect(peer, Opcode.TEXT, first + b"BBB")
        return sentinel(peer)


@case("websocket/fragments/connections-apart", service="websocket", requirements=("TCP-002",), accept=ECHOED)
def test_connections_apart(target: Target) -> str:
    """Unfinished messages on eight connections are put together each with its own."""
    with ExitStack() as stack:
        peers = [stack.enter_context(opened(target)) for _ in range(8)]
        for number, peer in enumerate(peers):
            peer.send(encode(Opcode.TEXT, b"number %d, " % number, fin=False))
        peers[-1].silent()
        for peer in peers:
            peer.send(encode(Opcode.CONTINUATION, b"to the end"))
        for number, peer in enumerate(peers):
            answered(peer, [(Opcode.TEXT, b"number %d, to the end" % number)])
    return "echoed"


@case(
    "websocket/fragments/thousands",
    service="websocket",
    requirements=("WS-021", "WS-020"),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_thousands_of_fragments(target: Target) -> str:
    """The longest message in fragments of 256 bytes: the cost does not grow with the square."""
    body = bytes(min(target.limits["max_package_size"], 1024 * 1024))
    parts = [body[start : start + PIECE] for start in range(0, len(body), PIECE)]
    with opened(target) as peer:
        peer.send(b"".join(fragments(Opcode.BINARY, parts)))
        return answered(peer, [(Opcode.BINARY, body)])


@case("websocket/fragments/continuation-first", service="websocket", requirements=("WS-023",), accept=FAILED)
def test_continuation_first(target: Target) -> str:
    """A continuation of nothing fails the connection: at the beginning, and behind a complete message."""
    last, middle = encode(Opcode.CONTINUATION, b"x"), encode(Opcode.CONTINUATION, b"x", fin=False)
    ended = b"".join(fragments(Opcode.TEXT, [b"a", b"b"]))
    endings = each_fails(
        target, 1002, {"with FIN": last, "without FIN": middle, "empty": encode(Opcode.CONTINUATION)}
    )
    with opened(target) as peer:
        peer.send(ended)
        websocket.expect(peer, Opcode.TEXT, b"ab")
        peer.send(last)
        return max(endings, fails(peer, 1002), key=list(FAILED).index)


@case("websocket/fragments/message-inside", service="websocket", requirements=("WS-023",), accept=FAILED)
def test_message_inside(target: Target) -> str:
    """A new message inside an unfinished one fails the connection, whole or in fragments."""
    begin = encode(Opcode.TEXT, b"a", fin=False)
    inside = {"text": text(b"x"), "binary": encode(Opcode.BINARY, b"x"), "fragment": begin}
    end = encode(Opcode.CONTINUATION, b"b")
    return each_fails(target, 1002, {name: begin + frame + end for name, frame in inside.items()})


# --- UTF-8 -----------------------------------------------------------------------------------------------


def each_invalid(target: Target, texts: Sequence[bytes]) -> str:
    """Each text fails the connection with 1007, whole and in fragments of one byte."""
    streams = {f"{body!r}": text(body) for body in texts}
    for body in texts:
        parts = [body[index : index + 1] for index in range(len(body))]
        streams[f"{body!r} in fragments"] = b"".join(fragments(Opcode.TEXT, [b"good ", *parts]))
    return each_fails(target, 1007, streams)


@case("websocket/utf-8/valid", service="websocket", requirements=("WS-035",), accept=ECHOED)
def test_valid_texts(target: Target) -> str:
    """The edges of UTF-8, and code points that are no characters, pass unchanged."""
    messages = [(Opcode.TEXT, words.encode()) for words in VALID_TEXTS]
    with opened(target) as peer:
        peer.send(b"".join(encode(*message) for message in messages))
        return answered(peer, messages)


@case(
    "websocket/utf-8/across-fragments", service="websocket", requirements=("WS-035", "WS-022"), accept=ECHOED
)
def test_letters_across_fragments(target: Target) -> str:
    """Letters may be cut by the end of a fragment, at any byte, and by a ping amid."""
    body = "κ€🂡".encode()
    with opened(target) as peer:
        for cut in range(1, len(body)):
            begin, end = fragments(Opcode.TEXT, [body[:cut], body[cut:]])
            peer.send(begin + encode(Opcode.PING, b"amid") + end)
            answered(peer, [(Opcode.TEXT, body)], [b"amid"])
    return "echoed"


@case(
    "websocket/utf-8/across-segments", service="websocket", requirements=("WS-035", "WS-016"), accept=ECHOED
)
def test_letters_across_segments(target: Target) -> str:
    """Letters may be cut by the end of a segment."""
    frame = text("κ€🂡".encode())
    with opened(target) as peer:
        peer.send(*(bytes([byte]) for byte in frame))
        return answered(peer, [(Opcode.TEXT, "κ€🂡".encode())])


@case("websocket/utf-8/stray-bytes", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_stray_bytes(target: Target) -> str:
    """Continuation bytes without a beginning, and bytes that UTF-8 does not have."""
    return each_invalid(target, STRAY)


@case("websocket/utf-8/broken-letters", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_broken_letters(target: Target) -> str:
    """Letters of two to four bytes with something else inside."""
    return each_invalid(target, BROKEN)


@case("websocket/utf-8/cut-off", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_cut_off(target: Target) -> str:
    """A text that ends inside a letter."""
    return each_invalid(target, CUT_OFF)


@case("websocket/utf-8/overlong", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_overlong(target: Target) -> str:
    """Characters in more bytes than they need."""
    return each_invalid(target, OVERLONG)


@case("websocket/utf-8/surrogates", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_surrogates(target: Target) -> str:
    """Halves of UTF-16 pairs, alone and in pairs."""
    return each_invalid(target, SURROGATES)


@case("websocket/utf-8/beyond-unicode", service="websocket", requirements=("WS-035",), accept=FAILED)
def test_beyond_unicode(target: Target) -> str:
    """Code points above U+10FFFF."""
    return each_invalid(target, BEYOND)


@case("websocket/utf-8/fast-in-a-frame", service="websocket", requirements=("WS-036",), accept=FAST)
def test_fast_in_a_frame(target: Target) -> str:
    """The bad byte has come, the rest of its frame has not."""
    frame = text(b"good \xff and much that nobody has to wait for")
    return _fails_fast(target, frame[:16], frame[16:])


@case("websocket/utf-8/fast-in-a-message", service="websocket", requirements=("WS-036",), accept=FAST)
def test_fast_in_a_message(target: Target) -> str:
    """The fragment with the bad byte has come, the last fragment has not."""
    begin, end = fragments(Opcode.TEXT, ["κόσμε".encode() + b"\xed\xa0\x80", b"edited"])
    return _fails_fast(target, begin, end)


def _fails_fast(target: Target, bad: bytes, rest: bytes) -> str:
    """The bad part fails the connection by itself, or at least when the rest has come."""
    with opened(target) as peer:
        peer.send(bad)
        try:
            peer.silent()
        except Violation:
            return fails(peer, 1007)
        peer.send(rest)
        fails(peer, 1007)
    return "late"


# --- limits ----------------------------------------------------------------------------------------------


@case(
    "websocket/limit/exact",
    service="websocket",
    requirements=("WS-019", "WS-020"),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_limit_exact(target: Target) -> str:
    """A message of exactly the limit is echoed, whole and in fragments; mask and header do not count."""
    body = bytes(target.limits["max_package_size"])
    half = len(body) // 2
    with opened(target) as peer:
        peer.send(encode(Opcode.BINARY, body), *fragments(Opcode.BINARY, [body[:half], body[half:]]))
        return answered(peer, [(Opcode.BINARY, body)] * 2)


@case(
    "websocket/limit/one-more",
    service="websocket",
    requirements=("WS-019",),
    accept={**FAILED, "late": "weak"},
    needs=("limits.max_package_size",),
)
def test_limit_one_more(target: Target) -> str:
    """One byte more is refused with 1009, by the header alone; waiting for the payload is weak."""
    frame = encode(Opcode.BINARY, bytes(target.limits["max_package_size"] + 1))
    with opened(target) as peer:
        peer.send(frame[:14])
        try:
            peer.silent()
        except Violation:
            return fails(peer, 1009)
        peer.send(frame[14:])
        fails(peer, 1009)
    return "late"


@case(
    "websocket/limit/sum-of-fragments",
    service="websocket",
    requirements=("WS-019",),
    accept=FAILED,
    needs=("limits.max_package_size",),
)
def test_limit_sum_of_fragments(target: Target) -> str:
    """Fragments that are within the limit each, and beyond it together, are refused."""
    half = bytes(target.limits["max_package_size"] // 2 + 1)
    with opened(target) as peer:
        peer.send(b"".join(fragments(Opcode.BINARY, [half, half, b"end"])))
        return fails(peer, 1009)


@case("websocket/limit/huge", service="websocket", requirements=("WS-019",), accept=FAILED)
def test_limit_huge(target: Target) -> str:
    """A header that promises 2^62 bytes is refused at once: nobody can wait for them."""
    header = bytes([0x80 | Opcode.BINARY, 0x80 | 127]) + (1 << 62).to_bytes(8, "big")
    with opened(target) as peer:
        peer.send(header + bytes(100))
        return fails(peer, 1009)


@case(
    "websocket/limit/not-for-the-sum",
    service="websocket",
    requirements=("WS-019",),
    accept=ECHOED,
    needs=("limits.max_package_size",),
)
def test_limit_not_for_the_sum(target: Target) -> str:
    """Several messages may be more than the limit in sum, fragmented ones too."""
    body = bytes(target.limits["max_package_size"] // 2 + 1)
    with opened(target) as peer:
        for _ in range(2):
            peer.send(encode(Opcode.BINARY, body), *fragments(Opcode.BINARY, [body, b""]))
            answered(peer, [(Opcode.BINARY, body)] * 2)
    return "echoed"


# --- properties ------------------------------------------------------------------------------------------


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Message], list[bytes], list[bytes]]:
    """Messages, the pings among their fragments, and the segments that hold them all."""
    words = st.tuples(st.just(Opcode.TEXT), st.text(max_size=60).map(str.encode))
    data = st.tuples(st.just(Opcode.BINARY), st.binary(max_size=200))
    messages = draw(st.lists(st.one_of(words, data), min_size=1, max_size=4))
    pings = st.lists(st.binary(max_size=20), max_size=1)
    stream, sent = b"", []
    for opcode, body in messages:
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
        parts = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
        for frame in fragments(opcode, parts):
            asked = draw(pings)
            stream += b"".join(encode(Opcode.PING, payload) for payload in asked) + frame
            sent += asked
    return messages, sent, draw(splits(stream))


@case(
    "websocket/conversation/any",
    service="websocket",
    requirements=("WS-016", "WS-022", "WS-025", "WS-035"),
    accept=ECHOED,
    explores=True,
)
def test_any_conversation(target: Target) -> str:
    """Any messages in any fragments and segments, with pings anywhere between: all are answered in order."""

    def check(conversation: tuple[list[Message], list[bytes], list[bytes]]) -> None:
        messages, pings, segments = conversation
        with opened(target) as peer:
            peer.send(*segments)
            answered(peer, messages, pings)

    explore(target, conversations(), check)
    return "echoed"


near_valid_frames = st.builds(
    encode,
    st.integers(0, 15),
    st.binary(max_size=140),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 2, 4]),
    key=st.sampled_from([b"\x37\xfa\x21\x3d", bytes(4), b"mask", None]),
    length_bytes=st.sampled_from([None, None, None, 2, 8]),
)
"""Frames of which something may be wrong."""


@case(
    "websocket/conversation/nonsense",
    service="websocket",
    requirements=("TCP-018", "WS-029"),
    accept={"unharmed": "pass"},
    explores=True,
)
def test_nonsense(target: Target) -> str:
    """Frames that are wrong in some way: what comes back is right, and nobody else notices."""

    def check(stream: bytes) -> None:
        with opened(target) as peer:
            peer.send(stream)
            peer.finish()
            _right_to_the_end(peer)
        answered(bystander, [])

    with opened(target) as bystander:
        explore(target, st.lists(near_valid_frames, max_size=4).map(b"".join), check)
    return "unharmed"


def _right_to_the_end(peer: Peer) -> None:
    """Every frame that comes is one that a server may send, and then the stream ends."""
    while True:
        try:
            websocket.read(peer)
        except Violation as violation:
            if violation.outcome in {"fin", "reset"} and not peer.waiting:
                return
            raise
