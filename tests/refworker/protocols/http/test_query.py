from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.query import MAX_PARAMETERS, nested, parse_pairs, parse_query, split_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("&&a=1&", {"a": "1"}),
        ("=3&b", {"b": ""}),
        ("a=1=2", {"a": "1=2"}),
        ("a+b=c+d&%C3%A9=%E2%82%AC", {"a b": "c d", "é": "€"}),
        ("a=%FF", {"a": "\ufffd"}),
        ("a=%zz", {"a": "%zz"}),
        ("a=1&b[]=2&b[]=3&c[x]=y", {"a": "1", "b": ["2", "3"], "c": {"x": "y"}}),
        ("b%5B%5D=2&b%5b%5d=3", {"b": ["2", "3"]}),
        ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
        ("a[1]=x&a[0]=y", {"a": {"1": "x", "0": "y"}}),
        ("a[5]=q&a[]=r", {"a": {"5": "q", "6": "r"}}),
        ("a[07]=1&a[]=2", {"a": {"07": "1", "0": "2"}}),
        ("a[-3]=1", {"a": {"-3": "1"}}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b]=2&a=1", {"a": "1"}),
        ("a[][b]=1&a[][c]=2", {"a": [{"b": "1"}, {"c": "2"}]}),
        ("a[b]c[d]=1", {"a": {"b": "1"}}),
        ("a[b[c]=1", {"a": {"b[c": "1"}}),
        ("a][b]=1", {"a]": {"b": "1"}}),
        ("a[b=1&[c]=2", {"a[b": "1", "[c]": "2"}),
        ("a.b=1", {"a.b": "1"}),
    ],
)
def test_bracket_rules(text: str, expected: dict[str, Any]) -> None:
    assert parse_query(text) == expected


@pytest.mark.parametrize(
    "text",
    ["&".join(["a=1"] * (MAX_PARAMETERS + 1)), "a" + "[]" * 65 + "=1", "&" * MAX_PARAMETERS],
    ids=["parameters", "brackets", "separators"],
)
def test_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than"):
        parse_query(text)


def test_what_is_just_allowed_is_read() -> None:
    assert len(parse_query("&".join(["a[]=1"] * MAX_PARAMETERS))["a"]) == MAX_PARAMETERS
    assert parse_query("a" + "[x]" * 64 + "=1")


def test_values_of_other_types_are_placed_alike() -> None:
    assert nested([("files[]", 1.5), ("files[]", 2.5)]) == {"files": [1.5, 2.5]}


PAIRS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=10)


@given(PAIRS)
def test_pairs_agree_with_the_standard_library(pairs: list[tuple[str, str]]) -> None:
    text = urlencode(pairs)
    assert parse_pairs(text) == parse_qsl(text, keep_blank_values=True)


@given(st.text("ab[]=&+%41é0-7", max_size=60))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    assert all(isinstance(name, str) for name in parse_query(text))


@given(st.text("a[]0", min_size=1))
def test_a_name_is_split_into_something(name: str) -> None:
    assert split_name(name)[0]


TREES = st.recursive(
    st.text(max_size=3),
    lambda below: (
        st.lists(below, min_size=1, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), below, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def spelled(value: Any, name: str) -> list[tuple[str, str]]:
    """The pairs that stand for a value, each index written out."""
    if isinstance(value, str):
        return [(name, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [pair for key, below in items for pair in spelled(below, f"{name}[{key}]")]


@given(TREES)
def test_what_is_spelled_in_brackets_comes_back(tree: Any) -> None:
    assert parse_query(urlencode(spelled(tree, "x"))) == {"x": tree}
