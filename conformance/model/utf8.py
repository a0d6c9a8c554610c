"""UTF-8 as RFC 3629 has it, as vectors: everything at an edge of the rules, on either side of it.

Nothing here is listed by hand but the table of section 4, which says for each place in a sequence which bytes
may stand there, and the scheme of RFC 2279, in which the forms of up to six bytes were written that nobody
may write any more.
"""

from collections.abc import Iterator
from itertools import product

Row = tuple[tuple[int, int], ...]

TAIL = (0x80, 0xBF)
ROWS: tuple[Row, ...] = (
    ((0x00, 0x7F),),
    ((0xC2, 0xDF), TAIL),
    ((0xE0, 0xE0), (0xA0, 0xBF), TAIL),
    ((0xE1, 0xEC), TAIL, TAIL),
    ((0xED, 0xED), (0x80, 0x9F), TAIL),
    ((0xEE, 0xEF), TAIL, TAIL),
    ((0xF0, 0xF0), (0x90, 0xBF), TAIL, TAIL),
    ((0xF1, 0xF3), TAIL, TAIL, TAIL),
    ((0xF4, 0xF4), (0x80, 0x8F), TAIL, TAIL),
)
"""The well-formed sequences (section 4): for each place the lowest and the highest byte."""

FIRST_TOO_LONG = (0x80, 0x800, 0x10000, 0x200000, 0x4000000, 0x80000000)
"""By bytes less one: the first code point that does not fit so many bytes any more (RFC 2279)."""

LAST = 0x10FFFF
HIGH, LOW = (0xD800, 0xDB7F, 0xDB80, 0xDBFF), (0xDC00, 0xDF80, 0xDFFF)
"""Edges of the surrogates, the halves of UTF-16 pairs."""


def scan(data: bytes) -> tuple[bool, bool]:
    """Whether nothing is wrong so far, and whether it ends between two characters."""
    left: Row = ()
    for byte in data:
        rows = (left,) if left else ROWS
        row = next((row for row in rows if row[0][0] <= byte <= row[0][1]), None)
        if row is None:
            return False, False
        left = row[1:]
    return True, not left


def edges() -> list[bytes]:
    """Every well-formed sequence that has an edge of its range at every place."""
    return _once(bytes(choice) for row in ROWS for choice in product(*row))


def non_characters() -> list[bytes]:
    """All 66 code points that are no characters, and are valid all the same (Unicode, corrigendum 9)."""
    last_two = (plane << 16 | end for plane in range(17) for end in (0xFFFE, 0xFFFF))
    return [chr(code).encode() for code in (*range(0xFDD0, 0xFDF0), *last_two)]


def outside() -> list[tuple[bytes, bytes]]:
    """For every place behind the first: a good beginning, and a byte just outside what may follow it."""
    found = []
    for row in ROWS:
        for place in range(1, len(row)):
            low, high = row[place]
            for begin in _once(bytes(choice) for choice in product(*row[:place])):
                found += [(begin, bytes([byte])) for byte in (low - 1, high + 1)]
    return list(dict.fromkeys(found))


def no_beginnings() -> list[bytes]:
    """Every byte that begins no sequence."""
    begins = {byte for row in ROWS for byte in range(row[0][0], row[0][1] + 1)}
    return [bytes([byte]) for byte in range(256) if byte not in begins]


def cut_off() -> list[bytes]:
    """Every beginning of a sequence at an edge that is not the whole of it."""
    return _once(sequence[:end] for sequence in edges() for end in range(1, len(sequence)))


def overlong() -> list[bytes]:
    """The edges of each length, and the slash, in every number of bytes that is more than they need."""
    codes = (0, ord("/"), *(code for first in FIRST_TOO_LONG[:3] for code in (first - 1, first)), LAST)
    return [stretched(code, size) for code in codes for size in range(needed(code) + 1, 7)]


def beyond() -> list[bytes]:
    """What the old scheme had above U+10FFFF: the edges of its forms of four, five and six bytes."""
    codes = (LAST + 1, *(code for first in FIRST_TOO_LONG[3:] for code in (first - 1, first)))
    return [stretched(code, needed(code)) for code in codes if code < FIRST_TOO_LONG[-1]]


def surrogates() -> list[bytes]:
    """Surrogates at the edges of their ranges, alone, and in pairs as UTF-16 has them."""
    alone = [stretched(code, 3) for code in (*HIGH, *LOW)]
    return alone + [stretched(high, 3) + stretched(low, 3) for high, low in product(HIGH, LOW)]


def needed(code: int) -> int:
    """In how many bytes the old scheme writes this code point."""
    return next(size for size, first in enumerate(FIRST_TOO_LONG, 1) if code < first)


def stretched(code: int, size: int) -> bytes:
    """A code point in `size` bytes, two to six, as RFC 2279, section 2, writes it, needed or not."""
    tail = [0x80 | code >> 6 * place & 0x3F for place in reversed(range(size - 1))]
    return bytes([0x100 - (1 << 8 - size) & 0xFF | code >> 6 * (size - 1), *tail])


def _once(sequences: Iterator[bytes]) -> list[bytes]:
    """Without those that were there already."""
    return list(dict.fromkeys(sequences))
