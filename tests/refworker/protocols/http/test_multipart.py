from collections.abc import Iterable
from email.message import MIMEPart
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.multipart import END, MAX_PARTS, Malformed, Part, Reader
from tests.refworker.protocols.whole import cut, positions, segmentations

BOUNDARY = "xyz"
FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n'

Form = list[tuple[Part, bytes]]


def read(pieces: Iterable[bytes], boundary: str = BOUNDARY, **limits: Any) -> Form:
    """The parts of a whole body."""
    reader = Reader(boundary, **limits)
    form: list[tuple[Part, bytes]] = []
    ended = 0
    for piece in pieces:
        for item in reader.feed(piece):
            if isinstance(item, Part):
                form.append((item, b""))
            elif item is END:
                ended += 1
            else:
                assert isinstance(item, bytes)
                assert item
                form[-1] = (form[-1][0], form[-1][1] + item)
    reader.finish()
    assert ended == len(form)
    return form


def body(*parts: bytes, boundary: bytes = b"xyz") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (body(), []),
        (b"--xyz--", []),
        (body(FIELD + b"1"), [(Part("a"), b"1")]),
        (body(FIELD), [(Part("a"), b"")]),
        (body(FIELD + b"\r\n--xy\r\r\n"), [(Part("a"), b"\r\n--xy\r\r\n")]),
        (body(FIELD + b"1", FIELD + b"2"), [(Part("a"), b"1"), (Part("a"), b"2")]),
        (b"preamble\r\n" + body(FIELD + b"1") + b"epilogue\r\n--xyz\r\n", [(Part("a"), b"1")]),
        (b"--xyz \t\r\n" + FIELD + b"\r\n--xyz-- \t\r\n", [(Part("a"), b"")]),
        (b"--xyz\r\n" + FIELD + b"--xyz--", [(Part("a"), b"")]),
        (
            body(b'content-disposition:form-data; NAME=a; filename="x y"\r\nContent-Type: a/b;c=d\r\n\r\n1'),
            [(Part("a", "x y", "a/b;c=d"), b"1")],
        ),
        (
            body('Content-Disposition: form-data; name="é"; filename=""\r\n\r\n'.encode()),
            [(Part("é", ""), b"")],
        ),
        (
            body(b"Content-Transfer-Encoding: Binary\r\n" + FIELD + b"1"),
            [(Part("a"), b"1")],
        ),
    ],
)  # fmt: skip
def test_forms(data: bytes, expected: Form) -> None:
    for pieces in segmentations(data):
        assert read(pieces) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"xyz",
        b"--xyz",
        b"--xyz-",
        b"--xyz\r\n",
        b"--xyz\r\n" + FIELD + b"1",
        b"--xyz\r\n" + FIELD + b"1\r\n--xyz",
        b"--xyz\n" + FIELD + b"1\r\n--xyz--\r\n",
        b"--xyzz\r\n" + FIELD + b"1\r\n--xyzz--\r\n",
        body(FIELD + b"1\r\n--xyzz"),
        body(FIELD + b"1").replace(b"--xyz--", b"--xyz--z"),
        body(b"\r\n1"),
        body(b"Content-Type: text/plain\r\n\r\n1"),
        body(b"Content-Disposition: attachment; name=a\r\n\r\n1"),
        body(b"Content-Disposition: form-data\r\n\r\n1"),
        body(b"Content-Disposition: form-data; name=a; name=b\r\n\r\n1"),
        body(b"Content-Disposition: form-data; name=a\r\n" + FIELD + b"1"),
        body(b"Content-Disposition : form-data; name=a\r\n\r\n1"),
        body(b"Content-Disposition: form-data;\r\n name=a\r\n\r\n1"),
        body(b"Content-Disposition: form-data; name=\"a\r\n\r\n1"),
        body(b"Content-Disposition: form-data; name=\"a\x00\"\r\n\r\n1"),
        body(b"Content-Disposition: form-data; name=\"\xff\"\r\n\r\n1"),
        body(b"Content-Disposition: form-data; name=a; filename*=utf-8''a\r\n\r\n1"),
        body(b"no colon\r\n" + FIELD + b"1"),
        body(b"Content-Type: ???\r\n" + FIELD + b"1"),
        body(b"Content-Transfer-Encoding: base64\r\n" + FIELD + b"1"),
        body(b"X-A: 1\r\n\nX-B: 2\r\n" + FIELD + b"1"),
        body(b"".join(b"X-%d: 1\r\n" % number for number in range(16)) + FIELD + b"1"),
        body(b"X-A: " + b"a" * 9000 + b"\r\n" + FIELD + b"1"),
        b"--xyz" + b" " * 9000 + b"\r\n" + FIELD + b"1\r\n--xyz--\r\n",
        body(*[FIELD] * (MAX_PARTS + 1)),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read([data] if data else [])
    if len(data) < 1000:
        with pytest.raises(Malformed):
            read(cut(data, range(len(data))))


