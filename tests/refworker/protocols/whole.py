"""One helper for every codec: the same bytes give the same items, however they are cut.

A codec is read whole, byte by byte and at random cuts, and each time once more with bytes behind, which begin
something that is not complete. Lists are compared whole, so that a missing, doubled or early item fails.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import strategies as st

from refworker.protocols.base import Close, Codec

RANDOM_CUTS = 20


def read(codec: Codec, pieces: Iterable[bytes]) -> list[Any]:
    """The items of a stream that arrives in these pieces; nothing is fed after a `Close`."""
    items: list[Any] = []
    for piece in pieces:
        items += codec.feed(piece)
        if any(isinstance(item, Close) for item in items):
            assert isinstance(items[-1], Close), "a Close is always the last item"
            break
    return items


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    """The pieces between these positions; none is empty."""
    edges = sorted({0, len(data), *(position for position in positions if position < len(data))})
    return [data[start:stop] for start, stop in pairwise(edges)]


def segmentations(data: bytes) -> Iterator[list[bytes]]:
    """Ways to cut a stream: not at all, everywhere, at random."""
    yield [data] if data else []
    yield cut(data, range(len(data)))
    random = Random(len(data))
    for _ in range(RANDOM_CUTS):
        yield cut(data, random.choices(range(len(data) + 1), k=random.randint(1, 5)))


def assert_reads(make: Callable[[], Codec], data: bytes, expected: Sequence[Any], rest: bytes = b"") -> None:
    """Fail unless `data` gives `expected` under every segmentation, and with `rest` behind it."""
    for stream in (data, data + rest) if rest else (data,):
        for pieces in segmentations(stream):
            assert read(make(), pieces) == list(expected), f"cut as {[len(piece) for piece in pieces]}"


def assert_invariant(make: Callable[[], Codec], data: bytes, positions: Iterable[int]) -> None:
    """Fail unless a stream of any sort, also a wrong one, means the same whole, cut, and byte by byte."""
    whole = read(make(), [data] if data else [])
    assert read(make(), cut(data, positions)) == whole
    assert read(make(), cut(data, range(len(data)))) == whole


positions = st.lists(st.integers(0, 400), max_size=12)
"""Where to cut."""
