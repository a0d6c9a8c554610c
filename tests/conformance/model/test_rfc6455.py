"""The model of RFC 6455: what is owed for which bytes, and which answers fit."""

import pytest

from conformance.model.rfc6455 import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    End,
    Seen,
    frames,
    judged,
    run,
    runs,
)
from conformance.wire.websocket import close_payload, encode

LIMIT = 1000
NORMAL = encode(CLOSE, close_payload(1000))
BEGIN = encode(TEXT, b"a", fin=False)


def failed(*codes: int) -> End:
    return End("failed", frozenset(codes))


def test_frames_are_cut_and_unmasked() -> None:
    stream = encode(TEXT, b"one") + encode(BINARY, bytes(300)) + encode(PING, b"cut off")[:8]
    one, two, three = frames(stream)
    assert (one.body, one.whole, two.body, two.form) == (b"one", True, bytes(300), 2)
    assert (three.body, three.whole) == (b"cu", False)


@pytest.mark.parametrize("size", range(1, 14))
def test_a_frame_that_is_cut_off_anywhere_is_not_whole(size: int) -> None:
    assert [frame.whole for frame in frames(encode(BINARY, bytes(70_000))[:size])] == [False]


@pytest.mark.parametrize("size", range(1, 6))
def test_nor_is_an_empty_one_without_its_mask(size: int) -> None:
    assert [frame.whole for frame in frames(encode(TEXT)[:size])] == [False]


def test_messages_pings_and_a_close() -> None:
    stream = BEGIN + encode(PING, b"p") + encode(CONTINUATION, b"b") + encode(PONG) + NORMAL
    due = run(stream + encode(TEXT, b"too late"), LIMIT)
    assert (due.messages, due.pings, due.end) == (((TEXT, b"ab"),), (b"p",), End("closed", frozenset({1000})))


@pytest.mark.parametrize(
    ("stream", "end"),
    [
        (b"", End("open")),
        (encode(TEXT, b"x", rsv=1), failed(1002)),
        (encode(3, b"x"), failed(1002)),
        (encode(TEXT, b"x", key=None), failed(1002)),
        (encode(CONTINUATION, b"x"), failed(1002)),
        (BEGIN + encode(BINARY, b"x"), failed(1002)),
        (encode(PING, b"x", fin=False), failed(1002)),
        (encode(PING, bytes(126)), failed(1002)),
        (encode(TEXT, b"x", length_bytes=2), failed(1002)),
        (encode(BINARY, bytes(LIMIT)), End("open")),
        (encode(BINARY, bytes(LIMIT + 1)), failed(1009)),
        (BEGIN + encode(CONTINUATION, bytes(LIMIT)), failed(1009)),
        (encode(TEXT, b"\xff"), failed(1007)),
        (encode(BINARY, b"\xff"), End("open")),
        (encode(TEXT, b"\xe2\x82"), failed(1007)),
        (encode(TEXT, b"\xe2\x82", fin=False), End("open")),
        (encode(TEXT, b"\xff and more")[:7], End("failing", frozenset({1007}))),
        (encode(TEXT, b"x", rsv=1)[:1], End("failing", frozenset({1002}))),
        (encode(BINARY, bytes(LIMIT + 1))[:9], End("failing", frozenset({1009}))),
        (encode(CLOSE), End("closed", frozenset({None, 1000}))),
        (encode(CLOSE, b"\x03"), failed(1002)),
        (encode(CLOSE, close_payload(1005)), failed(1002)),
        (encode(CLOSE, close_payload(1000, b"\xff")), failed(1002, 1007)),
        (encode(CLOSE, close_payload(4999)), End("closed", frozenset({4999}))),
        (encode(CLOSE, close_payload(1014)), End("closed", frozenset({1014, 1002}))),
    ],
)
def test_the_strict_run(stream: bytes, end: End) -> None:
    due = run(stream, LIMIT)
    assert due.end == end


def test_late_validators_may_answer_what_comes_in_between() -> None:
    stream = encode(TEXT, b"\xff", fin=False) + encode(PING, b"p") + encode(CONTINUATION, b"end")
    assert {(each.pings, each.end) for each in runs(stream, LIMIT)} == {
        ((), failed(1007)),
        ((b"p",), failed(1007)),
    }


def test_a_reader_notices_later_than_pings_are_answered_and_reads_no_message_behind() -> None:
    stream = GOOD + encode(TEXT, b"\xff") + encode(PING, b"p") + GOOD + NORMAL
    last = runs(stream, LIMIT)[-1]
    assert (last.messages, last.pings, last.end) == (ECHO, (b"p",), failed(1007))
    assert [each.late for each in runs(stream, LIMIT)] == [False, True]


ECHO = ((TEXT, b"good"),)
GOOD = encode(TEXT, b"good")
BAD = GOOD + encode(3)
CLOSED_1002, CLOSED_1007 = close_payload(1002), close_payload(1007)
UNREADABLE = encode(TEXT, b"\xff") + encode(PING, b"p") + GOOD


@pytest.mark.parametrize(
    ("stream", "seen", "grade"),
    [
        (GOOD, Seen(ECHO), "upheld"),
        (GOOD, Seen(), None),
        (GOOD, Seen(ECHO, ended=True), None),
        (GOOD + NORMAL, Seen(ECHO, (), close_payload(1000), True), "upheld"),
        (GOOD + NORMAL, Seen(ECHO, (), close_payload(1000), False), None),
        (GOOD + NORMAL, Seen(ECHO, (), close_payload(1001), True), "other-code"),
        (GOOD + NORMAL, Seen((), (), close_payload(1000), True), "unanswered"),
        (GOOD + NORMAL, Seen(ECHO, (), None, True), None),
        (BAD, Seen(ECHO, (), CLOSED_1002, True), "upheld"),
        (BAD, Seen(ECHO, (), close_payload(1008), True), "other-code"),
        (BAD, Seen(ECHO, (), close_payload(1000), True), "no-error"),
        (BAD, Seen(ECHO, (), b"", True), "no-error"),
        (BAD, Seen(ECHO, (), None, True), "dropped"),
        (BAD, Seen((), (), CLOSED_1002, True), "unanswered"),
        (BAD, Seen(ECHO), None),
        (BAD, Seen(ECHO * 2, (), CLOSED_1002, True), None),
        (BAD + encode(PING, b"p"), Seen(ECHO, (b"p",), CLOSED_1002, True), None),
        (encode(PING, b"1") + encode(PING, b"2"), Seen((), (b"2",)), "upheld"),
        (encode(PING, b"1") + encode(PING, b"2"), Seen((), (b"1",)), None),
        (encode(PING, b"1") + encode(PING, b"2"), Seen((), (b"2", b"1")), None),
        (encode(TEXT, b"good", length_bytes=2), Seen(ECHO), "served"),
        (encode(PING, b"p", length_bytes=8), Seen((), (b"p",)), "served"),
        (encode(PING, bytes(126)), Seen((), (bytes(126),)), None),
        (UNREADABLE, Seen((), (), CLOSED_1007, True), "upheld"),
        (UNREADABLE, Seen((), (b"p",), CLOSED_1007, True), "late"),
        (UNREADABLE, Seen((), (b"p", b"q"), CLOSED_1007, True), None),
        (UNREADABLE, Seen(ECHO, (b"p",), CLOSED_1007, True), None),
        (UNREADABLE, Seen((), (b"p",)), None),
    ],
)
def test_what_fits(stream: bytes, seen: Seen, grade: str | None) -> None:
    assert judged(seen, runs(stream, LIMIT)) == grade
