"""WebSocket clients: whole conversations, as a grammar makes them (RFC 6455, sections 5.4, 5.5 and 7).

A conversation is messages of either type, cut into fragments anywhere, with pings and pongs between them, and
all of it cut into segments. What is due is known while it is made: the grammar is the model. A conversation
may end with one thing that breaks a rule; whatever stood before does not excuse it.
"""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import case
from conformance.clients.cases.websocket_closing import INVALID_CODES
from conformance.clients.cases.websocket_messages import INVALID
from conformance.clients.client import Client
from conformance.clients.dialogue import SERVICE, answered, fails, fragments, opened, text
from conformance.exchange import ECHOED, FAILED, SENTINEL, Message, worst_of
from conformance.exploration import explore
from conformance.strategies import splits
from conformance.wire.websocket import Opcode, close_payload
from conformance.wire.websocket_server import frame

WSC_009 = ("WSC-009",)

MESSAGES, FRAGMENTS = 4, 4
"""How many messages a conversation has at most, and how many fragments a message."""

CONTROL = 125
"""Bytes of the longest control frame."""

CONTROLS = (Opcode.CLOSE, Opcode.PING, Opcode.PONG)


@dataclass(frozen=True)
class Talk:
    """What the server sends, in segments, and what is due: echoes, and pongs of these pings."""

    segments: tuple[bytes, ...]
    messages: tuple[Message, ...]
    pings: tuple[bytes, ...]


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Any conversation."""
    stream, messages, pings = b"", list[Message](), list[bytes]()
    for opcode, body in draw(st.lists(_messages(), min_size=1, max_size=MESSAGES)):
        messages.append((opcode, body))
        for piece in fragments(opcode, draw(splits(body, FRAGMENTS)) or [b""]):
            for control, payload in draw(st.lists(_controls(), max_size=1)):
                pings += [payload] if control is Opcode.PING else []
                stream += frame(control, payload)
            stream += piece
    return Talk(tuple(draw(splits(stream))), tuple(messages), tuple(pings))


def _messages() -> SearchStrategy[Message]:
    words = st.tuples(st.just(Opcode.TEXT), st.text(max_size=60).map(str.encode))
    return words | st.tuples(st.just(Opcode.BINARY), st.binary(max_size=200))


def _controls() -> SearchStrategy[Message]:
    return st.tuples(st.sampled_from((Opcode.PING, Opcode.PONG)), st.binary(max_size=CONTROL))


def violations() -> SearchStrategy[tuple[int, bytes]]:
    """Bytes that break a rule, and the code that says so."""
    control, data = st.sampled_from(CONTROLS), st.sampled_from((Opcode.TEXT, Opcode.BINARY))
    body, reserved = st.binary(max_size=20), st.sampled_from((*range(3, 8), *range(11, 16)))
    wrong = st.one_of(
        st.builds(lambda opcode, rsv: frame(opcode, b"", rsv=rsv), control | data, st.integers(1, 7)),
        st.builds(frame, reserved, body),
        st.builds(lambda payload, fin: frame(Opcode.CONTINUATION, payload, fin=fin), body, st.booleans()),
        st.builds(lambda opcode, size: frame(opcode, bytes(size)), control, st.integers(CONTROL + 1, 300)),
        st.builds(lambda opcode, payload: frame(opcode, payload, fin=False), control, body),
        st.builds(lambda opcode, payload: frame(opcode, b"", fin=False) + frame(opcode, payload), data, body),
        st.sampled_from(INVALID_CODES).map(lambda code: frame(Opcode.CLOSE, close_payload(code))),
    )
    return st.tuples(st.just(1002), wrong) | st.tuples(st.just(1007), _invalid_texts())


def _invalid_texts() -> SearchStrategy[bytes]:
    """Letters around what is no UTF-8, which no letter can mend: each begins with a byte of its own."""
    letters = st.text(max_size=20).map(str.encode)
    bad = st.sampled_from([body for bodies in INVALID.values() for body in bodies])
    return st.tuples(letters, bad, letters).map(b"".join).map(text)


@case(
    "websocket-client/conversation/any",
    service=SERVICE,
    requirements=WSC_009,
    accept=ECHOED,
    explores=True,
)
def test_any(client: Client) -> str:
    """Whatever messages, fragments, pings and pongs: each message is echoed, and each ping answered."""

    def check(talk: Talk) -> None:
        with opened(client) as peer:
            peer.send(*talk.segments)
            answered(peer, talk.messages, talk.pings)

    explore(client, talks(), check, examples=30)
    return "echoed"


@case(
    "websocket-client/conversation/with-a-violation",
    service=SERVICE,
    requirements=WSC_009,
    accept=FAILED,
    explores=True,
)
def test_with_a_violation(client: Client) -> str:
    """Whatever was said before, one thing that breaks a rule fails the connection."""
    endings = set()

    def check(example: tuple[Talk, tuple[int, bytes]]) -> None:
        talk, (code, wrong) = example
        with opened(client) as peer:
            peer.send(*talk.segments)
            answered(peer, talk.messages, talk.pings)
            peer.send(wrong + text(SENTINEL))
            endings.add(fails(peer, code))

    explore(client, st.tuples(talks(), violations()), check, examples=30)
    return worst_of(endings)
