"""The vectors of UTF-8, held against Python's strict decoder."""

from itertools import product

import pytest

from conformance.model import utf8


def is_valid(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


FILL = (0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF)


def goes_on(data: bytes) -> bool:
    """Whether more bytes can make it valid. (Python's own decoder waits for the end of a surrogate.)"""
    return any(is_valid(data + bytes(tail)) for size in range(4) for tail in product(FILL, repeat=size))


def test_the_table_is_complete() -> None:
    """The sequences of the table are as many as there are code points that UTF-8 may write."""
    count = 0
    for row in utf8.ROWS:
        size = 1
        for low, high in row:
            size *= high - low + 1
        count += size
    assert count == 0x110000 - 0x800


def test_the_valid_ones() -> None:
    assert len(utf8.edges()) > 50
    assert len(set(utf8.non_characters())) == 66
    assert all(map(is_valid, utf8.edges() + utf8.non_characters()))


def test_just_outside() -> None:
    assert len(utf8.outside()) > 80
    for begin, wrong in utf8.outside():
        assert goes_on(begin)
        assert not goes_on(begin + wrong)


def test_no_beginnings() -> None:
    assert utf8.no_beginnings() == [bytes([byte]) for byte in range(256) if not goes_on(bytes([byte]))]


def test_cut_off() -> None:
    assert all(goes_on(begin) and not is_valid(begin) for begin in utf8.cut_off())


@pytest.mark.parametrize("family", [utf8.overlong, utf8.beyond, utf8.surrogates])
def test_forbidden_forms(family: object) -> None:
    assert callable(family)
    vectors = family()
    assert len(vectors) == len(set(vectors)) > 5
    assert not any(map(goes_on, vectors))


def test_the_old_scheme_agrees_where_it_is_still_good() -> None:
    for code in (0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF):
        assert utf8.stretched(code, utf8.needed(code)) == chr(code).encode()


def test_examples_of_old_forms() -> None:
    assert b"\xc0\xaf" in utf8.overlong()
    assert b"\xfc\x80\x80\x80\x80\x80" in utf8.overlong()
    assert b"\xfd\xbf\xbf\xbf\xbf\xbf" in utf8.beyond()
    assert b"\xf4\x90\x80\x80" in utf8.beyond()
    assert b"\xed\xa0\x80\xed\xb0\x80" in utf8.surrogates()


def test_scanning() -> None:
    for text in (*utf8.edges(), *utf8.cut_off(), *utf8.no_beginnings(), *utf8.overlong(), b""):
        assert utf8.scan(b"a" + text) == (goes_on(text), is_valid(text))
