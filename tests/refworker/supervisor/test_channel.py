import socket
from collections.abc import Iterator

import pytest

from refworker.supervisor.channel import Channel, MessageError

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = (Channel(end, 4096) for end in socket.socketpair())
    yield left, right
    left.close()
    right.close()


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    left, right = pair
    assert left.send({"n": 1})
    assert left.send({"n": 2, "text": "line\nbreak"})
    assert right.receive() == [{"n": 1}, {"n": 2, "text": "line\nbreak"}]
    assert right.receive() == []


def test_pieces_are_put_together(pair: Pair) -> None:
    left, right = pair
    for byte in b'{"n": 1}':
        left.sock.send(bytes([byte]))
        assert right.receive() == []
    left.sock.send(b"\n")
    assert right.receive() == [{"n": 1}]


def test_the_end_is_told_after_the_last_message(pair: Pair) -> None:
    left, right = pair
    left.send({"last": True})
    left.close()
    assert right.receive() == [{"last": True}]
    with pytest.raises(EOFError):
        right.receive()


@pytest.mark.parametrize(
    "line", [b"x\n", b"1\n", b"[]\n", b"\n", b'"\xff"\n', b"[" * 2000 + b"\n", b"x" * 5000]
)
def test_what_is_no_message(pair: Pair, line: bytes) -> None:
    left, right = pair
    left.sock.send(line)
    with pytest.raises(MessageError):
        right.receive()


def test_a_message_is_taken_whole_or_not_at_all(pair: Pair) -> None:
    left, right = pair
    long = {"text": "x" * 2_000_000}
    right_codec_limit = Channel(right.sock, 4_000_000)
    assert left.send(long)  # the socket takes a part, the channel keeps the rest
    assert not left.send({"n": 2})
    received = []
    while not received:
        left.flush()
        received = right_codec_limit.receive()
    assert received == [long]
    assert left.send({"n": 3})


def test_nobody_at_the_other_end(pair: Pair) -> None:
    left, right = pair
    right.close()
    left.send({"n": 1})
    assert not left.send({"n": 2})
    with pytest.raises(EOFError):
        left.receive()


def test_a_closed_channel_has_no_descriptor(pair: Pair) -> None:
    left, _ = pair
    left.close()
    assert left.fileno() == -1
    with pytest.raises(EOFError):
        left.receive()
