import re

import pytest

from refworker.protocols.http.grammar import (
    AUTHORITY,
    FIELD,
    PLAIN,
    REQUEST,
    REQUEST_LINE,
    VALUE,
    Refused,
    fields_of,
)


def test_a_value_has_no_control_but_the_tab() -> None:
    good = [octet for octet in range(256) if re.fullmatch(VALUE, bytes([octet]))]
    assert good == [9, *range(32, 127), *range(128, 256)]


def test_lines() -> None:
    assert REQUEST_LINE.fullmatch(b"X-Y /a HTTP/2.0\r\n")
    assert not REQUEST.fullmatch(b"X-Y /a HTTP/2.0\r\n\r\n")
    assert REQUEST.fullmatch(b"X-Y /a HTTP/1.7\r\na:\r\n\r\n")
    assert FIELD.fullmatch(b"a:\tb \r\n")
    assert not FIELD.fullmatch(b"a: b\n")


PLAIN_HEAD = b"GET /a?b HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\nConnection: keep-alive\r\nCookie: a\r\n\r\n"


def test_a_plain_head() -> None:
    match = PLAIN.fullmatch(PLAIN_HEAD)
    assert match
    assert match.groups() == (b"GET", b"/a?b", b"a:80")
    assert PLAIN.fullmatch(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert PLAIN.fullmatch(b"GET / HTTP/1.1\r\nHost: a\r\nHosts: b\r\nConnections: close\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [
        *(b"host: b", b"CONTENT-LENGTH: 0", b"Transfer-Encoding:chunked", b"Upgrade: x", b"expect: y"),
        *(
            b"Connection: close",
            b"connection:close",
            b"Connection: keep-alive, close",
            b"Connection: keep-alive ",
        ),
        *(b"X: a\x00", b"X : a", b" X: a", b"X", b"X: a\rb"),
    ],
)
def test_what_is_no_plain_head(line: bytes) -> None:
    assert not PLAIN.fullmatch(PLAIN_HEAD[:-2] + line + b"\r\n\r\n")
    assert not PLAIN.fullmatch(PLAIN_HEAD.replace(b"Accept: */*", line))
    assert not PLAIN.fullmatch(PLAIN_HEAD.replace(b"1.1", b"1.0"))


def test_fields() -> None:
    assert fields_of(b"A:b\r\nC: \t d e\t\r\n\r\n") == (("a", "b"), ("c", "d e"))


@pytest.mark.parametrize("text", [b"a", b"a:80", b"[::1]:80", b"%7e", b"a:"])
def test_authorities(text: bytes) -> None:
    assert AUTHORITY.fullmatch(text)


@pytest.mark.parametrize("text", [b"", b":80", b"a@b", b"a:b", b"%zz", b"[]", b"a b", b"a:80:80"])
def test_what_is_no_authority(text: bytes) -> None:
    assert not AUTHORITY.fullmatch(text)


def test_a_refusal_says_why() -> None:
    assert (Refused(400, "why").status, str(Refused(400, "why"))) == (400, "why")
