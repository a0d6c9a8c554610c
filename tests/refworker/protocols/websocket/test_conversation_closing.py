"""How a conversation ends."""

import pytest

from refworker.protocols.base import Close
from refworker.protocols.websocket.frames import (
    CLOSE,
    PING,
    TEXT,
    close_payload,
    frame,
)
from tests.refworker.protocols.websocket.peers import (
    Make,
    both_roles,
    closing,
    failed,
    fragments,
    parted,
    raw_frame,
    sent,
)
from tests.refworker.protocols.whole import assert_reads


@both_roles
@pytest.mark.parametrize("code", [None, 1000, 1001, 1014, 3000, 4999])
def test_a_close_is_answered_with_its_code(make: Make, key: bytes, code: int | None) -> None:
    expected = ["x", *parted(sent(make, CLOSE, closing(code)[2:]), code)]
    behind = frame(PING, b"", key) + frame(TEXT, b"late", key) + closing(1000, key)
    assert_reads(make, frame(TEXT, b"x", key) + closing(code, key), expected, rest=behind)


@both_roles
def test_a_close_ends_an_unfinished_message(make: Make, key: bytes) -> None:
    first, last = fragments(TEXT, b"Hel", b"lo", key=key)
    expected = parted(sent(make, CLOSE, b"\x03\xe8"), 1000)
    assert_reads(make, first + closing(1000, key), expected, rest=last)


@both_roles
def test_the_reason_of_a_close_is_told(make: Make, key: bytes) -> None:
    data = frame(CLOSE, close_payload(3001, "grün"), key)
    assert_reads(make, data, parted(sent(make, CLOSE, b"\x0b\xb9"), 3001, "grün"))


@both_roles
@pytest.mark.parametrize(
    ("payload", "code", "problem", "section"),
    [
        (b"\x03", 1002, "a Close frame has half a code", "5.5.1"),
        (b"\x03\xed", 1002, "close code 1005 may not be sent", "7.4"),
        (b"\x03\xe8\xed\xa0\x80", 1007, "the reason of the Close frame is not UTF-8", "5.5.1"),
    ],
)
def test_a_close_that_is_wrong(
    make: Make, key: bytes, payload: bytes, code: int, problem: str, section: str
) -> None:
    assert_reads(make, frame(CLOSE, payload, key), [failed(make, code, problem, section)])


@both_roles
def test_farewell_is_said_once_and_then_only_the_answer_counts(make: Make, key: bytes) -> None:
    codec = make()
    assert codec.farewell(1001, "bye") == sent(make, CLOSE, b"\x03\xe9bye")
    assert codec.farewell() == b""
    late = frame(TEXT, b"late", key) + frame(PING, b"", key)
    assert codec.feed(late) == []
    assert codec.feed(late + closing(1000, key) + late) == parted(b"", 1000)


@both_roles
def test_nothing_is_sent_after_farewell(make: Make, key: bytes) -> None:
    codec = make()
    codec.farewell()
    for send in (codec.encode, codec.ping, codec.pong):
        with pytest.raises(ValueError, match=r"nothing can follow the Close frame .*5\.5\.1"):
            send(b"x")


@both_roles
def test_a_rule_broken_after_farewell_is_told_but_not_answered(make: Make, key: bytes) -> None:
    codec = make()
    codec.farewell()
    (close,) = codec.feed(raw_frame(0xC1, b"", key))
    assert close.reply == b""
    assert "reserved bit" in close.error


@both_roles
def test_a_farewell_that_may_not_be_said_changes_nothing(make: Make, key: bytes) -> None:
    codec = make()
    for code, reason in ((1005, ""), (1000, "x" * 124)):
        with pytest.raises(ValueError):
            codec.farewell(code, reason)
    assert codec.farewell() == sent(make, CLOSE, b"\x03\xe8")


@both_roles
def test_messages_before_a_close_can_still_be_answered(make: Make, key: bytes) -> None:
    codec = make()
    message, _, close = codec.feed(frame(TEXT, b"x", key) + closing(1000, key))
    assert codec.encode(message) == sent(make, TEXT, b"x")
    assert isinstance(close, Close)
