import os
from pathlib import Path
from typing import Any

import pytest

from refworker.components.static import METHODS, StaticFiles
from refworker.files import answer_with
from refworker.protocols.http import Limits, Request, Response
from refworker.protocols.http.heads import read_head
from refworker.protocols.http.response import File


def request(target: str = "/", method: str = "GET", *fields: str) -> Request:
    lines = "".join(f"{field}\r\n" for field in ("Host: x", *fields))
    return Request(read_head(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode(), Limits()))


def answered(files: StaticFiles, asked: Request) -> Response:
    """As it goes out: the file itself, where there is one."""
    response = files(None, asked)
    return answer_with(response, asked.head) if isinstance(response.body, File) else response


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("sub", "empty"):
        (tmp_path / folder).mkdir()
    for name, text in (
        ("index.html", "home"), ("a.txt", "a"), ("noext", "plain"), ("sub/index.html", "sub"),
        ("404.html", "gone"), (".hidden", "secret"), ("a.css", "css"), ("a.css.br", "br"),
        ("a.css.gz", "gz"), ("gz.js", "js"), ("gz.js.gz", "gzjs"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("/", 200, b"home"),
        ("/a.txt", 200, b"a"),
        ("/a.txt?x=1", 200, b"a"),
        ("/%61.txt", 200, b"a"),
        ("http://x/a.txt", 200, b"a"),
        ("/noext", 200, b"plain"),
        ("/sub/", 200, b"sub"),
        ("/missing", 404, None),
        ("/missing.css", 404, None),
        ("/empty/", 404, None),
        ("/a.txt/", 404, None),
        ("/a.txt/x", 404, None),
        ("/.hidden", 404, None),
        ("/../a.txt", 404, None),
        ("//a.txt", 404, None),
    ],
)
def test_what_is_found(root: Path, target: str, status: int, body: bytes | None) -> None:
    response = answered(StaticFiles(root), request(target))
    assert response.status == status
    assert body is None or response.body == body


@pytest.mark.parametrize(
    ("target", "location"),
    [("/sub", "/sub/"), ("/sub?a=b", "/sub/?a=b"), ("/empty", "/empty/"), ("/s%75b", "/s%75b/")],
)
def test_a_folder_is_asked_for_with_a_slash(root: Path, target: str, location: str) -> None:
    response = answered(StaticFiles(root), request(target))
    assert (response.status, response.get_header("Location")) == (301, location)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("noext", "application/octet-stream"),
    ],
)
def test_what_is_said_of_a_file(root: Path, name: str, kind: str) -> None:
    response = answered(StaticFiles(root, headers={"X-Site": "1"}), request(f"/{name}"))
    assert response.get_header("content-type") == kind
    assert response.get_header("x-site") == "1"
    assert response.get_header("x-content-type-options") == "nosniff"
    assert response.get_header("content-disposition") in (None, "inline")
    assert response.get_header("etag")
    assert response.get_header("last-modified")


def test_who_wants_to_save_is_told_so(root: Path) -> None:
    response = answered(StaticFiles(root, download=True), request("/a.txt"))
    assert response.get_header("content-disposition") == "attachment"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "FOO"])
def test_other_methods(root: Path, method: str) -> None:
    response = answered(StaticFiles(root), request("/a.txt", method))
    assert (response.status, response.get_header("allow")) == (405, METHODS)


def test_options(root: Path) -> None:
    response = answered(StaticFiles(root), request("/a.txt", "OPTIONS"))
    assert (response.status, response.get_header("allow")) == (204, METHODS)


def test_the_sites_fields_are_on_every_answer(root: Path) -> None:
    files = StaticFiles(root, headers={"X-Site": "1"})
    conditional = [request("/a.txt", "GET", field) for field in ("Range: bytes=5-", "If-None-Match: *")]
    others = [request("/"), request("/sub"), request("/x"), request("/", "POST"), request("/", "OPTIONS")]
    for asked in (*conditional, *others):
        assert answered(files, asked).get_header("x-site") == "1"


