"""Conversations of a WebSocket client from a grammar: right ones, and ones that are almost right.

A conversation is a list of pieces, each of them some frames: a message in fragments with control frames among
them, a ping, a Close. An almost right one has pieces that break one rule or several. Where it leaves the
server between two frames, a Close ends it, so that hardly ever anybody has to wait for silence.
"""

from itertools import chain, pairwise

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.cases.dialogue import fragments
from conformance.model import rfc6455, utf8
from conformance.wire.websocket import Opcode, close_payload, encode

KEYS = st.sampled_from([b"\x37\xfa\x21\x3d", bytes(4), b"mask", b"\xff\x00\xff\x00"])
MASKED_OR_NOT = st.one_of(KEYS, KEYS, KEYS, st.none())
NONE = st.just(b"")

texts = st.one_of(st.text(max_size=40).map(str.encode), st.sampled_from(utf8.edges()))
"""Valid UTF-8."""

strange_texts = st.sampled_from(
    [
        *(begin + wrong for begin, wrong in utf8.outside()),
        *(*utf8.no_beginnings(), *utf8.cut_off(), *utf8.overlong(), *utf8.surrogates()),
    ]
)
"""No UTF-8, or none yet."""

data = st.binary(max_size=150)
short = st.binary(max_size=20)
codes = st.sampled_from([1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
edges = st.sampled_from([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
strange_codes = st.integers(0, 65535) | edges

controls = st.one_of(
    st.builds(encode, st.just(Opcode.PING), short, key=KEYS),
    st.builds(encode, st.just(Opcode.PONG), short, key=KEYS),
)
"""Pings, and pongs that nobody asked for."""


@st.composite
def messages(draw: st.DrawFn, words: SearchStrategy[bytes] = texts) -> bytes:
    """A message in up to four fragments, empty ones too, with control frames among them."""
    kinds = st.tuples(st.just(Opcode.TEXT), words) | st.tuples(st.just(Opcode.BINARY), data)
    opcode, body = draw(kinds)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
    parts = [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]
    return b"".join(draw(NONE | controls) + frame for frame in fragments(opcode, parts))


def closes(
    numbers: SearchStrategy[int] = codes, reasons: SearchStrategy[bytes] = texts
) -> SearchStrategy[bytes]:
    """Close frames with a code and a reason, or empty."""
    payloads = NONE | st.builds(close_payload, numbers, reasons)
    return payloads.map(lambda payload: encode(Opcode.CLOSE, payload[:125]))


strange_frames = st.builds(
    encode,
    st.integers(0, 15),
    data,
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 2, 4, 7]),
    key=MASKED_OR_NOT,
    length_bytes=st.sampled_from([None, None, None, 2, 8]),
)
"""Frames of which anything may be wrong."""

WHOLE = st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG])
CONTROLS = st.sampled_from([Opcode.PING, Opcode.PONG])
words = st.text("abc", max_size=10).map(str.encode)

spoilt = st.one_of(
    st.builds(encode, WHOLE, words, key=st.none()),
    st.builds(encode, WHOLE, words, rsv=st.integers(1, 7)),
    st.builds(encode, WHOLE, words, length_bytes=st.sampled_from([2, 8])),
    st.builds(encode, st.sampled_from([*range(3, 8), *range(11, 16)]), words),
    st.builds(encode, CONTROLS, words, fin=st.just(False)),
    st.builds(encode, CONTROLS, st.binary(min_size=126, max_size=130)),
    st.builds(encode, st.just(Opcode.CONTINUATION), words, fin=st.booleans()),
)
"""Frames in which exactly one thing is wrong."""

promises = st.builds(
    lambda opcode, size: bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8, "big") + b"mask",
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION, Opcode.PING]),
    st.integers(1 << 30, (1 << 64) - 1),
)
"""Heads that promise more than anybody takes."""

begun = st.builds(encode, st.sampled_from([Opcode.TEXT, Opcode.BINARY]), strange_texts, fin=st.just(False))
ended = st.builds(encode, st.just(Opcode.CONTINUATION), texts, fin=st.booleans())
right = st.one_of(messages(), messages(), controls)
almost = st.one_of(
    *(messages(texts | strange_texts), strange_frames, strange_frames, begun, ended),
    *(closes(strange_codes, texts | strange_texts), promises, st.binary(min_size=1, max_size=12)),
)


def right_conversations() -> SearchStrategy[bytes]:
    """Up to six pieces that are right, and sometimes a Close in their middle."""
    pieces = st.lists(right, max_size=6).map(b"".join)
    return st.builds(bytes.__add__, pieces, NONE | st.builds(bytes.__add__, closes(), pieces)).map(concluded)


def almost_right_conversations() -> SearchStrategy[bytes]:
    """Some right pieces, then exactly one fault or up to three pieces of any kind, then right ones."""
    before, behind = st.lists(right, max_size=3), st.lists(right, max_size=2)
    wrong = st.lists(spoilt, min_size=1, max_size=1) | st.lists(almost, min_size=1, max_size=3)
    return st.tuples(before, wrong, behind).map(chain.from_iterable).map(b"".join).map(concluded)


def concluded(stream: bytes) -> bytes:
    """The stream, and a Close behind it where a server can take it for one."""
    due = rfc6455.run(stream, 1 << 62)
    rests = due.rests and due.end.how == "open"
    return stream + encode(Opcode.CLOSE, close_payload(1000)) if rests else stream
