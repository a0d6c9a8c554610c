"""Text, which is UTF-8."""

import pytest

from refworker.protocols.websocket.frames import (
    CLOSE,
    PING,
    TEXT,
    frame,
)
from tests.refworker.protocols.websocket.peers import (
    Make,
    both_roles,
    fragments,
    sent,
)
from tests.refworker.protocols.whole import assert_reads, read

BAD_TEXT = {
    "overlong": "c0af", "overlong 3": "e080af", "surrogate": "eda080", "too high": "f4908080",
    "lone continuation": "80", "start byte": "fe", "no continuation": "c328",
}  # fmt: skip


@both_roles
@pytest.mark.parametrize("bad", BAD_TEXT.values(), ids=BAD_TEXT)
def test_text_that_is_not_utf8(make: Make, key: bytes, bad: str) -> None:
    payload = "grün".encode() + bytes.fromhex(bad) + b"behind"
    (close,) = read(make(), [frame(TEXT, payload, key)])
    assert close.reply == sent(make, CLOSE, (1007).to_bytes(2, "big"))
    assert close.error.startswith("websocket: text is not UTF-8: ")
    assert close.error.endswith("(RFC 6455 section 8.1)")
    assert_reads(make, frame(TEXT, payload, key), [close], rest=frame(PING, b"", key))
    in_bytes = [bytes([byte]) for byte in payload]
    assert_reads(make, b"".join(fragments(TEXT, *in_bytes, key=key)), [close])


@both_roles
def test_the_first_wrong_byte_ends_it_inside_a_frame(make: Make, key: bytes) -> None:
    codec = make()
    data = frame(TEXT, "€".encode() + b"\xf4\x90" + bytes(100), key)
    start = len(data) - 105
    assert codec.feed(data[: start + 4]) == []
    (close,) = codec.feed(data[start + 4 : start + 5])
    assert close.reply == sent(make, CLOSE, b"\x03\xef")


WRONG_SECONDS = (b"\xed\xa0", b"\xed\xbf", b"\xe0\x9f", b"\xf0\x8f", b"\xf4\x90", b"\xc3(")


@both_roles
@pytest.mark.parametrize("letter", WRONG_SECONDS)
def test_the_second_byte_of_a_letter_is_wrong_by_itself(make: Make, key: bytes, letter: bytes) -> None:
    codec = make()
    data = frame(TEXT, letter + bytes(100), key)
    assert codec.feed(data[:-101]) == []
    (close,) = codec.feed(data[-101:-100])
    assert close.reply == sent(make, CLOSE, b"\x03\xef")


@both_roles
def test_the_last_character_before_the_surrogates(make: Make, key: bytes) -> None:
    assert_reads(make, frame(TEXT, "\ud7ff\ue000".encode(), key), ["\ud7ff\ue000"])


@both_roles
def test_text_that_ends_inside_a_character(make: Make, key: bytes) -> None:
    for data in (frame(TEXT, b"\xe2\x82", key), b"".join(fragments(TEXT, b"\xe2\x82", b"", key=key))):
        (close,) = read(make(), [data])
        assert "not UTF-8" in close.error
        assert_reads(make, data, [close])


@both_roles
@pytest.mark.parametrize("text", ["\uffff", "\U0010ffff", "\ufdd0", "\0", "\U0001f600"])
def test_strange_but_valid_text(make: Make, key: bytes, text: str) -> None:
    assert_reads(make, frame(TEXT, text.encode(), key), [text])
