"""Parameters of a query or a form, by PHP's bracket rules (HAPI-002).

`b[]=2&b[]=3&c[x]=y` is `{"b": ["2", "3"], "c": {"x": "y"}}`: empty brackets take the next number, a name that
comes twice keeps its last value, and what is numbered from 0 without a gap is a list. A `+` is a space, and
`%XX` an octet; what is not UTF-8 becomes U+FFFD. A bracket that is not closed belongs to the name. Unlike
PHP, dots and spaces in a name stay what they are.
"""

from typing import Any
from urllib.parse import unquote_plus

MAX_PARAMETERS = 1000
"""More pairs are refused: each costs far more than its octets (PHP's max_input_vars)."""

MAX_DEPTH = 64
"""More brackets in one name are refused: what they make is walked recursively (PHP's
max_input_nesting_level).
"""

Key = str | int
Tree = dict[Key, Any]


def parse_pairs(text: str, max_parameters: int = MAX_PARAMETERS) -> list[tuple[str, str]]:
    """Every name and value in their order, decoded, brackets as they are. Raises ValueError for more than
    `max_parameters`.
    """
    if text.count("&") >= max_parameters:
        raise ValueError(f"more than {max_parameters} parameters")
    parts = [part.partition("=") for part in text.split("&") if part]
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in parts]


def parse_query(
    text: str, max_parameters: int = MAX_PARAMETERS, max_depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """The parameters as a dictionary of str, lists and dictionaries. Raises ValueError for more than
    `max_parameters`, or more than `max_depth` brackets in one name.
    """
    return nested(parse_pairs(text, max_parameters), max_depth)


def nested(pairs: list[tuple[str, Any]], max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Pairs as a dictionary; the values may be anything but dictionaries. Raises ValueError for a name of
    more than `max_depth` brackets.
    """
    tree: Tree = {}
    for name, value in pairs:
        if name:
            first, *keys = split_name(name)
            if len(keys) > max_depth:
                raise ValueError(f"more than {max_depth} brackets in the name of a parameter")
            _put(tree, [first, *map(_numbered, keys)], value)
    return {str(name): _without_numbers(value) for name, value in tree.items()}


def split_name(name: str) -> list[str]:
    """`a[b][]` is a, b and an empty key. What stands behind the last bracket is dropped."""
    first, mark, rest = name.partition("[")
    if not first or not mark or "]" not in rest:
        return [name]
    keys = [first]
    while mark == "[" and "]" in rest:
        key, _, rest = rest.partition("]")
        keys.append(key)
        mark, rest = rest[:1], rest[1:]
    return keys


def _numbered(key: str) -> Key:
    """A number as PHP writes it counts as one: 7 and -7, and neither 07 nor +7."""
    digits = key.removeprefix("-")
    plain = digits.isascii() and digits.isdecimal() and len(digits) < 19
    return int(key) if plain and str(int(key)) == key else key


def _put(tree: Tree, keys: list[Key], value: Any) -> None:
    for key in keys[:-1]:
        below = tree.get(key := _or_next(tree, key))
        if not isinstance(below, dict):
            below = tree[key] = {}
        tree = below
    tree[_or_next(tree, keys[-1])] = value


def _or_next(tree: Tree, key: Key) -> Key:
    """An empty key stands for the number behind the highest one."""
    if key != "":
        return key
    return max((known for known in tree if isinstance(known, int) and known >= 0), default=-1) + 1


def _without_numbers(value: Any) -> Any:
    """What is numbered from 0 as a list, everything else by text."""
    if not isinstance(value, dict):
        return value
    below = [_without_numbers(each) for each in value.values()]
    if list(value) == list(range(len(value))):
        return below
    return dict(zip(map(str, value), below, strict=True))
