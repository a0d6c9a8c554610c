import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.base import MAX_PACKAGE_SIZE, Close, Event, Raw, Signal, as_bytes
from tests.refworker.protocols.whole import cut, positions, read


@pytest.mark.parametrize(
    ("message", "payload"),
    [
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        ("grün", "grün".encode()),
        ("", b""),
        (123, b"123"),
        (-1.5, b"-1.5"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'.encode()),
        ([], b"[]"),
    ],
)
def test_a_message_has_one_payload(message: object, payload: bytes) -> None:
    assert as_bytes(message) == payload
    assert type(as_bytes(message)) is bytes


@pytest.mark.parametrize("message", [None, object(), {1, 2}, {"a": object()}])
def test_what_is_no_message_is_a_type_error(message: object) -> None:
    with pytest.raises(TypeError):
        as_bytes(message)


def test_text_that_is_not_unicode_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        as_bytes("\ud800")


def test_signals_are_compared_by_value_and_fixed() -> None:
    assert Event("on_connect") == Event("on_connect", (), b"", False)
    assert Close(error="x") != Close()
    assert isinstance(Event("on_connect"), Signal)
    assert isinstance(Close(), Signal)
    with pytest.raises(AttributeError):
        Close().reply = b"x"  # type: ignore[misc]


@given(st.binary(max_size=300), positions)
def test_raw_passes_every_byte_on_in_order(data: bytes, where: list[int]) -> None:
    pieces = cut(data, where)
    assert read(Raw(), pieces) == pieces
    assert b"".join(Raw().encode(piece) for piece in pieces) == data


def test_raw_keeps_nothing_and_says_nothing_of_its_own() -> None:
    raw = Raw(5)
    assert raw.feed(b"longer than five") == [b"longer than five"]
    assert (raw.opening, raw.farewell(), raw.max_package_size) == (b"", b"", 5)
    assert Raw().max_package_size == MAX_PACKAGE_SIZE
