import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http import Limits, Streamed
from refworker.protocols.http.heads import read_head
from refworker.protocols.http.multipart import Malformed, Part
from refworker.uploads import NO_FILE, OK, PREFIX, SLICE, Form, Upload, Uploads, remove
from tests.refworker.protocols.http.hosts import GET
from tests.refworker.protocols.whole import cut

FILE = 'form-data; name="f"; filename="x.bin"\r\nContent-Type: a/b'
TEXT = 'form-data; name="t"'
NONE = 'form-data; name="n"; filename=""'
HEAD = read_head(GET, Limits())


def form(*parts: tuple[str, bytes]) -> bytes:
    pieces = [
        b"--b\r\nContent-Disposition: " + head.encode() + b"\r\n\r\n" + content for head, content in parts
    ]
    return b"\r\n".join([*pieces, b"--b--\r\n"])


def test_small_parts_need_no_files(tmp_path: Path) -> None:
    text, file, none = Uploads(tmp_path).read("b", form((TEXT, "é".encode()), (FILE, b"\r\n\0"), (NONE, b"")))
    assert (text.field, text.name, text.type, text.size, text.text()) == ("t", None, "text/plain", 2, "é")
    assert (file.field, file.name, file.type, file.size, file.read()) == ("f", "x.bin", "a/b", 3, b"\r\n\0")
    assert (none.name, none.size, none.error, none.tmp_name) == ("", 0, NO_FILE, None)
    assert (text.error, file.error) == (OK, OK)
    assert not list(tmp_path.iterdir())


def test_large_parts_are_files_until_the_end_of_the_request(tmp_path: Path) -> None:
    content = os.urandom(100)
    parts = Uploads(tmp_path, in_memory=10).read("b", form((FILE, content), (FILE, b"small")))
    (path,) = tmp_path.iterdir()
    assert path.name.startswith(PREFIX)
    assert (path.read_bytes(), parts[0].read(), parts[0].tmp_name) == (content, content, str(path))
    remove(parts)
    remove(parts)
    assert not list(tmp_path.iterdir())


def test_little_of_a_form_is_in_memory_however_many_parts_it_has(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, in_memory=10, at_once=25)
    parts = uploads.read("b", form(*[(FILE, b"x" * 10)] * 5))
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [10, 10, 10]
    assert [part.read() for part in parts] == [b"x" * 10] * 5
    remove(parts)


def test_a_file_is_made_for_who_asks_for_its_name(tmp_path: Path) -> None:
    (part,) = Uploads(tmp_path).read("b", form((FILE, b"abc")))
    assert part.tmp_name == part["tmp_name"] == part.tmp_name
    assert Path(part["tmp_name"]).read_bytes() == part.read() == b"abc"
    assert [part[name] for name in ("name", "size", "error", "type")] == ["x.bin", 3, OK, "a/b"]
    with pytest.raises(KeyError):
        part["field"]
    part.remove()
    assert not list(tmp_path.iterdir())


def test_what_is_moved_stays(tmp_path: Path) -> None:
    (part,) = Uploads(tmp_path, in_memory=0).read("b", form((FILE, b"abc")))
    part.move(tmp_path / "kept")
    part.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"abc"


def test_nothing_cannot_be_moved(tmp_path: Path) -> None:
    part = Upload(Part("n", ""))
    part.finish()
    with pytest.raises(ValueError, match="without a file"):
        part.move(tmp_path / "x")


def test_a_malformed_form_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        Uploads(tmp_path, in_memory=0).read("b", form((FILE, b"abc"))[:-6])
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Uploads(tmp_path / "missing", in_memory=0).read("b", form((FILE, b"abc")))


def test_the_number_of_parts_is_limited() -> None:
    with pytest.raises(Malformed, match="more than 1"):
        Uploads(max_parts=1).read("b", form((TEXT, b""), (TEXT, b"")))


def taken(pieces: list[bytes], boundary: str = "b") -> list[Any]:
    """What a form says that came in these pieces; or what was wrong with it."""
    taker = Form(Uploads(at_once=0, in_memory=3), Streamed(HEAD), boundary)
    for piece in pieces:
        taker.write(piece)
    taker.finish(())
    try:
        parts = [(part.field, part.name, part.type, part.size, part.read()) for part in taker.parts()]
    except Malformed as problem:
        return [str(problem)]
    taker.abandon()
    return parts


def test_every_cut_of_a_form_means_the_same() -> None:
    whole = form((FILE, b"\r\n--a\r\n-"), (TEXT, b"1"), (FILE, b"x" * 20))
    for body in (whole, whole[:-9], whole.replace(b"form-data", b"data")):
        expected = taken([body])
        assert taken(cut(body, range(len(body)))) == expected
        for at in range(1, len(body)):
            assert taken([body[:at], body[at:]]) == expected
    assert len(taken([whole])) == 3


def test_a_boundary_that_cannot_be_is_malformed_however_the_form_comes() -> None:
    assert taken([b"x"], "") == ["the boundary of a form has 1 to 70 characters, and not any"]


def test_a_body_is_looked_at_in_slices(tmp_path: Path) -> None:
    content = b"\r\n--" * (SLICE // 2)
    (part,) = Uploads(tmp_path).read("b", form((FILE, content)))
    assert part.read() == content
    part.remove()


@given(st.lists(st.binary(max_size=30), max_size=4), st.integers(0, 20))
def test_content_is_the_same_in_memory_and_in_files(contents: list[bytes], in_memory: int) -> None:
    parts = Uploads(in_memory=in_memory).read("b", form(*[(FILE, b"." + content) for content in contents]))
    try:
        assert [part.read() for part in parts] == [b"." + content for content in contents]
        assert [part.size for part in parts] == [1 + len(content) for content in contents]
    finally:
        remove(parts)
