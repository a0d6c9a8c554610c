"""HTTP: validators and conditions on files (RFC 9110, sections 8.8 and 13; WEB-004).

A condition compares what the client has with what there is: by entity tag, weakly for If-None-Match and
strongly for If-Match, or by date. The order is fixed (13.2.2), and If-None-Match silences If-Modified-Since.
"""

from collections.abc import Iterable, Mapping
from email.utils import formatdate
from os import utime
from time import time

from conformance.case import Violation, case
from conformance.cases.browsing import (
    ANSWERED,
    NOT_FOUND,
    OK,
    Visitor,
    ask,
    due,
    greet,
    publishes,
    same,
    static,
)
from conformance.cases.test_http_static import published
from conformance.outcomes import Unsupported
from conformance.target.site import FILES, LAST_MODIFIED, MODIFIED
from conformance.target.view import Target
from conformance.wire.http_requests import Text
from conformance.wire.http_responses import Response

NOT_MODIFIED, FAILED = 304, 412
NAME = "hello.txt"
PATH = static(NAME)
DAY = 86_400
OTHER = '"no-such-tag"'

EARLIER, LATER = formatdate(MODIFIED - DAY, usegmt=True), formatdate(MODIFIED + DAY, usegmt=True)
OBSOLETE = ("Thursday, 29-Feb-24 12:34:56 GMT", "Thu Feb 29 12:34:56 2024")
"""The same moment as other centuries wrote it; a recipient has to understand both (5.6.7)."""

BROKEN_DATES = (
    "yesterday",
    "",
    "1709210096",
    "2024-02-29T12:34:56Z",
    "29 Feb",
)

AS_DUE = {"as-due": "pass"}
GRADED = {"as-due": "pass", "sent-anyway": "weak"}
"""A condition that SHOULD spare the content, and did not."""

Wanted = Mapping[str, int]
"""Field lines of a condition -> the status that follows."""


def validators(peer: Visitor, name: str = NAME) -> tuple[str, bool]:
    """The entity tag of a file, empty for none, and whether it has a Last-Modified."""
    response = due(ask(peer, "GET", static(name)), OK, FILES[name])
    return (response.get(b"etag") or b"").decode("latin-1"), response.get(b"last-modified") is not None


def tagged(peer: Visitor, name: str = NAME) -> str:
    """The entity tag of a file. Raises Unsupported for a target that has none."""
    tag, _ = validators(peer, name)
    if not tag:
        raise Unsupported("the target's files have no ETag")
    return tag


def dated(peer: Visitor) -> None:
    """Raise Unsupported for a target whose files do not say when they were changed."""
    if not validators(peer)[1]:
        raise Unsupported("the target's files have no Last-Modified")


def conditional(peer: Visitor, fields: Iterable[Text], wanted: int, method: str = "GET") -> Response:
    """A request with a condition, and the status that is due; the content, too, where it is 200."""
    response = ask(peer, method, PATH, *fields)
    if response.status != wanted:
        raise Violation("wrong-answer", f"{list(fields)}: {wanted} was due, {response} came")
    if wanted == OK and method == "GET":
        due(response, OK, FILES[NAME])
    return response


def spared(peer: Visitor, fields: Iterable[Text], wanted: int = NOT_MODIFIED) -> bool:
    """Whether this condition had its effect, which it should; without it, all has to come."""
    response = ask(peer, "GET", PATH, *fields)
    if response.status == OK:
        due(response, OK, FILES[NAME])
        return False
    if response.status != wanted:
        raise Violation("wrong-answer", f"{list(fields)}: {wanted} or 200 was due, {response} came")
    return True


def _graded(outcomes: Iterable[bool]) -> str:
    return "as-due" if all(outcomes) else "sent-anyway"


# --- validators ------------------------------------------------------------------------------------------


@case("http/conditional/validators", service="http", requirements=("WEB-004",), accept={"validators": "pass"})
def test_validators(target: Target) -> str:
    """Every file has an ETag or a Last-Modified, which is its own time in GMT, and the tag is well-formed."""
    publishes(target)
    with Visitor(target) as peer:
        for name in ("hello.txt", "empty.txt", "big.bin", "folder/inner.txt"):
            response = due(ask(peer, "GET", static(name)), OK, FILES[name])
            tag, date = response.get(b"etag"), response.get(b"last-modified")
            same(f"validators of {name}", True, bool(tag or date))
            if date:
                same(f"Last-Modified of {name}", LAST_MODIFIED, date.decode("latin-1"))
            if tag and not (tag.removeprefix(b"W/")[:1] == tag[-1:] == b'"' and tag.count(b'"') == 2):
                raise Violation("wrong-answer", f"{tag!r} is no entity tag")
    return "validators"


