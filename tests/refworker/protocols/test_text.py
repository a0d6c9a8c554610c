import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import Close
from refworker.protocols.text import Text
from tests.refworker.protocols.whole import assert_invariant, assert_reads, positions

LIMIT = 10
TOO_LONG = Close(error="text: a line is longer than max_package_size (10 bytes)")
ALL_BYTES = bytes(byte for byte in range(256) if byte != 0x0A)


def small() -> Text:
    return Text(LIMIT)


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (b"", []),
        (b"hi\n", [b"hi"]),
        (b"1\n2\n3\n", [b"1", b"2", b"3"]),
        (b"\n\n\n", [b"", b"", b""]),
        (b"\r\n", [b""]),
        (b"hi\r\n", [b"hi"]),
        (b"hi\r\r\r\n", [b"hi"]),
        (b"a\rb\n", [b"a\rb"]),
        (b"\ra\n", [b"\ra"]),
        (ALL_BYTES + b"x\n", [ALL_BYTES + b"x"]),
    ],
)
def test_a_message_is_a_line(stream: bytes, messages: list[bytes]) -> None:
    assert_reads(Text, stream, messages, rest=b"tail\r")


@pytest.mark.parametrize(
    ("stream", "items"),
    [
        (b"a" * 10 + b"\n", [b"a" * 10]),
        (b"a" * 10 + b"\r\n", [b"a" * 10]),
        (b"a" * 11 + b"\n", [TOO_LONG]),
        (b"a" * 11, [TOO_LONG]),
        (b"a" * 10 + b"\rb", [TOO_LONG]),
        (b"\r" * 12, [TOO_LONG]),
        (b"ok\n" + b"a" * 11, [b"ok", TOO_LONG]),
        (b"ok\n" + b"a" * 11 + b"\nlate\n", [b"ok", TOO_LONG]),
    ],
)
def test_the_limit_is_that_of_one_line(stream: bytes, items: list[object]) -> None:
    assert_reads(small, stream, items)


def test_many_short_lines_are_not_one_long_one() -> None:
    assert_reads(small, b"aa\nbb\ncc\ndd\n" * 20, [b"aa", b"bb", b"cc", b"dd"] * 20, rest=b"a" * 10)


def test_a_tail_that_may_still_end_well_waits() -> None:
    codec = small()
    assert codec.feed(b"a" * 10) == []
    assert codec.feed(b"\r") == []
    assert codec.feed(b"\n") == [b"a" * 10]


def test_the_limit_may_change_at_any_time() -> None:
    codec = Text()
    assert codec.feed(b"a" * 20) == []
    codec.max_package_size = 10
    assert codec.feed(b"a") == [TOO_LONG]


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"aaaa", b"a" * 9, b"\r\n"]), max_size=40), positions)
def test_segmentation_changes_nothing(parts: list[bytes], where: list[int]) -> None:
    assert_invariant(Text, b"".join(parts), where)
    assert_invariant(small, b"".join(parts), where)


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))))
def test_what_is_encoded_is_read_again(lines: list[bytes]) -> None:
    assert_reads(Text, b"".join(Text().encode(line) for line in lines), lines)


def test_it_says_nothing_of_its_own() -> None:
    assert (Text().opening, Text().farewell(), Text().encode("ü")) == (b"", b"", "ü\n".encode())
