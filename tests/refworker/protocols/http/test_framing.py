from typing import Any

import pytest

from refworker.protocols.http import Limits, Response
from refworker.protocols.http import framing as module
from refworker.protocols.http.framing import (
    CHUNKS,
    INTERIM,
    MUTE,
    PLAIN,
    SIZED,
    WHOLE,
    answer,
    known_answer,
    piece,
    piece_of,
    refusal,
    short_answer,
)
from refworker.protocols.http.heads import Head, read_head
from refworker.protocols.http.manner import KEPT, KEPT_SIZE
from refworker.protocols.http.response import Announced
from tests.refworker.protocols.http.hosts import DATE, GET


def head(method: bytes = b"GET", version: bytes = b"1.1", *fields: bytes) -> Head:
    raw = GET.replace(b"GET", method).replace(b"1.1", version).replace(b"Host", b"".join([*fields, b"Host"]))
    return read_head(raw, Limits())


ASKED, OLD, HEAD = head(), head(version=b"1.0"), head(b"HEAD")
KEEPS = head(b"GET", b"1.0", b"Connection: keep-alive\r\n")
DATED = b"Date: " + DATE + b"\r\n"


def test_what_makes_a_whole_answer() -> None:
    html = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: %d\r\n"
        + DATED
        + b"\r\n%b"
    )
    for message, body in (("\xe9", b"\xc3\xa9"), (b"ab", b"ab"), (12, b"12"), (None, b"")):
        assert short_answer(message, ASKED, DATE, False) == (html % (len(body), body), WHOLE, False)
    data, _, _ = short_answer({"a": [1]}, ASKED, DATE, False)
    assert b"\r\nContent-Type: application/json\r\n" in data
    assert data.endswith(b'\r\n\r\n{"a":[1]}')
    with pytest.raises(TypeError):
        short_answer(object(), ASKED, DATE, False)


def test_what_is_said_of_the_connection() -> None:
    for make, message in ((short_answer, "x"), (answer, Response(200, {"Content-Type": "a/b"}, "x"))):
        assert b"Connection" not in make(message, ASKED, DATE, False)[0]
        assert b"\r\nConnection: keep-alive\r\n" in make(message, KEEPS, DATE, False)[0]
        for asked, closes in ((OLD, False), (ASKED, True), (KEEPS, True)):
            data, follows, ends = make(message, asked, DATE, closes)
            assert b"\r\nConnection: close\r\n" in data
            assert (follows, ends) == (WHOLE, True)
    assert answer(Response(200, {"connection": "x, Close"}), ASKED, DATE, False)[2]


def test_a_response() -> None:
    response = Response(
        200, {"Content-Type": "text/plain", "X-A": ["1", "2"], "content-length": "9"}, b"hello"
    )
    lines = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A: 1\r\nX-A: 2\r\n" + DATED
    expected = lines + b"Content-Length: 5\r\n\r\nhello"
    assert answer(response, ASKED, DATE, False) == (expected, WHOLE, False)
    assert answer(response, HEAD, DATE, False) == (expected[:-5], WHOLE, False)


def test_bodies_say_what_they_are() -> None:
    assert (
        b"\r\nContent-Type: text/html;charset=utf-8\r\n"
        in answer(Response(404, {}, "x"), ASKED, DATE, False)[0]
    )
    assert b"Content-Type" not in answer(Response(404), ASKED, DATE, False)[0]


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(status: int) -> None:
    for headers in ({}, {"Transfer-Encoding": "chunked"}, {"Content-Type": "text/event-stream"}):
        data, follows, _ = answer(Response(status, headers, "body"), ASKED, DATE, False)
        assert data.endswith(b"\r\n\r\n")
        assert b"Content-Length" not in data
        assert b"Transfer-Encoding" not in data
        assert follows == (MUTE if headers else WHOLE)


def test_reset_content_is_empty() -> None:
    data, _, _ = answer(Response(205, {}, "body"), ASKED, DATE, False)
    assert data.endswith(b"Content-Length: 0\r\n\r\n")


def test_an_answer_is_known_to_the_usual_request_alone() -> None:
    typed = Response(200, {"Content-Type": "known/1"}, b"body")
    assert known_answer(typed, DATE) is None
    usual = answer(typed, ASKED, DATE, False)
    assert (known_answer(typed, DATE), WHOLE, False) == usual == answer(typed, ASKED, DATE, False)
    text = Response(200, {"Content-Type": "known/1"}, "bodi")
    assert known_answer(text, DATE) == usual[0][:-1] + b"i"
    assert answer(typed, HEAD, DATE, False) == (usual[0][:-4], WHOLE, False)
    assert answer(typed, ASKED, DATE, True)[2]
    assert b"Connection: keep-alive" in answer(typed, KEEPS, DATE, False)[0]
    for other in (typed.copy().with_status(201), typed.copy().with_body(b"longer"), typed.copy().cookie("a")):
        assert known_answer(other, DATE) is None
    for no_response in (
        None,
        "body",
        {"a": 1},
        typed.copy().with_body(None),
        typed.copy().with_body("\ud800"),
    ):
        assert known_answer(no_response, DATE) is None
    assert known_answer(typed, DATE.replace(b"37", b"38")) is None


