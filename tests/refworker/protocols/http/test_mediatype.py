from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.mediatype import read_value, unquoted


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        ("text/plain", "text/plain", {}),
        (" Text/HTML ;\tCharset=utf-8 ", "text/html", {"charset": "utf-8"}),
        (r'form-data; name="a b"; filename="c;\"d\""', "form-data", {"name": "a b", "filename": 'c;"d"'}),
        (r'form-data; filename="C:\dir\x.txt"', "form-data", {"filename": r"C:\dir\x.txt"}),
        ('a/b; x=""', "a/b", {"x": ""}),
        ("a/b;", "a/b", {}),
        ("a/b; ; x=1;", "a/b", {"x": "1"}),
    ],
)  # fmt: skip
def test_read(value: str, kind: str, parameters: dict[str, str]) -> None:
    assert read_value(value) == (kind, parameters)


@pytest.mark.parametrize(
    "value",
    ["", "/", "a/", "a/b/c", "a b", "a/b, c/d", "a/b; x", "a/b; x=", "a/b; x =1", "a/b; x= 1", "a/b; x=a b",
     'a/b; x="', 'a/b; x="a"b', 'a/b; x="\x00"', "a/b; x=1; X=2", "a/b x=1", 'a/b; "x"=1'],
)  # fmt: skip
def test_what_is_not_well_formed_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="parameter"):
        read_value(value)


def test_a_long_wrong_value_is_refused_in_no_time() -> None:
    with pytest.raises(ValueError, match="parameter"):
        read_value("a/b" + "; " * 20_000 + "\x00")


@given(st.text('abc;="\\ \t', max_size=30))
def test_any_value_is_read_or_refused(value: str) -> None:
    try:
        kind, _ = read_value(value)
    except ValueError:
        return
    assert kind == kind.lower().strip()


PLAIN = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')


@given(st.text(PLAIN, min_size=1, max_size=20))
def test_quoted_text_is_read_as_the_standard_library_does(text: str) -> None:
    message = Message()
    message["Content-Type"] = value = f'a/b; x="{text}"'
    assert read_value(value)[1]["x"] == message.get_param("x") == text == unquoted(f'"{text}"')
