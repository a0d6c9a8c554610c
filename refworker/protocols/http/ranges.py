"""Ranges of octets: which part of a representation is wanted (RFC 9110 section 14).

One range is answered. Several in one request are answered with the whole representation, as section 14.2
allows for any Range: who asks for many small ones costs a server more than he gets, and hardly anybody asks.
"""

import re

Span = tuple[int, int]
"""The first octet, and the one behind the last."""

ONE_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)

UNSATISFIABLE: Span = (0, 0)
"""The answer to a range that has no octet of the representation: 416."""

LONGEST_NUMBER = 18
"""Digits of a position that counts as a number: what is longer lies behind every file."""


def wanted_span(value: str, size: int) -> Span | None:
    """What a Range field asks of a representation of `size` octets: a part of it, `UNSATISFIABLE`, or None
    where the field is to be ignored: another unit, several ranges, or no range at all (section 14.2).
    """
    match = ONE_RANGE.fullmatch(value)
    if not match or match[1] == match[2] == "":
        return None
    first, last = _number(match[1]), _number(match[2])
    if not match[1]:
        return _not_empty(max(size - last, 0), size)
    if not match[2]:
        return _not_empty(first, size)
    return None if first > last else _not_empty(first, min(last + 1, size))


def _number(digits: str) -> int:
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= LONGEST_NUMBER else 10**LONGEST_NUMBER


def _not_empty(start: int, stop: int) -> Span:
    return (start, stop) if start < stop else UNSATISFIABLE


def content_range(span: Span, size: int) -> str:
    """The value of Content-Range, for 206 and for 416 (section 14.4)."""
    return f"bytes {span[0]}-{span[1] - 1}/{size}" if span != UNSATISFIABLE else f"bytes */{size}"
