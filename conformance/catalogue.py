"""The catalogue: every requirement in `requirements/<section>.toml`, and the aliases of renamed cases.

A long section has several files, `<section>_<topic>.toml`. One table for each requirement:

    [TEXT-001]
    level = "MUST"                  # MUST, SHOULD or MAY
    title = "package format"
    clause = "manual, appendices/about-text"
    rule = "What a server has to do, in one or two sentences."
    check = "What the suite sends."
    accepted = "What it accepts as an answer."
    why = "What goes wrong for users otherwise."
    reference = "refworker.protocols.text"     # optional: where the reference does it

and `[waiver.ID]` with `title` and `reason` for a requirement that no case can check from outside.
"""

import fnmatch
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from conformance.case import Case
from conformance.verdicts import LEVELS

REQUIRED = ("level", "title", "clause", "rule", "check", "accepted", "why")
OPTIONAL = ("reference",)
WAIVER = ("title", "reason")
ALIASES = "aliases.toml"


class CatalogueError(Exception):
    """One line: file, requirement, cause and cure."""


@dataclass(frozen=True)
class Requirement:
    """One requirement of the catalogue, in the suite's own words."""

    id: str
    level: str
    title: str
    clause: str
    rule: str
    check: str
    accepted: str
    why: str
    reference: str = ""


@dataclass(frozen=True)
class Waiver:
    """A requirement that has no case, and the reason."""

    id: str
    title: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """All sections together."""

    requirements: Mapping[str, Requirement]
    waivers: Mapping[str, Waiver]
    aliases: Mapping[str, str]

    def level(self, ids: Iterable[str]) -> str:
        """The strongest level among these requirements. Raises KeyError for an id that is not catalogued."""
        return min((self.requirements[key].level for key in ids), key=LEVELS.index)

    def resolve(self, key: str) -> str:
        """The present name of a case id that may have been renamed; any other key as it is."""
        return self.aliases.get(key, key)


@cache
def catalogue() -> Catalogue:
    """Read the catalogue that is installed with the suite. Raises CatalogueError."""
    return read(files("conformance") / "requirements")


def read(folder: Traversable) -> Catalogue:
    """Read every section in a folder. Raises CatalogueError."""
    requirements: dict[str, Requirement] = {}
    waivers: dict[str, Waiver] = {}
    aliases: dict[str, str] = {}
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name == ALIASES:
            aliases = _toml(entry)
        elif entry.name.endswith(".toml"):
            _read_section(entry, requirements, waivers)
    return Catalogue(requirements, waivers, aliases)


def _read_section(
    entry: Traversable, requirements: dict[str, Requirement], waivers: dict[str, Waiver]
) -> None:
    document = _toml(entry)
    for name, table in document.pop("waiver", {}).items():
        _check(entry.name, name, table, WAIVER, ())
        waivers[name] = Waiver(name, **table)
    for name, table in document.items():
        _check(entry.name, name, table, REQUIRED, OPTIONAL)
        if table["level"] not in LEVELS:
            raise CatalogueError(
                f"{entry.name}: {name}: level {table['level']!r}; write one of {', '.join(LEVELS)}"
            )
        if name in requirements:
            raise CatalogueError(f"{entry.name}: {name}: catalogued twice; keep one")
        requirements[name] = Requirement(name, **table)


def _check(file: str, name: str, table: object, required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    """The table of one requirement: all required keys, no unknown ones, nothing but text."""
    where = f"{file}: {name}"
    if not isinstance(table, dict):
        raise CatalogueError(f"{where}: not a table; write [{id}]")
    if missing := [key for key in required if not table.get(key)]:
        raise CatalogueError(f'{where}: {missing[0]} is missing; write {missing[0]} = "…"')
    if unknown := [key for key in table if key not in (*required, *optional)]:
        raise CatalogueError(f"{where}: unknown key {unknown[0]!r}; use {', '.join((*required, *optional))}")
    if wrong := [key for key, value in table.items() if not isinstance(value, str)]:
        raise CatalogueError(f"{where}: {wrong[0]} is not a string; put it in quotes")


def _toml(entry: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise CatalogueError(f"{entry.name}: not valid TOML: {problem}") from problem


def gaps(cases: Iterable[Case]) -> list[str]:
    """Requirements that cases name and the catalogue lacks, one line each."""
    known = catalogue().requirements
    return [
        f"{case.id} names {name}, which is not catalogued; add [{name}] to requirements/*.toml"
        for case in cases
        for name in case.requirements
        if name not in known
    ]


class NoSuchCase(Exception):
    """A glob or id that matches nothing; the message names the nearest case."""


def select(cases: Mapping[str, Case], only: Iterable[str] = (), skip: Iterable[str] = ()) -> list[str]:
    """Ids that match one of `only` (all when empty) and none of `skip`. Raises NoSuchCase."""
    wanted = _matching(cases, only) if only else set(cases)
    unwanted = _matching(cases, skip)
    return [name for name in cases if name in wanted and name not in unwanted]


def _matching(cases: Mapping[str, Case], globs: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for glob in map(catalogue().resolve, globs):
        matched = (
            {glob} if glob in cases else set(fnmatch.filter(cases, glob))
        )  # a run names hundreds by their ids
        if not matched:
            raise NoSuchCase(f"no case matches {glob!r}; {suggestion(glob, cases)}")
        found |= matched
    return found


def suggestion(key: str, known: Iterable[str]) -> str:
    """What to try instead of a key that is not known."""
    near = get_close_matches(key, list(known), n=1, cutoff=0.3)
    return f"did you mean {near[0]!r}?" if near else "see `conformance list`"
