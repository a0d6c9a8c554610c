"""What properties are made of: messages, splits of a stream, near-valid frames, garbage."""

from itertools import pairwise

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.wire import frame

MESSAGE = 200
"""Bytes of a generated message; long ones have cases of their own."""

SEGMENTS = 8
"""Segments that a stream is split into at most: each costs a gap."""


def messages(size: int = MESSAGE) -> SearchStrategy[bytes]:
    """Any bytes, mostly few."""
    return st.binary(max_size=size)


def lines(size: int = MESSAGE) -> SearchStrategy[bytes]:
    """Lines as a client may send them: no LF inside, ended by LF after any run of CR."""
    body = st.binary(max_size=size).map(lambda data: data.replace(b"\n", b""))
    return st.builds(bytes.__add__, body, st.sampled_from([b"\n", b"\r\n", b"\r\r\n"]))


@st.composite
def splits(draw: st.DrawFn, data: bytes, segments: int = SEGMENTS) -> list[bytes]:
    """The data cut at random places into at most `segments` pieces, none of them empty."""
    cuts = draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=segments - 1))
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


def split_streams(parts: SearchStrategy[bytes], most: int = 6) -> SearchStrategy[list[bytes]]:
    """One to `most` parts joined to a stream, cut somewhere else."""
    return st.lists(parts, min_size=1, max_size=most).map(b"".join).flatmap(splits)


def near_valid_frames() -> SearchStrategy[bytes]:
    """Frames with a length field that is a little or very wrong, or with too few bytes behind it."""
    lengths = st.one_of(st.integers(0, 12), st.integers(0, frame.LARGEST), st.just(frame.LARGEST))
    return st.builds(lambda total, body: frame.header(total) + body, lengths, st.binary(max_size=16))


def garbage(size: int = 4096) -> SearchStrategy[bytes]:
    """Bytes without any plan."""
    return st.binary(min_size=1, max_size=size)