@pytest.mark.parametrize("boundary", ["", " ", "a ", "a" * 71, 'a"b', "a\r\nb", "é"])
def test_a_boundary_that_cannot_be_is_refused(boundary: str) -> None:
    with pytest.raises(Malformed, match="boundary"):
        Reader(boundary)


def test_limits_are_arguments() -> None:
    assert len(read([body(FIELD, FIELD)], max_parts=2)) == 2
    with pytest.raises(Malformed, match="more than 1 parts"):
        read([body(FIELD, FIELD)], max_parts=1)
    with pytest.raises(Malformed, match="longer than 20"):
        read([body(FIELD)], max_head=20)


def test_content_is_given_on_and_not_kept() -> None:
    reader = Reader(BOUNDARY)
    reader.feed(b"--xyz\r\n" + FIELD)
    for _ in range(100):
        assert sum(len(item) for item in reader.feed(b"\r" * 1000) if isinstance(item, bytes)) >= 999
    assert len(reader._buffer) < 8


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
CONTENTS = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--xyz", b"\r\n--xy", b"z", b"\x00\xff"]), max_size=8
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(st.tuples(NAMES, NAMES, CONTENTS), max_size=4), positions)
def test_a_form_comes_back_however_it_is_cut(
    parts: list[tuple[str, str, list[bytes]]], at: list[int]
) -> None:
    expected = [(Part(name, file, "a/b"), b"".join(content)) for name, file, content in parts]
    heads = [
        f"Content-Disposition: form-data; name={quoted(name)}; filename={quoted(file)}\r\n"
        "Content-Type: a/b\r\n\r\n".encode()
        for name, file, _ in parts
    ]
    data = body(
        *[head + content for head, (_, content) in zip(heads, expected, strict=True)], boundary=b"q:q"
    )
    assert read(cut(data, at), "q:q") == expected


@given(
    st.lists(st.sampled_from([b"\r\n", b"--xyz", b"--", b"\r", b"\n", b" ", FIELD, b"a", b":"]), max_size=12),
    positions,
)
def test_any_octets_mean_the_same_however_they_are_cut(pieces: list[bytes], at: list[int]) -> None:
    data = b"".join(pieces)

    def outcome(pieces: list[bytes]) -> Any:
        try:
            return read(pieces)
        except Malformed:
            return None

    whole = outcome([data] if data else [])
    assert outcome(cut(data, at) if data else []) == whole
    assert outcome(cut(data, range(len(data))) if data else []) == whole


@given(st.lists(st.tuples(st.text("abc", min_size=1), st.binary(max_size=20)), min_size=1, max_size=4))
def test_the_standard_library_finds_the_same_parts(parts: list[tuple[str, bytes]]) -> None:
    heads = [f"Content-Disposition: form-data; name={name}; filename=f\r\n" for name, _ in parts]
    head = "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    data = body(
        *[
            (own + head).encode() + b"." + content.hex().encode()
            for own, (_, content) in zip(heads, parts, strict=True)
        ]
    )
    message = BytesParser(policy=HTTP).parsebytes(
        b'Content-Type: multipart/form-data; boundary="xyz"\r\n\r\n' + data
    )
    found = []
    for part in message.iter_parts():  # type: ignore[attr-defined]
        assert isinstance(part, MIMEPart)
        found.append((part.get_param("name", header="content-disposition"), part.get_payload(decode=True)))
    assert found == [(part.name, content) for part, content in read([data])]