@case(
    "http/conditional/different-files", service="http", requirements=("WEB-004",), accept={"differ": "pass"}
)
def test_different_files(target: Target) -> str:
    """Files of one second and of different lengths have different tags, and one file has one."""
    publishes(target)
    with Visitor(target) as peer:
        tag = tagged(peer)
        same("the tag of the same file", tag, tagged(peer))
        for name in ("empty.txt", "digits.txt", "big.bin"):
            if validators(peer, name)[0] == tag:
                raise Violation("wrong-answer", f"{NAME} and {name} have the same tag {tag}")
    return "differ"


@case(
    "http/conditional/changed",
    service="http",
    requirements=("WEB-004",),
    accept={"noticed": "pass"},
    needs=("process",),
)
def test_changed(target: Target) -> str:
    """A file that has changed has other validators, and is sent to who has the old ones."""
    publishes(target)
    with published(target, "fresh.txt", 5) as path, Visitor(target) as peer:
        old = due(ask(peer, "GET", static(path.name)), OK, bytes(5))
        path.write_bytes(b"other")
        utime(path, (time() + 2 * DAY, time() + 2 * DAY))
        for name, field in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")):
            if value := old.get(name.encode()):
                response = ask(peer, "GET", static(path.name), field.encode() + b": " + value)
                due(response, OK, b"other")
                same(f"{name} of a changed file is another", False, response.get(name.encode()) == value)
    return "noticed"


# --- If-None-Match ---------------------------------------------------------------------------------------


@case("http/conditional/if-none-match", service="http", requirements=("WEB-004", "HTTP-83"), accept=AS_DUE)
def test_if_none_match(target: Target) -> str:
    """The tag, among others, as a weak one, and `*` make it 304; another tag does not."""
    publishes(target)
    with Visitor(target) as peer:
        tag = tagged(peer)
        weak = tag if tag.startswith("W/") else f"W/{tag}"
        lists = (tag, weak, f"{OTHER}, {tag}", f"{tag}, {OTHER}", f"{OTHER},{weak}", f'"a,b", {tag}', "*")
        for value in lists:
            conditional(peer, [f"If-None-Match: {value}"], NOT_MODIFIED)
        for value in (OTHER, f"W/{OTHER}", tag.replace('"', ""), tag[:-2] + '"', f'"{tag[1:-1]}x"', '""'):
            conditional(peer, [f"If-None-Match: {value}"], OK)
        greet(peer)
    return "as-due"


@case(
    "http/conditional/tags-in-two-lines",
    service="http",
    requirements=("WEB-004",),
    accept={**GRADED, "refused": "weak"},
)
def test_tags_in_two_lines(target: Target) -> str:
    """A list may stand in two lines (RFC 9110, section 5.3); many servers know one."""
    publishes(target)
    with Visitor(target) as peer:
        tag = tagged(peer)
        response = ask(peer, "GET", PATH, f"If-None-Match: {OTHER}", f"If-None-Match: {tag}")
    if response.status == OK:
        return "sent-anyway"
    return "as-due" if response.status == NOT_MODIFIED else "refused"


@case(
    "http/conditional/not-modified-fields", service="http", requirements=("WEB-004",), accept={"same": "pass"}
)
def test_not_modified_fields(target: Target) -> str:
    """A 304 has the tag of the 200, and its Date; HEAD is answered with 304 as GET is."""
    publishes(target)
    with Visitor(target) as peer:
        tag = tagged(peer)
        for method in ("GET", "HEAD"):
            response = conditional(peer, [f"If-None-Match: {tag}"], NOT_MODIFIED, method)
            same("ETag of a 304", tag, (response.get(b"etag") or b"").decode("latin-1"))
            greet(peer)
    return "same"


# --- If-Modified-Since -----------------------------------------------------------------------------------


@case("http/conditional/if-modified-since", service="http", requirements=("WEB-004",), accept=GRADED)
def test_if_modified_since(target: Target) -> str:
    """The time of the file, and any later one, make it 304; an earlier one does not."""
    publishes(target)
    with Visitor(target) as peer:
        dated(peer)
        seconds = [formatdate(MODIFIED + each, usegmt=True) for each in (-1, 0, 1)]
        for date in (EARLIER, seconds[0]):
            conditional(peer, [f"If-Modified-Since: {date}"], OK)
        conditional(peer, [f"If-Modified-Since: {seconds[1]}"], NOT_MODIFIED)
        return _graded([spared(peer, [f"If-Modified-Since: {date}"]) for date in (seconds[2], LATER)])


