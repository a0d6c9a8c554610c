import os
from pathlib import Path
from time import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.files import SMALL, answer_with, safe_name
from refworker.protocols.http import Limits, Response
from refworker.protocols.http.dates import http_date
from refworker.protocols.http.heads import Head, read_head
from refworker.protocols.http.response import OpenFile

TEN = b"0123456789"


def head(*fields: str, method: str = "GET") -> Head:
    lines = "".join(f"{field}\r\n" for field in ("Host: x", *fields))
    return read_head(f"{method} / HTTP/1.1\r\n{lines}\r\n".encode(), Limits())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "a.txt"
    path.write_bytes(TEN)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


def fields(response: Response) -> dict[str, Any]:
    return {name.lower(): value for name, value in response.headers.items()}


def test_a_small_file_is_read(file: Path) -> None:
    response = answer_with(Response().with_file(file), head())
    assert (response.status, response.body) == (200, TEN)
    assert fields(response) == {
        "content-type": "text/plain; charset=utf-8",
        "accept-ranges": "bytes",
        "etag": f'"{10**18:x}-a"',
        "last-modified": "Sun, 09 Sep 2001 01:46:40 GMT",
    }


def test_what_the_application_says_stands(file: Path) -> None:
    own = Response(200, {"content-type": "a/b", "ETag": '"own"', "last-modified": "x"}).with_file(file)
    response = answer_with(own, head('If-None-Match: "other"'))
    assert response.headers == {
        "content-type": "a/b",
        "ETag": '"own"',
        "last-modified": "x",
        "Accept-Ranges": "bytes",
    }
    assert answer_with(own, head('If-None-Match: "own"')).status == 304
    assert own.headers == {"content-type": "a/b", "ETag": '"own"', "last-modified": "x"}


def test_a_file_of_unknown_type_is_to_be_saved(tmp_path: Path) -> None:
    path = tmp_path / 'a "b.unknown'
    path.write_bytes(b"")
    response = answer_with(Response().with_file(path), head())
    assert (response.status, response.body) == (200, b"")
    assert response.get_header("Content-Disposition") == 'attachment; filename="a _b.unknown"'
    assert safe_name("/x/é") == "download"


def test_a_large_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(SMALL + 1))
    body = answer_with(Response().with_file(path), head()).body
    assert isinstance(body, OpenFile)
    assert (body.offset, body.length) == (0, SMALL + 1)
    os.close(body.descriptor)
    for small in (head("Range: bytes=5-6"), head(method="HEAD")):
        before = len(os.listdir("/dev/fd"))
        answer_with(Response().with_file(path), small)
        assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize(
    ("offset", "length", "status", "body", "said"),
    [
        (0, 0, 200, TEN, None),
        (3, 4, 206, b"3456", "bytes 3-6/10"),
        (3, 0, 206, b"3456789", "bytes 3-9/10"),
        (0, 4, 206, b"0123", "bytes 0-3/10"),
        (0, 100, 206, TEN, "bytes 0-9/10"),
        (9, 100, 206, b"9", "bytes 9-9/10"),
        (10, 0, 416, None, "bytes */10"),
        (100, 1, 416, None, "bytes */10"),
        (-1, 5, 416, None, "bytes */10"),
        (0, -5, 416, None, "bytes */10"),
    ],
)
def test_a_part_that_the_application_wants(
    file: Path, offset: int, length: int, status: int, body: bytes | None, said: str | None
) -> None:
    response = answer_with(
        Response().with_file(file, offset, length), head("Range: bytes=1-1", "If-None-Match: *")
    )
    if (offset, length) == (0, 0):
        assert response.status == 304
        return
    assert response.status == status
    assert body is None or response.body == body
    assert response.get_header("Content-Range") == said


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        (["Range: bytes=3-6"], 206, b"3456", "bytes 3-6/10"),
        (["Range: bytes=-3"], 206, b"789", "bytes 7-9/10"),
        (["Range: bytes=10-"], 416, None, "bytes */10"),
        (["Range: bytes=1-2,4-5"], 200, TEN, None),
        (["Range: x"], 200, TEN, None),
        (["Range: bytes=0-1", "Range: bytes=2-3"], 200, TEN, None),
        (["Range: bytes=3-6", f'If-Range: "{10**18:x}-a"'], 206, b"3456", "bytes 3-6/10"),
        (["Range: bytes=3-6", 'If-Range: "x"'], 200, TEN, None),
        (["Range: bytes=3-6", f"If-Range: {http_date(10**9)}"], 206, b"3456", "bytes 3-6/10"),
        (["Range: bytes=3-6", f"If-Range: {http_date(10**9 - 1)}"], 200, TEN, None),
        (["Range: bytes=3-6", "If-None-Match: *"], 304, b"", None),
        (["Range: bytes=3-6", 'If-Match: "x"'], 412, None, None),
        (["If-Modified-Since: " + http_date(10**9)], 304, b"", None),
        (["If-Modified-Since: " + http_date(10**9 - 1)], 200, TEN, None),
    ],
)
def test_what_the_client_asks(
    file: Path, asked: list[str], status: int, body: bytes | None, said: str | None
) -> None:
    response = answer_with(Response().with_file(file), head(*asked))
    assert response.status == status
    assert body is None or response.body == body
    assert response.get_header("Content-Range") == said
    if status in (206, 304):
        assert response.get_header("ETag") == f'"{10**18:x}-a"'


def test_head_asks_for_no_part(file: Path) -> None:
    response = answer_with(Response().with_file(file), head("Range: bytes=3-6", method="HEAD"))
    assert (response.status, response.body.length) == (200, 10)


def test_not_modified_says_nothing_of_the_body(file: Path) -> None:
    own = Response(200, {"Content-Type": "a/b", "Content-Encoding": "br", "X-Own": "1"}).with_file(file)
    response = answer_with(own, head("If-None-Match: *"))
    assert set(fields(response)) == {"etag", "last-modified", "x-own"}


def test_a_file_of_this_second_is_no_proof_by_its_date(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_bytes(TEN)
    os.utime(path, (time() + 5, time() + 5))
    date = http_date(path.stat().st_mtime)
    assert (
        answer_with(Response().with_file(path), head("Range: bytes=0-1", f"If-Range: {date}")).status == 200
    )


@pytest.mark.parametrize("name", ["missing", "a.txt/b", "", "\0", "x" * 5000])
def test_a_missing_file(file: Path, name: str) -> None:
    response = answer_with(Response(200, {"X-Own": "1"}).with_file(str(file.parent / name)), head())
    assert (response.status, response.get_header("X-Own")) == (404, "1")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert answer_with(Response().with_file(tmp_path / "pipe"), head()).status == 404


@given(st.integers(-2, 14), st.integers(-2, 14))
def test_any_part_is_the_slice_that_it_names(file: Path, offset: int, length: int) -> None:
    response = answer_with(Response().with_file(file, offset, length), head())
    if response.status == 416:
        assert offset < 0 or length < 0 or offset >= len(TEN)
    else:
        assert response.body == TEN[offset : offset + length if length else None]
