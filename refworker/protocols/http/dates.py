"""Dates of HTTP, as seconds since 1970 and as text (RFC 9110 section 5.6.7).

The clock belongs to the floors above: what depends on the present is told the present.
"""

import re
from calendar import timegm
from datetime import UTC, datetime

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Spelled out: what the standard library writes depends on the locale."""

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = f"(?P<month>{'|'.join(MONTHS)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
FORMATS = tuple(
    re.compile(text, re.ASCII)
    for text in (
        rf"{_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)
"""IMF-fixdate, and the obsolete forms of RFC 850 and of asctime, which must be understood."""


def http_date(seconds: float) -> str:
    """The IMF-fixdate of a moment, parts of a second dropped: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    moment = datetime.fromtimestamp(int(seconds // 1), UTC)
    day, month = DAYS[moment.weekday()], MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def parse_date(text: str, this_year: int) -> int | None:
    """The moment that a date means; None for what is none. A year of two digits is at most 50 years ahead of
    `this_year`. The name of the day is not compared with the date.
    """
    for form in FORMATS:
        if match := form.fullmatch(text):
            return _moment(match, this_year)
    return None


def _moment(match: re.Match[str], this_year: int) -> int | None:
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += this_year // 100 * 100
        year -= 100 * (year > this_year + 50)
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    month = MONTHS.index(match["month"]) + 1
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59))
    except ValueError:
        return None
    return timegm(moment.timetuple()) + (second == 60) if second <= 60 else None
