"""Counterexamples are made small, and no new oddness comes in on the way."""

from collections.abc import Callable, Sequence

from conformance.differential.grammar import Example, Piece, octets
from conformance.differential.shrinking import Test, odd_ones, plainest, smallest

EXAMPLE: Example = (
    Piece("line", b"GET /\r\n", b"GET /\r\n"),
    Piece("name", b"X[A]", b"X-A"),
    Piece("value", b"a\x00b", b"one"),
    Piece("line end", b"\r\n", b"\r\n"),
)


def by(shows: Callable[[bytes], bool]) -> Test:
    def test(candidates: Sequence[Example]) -> list[bool]:
        return [shows(octets(candidate)) for candidate in candidates]

    return test


def test_odd_ones() -> None:
    assert odd_ones(EXAMPLE) == {("name", b"X[A]"), ("value", b"a\x00b")}


def test_plain_pieces_where_they_will_do() -> None:
    found = plainest(EXAMPLE, by(lambda data: b"\x00" in data))
    assert octets(found) == b"GET /\r\nX-Aa\x00b\r\n"


def test_fewer_pieces_and_fewer_odd_octets() -> None:
    found = smallest(EXAMPLE, by(lambda data: b"\x00" in data and b"\n" in data))
    assert octets(found) == b"\x00\r\n"


def test_nothing_smaller() -> None:
    assert (
        smallest(EXAMPLE, by(lambda data: False))
        == EXAMPLE[:1]
        + tuple(
            Piece(piece.slot, bytes([octet]), bytes([octet]))
            for piece in EXAMPLE[1:3]
            for octet in piece.octets
        )
        + EXAMPLE[3:]
    )
