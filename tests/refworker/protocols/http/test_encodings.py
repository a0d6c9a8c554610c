import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.encodings import preferred

OFFERS = ("br", "gzip")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("", []),
        ("identity", []),
        ("gzip", ["gzip"]),
        ("gzip, deflate, br", ["br", "gzip"]),
        ("GZIP , Br", ["br", "gzip"]),
        ("br;q=0.5, gzip", ["gzip", "br"]),
        ("br; q=0.5 , gzip;q=0.1", ["br", "gzip"]),
        ("br;q=0, gzip", ["gzip"]),
        ("br;q=0.000, *", ["gzip"]),
        ("*", ["br", "gzip"]),
        ("*;q=0", []),
        ("*;q=0, gzip;Q=1.000", ["gzip"]),
        (",gzip,", ["gzip"]),
        ("gzip;q=2", []),
        ("gzip;q=-1", []),
        ("gzip;level=9", []),
        ("gzip gzip", []),
        ("x-gzip", []),
    ],
)
def test_preferred(value: str | None, expected: list[str]) -> None:
    assert preferred(value, OFFERS) == expected


@given(st.text("gzipbr;q=01.5, *", max_size=30))
def test_any_value_takes_some_of_what_is_offered(value: str) -> None:
    assert set(preferred(value, OFFERS)) <= set(OFFERS)


def test_a_long_value_is_read_in_no_time() -> None:
    assert preferred("gzip" + " " * 60_000 + "x", OFFERS) == []
