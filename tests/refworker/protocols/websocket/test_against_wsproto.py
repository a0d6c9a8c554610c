"""wsproto as an independent judge: it reads what we send, we read what it sends, and of streams that are
nearly right both think the same.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import wsproto
from hypothesis import given
from hypothesis import strategies as st
from wsproto import events
from wsproto.connection import Connection, ConnectionType

from refworker.protocols.base import Close, Event
from refworker.protocols.websocket import WebSocketServer
from refworker.protocols.websocket.conversation import Conversation
from refworker.protocols.websocket.frames import read_close
from tests.refworker.protocols.websocket.peers import (
    ROLES,
    Make,
    client,
    new_client,
    parted,
    raw_frame,
    server,
)
from tests.refworker.protocols.whole import cut, positions, read

both_roles = pytest.mark.parametrize(("make", "key"), ROLES.values(), ids=ROLES)

BIG = st.integers(0, 127).map(lambda byte: bytes([byte]) * 70_000)
MESSAGE = st.text() | st.binary() | st.text(min_size=126, max_size=300) | BIG | BIG.map(bytes.decode)


def peer_of(make: Make) -> Connection:
    return Connection(ConnectionType.CLIENT if make is server else ConnectionType.SERVER)


def heard(peer: Connection) -> Iterator[Any]:
    """What wsproto understood: messages, control frames, and the code of a Close as an int."""
    parts: list[Any] = []
    for event in peer.events():
        if isinstance(event, events.Message):
            parts.append(bytes(event.data) if isinstance(event, events.BytesMessage) else event.data)
            if event.message_finished:
                yield parts[0][:0].join(parts)
                parts = []
        elif isinstance(event, events.CloseConnection):
            yield event.code
        else:
            yield type(event), bytes(event.payload)


def frames_of(message: str | bytes, finished: bool = True) -> events.Message:
    kind = events.TextMessage if isinstance(message, str) else events.BytesMessage
    return kind(data=message, message_finished=finished)


# -- the handshake -------------------------------------------------------------------------------------


def test_its_client_is_answered() -> None:
    judge = wsproto.WSConnection(ConnectionType.CLIENT)
    request = judge.send(events.Request(host="a.example", target="/x?y", subprotocols=["chat"]))
    codec = WebSocketServer()
    event, _ = codec.feed(request)
    judge.receive_data(codec.open())
    (accepted,) = judge.events()
    assert isinstance(accepted, events.AcceptConnection)
    assert accepted.subprotocol is None
    assert (event.args[0].path, event.args[0].query) == ("/x", "y")


def test_its_server_is_asked() -> None:
    judge = wsproto.WSConnection(ConnectionType.SERVER)
    codec = new_client()
    judge.receive_data(codec.opening)
    (asked,) = judge.events()
    assert isinstance(asked, events.Request)
    assert (asked.host, asked.target) == ("server.example.com", "/chat?room=1")
    (event,) = codec.feed(judge.send(events.AcceptConnection()))
    assert isinstance(event, Event)
    assert event.args[0].status == 101


def test_its_refusal_is_understood() -> None:
    judge = wsproto.WSConnection(ConnectionType.SERVER)
    codec = new_client()
    judge.receive_data(codec.opening)
    list(judge.events())
    (close,) = codec.feed(judge.send(events.RejectConnection(status_code=403)))
    assert isinstance(close, Close)
    assert "403" in str(close.error)


def test_our_refusal_is_understood() -> None:
    judge = wsproto.WSConnection(ConnectionType.CLIENT)
    request = judge.send(events.Request(host="a.example", target="/"))
    (close,) = WebSocketServer().feed(request.replace(b"Version: 13", b"Version: 12"))
    judge.receive_data(close.reply)
    assert next(iter(judge.events())).status_code == 426  # type: ignore[union-attr]


# -- conversations -------------------------------------------------------------------------------------


@both_roles
@given(messages=st.lists(MESSAGE, max_size=6))
def test_it_reads_what_we_send(make: Make, key: bytes, messages: list[str | bytes]) -> None:
    codec, peer = make(), peer_of(make)
    data = (
        b"".join(map(codec.encode, messages))
        + codec.ping(b"!")
        + codec.pong(b"?")
        + codec.farewell(3000, "ü")
    )
    peer.receive_data(data)
    assert list(heard(peer)) == [*messages, (events.Ping, b"!"), (events.Pong, b"?"), 3000]


@both_roles
@given(
    messages=st.lists(st.lists(st.text(), min_size=1) | st.lists(st.binary(), min_size=1)), where=positions
)
def test_we_read_what_it_sends(make: Make, key: bytes, messages: list[list[Any]], where: list[int]) -> None:
    codec, peer = make(), peer_of(make)
    data = b"".join(
        peer.send(frames_of(part, finished=index == len(parts) - 1))
        for parts in messages
        for index, part in enumerate(parts)
    )
    assert read(codec, cut(data, where)) == [parts[0][:0].join(parts) for parts in messages]


@both_roles
def test_both_ways_of_closing(make: Make, key: bytes) -> None:
    codec, peer = make(), peer_of(make)
    _, close = codec.feed(peer.send(events.CloseConnection(code=1001, reason="bye")))
    peer.receive_data(close.reply)
    assert list(heard(peer)) == [1001]

    codec, peer = make(), peer_of(make)
    peer.receive_data(codec.farewell())
    (event,) = peer.events()
    assert isinstance(event, events.CloseConnection)
    assert codec.feed(peer.send(event.response())) == parted(b"", 1000)


# -- streams that are nearly right ---------------------------------------------------------------------

FIRSTS = st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88]) | st.integers(0, 255)
PAYLOADS = st.sampled_from(
    [b"", b"a", "ü€😀".encode(), b"\xe2", b"\x82\xac", b"\xff", bytes(125), bytes(126)]
)
CODES = st.integers(900, 5100).filter(lambda code: code != 1014).map(lambda code: code.to_bytes(2, "big"))


def judged(make: Make, data: bytes) -> list[Any]:
    """wsproto's verdict: what it heard, and last the code with which it would close."""
    peer = Connection(ConnectionType.SERVER if make is server else ConnectionType.CLIENT)
    peer.receive_data(data)
    return list(heard(peer))


def ours(codec: Conversation, data: bytes) -> list[Any]:
    """Our verdict in the same terms."""
    names = {"on_websocket_ping": events.Ping, "on_websocket_pong": events.Pong}
    verdict: list[Any] = []
    for item in codec.feed(data):
        if isinstance(item, Event) and item.parting:
            continue
        if isinstance(item, Event):
            item = (names[item.callback], item.args[0])
        elif isinstance(item, Close):
            item = code_of(item.reply)
        verdict.append(item)
    return verdict


def code_of(reply: bytes) -> int:
    masked = reply[1] >= 0x80
    payload = reply[6:] if masked else reply[2:]
    if masked:
        payload = bytes(byte ^ key for byte, key in zip(payload, reply[2:6], strict=False))
    code, _ = read_close(payload)
    return 1005 if code is None else code


@both_roles
@given(stream=st.lists(st.tuples(FIRSTS, PAYLOADS | CODES), min_size=1, max_size=8))
def test_it_judges_as_we_do(make: Make, key: bytes, stream: list[tuple[int, bytes]]) -> None:
    data = b"".join(raw_frame(first, payload, key) for first, payload in stream)
    assert ours(make(), data) == judged(make, data)


def test_the_judge_is_awake() -> None:
    assert judged(client, b"\x81\x01\xff") == [1007]
    assert judged(client, b"\x83\x00") == [1002]
