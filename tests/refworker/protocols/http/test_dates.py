from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.dates import http_date, parse_date

MOMENT = 784111777
LAST = 253402300799  # the end of the year 9999


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_every_form_is_understood(text: str) -> None:
    assert parse_date(text, 2026) == MOMENT


def test_it_is_written_as_imf_fixdate() -> None:
    assert http_date(MOMENT) == http_date(MOMENT + 0.9) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert http_date(-0.5) == "Wed, 31 Dec 1969 23:59:59 GMT"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text, 2026) is None


@pytest.mark.parametrize(("text", "year"), [("26", 2026), ("76", 2076), ("77", 1977), ("99", 1999)])
def test_a_year_of_two_digits_is_at_most_50_years_ahead(text: str, year: int) -> None:
    short = parse_date(f"Sunday, 06-Nov-{text} 08:49:37 GMT", 2026)
    assert short == parse_date(f"Sun, 06 Nov {year} 08:49:37 GMT", 2026)


def test_a_leap_second_is_a_moment() -> None:
    assert parse_date("Sat, 31 Dec 2016 23:59:60 GMT", 2026) == parse_date("Sun, 01 Jan 2017 00:00:00 GMT", 0)


@given(st.integers(-62135596800, LAST))
def test_what_is_written_is_read(seconds: int) -> None:
    assert parse_date(http_date(seconds), 2026) == seconds


@given(st.integers(0, LAST))
def test_the_standard_library_writes_and_reads_the_same(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)
    assert parsedate_to_datetime(http_date(seconds)).timestamp() == seconds


@given(st.text("Sun, 06Nov194:37GMT-day", max_size=32))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    assert parse_date(text, 2026) is None or len(text) > 20
