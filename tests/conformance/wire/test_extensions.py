"""`Sec-WebSocket-Extensions`: what the grammar of RFC 6455, section 9.1 has, and what it has not."""

import pytest

from conformance.wire.extensions import Extension, parse


@pytest.mark.parametrize(
    ("field", "extensions"),
    [
        ("foo", [Extension("foo")]),
        ("foo; bar; baz=2", [Extension("foo", (("bar", None), ("baz", "2")))]),
        ("foo;bar , baz", [Extension("foo", (("bar", None),)), Extension("baz")]),
        ('foo; bar="2"', [Extension("foo", (("bar", "2"),))]),
        (r'foo; bar="\2\3"', [Extension("foo", (("bar", "23"),))]),
        ("foo ;\tbar = 2\t", [Extension("foo", (("bar", "2"),))]),
        ("foo; a; a=1", [Extension("foo", (("a", None), ("a", "1")))]),
    ],
)
def test_parse(field: str, extensions: list[Extension]) -> None:
    assert parse(field) == extensions


@pytest.mark.parametrize(
    "field",
    ["", ",", "foo,", "foo;", "foo; =1", "foo; a=", 'foo; a="', 'foo; a=""', 'foo; a="1 2"', "f o o", "; a"],
)
def test_not_in_the_grammar(field: str) -> None:
    with pytest.raises(ValueError, match=r"is no|no token"):
        parse(field)
