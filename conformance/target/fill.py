"""Fill the placeholders of a target file: `{port.text}`, `{dir}`, `{static}`, `{python}` and their like."""

import re
from collections.abc import Callable

from conformance.contract import PATHS

PLACEHOLDER = re.compile(r"\{([a-z_]+(?:\.[a-z_.]+)?)\}")
"""Braces around anything else, such as a JSON object, are left alone."""

Lookup = Callable[[str], str]
"""Name of a placeholder -> its value; raises KeyError for a name that it does not know."""


class UnknownPlaceholder(Exception):
    """A name in braces that the contract does not have."""


def fill(text: str, lookup: Lookup) -> str:
    """Replace every placeholder. Raises UnknownPlaceholder."""

    def value(match: re.Match[str]) -> str:
        try:
            return lookup(match[1])
        except KeyError:
            known = ", ".join(f"{{{name}}}" for name in PATHS)
            raise UnknownPlaceholder(f"unknown {match[0]}; use {{port.NAME}}, {known}") from None

    return PLACEHOLDER.sub(value, text)


def rehearsal() -> Lookup:
    """A lookup that knows every name and promises nothing: for checks before anything is started."""
    return lambda name: "9" if name.startswith("port.") else {path: f"/{path}" for path in PATHS}[name]
