"""Conditional requests: whether a client's idea of a representation still holds (RFC 9110 section 13).

A field that is not well formed proves nothing: no entity tag matches it, and a date that is none is ignored.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from refworker.protocols.http.dates import parse_date

NOT_MODIFIED, FAILED = 304, 412

TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
TAG_LIST = re.compile(rf"[ \t,]*+{TAG}(?:[ \t]*+,[ \t,]*+{TAG})*+[ \t,]*+")
ONE_TAG = re.compile(TAG)
SAFE = frozenset({"GET", "HEAD"})
YEAR = 31_556_952
"""Seconds, as the calendar has them on average."""

Ask = Callable[[str], str | None]
"""From the lower-case name of a field to its value, lines of the same name joined with commas."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What is known of the present representation: its entity tag as it is sent, with quotes and perhaps
    `W/`, and when it was last changed, in whole seconds since 1970.
    """

    etag: str | None = None
    last_modified: int | None = None


def precondition(method: str, ask: Ask, now: Validators | None, present: float) -> int | None:
    """The status that answers a request whose conditions do not hold, 304 or 412; None where it is to be
    answered as usual. `now` is None where there is no representation; `present` is the time in seconds.
    """
    return _still_the_same(ask, now, present) or _news(method, ask, now, present)


def _still_the_same(ask: Ask, now: Validators | None, present: float) -> int | None:
    """Steps 1 and 2 of section 13.2.2."""
    if (tags := ask("if-match")) is not None:
        return None if matches(tags, now, strongly=True) else FAILED
    date = _date(ask("if-unmodified-since"), present)
    changed = date is not None and now and now.last_modified is not None and now.last_modified > date
    return FAILED if changed else None


def _news(method: str, ask: Ask, now: Validators | None, present: float) -> int | None:
    """Steps 3 and 4."""
    if (tags := ask("if-none-match")) is not None:
        known = matches(tags, now, strongly=False)
        return (NOT_MODIFIED if method in SAFE else FAILED) if known else None
    date = _date(ask("if-modified-since"), present) if method in SAFE else None
    unchanged = date is not None and now and now.last_modified is not None and now.last_modified <= date
    return NOT_MODIFIED if unchanged else None


def range_applies(value: str | None, now: Validators, present: float) -> bool:
    """Step 5, If-Range: whether a Range is to be answered with a part, the client's other parts being of the
    same representation (section 13.1.5). A date only proves that where the representation is not of this very
    second (section 8.8.2.2).
    """
    if value is None:
        return True
    if ONE_TAG.fullmatch(value):
        return matches(value, now, strongly=True)
    date = _date(value, present)
    return date is not None and date == now.last_modified and date <= present - 1


def matches(tags: str, now: Validators | None, strongly: bool) -> bool:
    """Whether a list of entity tags, or `*`, has the one of the representation (section 8.8.3.2)."""
    if tags.strip(" \t") == "*":
        return now is not None
    etag = now.etag if now else None
    if etag is None or not TAG_LIST.fullmatch(tags) or (strongly and etag.startswith("W/")):
        return False
    listed = ONE_TAG.findall(tags)
    return etag in listed if strongly else _opaque(etag) in map(_opaque, listed)


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")


def _date(value: str | None, present: float) -> int | None:
    return None if value is None else parse_date(value, 1970 + int(present // YEAR))
