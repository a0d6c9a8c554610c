"""HTTP: sessions (contract, section 2, `/session`; HAPI-012, HAPI-013).

A session is a number that the server has given out and the client brings back. So it has to be hard to
guess, it has to be the server's own, and it belongs to one client, whoever else is on the connection.
"""

import re
from collections.abc import Mapping

from conformance.case import Violation, case
from conformance.cases.browsing import ANSWERED, OK, Visitor, ask, due, greet, same
from conformance.target.view import Target
from conformance.wire.http_requests import CLOSE
from conformance.wire.http_responses import Response
from conformance.wire.peer import Peer

COUNTED = {"counted": "pass"}
REPLACED = {"replaced": "pass"}
MANY = 50
BITS = 128
"""Of chance that an id has to have at least; OWASP asks for 64, and the manual's own have more."""

STRANGE = {
    "a path": "../../../../etc/passwd",
    "a coded path": "..%2f..%2fsecret",
    "an absolute path": "/etc/passwd",
    "nothing": "",
    "a quote": '"',
    "quoted": '"abcdefghijklmnopqrst"',
    "coded line end": "abcdefghijklmnop%0d%0aX-Evil: 1",
    "coded NUL": "abcdefghijklmnop%00",
    "equals signs": "a=b=c",
    "stars": "****************",
    "4 KiB": "a" * 4096,
    "a dot": ".",
    "beyond ASCII": "é" * 20,
    "blanks": "abc def ghi jkl mno pqr",
}


def set_cookie(response: Response) -> tuple[str, str, dict[str, str]]:
    """Name, value and attributes (names in small letters) of the one cookie that is set.

    Raises Violation for none and for several.
    """
    line = (response.get(b"set-cookie") or b"").decode("latin-1")
    pair, *rest = [each.strip() for each in line.split(";")]
    name, equals, value = pair.partition("=")
    if not (name and equals):
        raise Violation("wrong-answer", f"a cookie was due, Set-Cookie: {line!r} came")
    attributes = {each.partition("=")[0].lower(): each.partition("=")[2] for each in rest}
    same("attributes that stand there once", len(rest), len(attributes))
    return name, value, attributes


def begun(who: Peer | Visitor) -> str:
    """A new session: its first count, and the cookie that keeps it."""
    response = due(ask(who, "GET", "/session"), OK, b"1")
    name, value, _ = set_cookie(response)
    return f"{name}={value}"


def counts(who: Peer | Visitor, cookie: str, number: int) -> Response:
    """One more request of this session, which makes so many."""
    return due(ask(who, "GET", "/session", f"Cookie: {cookie}"), OK, str(number).encode())


# --- counting --------------------------------------------------------------------------------------------


@case("http/session/counts", service="http", requirements=("HAPI-012",), accept=COUNTED)
def test_counts(target: Target) -> str:
    """Five requests of a session on one connection."""
    with target.connect() as peer:
        cookie = begun(peer)
        for number in range(2, 6):
            counts(peer, cookie, number)
    return "counted"


@case("http/session/over-connections", service="http", requirements=("HAPI-012",), accept=COUNTED)
def test_over_connections(target: Target) -> str:
    """Ten requests, each on a connection of its own, whichever process takes it."""
    with target.connect() as peer:
        cookie = begun(peer)
    for number in range(2, 12):
        with target.connect() as peer:
            counts(peer, cookie, number)
    return "counted"


@case("http/session/apart", service="http", requirements=("HAPI-012",), accept={"apart": "pass"})
def test_apart(target: Target) -> str:
    """Two sessions and strangers in turns on one connection: none gets another's count, or cookie."""
    with target.connect() as peer:
        one, other = begun(peer), begun(peer)
        same("two sessions have the same cookie", False, one == other)
        for number in (2, 3):
            counts(peer, one, number)
            begun(peer)
            counts(peer, other, number)
        response = greet(peer)
        same("Set-Cookie of a page without session", [], response.values(b"set-cookie"))
    return "apart"


@case("http/session/among-cookies", service="http", requirements=("HAPI-012",), accept=COUNTED)
def test_among_cookies(target: Target) -> str:
    """The session's cookie first, last and between others, with and without blanks."""
    with target.connect() as peer:
        cookie = begun(peer)
        name = cookie.partition("=")[0]
        lists = (f"a=1; {cookie}", f"{cookie}; a=1", f"a=1; {cookie}; b=2", f"x{name}=y; {cookie}; {name}x=z")
        for number, cookies in enumerate(lists, 2):
            counts(peer, cookies, number)
    return "counted"


