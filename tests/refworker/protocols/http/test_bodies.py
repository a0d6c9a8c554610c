from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http import Limits
from refworker.protocols.http.bodies import Chunked, Sized
from refworker.protocols.http.grammar import Refused
from tests.refworker.protocols.whole import cut, positions

LIMITS = Limits(max_chunk_line=40, max_header_size=60, max_header_count=3)


def read(pieces: list[bytes], limit: int = 20) -> object:
    """Body, trailers and what stands behind; or the status; or None for what is not whole."""
    body = Chunked(limit, LIMITS)
    try:
        for number, piece in enumerate(pieces):
            position = body.take(piece, 0)
            if body.is_whole():
                return body.collect(), body.trailers, piece[position:] + b"".join(pieces[number + 1 :])
            assert position == len(piece)
    except Refused as refused:
        return refused.status
    return None


def assert_reads(data: bytes, expected: object) -> None:
    assert read([data]) == expected
    assert read(cut(data, range(len(data)))) == expected
    assert read(cut(data, range(0, len(data), 3))) == expected


def test_a_sized_body() -> None:
    body = Sized(5)
    assert body.take(b"xhe", 1) == 3
    assert (body.size, body.is_whole()) == (2, False)
    assert body.take(b"llo rest", 0) == 3
    assert (body.collect(), body.is_whole(), body.trailers) == (b"hello", True, ())
    whole = Sized(5)
    assert whole.take(b"hello", 0) == 5
    assert whole.collect() == b"hello"


@pytest.mark.parametrize(
    ("data", "body", "trailers"),
    [
        (b"0\r\n\r\n", b"", ()),
        (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", ()),
        (b"00A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", ()),
        (b"a\r\n0123456789\r\n000\r\n\r\n", b"0123456789", ()),
        (b'5;a=1;b="x; \\" y";c\r\nhello\r\n0;d\r\n\r\n', b"hello", ()),
        (b"1\r\na\r\n0\r\nX-T: 1\r\nx-t:2\r\n\r\n", b"a", (("x-t", "1"), ("x-t", "2"))),
    ],
)
def test_chunks(data: bytes, body: bytes, trailers: object) -> None:
    assert_reads(data + b"GET", (body, trailers, b"GET"))
    for end in range(len(data)):
        assert read([data[:end]] if end else []) is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        *(
            (size + b"\r\n", 400)
            for size in (b"zz", b"0x5", b"+5", b"-5", b"0_5", b" 5", b"", b"5 5", b"5 ", b"5;")
        ),
        (b"10000000000000005\r\n", 400),
        (b"5\nhello", 400),
        (b"5;a\nb\r\n", 400),
        (b"5;\x00\r\n", 400),
        (b"5\rX", 400),
        (b"5\r\r;ab\r\n", 400),
        (b"5;a=\r\n", 400),
        (b"5\r\nhelloXX", 400),
        (b"5\r\nhello\n", 400),
        (b"5\r\nhello\rX", 400),
        (b"7fffffff\r\n", 413),
        (b"f\r\n0123456789abcde\r\n6\r\n", 413),
        (b"5;" + b"a" * 50, 431),
        (b"1;" + b"a" * 30 + b"\r\nx\r\n1;" + b"a" * 31 + b"\r\n", 431),
        (b"0\r\nnocolon\r\n", 400),
        (b"0\r\na: b\r\n" + b"a: b\r\n" * 3, 431),
        (b"0\r\na: " + b"b" * 60, 431),
    ],
)
def test_chunks_that_are_refused(data: bytes, status: int) -> None:
    assert_reads(data, status)


PARTS = st.sampled_from(
    [b"1\r\na\r\n", b"0\r\n", b"\r\n", b"5;a\r\n", b"hello", b"\r", b"\n", b"x: y\r\n", b"f", b";", b" "]
)


@given(st.lists(PARTS, max_size=12), positions)
def test_the_verdict_does_not_depend_on_the_cut(parts: list[bytes], where: list[int]) -> None:
    data = b"".join(parts)
    whole = read([data])
    assert read(cut(data, where)) == whole
    assert read(cut(data, range(len(data)))) == whole


def test_what_is_there_already_is_not_looked_at_again() -> None:
    many = Chunked(10**6, Limits())
    many.take(b"1\r\na\r\n" * 170_000, 0)
    began = process_time()
    for _ in range(100):
        for byte in (b"1", b"\r", b"\n", b"a", b"\r", b"\n"):
            many.take(byte, 0)
    assert many.size == 170_100
    assert process_time() - began < 0.1
