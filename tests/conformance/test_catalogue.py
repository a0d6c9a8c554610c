"""The catalogue: reading it, its mistakes, and traceability both ways."""

from pathlib import Path

import pytest

from conformance import session
from conformance.catalogue import CatalogueError, NoSuchCase, catalogue, gaps, read, select
from conformance.clients import session as clients
from conformance.target.fitness import FITNESS

ENTRY = """
["X-1"]
level = "MUST"
title = "t"
clause = "c"
rule = "r"
check = "s"
accepted = "a"
why = "w"
"""


def test_traceability_both_ways() -> None:
    """Every requirement has a case or a written waiver, every case catalogued requirements."""
    cases = [*session.load_cases().values(), *clients.load_cases().values()]
    assert gaps(cases) == []
    checked = {name for case in cases for name in case.requirements}
    assert sorted(set(catalogue().requirements) - checked) == []
    assert sorted(set(catalogue().waivers) & checked) == []


def test_cases_are_about_services_with_a_fitness() -> None:
    assert {case.service for case in session.load_cases().values()} <= set(FITNESS)


def test_aliases_lead_to_cases() -> None:
    cases = session.load_cases()
    assert [new for new in catalogue().aliases.values() if new not in cases] == []
    assert [old for old in catalogue().aliases if old in cases] == []


def test_the_strongest_level_counts(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(ENTRY + ENTRY.replace("X-1", "X-2").replace("MUST", "MAY"))
    known = read(tmp_path)
    assert known.level(["X-2"]) == "MAY"
    assert known.level(["X-2", "X-1"]) == "MUST"


def test_waivers_and_aliases(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('[waiver."X-3"]\ntitle = "t"\nreason = "r"\n')
    (tmp_path / "aliases.toml").write_text('"old/a/b" = "new/a/b"\n')
    known = read(tmp_path)
    assert known.waivers["X-3"].reason == "r"
    assert known.resolve("old/a/b") == "new/a/b"
    assert known.resolve("other") == "other"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY.replace('rule = "r"', ""), 'rule is missing; write rule = "…"'),
        (ENTRY.replace("MUST", "WILL"), "level 'WILL'"),
        (ENTRY + 'extra = "x"', "unknown key 'extra'"),
        (ENTRY.replace('"t"', "3"), "title is not a string"),
        ("X-4 = 1", "not a table"),
        ('[waiver."X-3"]\ntitle = "t"', "reason is missing"),
        ("[", "not valid TOML"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(CatalogueError, match=r"x\.toml: ") as error:
        read(tmp_path)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_catalogued_twice(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(ENTRY)
    (tmp_path / "y.toml").write_text(ENTRY)
    with pytest.raises(CatalogueError, match="catalogued twice"):
        read(tmp_path)


def test_select() -> None:
    cases = session.load_cases()
    text = select(cases, ["text/*"])
    assert text == [name for name in cases if name.startswith("text/")]
    assert select(cases, ["text/*", "frame/*"], ["text/*"]) == select(cases, ["frame/*"])
    assert select(cases) == list(cases)
    with pytest.raises(NoSuchCase, match="did you mean 'text/framing/split-delimiter'"):
        select(cases, ["text/framing/split-delimeter"])
