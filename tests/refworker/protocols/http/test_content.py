from typing import Any

import pytest

from refworker.protocols.http import HttpServer, Limits, Request
from refworker.protocols.http.grammar import Refused
from refworker.protocols.http.heads import read_head
from refworker.uploads import Uploads

FORM = "application/x-www-form-urlencoded"
MULTIPART = (
    b"--b\r\nContent-Disposition: form-data; name=\"t[]\"\r\n\r\n1\r\n"
    b"--b\r\nContent-Disposition: form-data; name=\"t[]\"\r\n\r\n2\r\n"
    b"--b\r\nContent-Disposition: form-data; name=\"f[]\"; filename=\"a\"\r\n\r\nA\r\n"
    b"--b\r\nContent-Disposition: form-data; name=\"f[]\"; filename=\"b\"\r\n\r\nB\r\n"
    b"--b\r\nContent-Disposition: form-data; name=\"g\"; filename=\"c\"\r\n\r\nC\r\n--b--\r\n"
)  # fmt: skip


class Connection:
    """As far as a request asks for it."""

    draining, upgrades = False, False

    def date(self) -> bytes:
        return b"now"

    def moment(self) -> float:
        return 0.0

    def taken_in(self, request: Request, boundary: str) -> Any:
        return Uploads().read(boundary, request.raw_body)

    def session_of(self, request: Request) -> Any:
        return ("session of", request)

    def renew_session_of(self, request: Request, delete_old: bool) -> Any:
        return ("another", request, delete_old)


def request(target: str = "/", body: bytes = b"", kind: str = "", *fields: str) -> Request:
    lines = ["Host: x", *([f"Content-Type: {kind}"] if kind else []), *fields]
    head = f"POST {target} HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return Request(read_head(head.encode(), Limits()), body, (), HttpServer(Connection()))  # type: ignore[arg-type]


def test_the_query() -> None:
    asked = request("/dump?a=1&b[]=2&b[]=3&c[x]=y")
    assert asked.get() == {"a": "1", "b": ["2", "3"], "c": {"x": "y"}}
    assert (asked.get("a"), asked.get("z"), asked.get("z", 5)) == ("1", None, 5)
    assert request().get() == {}


@pytest.mark.parametrize("kind", [FORM, "", "text/plain", "???"])
def test_a_form(kind: str) -> None:
    asked = request("/", "a=1&b[]=2+3&c=é".encode(), kind)
    assert asked.post() == asked.form == {"a": "1", "b": ["2 3"], "c": "é"}
    assert (asked.post("a"), asked.post("z", 0)) == ("1", 0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b'{"a":[1,null]}', {"a": [1, None]}), (b"[1]", [1]), (b"5", [5]), (b'"x"', ["x"]), (b"null", [None])],
)
def test_json(body: bytes, expected: Any) -> None:
    for kind in ("application/json", "application/problem+JSON; charset=utf-8"):
        assert request("/", body, kind).post() == expected


def test_a_value_of_json() -> None:
    assert request("/", b'{"a":1}', "application/json").post("a") == 1
    assert request("/", b"[1]", "application/json").post("a", 2) == 2
    assert request("/", b'{"a":1}').json == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"\xff", b'"\xc3\x28"', b"[" * 100_000, b"1 2"])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        request("/", body, "application/json").post()
    assert refused.value.status == 400


@pytest.mark.parametrize("text", ["&".join(["a"] * 1002), "a" + "[]" * 70 + "=1"])
def test_too_many_parameters_are_refused(text: str) -> None:
    for asked in (lambda: request(f"/?{text}").get(), lambda: request("/", text.encode(), FORM).post()):
        with pytest.raises(Refused, match="more than") as refused:
            asked()
        assert refused.value.status == 400


def test_a_form_with_files() -> None:
    asked = request("/", MULTIPART, "multipart/form-data; boundary=b")
    assert asked.post() == {"t": ["1", "2"]}
    assert [part.read() for part in asked.file("f")] == [b"A", b"B"]
    assert asked.file("g").name == "c"
    assert (asked.file("z"), set(asked.file())) == (None, {"f", "g"})
    assert [part.field for part in asked.parts] == ["t[]", "t[]", "f[]", "f[]", "g"]


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=x", 'multipart/form-data; boundary=""']
)
def test_a_malformed_form_is_refused(kind: str) -> None:
    with pytest.raises(Refused) as refused:
        request("/", MULTIPART, kind).file()
    assert refused.value.status == 400


def test_another_body_has_no_files() -> None:
    assert (request("/", b"a=1", FORM).parts, request().file()) == ([], {})


def test_cookies() -> None:
    asked = request("/", b"", "", "Cookie: a=1; b=%20", "X-Cookie: c=1", "cookie: d=2")
    assert asked.cookie() == asked.cookies == {"a": "1", "b": "%20", "d": "2"}
    assert (asked.cookie("a"), asked.cookie("z", "-")) == ("1", "-")


def test_the_media_type() -> None:
    assert request("/", b"", "Text/HTML; Charset=x").media_type == ("text/html", {"charset": "x"})
    assert request("/", b"", "a b").media_type == request().media_type == ("", {})


def test_sessions_are_the_connections() -> None:
    asked = request()
    assert asked.session() == ("session of", asked)
    assert asked.session_regenerate_id(True) == ("another", asked, True)


def test_a_request_knows_whether_it_is_answered() -> None:
    server = HttpServer(Connection())  # type: ignore[arg-type]
    two = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    items = server.feed(two)
    first = next(items)
    assert not first.answered
    server.encode("1")
    second = next(items)
    assert (first.answered, second.answered) == (True, False)
    assert first.head == second.head, "what is said is the same, and yet they are two"
    assert not Request(first.head).answered
    assert Request(first.head).connection is None


def test_what_is_to_be_done_with_an_answer_is_done_once() -> None:
    server = HttpServer(Connection())  # type: ignore[arg-type]
    items = server.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    next(items)
    ended: list[int] = []
    server.on_answer = lambda message: message * 2
    server.on_end = lambda: ended.append(1)
    assert server.encode("ab").endswith(b"abab")
    next(items)
    assert server.encode("ab").endswith(b"\r\nab")
    assert ended == [1]
