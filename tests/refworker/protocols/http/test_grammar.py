import re

import pytest

from refworker.protocols.http.grammar import (
    AUTHORITY,
    FIELD,
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