@pytest.mark.parametrize(
    ("asked", "follows", "line"),
    [
        (ASKED, CHUNKS, b"Transfer-Encoding: chunked"),
        (HEAD, MUTE, b"Transfer-Encoding: chunked"),
        (OLD, PLAIN, b"Connection: close"),
        (KEEPS, PLAIN, b"Connection: close"),
        (head(b"HEAD", b"1.0"), MUTE, b"Connection: close"),
    ],
)
def test_streams(asked: Head, follows: int, line: bytes) -> None:
    data, found, closes = answer(Response(200, {"TRANSFER-ENCODING": "chunked"}, "ab"), asked, DATE, False)
    assert found == follows
    assert line in data.split(b"\r\n")
    assert data.partition(b"\r\n\r\n")[2] == {CHUNKS: b"2\r\nab\r\n", PLAIN: b"ab", MUTE: b""}[follows]
    assert closes == (asked.manner.version == "1.0")


def old(status: int = 200, headers: Any = None, body: Any = "ab") -> Response:
    return Response(status, headers or {"Content-Type": "a/b"}, body).with_protocol_version("1.0")


def test_an_answer_of_http_1_0_says_that_the_connection_goes_on() -> None:
    whole = b"HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n%bContent-Length: 2\r\nConnection: %b\r\n\r\n%b"
    keeps, ends = (whole % (DATED, word, b"ab") for word in (b"keep-alive", b"close"))
    assert answer(old(), ASKED, DATE, False) == (keeps, WHOLE, False)
    assert answer(old(), HEAD, DATE, False) == (keeps[:-2], WHOLE, False)
    assert answer(old(), KEEPS, DATE, False) == (keeps, WHOLE, False)
    assert answer(old(), ASKED, DATE, True) == answer(old(), OLD, DATE, False) == (ends, WHOLE, True)
    file = Announced(2)
    assert answer(old(body=file), ASKED, DATE, False) == (keeps[:-2], SIZED, False)
    for body in ("ab", b"ab"):
        for version, says in (("1.1", False), ("1.0", True), ("1.1", False)):
            data = answer(old(body=body).with_protocol_version(version), ASKED, DATE, False)[0]
            assert (data[5:8], b"Connection" in data) == (version.encode(), says)


@pytest.mark.parametrize("headers", [{"Transfer-Encoding": "chunked"}, {"Content-Type": "text/event-stream"}])
def test_a_stream_of_http_1_0_ends_with_its_connection(headers: dict[str, str]) -> None:
    data, follows, closes = answer(old(headers=headers, body=b""), ASKED, DATE, False)
    assert (follows, closes) == (PLAIN, True)
    assert data.startswith(b"HTTP/1.0 200 OK\r\n")
    assert data.endswith(b"\r\nConnection: close\r\n\r\n")
    assert b"Transfer-Encoding" not in data


def test_http_1_0_has_no_interim_answers() -> None:
    assert answer(old(102), ASKED, DATE, False) == (b"", INTERIM, False)


def test_interim_answers() -> None:
    assert answer(Response(102), ASKED, DATE, True) == (b"HTTP/1.1 102 Processing\r\n\r\n", INTERIM, False)
    assert answer(Response(102), OLD, DATE, True) == (b"", INTERIM, False)


def test_what_cannot_be_sent() -> None:
    for response, problem in (
        (Response(99), ValueError),
        (Response(1000), ValueError),
        (Response(200, {}, set()), TypeError),
    ):
        with pytest.raises(problem):
            answer(response, ASKED, DATE, False)


def test_pieces() -> None:
    assert [piece(b"ab", how) for how in (CHUNKS, PLAIN, MUTE)] == [b"2\r\nab\r\n", b"ab", b""]
    assert piece(b"", CHUNKS) == b""
    assert piece_of("\xe9") == b"\xc3\xa9"


def test_refusals() -> None:
    assert refusal(400, "no", DATE) == (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
        + DATED
        + b"Connection: close\r\n\r\nno\n"
    )
    assert refusal(400, "no", DATE, mute=True).endswith(b"\r\n\r\n")


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[Any, Any] = {}
    monkeypatch.setattr(module, "_plans", kept)
    for number in range(KEPT + 1):
        answer(Response(200, {"X-N": str(number)}), ASKED, DATE, False)
    assert len(kept) == 1
    answer(Response(200, {"X-Long": "x" * KEPT_SIZE}), ASKED, DATE, False)
    answer(Response(200, {"X-List": ["a"]}), ASKED, DATE, False)
    assert len(kept) == 1


def test_beginnings_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[Any, bytes] = {}
    monkeypatch.setattr(module, "_starts", kept)
    for number in range(KEPT + 1):
        typed = {"Content-Type": "text/plain"}
        answer(Response(200, typed, b"x" * number), ASKED, DATE, False)
        again = answer(Response(200, typed, b"y" * number), ASKED, DATE, False)
        assert b"\r\nContent-Length: %d\r\n" % number in again[0]
        assert again[0].endswith(b"y" * number)
    assert len(kept) == 1
    answer(Response(200, {"Content-Type": "x/" + "x" * KEPT_SIZE}), ASKED, DATE, False)
    assert len(kept) == 1
