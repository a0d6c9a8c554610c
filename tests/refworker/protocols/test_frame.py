import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import Close
from refworker.protocols.frame import HEADER, Frame
from tests.refworker.protocols.whole import assert_invariant, assert_reads, positions

LIMIT = 100


def small() -> Frame:
    return Frame(LIMIT)


def impossible(length: int) -> Close:
    return Close(error=f"frame: length {length} is impossible, it counts its own 4 bytes")


def too_big(length: int, limit: int = LIMIT) -> Close:
    return Close(error=f"frame: length {length} exceeds max_package_size ({limit})")


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        ("", []),
        ("00000006 6869", [b"hi"]),
        ("00000004", [b""]),
        ("00000004 00000004 00000005 00", [b"", b"", b"\0"]),
        ("00000006 6869 00000007 00ff0a", [b"hi", b"\x00\xff\n"]),
    ],
)
def test_a_message_follows_its_length(stream: str, messages: list[bytes]) -> None:
    assert_reads(Frame, bytes.fromhex(stream), messages, rest=bytes.fromhex("0000"))
    assert_reads(Frame, bytes.fromhex(stream), messages, rest=bytes.fromhex("00000009 6869"))


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_length_that_does_not_count_itself_is_refused(length: int) -> None:
    assert_reads(Frame, b"\0\0\0\5a" + HEADER.pack(length), [b"a", impossible(length)], rest=b"\0\0\0\5b")


@pytest.mark.parametrize("length", [LIMIT + 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_length_over_the_limit_is_refused_with_the_header(length: int) -> None:
    assert_reads(small, b"\0\0\0\5a" + HEADER.pack(length), [b"a", too_big(length)], rest=b"\0\0\0\5b")


def test_the_exact_limit_is_accepted() -> None:
    assert_reads(small, HEADER.pack(LIMIT + 4) + bytes(LIMIT), [bytes(LIMIT)])


def test_the_limit_may_change_at_any_time() -> None:
    codec = Frame()
    codec.max_package_size = 1
    assert codec.feed(HEADER.pack(6)) == [too_big(6, 1)]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=LIMIT + 2).map(lambda payload: HEADER.pack(len(payload) + 4) + payload),
            st.binary(max_size=6),
        ),
        max_size=8,
    ),
    positions,
)
def test_segmentation_changes_nothing(parts: list[bytes], where: list[int]) -> None:
    assert_invariant(small, b"".join(parts), where)


@given(st.lists(st.binary()))
def test_what_is_encoded_is_read_again(messages: list[bytes]) -> None:
    assert_reads(Frame, b"".join(Frame().encode(message) for message in messages), messages)


def test_a_payload_that_no_length_can_tell_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refworker.protocols.frame.LONGEST_PAYLOAD", 3)
    assert Frame().encode(b"abc") == b"\0\0\0\7abc"
    with pytest.raises(ValueError, match="longest payload is 3"):
        Frame().encode(b"abcd")


def test_it_says_nothing_of_its_own() -> None:
    assert (Frame().opening, Frame().farewell()) == (b"", b"")
