"""HTTP: cookies (RFC 6265; contract, section 2, `/cookies`; HAPI-001, HAPI-006)."""

from typing import Any

from conformance.case import Violation, case
from conformance.cases.browsing import OK, ask, due, greet, same
from conformance.cases.test_http_session import set_cookie
from conformance.target.view import Target
from conformance.wire.http_requests import Text
from conformance.wire.peer import Peer

READ = {"read": "pass"}
PLAIN = {
    "a=1": {"a": "1"},
    "a=1; b=2": {"a": "1", "b": "2"},
    "a=1; b=2; c=3": {"a": "1", "b": "2", "c": "3"},
    "a=": {"a": ""},
    "a=b=c": {"a": "b=c"},
    "a=b==; c=d": {"a": "b==", "c": "d"},
    "A=1; a=2": {"A": "1", "a": "2"},
    "a=x!#$%&'()*+-./:<>?@[]^_`{|}~": {"a": "x!#$%&'()*+-./:<>?@[]^_`{|}~"},
    "!#$%&'*+-.^_`|~=1": {"!#$%&'*+-.^_`|~": "1"},
    "path=/; domain=x; a=1": {"path": "/", "domain": "x", "a": "1"},
}
"""What the grammar of Cookie allows (4.2.1), and what it says."""

LOOSE = {
    "a=1;b=2": {"a": "1", "b": "2"},
    "a=1;  b=2": {"a": "1", "b": "2"},
    "a=1; b=2;": {"a": "1", "b": "2"},
    " a=1": {"a": "1"},
}
"""What clients send nevertheless."""

BROKEN = ("a; b=2", "=x; b=2", "; b=2", ";;; b=2", "a b=1; b=2", "b=2; =", "b=2; a", 'a="; b=2')
"""Lists of which one cookie is right: b, which is 2."""


def cookies(peer: Peer, *fields: Text) -> dict[str, Any]:
    """The cookies that the application saw."""
    seen = due(ask(peer, "GET", "/cookies", *fields), OK).json
    if not isinstance(seen, dict):
        raise Violation("wrong-answer", f"a JSON object was due, {seen!r:.80} came")
    return seen


@case("http/cookie/plain", service="http", requirements=("HAPI-001",), accept=READ)
def test_plain(target: Target) -> str:
    """One cookie and several, empty values, equals signs in values, all the signs that the grammar allows."""
    with target.connect() as peer:
        for value, wanted in PLAIN.items():
            same(f"Cookie: {value}", wanted, cookies(peer, f"Cookie: {value}"))
    return "read"


@case(
    "http/cookie/loose",
    service="http",
    requirements=("HAPI-001",),
    accept={"read": "pass", "otherwise": "weak"},
)
def test_loose(target: Target) -> str:
    """Lists with fewer blanks and with more, and with a semicolon at the end."""
    with target.connect() as peer:
        right = [cookies(peer, f"Cookie: {value}") == wanted for value, wanted in LOOSE.items()]
    return "read" if all(right) else "otherwise"


@case("http/cookie/no-cookie", service="http", requirements=("HAPI-001",), accept=READ)
def test_no_cookie(target: Target) -> str:
    """A request without cookies has none, also behind one that had some."""
    with target.connect() as peer:
        same("cookies", {}, cookies(peer))
        same("cookies", {"a": "1"}, cookies(peer, "Cookie: a=1"))
        same("cookies", {}, cookies(peer))
        same("cookies", {"b": "2"}, cookies(peer, "cookie: b=2"))
        same("Set-Cookie of another page", [], greet(peer, "Cookie: a=1").values(b"set-cookie"))
    return "read"


@case("http/cookie/many", service="http", requirements=("HAPI-001",), accept=READ)
def test_many(target: Target) -> str:
    """A hundred cookies."""
    wanted = {f"name{number}": str(number) for number in range(100)}
    with target.connect() as peer:
        same("cookies", wanted, cookies(peer, "Cookie: " + "; ".join(f"{n}={v}" for n, v in wanted.items())))
    return "read"


@case(
    "http/cookie/quoted",
    service="http",
    requirements=("HAPI-001",),
    accept={"raw": "pass", "unquoted": "pass"},
)
def test_quoted(target: Target) -> str:
    """A value in quotes comes with them or without (6265: they are part of it; many take them off)."""
    with target.connect() as peer:
        seen = cookies(peer, 'Cookie: a="1"; b=2')
    same("b", "2", seen.get("b"))
    same("a", True, seen.get("a") in {'"1"', "1"})
    return "raw" if seen["a"] == '"1"' else "unquoted"


@case(
    "http/cookie/coded", service="http", requirements=("HAPI-001",), accept={"raw": "pass", "decoded": "pass"}
)
def test_coded(target: Target) -> str:
    """Percent-coding in a value is left alone or decoded (HAPI-001 leaves it open), once."""
    with target.connect() as peer:
        seen = cookies(peer, "Cookie: a=%2541; b=+")
    same("a", True, seen.get("a") in {"%2541", "%41"})
    return "raw" if seen["a"] == "%2541" else "decoded"


@case(
    "http/cookie/twice", service="http", requirements=("HAPI-001",), accept={"first": "pass", "last": "pass"}
)
def test_twice(target: Target) -> str:
    """Two cookies of one name: the first or the last (6265, 4.2.2: servers should not rely on an order)."""
    with target.connect() as peer:
        seen = cookies(peer, "Cookie: a=1; b=2; a=3")
    same("a", True, seen.get("a") in {"1", "3"})
    same("b", "2", seen.get("b"))
    return "first" if seen["a"] == "1" else "last"


@case(
    "http/cookie/broken",
    service="http",
    requirements=("HAPI-001",),
    accept={"read": "pass", "lost": "weak", "refused": "weak"},
)
def test_broken(target: Target) -> str:
    """Cookies that are none do no harm to the one beside them, and none to the server."""
    outcomes = set()
    for value in BROKEN:
        with target.connect() as peer:
            response = ask(peer, "GET", "/cookies", f"Cookie: {value}")
            if response.status >= 500:
                raise Violation("failed", f"Cookie: {value}: the server failed, {response} came")
            outcomes.add("refused" if response.status != OK else _found(response.json))
    return max(outcomes, key=["read", "lost", "refused"].index)


def _found(seen: dict[str, Any]) -> str:
    return "read" if seen.get("b") == "2" else "lost"


@case("http/cookie/set", service="http", requirements=("HAPI-006",), accept={"set": "pass"})
def test_set(target: Target) -> str:
    """The cookie that is set, with exactly its attributes, each time."""
    with target.connect() as peer:
        for fields in ([], ["Cookie: a=2"]):
            name, value, attributes = set_cookie(due(ask(peer, "GET", "/cookies", *fields), OK))
            same("cookie", "a=1", f"{name}={value.strip(chr(34))}")
            wanted = {"httponly": "", "samesite": "lax", "path": "/"}
            same("attributes", wanted, {each: text.lower() for each, text in attributes.items()})
    return "set"
