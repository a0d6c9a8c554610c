"""A simpler example that shows the same: fewer odd pieces, fewer pieces, fewer octets in the odd ones.

What is plain is left out as a whole or not at all: half a line end would be one more odd thing, and the first
one hidden behind it.

Candidates are tried side by side, since many of them leave a target waiting, and all can wait at once.
"""

from collections.abc import Callable, Sequence

from conformance.differential.grammar import Example, Piece

AT_ONCE = 24
"""Candidates tried side by side."""

Test = Callable[[Sequence[Example]], list[bool]]
"""For each candidate whether it still shows what is looked for."""

Step = Callable[[Example, int], Example]
"""An example with the piece at a place made simpler."""


def odd_ones(example: Example) -> frozenset[tuple[str, bytes]]:
    """The pieces that are not the plainest spelling of their slots."""
    return frozenset((piece.slot, piece.octets) for piece in example if piece.is_odd)


def plainest(example: Example, test: Test) -> Example:
    """Plain pieces wherever they will do."""
    return _simplified(example, _plain, test)


def smallest(example: Example, test: Test) -> Example:
    """Without the pieces that do not matter, and then without the octets of odd ones that do not."""
    shorter = _simplified(example, _without, test)
    split = tuple(part for piece in shorter for part in _parts(piece))
    return _simplified(split, _without, test)


def _simplified(example: Example, step: Step, test: Test) -> Example:
    """The step at every place where it changes something and the test is passed still."""
    place = 0
    while place < len(example):
        places = range(place, min(place + AT_ONCE, len(example)))
        candidates = [step(example, each) for each in places]
        passed = [
            good and candidate != example
            for good, candidate in zip(test(candidates), candidates, strict=True)
        ]
        if True in passed:
            example, place = candidates[passed.index(True)], place + passed.index(True)
        else:
            place = places.stop
    return example


def _plain(example: Example, place: int) -> Example:
    piece = example[place]
    return (*example[:place], Piece(piece.slot, piece.plain, piece.plain), *example[place + 1 :])


def _without(example: Example, place: int) -> Example:
    return (*example[:place], *example[place + 1 :])


def _parts(piece: Piece) -> list[Piece]:
    """An odd piece in single octets; those are to be left out or to stay, so that none is odd."""
    if not piece.is_odd:
        return [piece]
    return [Piece(piece.slot, octet, octet) for octet in map(bytes, zip(piece.octets, strict=True))]
