import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http import Limits
from refworker.protocols.http.grammar import Refused
from refworker.protocols.http.pieces import HeadInPieces, Section
from tests.refworker.protocols.whole import cut, positions

LIMITS = Limits(max_request_line=24, max_header_size=40, max_header_count=3)


def read(make: type[Section], pieces: list[bytes]) -> tuple[bytes, bytes] | tuple[int, str] | None:
    """Text and rest, or status and problem, or None for what is not whole."""
    section = make(LIMITS)
    try:
        for number, piece in enumerate(pieces):
            if section.feed(piece):
                return section.text, section.rest + b"".join(pieces[number + 1 :])
    except Refused as refused:
        return refused.status, str(refused)
    assert len(section) == sum(map(len, pieces))
    return None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: b\r\nc:\r\n\r\nrest", (b"a: b\r\nc:\r\n\r\n", b"rest")),
        (b"\r\nrest", (b"\r\n", b"rest")),
        (b"a: b\r\n", None),
        (b"a: b\r", None),
        (b"a", None),
    ],
)
def test_sections(data: bytes, expected: object) -> None:
    assert read(Section, [data]) == expected
    assert read(Section, cut(data, range(len(data)))) == expected


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"a: b\n", 400),
        (b"a: b\rc", 400),
        (b"a\x00", 400),
        (b"a b\r\n", 400),
        (b"a: b\r\n c\r\n", 400),
        (b"a: " + b"x" * 38, 431),
        (b"a: b\r\n" * 4, 431),
        (b"a: " + b"x" * 30 + b"\x00" + b"x" * 50, 400),
        (b"a: " + b"x" * 50 + b"\x00", 431),
    ],
)
def test_sections_that_are_refused_before_their_end(data: bytes, status: int) -> None:
    for pieces in ([data], cut(data, range(len(data)))):
        refused = read(Section, pieces)
        assert refused
        assert refused[0] == status


HEADS = {
    b"GET / HTTP/1.1\r\na: b\r\n\r\nrest": (b"GET / HTTP/1.1\r\na: b\r\n\r\n", b"rest"),
    b"\r\nGET / HTTP/1.1\r\n\r\n": (b"GET / HTTP/1.1\r\n\r\n", b""),
    b"\r": None,
    b"G": None,
    b"\r\n\r\nGET": (400, "the request line is malformed"),
    b"\x16\x03\x01": (400, "the request line is malformed"),
    b" ": (400, "the request line is malformed"),
    b"\n": (400, "the request line is malformed"),
    b"\rG": (400, "the request line is malformed"),
    b"GET / HTTP/2.0\r\n": (505, "only HTTP/1.x is spoken here"),
    b"GET / HTTP/2.0\r\na\x00": (505, "only HTTP/1.x is spoken here"),
    b"GET /aaaaaaaaaaaaaaa HTTP/1.1\r\n": (414, "the request line is longer than 24 bytes"),
    b"GET / HTTP/1.1\r\nnocolon\r\n": (400, "a field line is malformed"),
}


@pytest.mark.parametrize("data", HEADS)
def test_heads(data: bytes) -> None:
    assert read(HeadInPieces, [data]) == HEADS[data]
    assert read(HeadInPieces, cut(data, range(len(data)))) == HEADS[data]


PARTS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"\r\n",
        b"a: b\r\n",
        b"\r",
        b"\n",
        b"\x00",
        b" ",
        b"x",
        b"HTTP/2.0",
        b":",
        b"GET /",
    ]
)


@given(st.lists(PARTS, max_size=12), positions)
def test_the_verdict_does_not_depend_on_the_cut(parts: list[bytes], where: list[int]) -> None:
    data = b"".join(parts)
    whole = read(HeadInPieces, [data])
    assert read(HeadInPieces, cut(data, where)) == whole
    assert read(HeadInPieces, cut(data, range(len(data)))) == whole