@case("http/session/kept-cookie", service="http", requirements=("HAPI-012",), accept={"kept": "pass"})
def test_kept_cookie(target: Target) -> str:
    """A session that goes on keeps its id: a cookie that is set again is the same one."""
    with target.connect() as peer:
        cookie = begun(peer)
        for number in (2, 3):
            response = counts(peer, cookie, number)
            for line in response.values(b"set-cookie"):
                same("cookie", cookie, line.decode("latin-1").partition(";")[0].strip())
    return "kept"


# --- the cookie and the id -------------------------------------------------------------------------------


@case(
    "http/session/attributes",
    service="http",
    requirements=("HAPI-013",),
    accept={"safe": "pass", "other-path": "weak"},
)
def test_attributes(target: Target) -> str:
    """The cookie is for the whole site, and out of reach for scripts."""
    with target.connect() as peer:
        _, _, attributes = set_cookie(due(ask(peer, "GET", "/session"), OK))
    same("HttpOnly", True, "httponly" in attributes)
    same("Domain", None, attributes.get("domain"))
    return "safe" if attributes.get("path") == "/" else "other-path"


@case("http/session/ids", service="http", requirements=("HAPI-013",), accept={"random": "pass"})
def test_ids(target: Target) -> str:
    """Fifty ids are all different, long enough for 128 bits, and spell nothing that has to be coded."""
    with Visitor(target) as visitor:
        ids = [begun(visitor).partition("=")[2] for _ in range(MANY)]
    same("different ids", MANY, len(set(ids)))
    for each in ids:
        if not re.fullmatch(r"[\w,.~+/=%-]+", each, re.ASCII):
            raise Violation("wrong-answer", f"{each!r} is no value for a cookie")
    if (bits := _chance(ids)) < BITS:
        raise Violation("guessable", f"{MANY} ids differ in {bits:.0f} bits, {BITS} were due: {ids[:3]}")
    return "random"


def _chance(ids: list[str]) -> float:
    """How many bits there may be in these: at each place, as many as the letters seen there tell apart.

    Of fifty, a hexadecimal digit shows nearly all its sixteen values; a constant or a counter does not.
    """
    places = [{each[at : at + 1] for each in ids} for at in range(max(map(len, ids)))]
    return sum(min(6, (len(letters) - 1).bit_length()) for letters in places)


@case("http/session/unknown-id", service="http", requirements=("HAPI-013",), accept=REPLACED)
def test_unknown_id(target: Target) -> str:
    """A well-formed id that the server has not given out is replaced by one that nobody knows."""
    with Visitor(target) as visitor:
        cookie = begun(visitor)
        name, _, known = cookie.partition("=")
        chosen = {"all one letter": "a" * len(known), "backwards": known[::-1], "one letter less": known[:-1]}
        _all_replaced(visitor, name, {**chosen, "capitals": "A" * 20, "digits": "1234567890123456"})
        counts(visitor, cookie, 2)
    return "replaced"


@case("http/session/strange-ids", service="http", requirements=("HAPI-013", "HTTP-86"), accept=REPLACED)
def test_strange_ids(target: Target) -> str:
    """Ids that are none: paths, line ends, quotes, nothing, four KiB. They lead to a new session."""
    with Visitor(target) as visitor:
        name = begun(visitor).partition("=")[0]
        _all_replaced(visitor, name, STRANGE)
    return "replaced"


def _all_replaced(visitor: Visitor, name: str, chosen: Mapping[str, str]) -> None:
    """Each id leads to a first count with another one, twice: the first time it was not taken in silence."""
    for what, value in chosen.items():
        for _ in range(2):
            response = ask(visitor, "GET", "/session", f"Cookie: {name}={value}")
            same(f"count for {what}", "200 1", f"{response.status} {response.body.decode('latin-1')}")
            same(f"{what} is the new id", False, set_cookie(response)[1] == value)


@case("http/session/close", service="http", requirements=("HAPI-012",), accept=ANSWERED)
def test_close(target: Target) -> str:
    """A session begun with the last response of a connection is kept."""
    with target.connect() as peer:
        name, value, _ = set_cookie(due(ask(peer, "GET", "/session", CLOSE), OK, b"1"))
    with target.connect() as peer:
        counts(peer, f"{name}={value}", 2)
    return "answered"
