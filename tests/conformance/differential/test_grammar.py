"""The grammar: almost right, the plainest first, and the same for the same seed."""

import pytest

from conformance.differential.grammar import FAMILIES, MOST_ODD, examples, octets, spellings


def test_spellings() -> None:
    assert spellings(r"a\r\n||\xff\\") == (b"a\r\n", b"", b"\xff\\")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plainest_comes_first_and_is_a_request(family: str) -> None:
    first = octets(next(examples(family, 1, 0)))
    assert first.split(b"\r\n")[0].endswith(b" /reflect HTTP/1.1")
    assert b"\r\nHost: localhost\r\n" in first
    assert b"\r\n\r\n" in first


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_examples(family: str) -> None:
    assert list(examples(family, 30, 1)) == list(examples(family, 30, 1))
    assert list(examples(family, 30, 1)) != list(examples(family, 30, 2))


@pytest.mark.parametrize("family", FAMILIES)
def test_examples_are_almost_right(family: str) -> None:
    odd = {slot.name: slot.odd for slot in FAMILIES[family]}
    for example in examples(family, 50, 0):
        assert sum(piece.octets in odd[piece.slot] for piece in example) <= MOST_ODD


def test_an_octet_anywhere() -> None:
    plain, *others = examples("http/octets", 50, 0)
    for example in others:
        assert sum(mine != theirs for mine, theirs in zip(plain, example, strict=True)) <= 1
    assert len(set(map(octets, others))) > 40
