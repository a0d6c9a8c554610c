import pytest

from refworker.protocols.http import Chunk, Response
from refworker.protocols.http.response import field_line, lines_of, payload_of, status_line


def test_the_names_of_the_manual() -> None:
    response = Response(201, {"X-A": "1"}, "body")
    assert (
        response.header("x-a", "2").with_header("X-B", ["3", "4"]).with_headers({"X-a": "5", "X-C": "6"})
        is response
    )
    assert response.get_headers() == {"X-B": ["3", "4"], "X-a": "5", "X-C": "6"}
    assert response.without_header("x-c").get_header("X-C") is None
    assert response.get_header("X-A") == "5"
    assert response.with_status(404, "Gone fishing").get_status_code() == 404
    assert response.reason == "Gone fishing"
    assert response.with_body({"a": 1}).raw_body() == b'{"a":1}'
    assert repr(response) == "<Response 404>"
    assert response.get_reason_phrase() == "Gone fishing"
    assert [Response(status).get_reason_phrase() for status in (404, 299)] == ["Not Found", ""]


def test_a_version_is_kept_by_copies() -> None:
    response = Response().with_protocol_version("1.0")
    assert (response.version, response.copy().version, Response().version) == ("1.0", "1.0", "1.1")
    for version in ("1", "2", "0.9", "1.10", "1.0\r\n"):
        with pytest.raises(ValueError, match=r"1\.1 or 1\.0"):
            response.with_protocol_version(version)


def test_a_response_does_not_share_what_it_is_given() -> None:
    headers = {"X-A": "1"}
    Response(200, headers).header("X-B", "2")
    assert headers == {"X-A": "1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-Evil: 1"),
        ("X-A", "a\nb"),
        ("X-A", "a\rb"),
        ("X-A", "a\0b"),
        ("X\r\nY", "a"),
        ("X Y", "a"),
        ("", "a"),
    ],
)
def test_what_would_break_a_line_is_left_out(name: str, value: str) -> None:
    assert field_line(name, value) == b""
    assert lines_of({name: value, "X-B": "b"})[0] == b"X-B: b\r\n"


def test_lines() -> None:
    assert field_line("X-A", " \xe9\t") == b"X-A: \xc3\xa9\r\n"
    lines, wishes = lines_of(
        {"Connection": "a", "DATE": "x", "Content-Length": "1", "content-TYPE": "a/b", "X": ["1"]}
    )
    assert lines == b"content-TYPE: a/b\r\nX: 1\r\n"
    assert wishes == {"connection": "a", "content-type": "a/b"}


def test_status_lines() -> None:
    assert status_line(404, None) == b"HTTP/1.1 404 Not Found\r\n"
    assert status_line(299, None) == b"HTTP/1.1 299 \r\n"
    assert status_line(200, "Fine") == b"HTTP/1.1 200 Fine\r\n"
    assert status_line(200, "a\r\nb") == b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(ValueError, match="three digits"):
        status_line(20, None)


def test_payloads() -> None:
    assert payload_of(None) == b""
    assert Chunk("\xe9").data == b"\xc3\xa9"
    assert Chunk().data == b""
    with pytest.raises(TypeError):
        Chunk(object())
