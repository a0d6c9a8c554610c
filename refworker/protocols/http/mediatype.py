"""Values with parameters: `text/html; charset=utf-8`, `form-data; name="a"` (RFC 9110 sections 5.6.6 and
8.3.1, RFC 7578 section 4.2).

Read strictly: a value that two readers could understand differently is none. One leniency: a backslash in
quotes stands for itself unless a quote or another backslash follows, since browsers write file names so.
"""

import re

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = r'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
PARAMETER = re.compile(rf"[ \t]*+;[ \t]*+(?:({TOKEN})=({TOKEN}|{QUOTED}))?")
VALUE = re.compile(
    rf"[ \t]*+({TOKEN}(?:/{TOKEN})?)((?:[ \t]*+;[ \t]*+(?:{TOKEN}=(?:{TOKEN}|{QUOTED}))?)*+)[ \t]*+"
)
"""Possessive throughout: what does not match is known after one pass."""
ESCAPE = re.compile(r'\\(["\\])')


def read_value(value: str) -> tuple[str, dict[str, str]]:
    """The value in lower case, and its parameters by lower-case name. Raises ValueError for what is not well
    formed, and for a parameter that comes twice.
    """
    match = VALUE.fullmatch(value)
    if not match:
        raise ValueError(f"{value[:100]!r} is not a value with parameters")
    found = [(name.lower(), unquoted(given)) for name, given in PARAMETER.findall(match[2]) if name]
    parameters = dict(found)
    if len(parameters) < len(found):
        raise ValueError(f"a parameter comes twice in {value[:100]!r}")
    return match[1].lower(), parameters


def unquoted(text: str) -> str:
    """A token as it is; what stands in quotes without them."""
    return ESCAPE.sub(r"\1", text[1:-1]) if text.startswith('"') else text
