"""`Sec-WebSocket-Extensions` (RFC 6455, section 9.1): names with parameters, whose values may be quoted."""

import re
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = re.compile(_TOKEN)
_PARAMETER = re.compile(rf'({_TOKEN})(?:[ \t]*=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)"))?')


@dataclass(frozen=True)
class Extension:
    """One extension of the list: its name, and its parameters in order; None for one without a value."""

    name: str
    parameters: tuple[tuple[str, str | None], ...] = ()


def parse(field: str) -> list[Extension]:
    """The extensions that a header field names. Raises ValueError for what the grammar does not have."""
    return [_extension(each) for each in field.split(",")]


def _extension(text: str) -> Extension:
    """No token, and so no value, has a comma or a semicolon: cutting there first is safe."""
    name, *parameters = (part.strip(" \t") for part in text.split(";"))
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of an extension")
    return Extension(name, tuple(map(_parameter, parameters)))


def _parameter(text: str) -> tuple[str, str | None]:
    """A quoted value must be a token once it is unquoted."""
    matched = _PARAMETER.fullmatch(text)
    if not matched:
        raise ValueError(f"{text!r} is no parameter of an extension")
    name, plain, quoted = matched.groups()
    if quoted is None:
        return name, plain
    value = re.sub(r"\\(.)", r"\1", quoted)
    if not _NAME.fullmatch(value):
        raise ValueError(f"{text!r} has no token in its quotes")
    return name, value