@case("http/conditional/obsolete-dates", service="http", requirements=("WEB-004",), accept=GRADED)
def test_obsolete_dates(target: Target) -> str:
    """The two obsolete spellings of the same moment mean the same; later ones of theirs do as well."""
    publishes(target)
    with Visitor(target) as peer:
        dated(peer)
        conditional(peer, ["If-Modified-Since: Wednesday, 28-Feb-24 12:34:56 GMT"], OK)
        conditional(peer, ["If-Modified-Since: Wed Feb 28 12:34:56 2024"], OK)
        return _graded([spared(peer, [f"If-Modified-Since: {date}"]) for date in OBSOLETE])


@case("http/conditional/broken-dates", service="http", requirements=("WEB-004",), accept=AS_DUE)
def test_broken_dates(target: Target) -> str:
    """What is no date is ignored (13.1.3)."""
    publishes(target)
    with Visitor(target) as peer:
        for date in BROKEN_DATES:
            conditional(peer, [f"If-Modified-Since: {date}"], OK)
    return "as-due"


@case("http/conditional/other-methods", service="http", requirements=("WEB-004",), accept=AS_DUE)
def test_other_methods(target: Target) -> str:
    """The conditions of GET mean nothing where there is no file: an echo is an echo."""
    with Visitor(target) as peer:
        for fields in (f"If-Modified-Since: {LATER}",), ("If-None-Match: x",):
            due(ask(peer, "POST", "/echo", *fields, body=b"body"), OK, b"body")
    return "as-due"


@case("http/conditional/precedence", service="http", requirements=("WEB-004",), accept=GRADED)
def test_precedence(target: Target) -> str:
    """Where If-None-Match stands, If-Modified-Since is not looked at."""
    publishes(target)
    with Visitor(target) as peer:
        tag = tagged(peer)
        conditional(peer, [f"If-None-Match: {OTHER}", f"If-Modified-Since: {LAST_MODIFIED}"], OK)
        conditional(peer, [f"If-Modified-Since: {LATER}", f"If-None-Match: {OTHER}"], OK)
        return _graded([spared(peer, [f"If-None-Match: {tag}", f"If-Modified-Since: {EARLIER}"])])


# --- If-Match, If-Unmodified-Since, and nothing there ----------------------------------------------------


@case("http/conditional/if-match", service="http", requirements=("WEB-004",), accept=GRADED)
def test_if_match(target: Target) -> str:
    """The tag, a list with it and `*` are served; another tag, and a weak one, are 412."""
    publishes(target)
    with Visitor(target) as peer:
        tag = tagged(peer)
        served = ["*"] if tag.startswith("W/") else [tag, f"{OTHER}, {tag}", "*"]
        for value in served:
            conditional(peer, [f"If-Match: {value}"], OK)
        refused = (OTHER, f"W/{tag.removeprefix('W/')}", f"{OTHER}, W/{OTHER}")
        return _graded([spared(peer, [f"If-Match: {value}"], FAILED) for value in refused])


@case("http/conditional/if-unmodified-since", service="http", requirements=("WEB-004",), accept=GRADED)
def test_if_unmodified_since(target: Target) -> str:
    """The file's own time and a later one are served, an earlier one is 412."""
    publishes(target)
    with Visitor(target) as peer:
        for date in (LAST_MODIFIED, LATER):
            conditional(peer, [f"If-Unmodified-Since: {date}"], OK)
        return _graded([spared(peer, [f"If-Unmodified-Since: {EARLIER}"], FAILED)])


@case("http/conditional/unmodified-since-no-date", service="http", requirements=("WEB-004",), accept=AS_DUE)
def test_unmodified_since_no_date(target: Target) -> str:
    """If-Unmodified-Since with what is no date is ignored (13.1.4)."""
    publishes(target)
    with Visitor(target) as peer:
        for date in BROKEN_DATES:
            conditional(peer, [f"If-Unmodified-Since: {date}"], OK)
    return "as-due"


@case("http/conditional/missing", service="http", requirements=("WEB-004",), accept=ANSWERED)
def test_missing(target: Target) -> str:
    """No condition makes a missing file anything but missing."""
    publishes(target)
    with Visitor(target) as peer:
        for field in ("If-None-Match: *", f"If-None-Match: {OTHER}", f"If-Modified-Since: {LATER}"):
            due(ask(peer, "GET", static("missing"), field), NOT_FOUND)
        greet(peer)
    return "answered"
