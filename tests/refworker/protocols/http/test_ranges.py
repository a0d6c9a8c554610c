import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.ranges import UNSATISFIABLE, Span, content_range, wanted_span


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-4", (0, 5)),
        ("bytes=5-", (5, 11)),
        ("bytes=10-", (10, 11)),
        ("bytes=-5", (6, 11)),
        ("bytes=-11", (0, 11)),
        ("bytes=-100", (0, 11)),
        ("bytes=3-100", (3, 11)),
        ("bytes=03-04", (3, 5)),
        ("BYTES= 3-4 ", (3, 5)),
        (f"bytes=3-{10**40}", (3, 11)),
        ("bytes=11-", UNSATISFIABLE),
        ("bytes=11-20", UNSATISFIABLE),
        (f"bytes={10**40}-", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes", None),
        ("bytes=a-b", None),
        ("bytes=1-2x", None),
        ("bytes=1 - 2", None),
        ("bytes=--5", None),
        ("bytes=+1-2", None),
        ("bytes=٣-٤", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("0-1", None),
    ],
)
def test_of_eleven_octets(value: str, expected: Span | None) -> None:
    assert wanted_span(value, 11) == expected


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
def test_nothing_has_no_part(value: str) -> None:
    assert wanted_span(value, 0) == UNSATISFIABLE


def test_content_range() -> None:
    assert content_range((3, 5), 11) == "bytes 3-4/11"
    assert content_range(UNSATISFIABLE, 11) == "bytes */11"


DIGITS = st.none() | st.integers(0, 30)


@given(DIGITS, DIGITS, st.integers(0, 20))
def test_a_range_is_the_slice_that_it_names(first: int | None, last: int | None, size: int) -> None:
    octets = bytes(range(size))
    span = wanted_span(f"bytes={'' if first is None else first}-{'' if last is None else last}", size)
    if first is None:
        expected = b"" if not last else octets[-last:]
        assert span is None if last is None else octets[slice(*span or ())] == expected
    elif last is not None and last < first:
        assert span is None
    else:
        assert span is not None
        assert octets[slice(*span)] == octets[first : None if last is None else last + 1]


@given(st.text("bytes=0123456789-, \t", max_size=20), st.integers(0, 20))
def test_any_value_means_a_part_or_nothing(value: str, size: int) -> None:
    span = wanted_span(value, size)
    assert span in (None, UNSATISFIABLE) or (span and 0 <= span[0] < span[1] <= size)
