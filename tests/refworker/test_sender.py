"""What leaves in which write, on a transport that only takes notes."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.connection import TcpConnection
from refworker.protocols.registry import server_codec
from tests.refworker.peers import run


class Notes:
    """A transport whose kernel takes `room` bytes, and everything again after `empty`."""

    def __init__(self, room: int = 2**30) -> None:
        self.writes: list[bytes] = []
        self.room = room
        self.connection: TcpConnection | None = None
        self.ended = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.room -= len(data)
        if self.room < 0 and self.connection:
            self.connection.pause_writing()

    def get_write_buffer_size(self) -> int:
        return max(0, -self.room)

    def write_eof(self) -> None:
        self.ended = True

    def get_extra_info(self, name: str) -> "Notes":
        return self

    def setsockopt(self, *args: int) -> None:
        raise OSError

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def abort(self) -> None:
        self.ended = True


def handled(scheme: str, handler: Callable[[TcpConnection], Any], notes: Notes) -> TcpConnection:
    """A connection whose one message is handled so."""
    connection = TcpConnection(server_codec(scheme))
    notes.connection = connection
    connection.connection_made(notes)  # type: ignore[arg-type]
    connection.on_message = lambda connection, message: handler(connection)
    connection.data_received({"text": b"x\n", "frame": b"\0\0\0\5x", "tcp": b"x"}[scheme])
    return connection


FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda payload: payload + b"\n",
    "frame": lambda payload: (len(payload) + 4).to_bytes(4, "big") + payload,
    "tcp": bytes,
}
LONG = st.builds(lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.integers(5000, 5001))
PAYLOADS = st.binary(max_size=20) | LONG | st.text(max_size=9)


@pytest.mark.parametrize("scheme", FRAMINGS)
@given(messages=st.lists(st.tuples(PAYLOADS, st.booleans()), max_size=20), repeated=st.sampled_from([1, 40]))
def test_one_handlers_messages_leave_in_order(
    scheme: str, messages: list[tuple[bytes | str, bool]], repeated: int
) -> None:
    def handler(connection: TcpConnection) -> None:
        for message, raw in messages * repeated:
            assert connection.send(message, raw) is None
        connection.close("bye")

    async def program() -> None:
        notes = Notes()
        handled(scheme, handler, notes)
        framing = FRAMINGS[scheme]
        payloads = [
            (message.encode() if isinstance(message, str) else message, raw) for message, raw in messages
        ]
        expected = [payload if raw else framing(payload) for payload, raw in payloads] * repeated
        assert b"".join(notes.writes) == b"".join([*expected, framing(b"bye")])
        assert notes.ended

    run(program)


def test_small_replies_of_every_type_share_one_write() -> None:
    def handler(connection: TcpConnection) -> None:
        for message in (b"bytes", "str", 7, {"a": [1]}, bytearray(b"array")):
            connection.send(message)

    async def program() -> None:
        notes = Notes()
        handled("text", handler, notes)
        assert notes.writes == [b'bytes\nstr\n7\n{"a":[1]}\narray\n']

    run(program)


def test_what_cannot_be_sent_is_refused_and_the_rest_leaves() -> None:
    def handler(connection: TcpConnection) -> None:
        answers = [connection.send(each) for each in (b"one", object(), "two")]
        assert answers == [None, False, None]

    async def program() -> None:
        notes = Notes()
        handled("text", handler, notes)
        assert notes.writes == [b"one\ntwo\n"]

    run(program)


@pytest.mark.parametrize("scheme", FRAMINGS)
def test_a_buffer_that_fills_up_within_a_handler_refuses_what_comes_after(scheme: str) -> None:
    answers: list[bool | None] = []
    big = bytes(5000)

    def handler(connection: TcpConnection) -> None:
        connection.max_send_buffer_size = 9000
        answers.extend(connection.send(each) for each in (b"small", big, b"queued", big, big, b"late"))

    async def program() -> None:
        notes = Notes(room=100)
        handled(scheme, handler, notes)
        assert answers == [None, None, None, None, False, False]
        framing = FRAMINGS[scheme]
        assert b"".join(notes.writes) == b"".join(map(framing, (b"small", big, b"queued", big)))

    run(program)


@pytest.mark.parametrize("scheme", FRAMINGS)
def test_last_words_that_are_said_when_the_buffer_is_full_are_said(scheme: str) -> None:
    async def program() -> None:
        notes = Notes(room=10)

        def handler(connection: TcpConnection) -> None:
            connection.max_send_buffer_size = 10
            connection.on_buffer_full = lambda connection: connection.close(b"too slow")
            connection.send(b"x" * 100)

        handled(scheme, handler, notes)
        framing = FRAMINGS[scheme]
        assert b"".join(notes.writes) == framing(b"x" * 100) + framing(b"too slow")
        assert notes.ended

    run(program)


def test_a_buffer_that_stays_full_is_told_once() -> None:
    async def program() -> None:
        told: list[int] = []

        def handler(connection: TcpConnection) -> None:
            connection.max_send_buffer_size = 10
            connection.on_buffer_full = lambda connection: told.append(
                connection.get_send_buffer_queue_size()
            )
            connection.send(b"x" * 5000)
            connection.close(b"bye")

        handled("text", handler, Notes(room=10))
        assert told == [4991]

    run(program)
