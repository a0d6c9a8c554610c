from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.protocols.http.conditional import Validators, matches, precondition, range_applies
from refworker.protocols.http.dates import http_date

CHANGED = 1_000_000_000
PRESENT = CHANGED + 3600.0
SAME, BEFORE, AFTER = http_date(CHANGED), http_date(CHANGED - 1), http_date(CHANGED + 1)
STRONG, WEAK = Validators('"a"', CHANGED), Validators('W/"a"', CHANGED)


def status(fields: dict[str, str], method: str = "GET", now: Validators | None = STRONG) -> int | None:
    return precondition(method, fields.get, now, PRESENT)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"if-match": '"a"'}, None),
        ({"if-match": '"b", "a"'}, None),
        ({"if-match": "*"}, None),
        ({"if-match": '"b"'}, 412),
        ({"if-match": 'W/"a"'}, 412),
        ({"if-match": "a"}, 412),
        ({"if-match": ""}, 412),
        ({"if-unmodified-since": SAME}, None),
        ({"if-unmodified-since": AFTER}, None),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-unmodified-since": "yesterday"}, None),
        ({"if-match": '"a"', "if-unmodified-since": BEFORE}, None),
        ({"if-none-match": '"a"'}, 304),
        ({"if-none-match": 'W/"a"'}, 304),
        ({"if-none-match": '"b" ,W/"a"'}, 304),
        ({"if-none-match": " * "}, 304),
        ({"if-none-match": '"b"'}, None),
        ({"if-none-match": "a"}, None),
        ({"if-none-match": '"b", a, "a"'}, None),
        ({"if-none-match": '"a" "b"'}, None),
        ({"if-modified-since": SAME}, 304),
        ({"if-modified-since": AFTER}, 304),
        ({"if-modified-since": BEFORE}, None),
        ({"if-modified-since": "yesterday"}, None),
        ({"if-modified-since": "Sunday, 09-Sep-01 01:46:40 GMT"}, 304),
        ({"if-none-match": '"b"', "if-modified-since": AFTER}, None),
        ({"if-none-match": '"a"', "if-modified-since": BEFORE}, 304),
        ({"if-match": '"b"', "if-none-match": '"a"'}, 412),
        ({"if-match": '"a"', "if-none-match": '"a"'}, 304),
        ({"if-unmodified-since": BEFORE, "if-modified-since": AFTER}, 412),
    ],
)
def test_section_13(fields: dict[str, str], expected: int | None) -> None:
    assert status(fields) == status(fields, "HEAD") == expected


def test_other_methods_learn_that_it_is_known_by_412() -> None:
    assert status({"if-none-match": '"a"'}, "PUT") == status({"if-none-match": "*"}, "PUT") == 412
    assert status({"if-modified-since": AFTER}, "PUT") is None
    assert status({"if-unmodified-since": BEFORE}, "PUT") == 412


def test_what_does_not_exist() -> None:
    assert status({"if-match": "*"}, "PUT", None) == status({"if-match": '"a"'}, "PUT", None) == 412
    assert status({"if-none-match": "*"}, "PUT", None) is None
    assert status({"if-modified-since": AFTER, "if-unmodified-since": BEFORE}, now=None) is None


def test_a_weak_tag_is_compared_weakly_alone() -> None:
    assert status({"if-match": 'W/"a"'}, now=WEAK) == status({"if-match": '"a"'}, now=WEAK) == 412
    assert status({"if-none-match": '"a"'}, now=WEAK) == 304


@pytest.mark.parametrize(
    ("value", "now", "expected"),
    [
        (None, STRONG, True),
        ('"a"', STRONG, True),
        ('"b"', STRONG, False),
        ('W/"a"', STRONG, False),
        ('W/"a"', WEAK, False),
        ('"a"', WEAK, False),
        ('"b", "a"', STRONG, False),
        ("*", STRONG, False),
        (SAME, STRONG, True),
        (AFTER, STRONG, False),
        (BEFORE, STRONG, False),
        ("a", STRONG, False),
        (http_date(PRESENT), Validators(None, int(PRESENT)), False),
        (http_date(0), Validators(), False),
    ],
)
def test_if_range(value: str | None, now: Validators, expected: bool) -> None:
    assert range_applies(value, now, PRESENT) is expected


OPAQUE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f'), max_size=4
).filter(lambda text: not any(0x7F <= ord(each) < 0xA0 for each in text))
TAGS = st.tuples(st.booleans(), OPAQUE)


def spelled(tag: tuple[bool, str]) -> str:
    return f'{"W/" * tag[0]}"{tag[1]}"'


@given(st.lists(TAGS, min_size=1, max_size=4), TAGS, st.sampled_from([",", ", ", " ,\t", ", ,"]))
def test_a_tag_is_found_where_it_is_listed(tags: Any, own: Any, between: str) -> None:
    listed, now = between.join(map(spelled, tags)), Validators(spelled(own))
    assert matches(listed, now, strongly=True) == (not own[0] and own in tags)
    assert matches(listed, now, strongly=False) == (own[1] in {text for _, text in tags})


FIELDS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


@given(st.dictionaries(st.sampled_from(FIELDS), st.text('"aW/,* ', max_size=12)))
def test_any_fields_are_answered(fields: dict[str, str]) -> None:
    assert status(fields) in (None, 304, 412)