def test_error_pages(root: Path) -> None:
    files = StaticFiles(root, errors={404: "404.html", 405: "missing.html"})
    response = answered(files, request("/x"))
    assert (response.status, response.body) == (404, b"gone")
    assert response.get_header("content-type") == "text/html; charset=utf-8"
    assert answered(files, request("/", "POST")).status == 405


def test_a_page_for_every_path(root: Path) -> None:
    files = StaticFiles(root, fallback="index.html")
    assert answered(files, request("/any/where")).body == b"home"
    assert answered(files, request("/../x")).body == b"home"
    assert answered(files, request("/a.txt")).body == b"a"


def test_a_prefix(root: Path) -> None:
    files = StaticFiles(root, prefix="/static/")
    assert answered(files, request("/static/a.txt")).body == b"a"
    assert [answered(files, request(path)).status for path in ("/a.txt", "/static", "/staticx/a.txt")] == [
        404
    ] * 3
    assert answered(files, request("/static/sub")).get_header("location") == "/static/sub/"


def test_other_indexes(root: Path) -> None:
    (root / "empty" / "b.htm").write_text("b")
    files = StaticFiles(root, index=("a.htm", "b.htm"))
    assert answered(files, request("/empty/")).body == b"b"
    assert answered(files, request("/")).status == 404


def test_hidden_files_where_they_are_shown(root: Path) -> None:
    assert answered(StaticFiles(root, hidden=True), request("/.hidden")).body == b"secret"


@pytest.mark.parametrize(
    ("target", "accept", "body", "coding", "vary"),
    [
        ("/a.css", None, b"css", None, True),
        ("/a.css", "gzip, br", b"br", "br", True),
        ("/a.css", "gzip", b"gz", "gzip", True),
        ("/a.css", "br;q=0.1, gzip;q=0.5", b"gz", "gzip", True),
        ("/a.css", "br;q=0", b"css", None, True),
        ("/gz.js", "br, gzip", b"gzjs", "gzip", True),
        ("/a.txt", "br, gzip", b"a", None, False),
        ("/a.css.br", "br", b"br", None, False),
    ],
)
def test_siblings(
    root: Path, target: str, accept: str | None, body: bytes, coding: str | None, vary: bool
) -> None:
    asked = request(target, "GET", *([f"Accept-Encoding: {accept}"] if accept else []))
    response = answered(StaticFiles(root), asked)
    assert (response.body, response.get_header("content-encoding")) == (body, coding)
    assert response.get_header("vary") == ("Accept-Encoding" if vary else None)
    if coding:
        assert response.get_header("content-type") == answered(StaticFiles(root), request(target)).get_header(
            "content-type"
        )
    assert answered(StaticFiles(root, precompressed=False), asked).get_header("content-encoding") is None


def test_the_tag_of_a_sibling_is_another_one(root: Path) -> None:
    for name in ("a.css", "a.css.br", "a.css.gz"):
        (root / name).write_text("same length")
        os.utime(root / name, (1, 1))
    files = StaticFiles(root)
    answers = [
        answered(files, request("/a.css", "GET", f"Accept-Encoding: {coding}"))
        for coding in ("br", "gzip", "x")
    ]
    assert len({answer.get_header("etag") for answer in answers}) == 3


def test_no_descriptor_is_left(root: Path) -> None:
    files, before = StaticFiles(root, errors={404: "404.html"}), len(os.listdir("/dev/fd"))
    for target in ("/", "/a.css", "/sub", "/x", "/empty/", "/gz.js"):
        for fields in ([], ["Accept-Encoding: gzip"], ["Range: bytes=9-"], ["If-None-Match: *"]):
            for method in ("GET", "HEAD"):
                answered(files, request(target, method, *fields))
    assert len(os.listdir("/dev/fd")) == before


def test_a_root_that_is_none() -> None:
    with pytest.raises(FileNotFoundError):
        StaticFiles("/nowhere/at/all")


def test_it_is_a_handler(root: Path) -> None:
    response: Any = StaticFiles(root)(None, request("/a.txt"))
    os.close(response.body.descriptor)
    assert response.status == 200
