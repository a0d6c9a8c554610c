"""The Autobahn testsuite's cases, and which of ours judge the same: `autobahn.toml`.

    table()["6.4.1"] == ("websocket/utf-8/fast-in-every-fragment",)

An id is that of its reports; a prefix (`6.4`) stands for all ids below it.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

PREFIX = "autobahn:"
"""How a command is told that an id is Autobahn's."""

COUNTS = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1, 12: 90, 13: 126}
"""Its cases by group, 517 in all; it has no group 8 and 11."""


@cache
def table() -> Mapping[str, tuple[str, ...]]:
    """Every id of Autobahn with the ids of our cases. Raises ValueError for one that stands twice."""
    document = tomllib.loads((files("conformance") / "autobahn.toml").read_text(encoding="utf-8"))
    pairs = [(one, tuple(ours)) for key, ours in document.items() for one in expanded(key)]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("autobahn.toml: an id stands in two ranges; leave it out of one")
    return found


def expanded(key: str) -> list[str]:
    """The ids that a key stands for: `6.5.1-5` is `6.5.1` to `6.5.5`."""
    parent, dot, last = key.rpartition(".")
    first, _, end = last.partition("-")
    return [f"{parent}{dot}{number}" for number in range(int(first), int(end or first) + 1)]


def below(key: str) -> dict[str, tuple[str, ...]]:
    """The ids that are this one or stand below it, with ours; none for what Autobahn does not have."""
    return {one: ours for one, ours in table().items() if one == key or one.startswith(f"{key}.")}
