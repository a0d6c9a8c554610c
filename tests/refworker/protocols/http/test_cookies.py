from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.cookies import read_cookies, set_cookie


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        (["a=1"], {"a": "1"}),
        (["a=1; b=2", "c=3"], {"a": "1", "b": "2", "c": "3"}),
        (["a=1;b=2;\tc = 3 "], {"a": "1", "b": "2", "c": "3"}),
        (["a=1; a=2"], {"a": "1"}),
        (['a="x y"; b=%20; c=d=e; d='], {"a": '"x y"', "b": "%20", "c": "d=e", "d": ""}),
        (["novalue; =x; ;"], {}),
    ],
)
def test_read(values: list[str], expected: dict[str, str]) -> None:
    assert read_cookies(values) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "n="),
        ({"value": "a b;\r\né"}, "n=a%20b%3B%0D%0A%C3%A9"),
        ({"max_age": 0}, "n=; Max-Age=0"),
        ({"domain": ".example.org"}, "n=; Domain=.example.org"),
        (
            {"value": 1, "max_age": 60, "path": "/p", "domain": "a.b", "secure": True, "http_only": True,
             "same_site": "lax"},
            "n=1; Domain=a.b; Max-Age=60; Path=/p; Secure; HttpOnly; SameSite=Lax",
        ),
    ],
)  # fmt: skip
def test_set(given: dict[str, Any], expected: str) -> None:
    assert set_cookie("n", **given) == expected


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("", {}),
        ("a=b", {}),
        ("a;b", {}),
        ("a\r\n", {}),
        ("ä", {}),
        ("n", {"path": "/;Secure"}),
        ("n", {"path": "relative"}),
        ("n", {"path": "/\r\nX: 1"}),
        ("n", {"path": "/\n"}),
        ("n", {"domain": "a;b"}),
        ("n", {"domain": "a..b"}),
        ("n", {"domain": "a b"}),
        ("n", {"domain": "-a.org"}),
        ("n", {"same_site": "loose"}),
        ("n", {"same_site": "None"}),
        ("n", {"max_age": "x"}),
        ("__Secure-n", {}),
        ("__Host-n", {"secure": True}),
        ("__host-n", {"secure": True, "path": "/", "domain": "a.b"}),
    ],
)
def test_what_would_not_be_kept_is_refused(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cookie|literal"):
        set_cookie(name, **given)


def test_promises_that_hold() -> None:
    assert set_cookie("__Host-n", "1", path="/", secure=True) == "__Host-n=1; Path=/; Secure"
    assert set_cookie("n", same_site="none", secure=True).endswith("SameSite=None")


@given(st.text(max_size=20))
def test_any_value_is_one_line_that_the_standard_library_reads(value: str) -> None:
    line = set_cookie("n", value, 60, "/", http_only=True)
    assert line.isascii()
    assert line.isprintable()
    morsel = SimpleCookie(line)["n"]
    assert unquote(morsel.value) == value
    assert (morsel["max-age"], morsel["path"]) == ("60", "/")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_attribute_can_hold_another_one(name: str, path: str, domain: str) -> None:
    try:
        line = set_cookie(name, "v", path=path, domain=domain)
    except ValueError:
        return
    assert line.count(";") == bool(path) + bool(domain)
    assert line.isprintable()


@given(st.text('ab=; \t"%', max_size=30))
def test_any_field_is_read(value: str) -> None:
    assert all(name and ";" not in text for name, text in read_cookies([value]).items())
