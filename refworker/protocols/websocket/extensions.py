"""What one side offers and the other takes up: the field Sec-WebSocket-Extensions (RFC 6455 section 9.1).

    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, permessage-deflate

Offers come in the order of preference. A field that is not well formed fails the handshake; an offer that is,
and cannot be taken up, is passed over.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

CHARACTER = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
VALUE = rf'{CHARACTER}+|"(?:\\?{CHARACTER})+"'
PARAMETER = re.compile(rf"[ \t]*;[ \t]*({CHARACTER}+)(?:[ \t]*=[ \t]*({VALUE}))?")
EXTENSION = re.compile(rf"({CHARACTER}+)((?:{PARAMETER.pattern})*)")


class Extension(NamedTuple):
    """One offer or answer: a name, and parameters in their order; a value may be missing."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()

    def __str__(self) -> str:
        return "; ".join([self.name, *(f"{key}={value}" if value else key for key, value in self.parameters)])


def read_extensions(values: Iterable[str]) -> list[Extension]:
    """The extensions in these fields. Raises ValueError for a field that is not well formed."""
    elements = [element.strip(" \t") for value in values for element in value.split(",")]
    return [_read(element) for element in elements if element]


def _read(element: str) -> Extension:
    match = EXTENSION.fullmatch(element)
    if not match:
        raise ValueError(f"{element!r} is no extension")
    parameters = PARAMETER.findall(match[2])
    unquoted = ((name, re.sub(r'[\\"]', "", value)) for name, value in parameters)
    return Extension(match[1], tuple((name, value or None) for name, value in unquoted))
