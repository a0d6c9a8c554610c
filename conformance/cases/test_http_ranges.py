"""HTTP: parts of files (RFC 9110, sections 13.1.5 and 14; WEB-005, HAPI-008).

A server may always send the whole instead of a part. What it must not do is to send another part than it
says, to say another than was asked for, or to take a broken field for a range.
"""

import re
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import formatdate

from hypothesis import strategies as st

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
from conformance.cases.test_http_conditional import EARLIER, LATER, NOT_MODIFIED, OTHER, dated, tagged
from conformance.exploration import explore
from conformance.target.site import BIG, FILES, LAST_MODIFIED, MODIFIED
from conformance.target.view import Target
from conformance.wire.http_requests import Text
from conformance.wire.http_responses import Response

PARTIAL, BEYOND = 206, 416
DIGITS = FILES["digits.txt"]
PART = {"part": "pass", "whole": "weak"}
"""A Range may be ignored; the contract wants single ranges."""

SINGLE = {
    "0-0": (0, 1),
    "0-4": (0, 5),
    "3-6": (3, 7),
    "9-9": (9, 10),
    "5-": (5, 10),
    "0-": (0, 10),
    "9-": (9, 10),
    "-1": (9, 10),
    "-3": (7, 10),
    "-10": (0, 10),
    "-100": (0, 10),
    "8-100": (8, 10),
    "0-9": (0, 10),
    "000-004": (0, 5),
}
"""Range -> the first octet, and the one behind the last."""

UNSATISFIABLE = ("10-", "10-20", "100-200", "99999999999999999999999-")
BROKEN = (
    "a-b",
    "",
    "-",
    "--1",
    "5",
    "0x1-0x2",
    "1-2-3",
    "+1-2",
    "1.0-2",
    "0-1;2-3",
    "5-2",
    "\u00b2-\u00b3",
)
BROKEN_UNITS = ("octets=0-1", "bytes:0-1", "bytes 0-1", "byte=0-1", "=0-1", "0-1", "bytes", "bytes=")


def content_range(response: Response) -> tuple[int, int, int]:
    """First octet, last octet and length of a 206. Raises Violation for what is no Content-Range."""
    value = response.get(b"content-range") or b""
    match = re.fullmatch(rb"bytes ([0-9]+)-([0-9]+)/([0-9]+)", value)
    if match is None:
        raise Violation("wrong-answer", f"Content-Range: bytes FIRST-LAST/LENGTH was due, {value!r} came")
    first, last, length = map(int, match.groups())
    return first, last, length


def is_part(response: Response, content: bytes, start: int, end: int) -> Response:
    """This is the part of the content, and says so."""
    due(response, PARTIAL, content[start:end])
    same("Content-Range", (start, end - 1, len(content)), content_range(response))
    return response


def ranged(
    peer: Visitor, value: str, *fields: Text, name: str = "digits.txt", method: str = "GET"
) -> Response:
    """The answer to a request for a part of a file."""
    return ask(peer, method, static(name), f"Range: {value}".encode(), *fields)


def part_or_whole(response: Response, content: bytes, start: int, end: int) -> str:
    """`part` or `whole`, whichever came; each has to be right."""
    if response.status == OK:
        due(response, OK, content)
        return "whole"
    is_part(response, content, start, end)
    return "part"


def _least(outcomes: set[str]) -> str:
    return "whole" if "whole" in outcomes else "part"


# --- single ranges ---------------------------------------------------------------------------------------


@case("http/range/single", service="http", requirements=("WEB-005", "HAPI-008"), accept=PART)
def test_single(target: Target) -> str:
    """Single ranges, open, from the end, and longer than the file, one behind the other."""
    publishes(target)
    with Visitor(target) as peer:
        outcomes = set()
        for value, (start, end) in SINGLE.items():
            outcomes.add(part_or_whole(ranged(peer, f"bytes={value}"), DIGITS, start, end))
        greet(peer)
    return _least(outcomes)


@case("http/range/any-of-a-big-file", service="http", requirements=("WEB-005",), accept=PART, explores=True)
def test_any(target: Target) -> str:
    """Generated ranges of a file of 300 KiB."""
    publishes(target)
    size = len(BIG)
    edges = st.sampled_from([0, 1, 65535, 65536, 65537, 131072, size - 2, size - 1])
    numbers = st.one_of(edges, st.integers(0, size - 1))

    def check(pair: tuple[int, int]) -> None:
        start, last = sorted(pair)
        with Visitor(target) as peer:
            outcomes.add(
                part_or_whole(ranged(peer, f"bytes={start}-{last}", name="big.bin"), BIG, start, last + 1)
            )
            greet(peer)

    outcomes = set[str]()
    explore(target, st.tuples(numbers, numbers), check, examples=25)
    return _least(outcomes)


BIG_NUMBERS = {"0-99999999999999999999999": (0, 10), "-99999999999999999999999": (0, 10)}
BIG_NUMBERS |= {"5-18446744073709551617": (5, 10), "-18446744073709551617": (0, 10)}


@case(
    "http/range/big-numbers",
    service="http",
    requirements=("WEB-005", "HAPI-008"),
    accept={**PART, "refused": "weak"},
)
def test_big_numbers(target: Target) -> str:
    """Numbers that no machine word holds end at the end of the file as others do, and never wrap around."""
    publishes(target)
    outcomes = set()
    with Visitor(target) as peer:
        for value, (start, end) in BIG_NUMBERS.items():
            response = ranged(peer, f"bytes={value}")
            refused = response.status in {400, BEYOND}
            outcomes.add("refused" if refused else part_or_whole(response, DIGITS, start, end))
    return max(outcomes, key=["part", "whole", "refused"].index)


@case(
    "http/range/last-nothing",
    service="http",
    requirements=("WEB-005", "HAPI-008"),
    accept={"beyond": "pass", "untold": "weak", "whole": "weak"},
)
def test_last_nothing(target: Target) -> str:
    """The last no octets cannot be had (14.1.2: a suffix of zero is not satisfiable)."""
    publishes(target)
    with Visitor(target) as peer:
        return _beyond(ranged(peer, "bytes=-0"), "-0")


@case(
    "http/range/fields-of-a-part",
    service="http",
    requirements=("WEB-005", "HAPI-007"),
    accept={"same": "pass", "not-told": "weak"},
)
def test_fields_of_a_part(target: Target) -> str:
    """A part has the validators and the type of the whole, which says that parts can be had."""
    publishes(target)
    with Visitor(target) as peer:
        whole, part = due(ask(peer, "GET", static("digits.txt")), OK), ranged(peer, "bytes=2-3")
        is_part(part, DIGITS, 2, 4)
        for name in (b"etag", b"last-modified", b"content-type"):
            same(f"{name.decode()} of a part", str(whole.get(name)), str(part.get(name)))
    return "same" if whole.items(b"accept-ranges") == [b"bytes"] else "not-told"


@case(
    "http/range/unit-in-capitals",
    service="http",
    requirements=("WEB-005",),
    accept={"part": "pass", "whole": "pass"},
)
def test_unit_in_capitals(target: Target) -> str:
    """The name of a unit is the same in any case (14.1); a server may still not know it."""
    publishes(target)
    with Visitor(target) as peer:
        return part_or_whole(ranged(peer, "Bytes=2-4"), DIGITS, 2, 5)


# --- beyond the end, and broken --------------------------------------------------------------------------


@case(
    "http/range/beyond-the-end",
    service="http",
    requirements=("WEB-005", "HAPI-008"),
    accept={"beyond": "pass", "untold": "weak", "whole": "weak"},
)
def test_beyond(target: Target) -> str:
    """Ranges of which the file has no octet are 416, with its length; the connection goes on."""
    publishes(target)
    with Visitor(target) as peer:
        outcomes = set()
        for value in UNSATISFIABLE:
            outcomes.add(_beyond(ranged(peer, f"bytes={value}"), value))
            greet(peer)
    return max(outcomes, key=["beyond", "untold", "whole"].index)


def _beyond(response: Response, value: str) -> str:
    if response.status == OK:
        due(response, OK, DIGITS)
        return "whole"
    if response.status != BEYOND:
        raise Violation("wrong-answer", f"{value}: 416 was due, {response} came")
    told = response.get(b"content-range")
    same("Content-Range of a 416", True, told in (None, b"bytes */10"))
    return "beyond" if told else "untold"


@case("http/range/empty-file", service="http", requirements=("WEB-005", "HAPI-008"), accept=ANSWERED)
def test_empty_file(target: Target) -> str:
    """An empty file has no part: 416, or the whole nothing."""
    publishes(target)
    with Visitor(target) as peer:
        for value in ("0-0", "0-", "-1", "5-9"):
            response = ranged(peer, f"bytes={value}", name="empty.txt")
            if response.status not in {OK, BEYOND}:
                raise Violation("wrong-answer", f"{value}: 416 or 200 was due, {response} came")
            greet(peer)
    return "answered"


@case(
    "http/range/broken",
    service="http",
    requirements=("WEB-005",),
    accept={"ignored": "pass", "refused": "pass"},
)
def test_broken(target: Target) -> str:
    """What is no range by the grammar is ignored, or refused with 416 or 400; no part is sent for it."""
    publishes(target)
    with Visitor(target) as peer:
        outcomes = {_ignored(ranged(peer, f"bytes={value}"), value) for value in BROKEN}
        greet(peer)
    return max(outcomes, key=["ignored", "refused"].index)


@case(
    "http/range/other-units",
    service="http",
    requirements=("WEB-005",),
    accept={"ignored": "pass", "refused": "weak"},
)
def test_other_units(target: Target) -> str:
    """A unit that nobody knows, and a field without one, are ignored (14.2)."""
    publishes(target)
    with Visitor(target) as peer:
        outcomes = {_ignored(ranged(peer, value), value) for value in BROKEN_UNITS}
        greet(peer)
    return max(outcomes, key=["ignored", "refused"].index)


def _ignored(response: Response, value: str) -> str:
    if response.status in {400, BEYOND}:
        return "refused"
    if response.status != OK:
        raise Violation("wrong-answer", f"{value}: the whole was due, {response} came")
    due(response, OK, DIGITS)
    return "ignored"


# --- several ranges --------------------------------------------------------------------------------------

SEVERAL = {
    "0-1,4-5": [(0, 2), (4, 6)],
    "0-0, 9-9": [(0, 1), (9, 10)],
    "5-6,0-1": [(5, 7), (0, 2)],
    "0-1,-2": [(0, 2), (8, 10)],
    "0-1,20-30": [(0, 2)],
}


@case(
    "http/range/several",
    service="http",
    requirements=("WEB-005",),
    accept={"answered": "pass", "refused": "weak"},
)
def test_several(target: Target) -> str:
    """Several ranges are multipart/byteranges with these parts, one part that has them all, or the whole."""
    publishes(target)
    with Visitor(target) as peer:
        outcomes = {several(ranged(peer, f"bytes={value}"), spans) for value, spans in SEVERAL.items()}
        greet(peer)
    return max(outcomes, key=["answered", "refused"].index)


def several(response: Response, spans: list[tuple[int, int]]) -> str:
    """Raises Violation where the octets asked for are not there, or are not where the parts say."""
    if response.status == OK:
        due(response, OK, DIGITS)
        return "answered"
    if response.status == BEYOND:
        return "refused"
    pieces = dict(parts_of(response))
    for start, data in pieces.items():
        same("octets of a part", DIGITS[start : start + len(data)].decode(), data.decode("latin-1"))
    had = {start + offset for start, data in pieces.items() for offset in range(len(data))}
    missing = {octet for start, end in spans for octet in range(start, end)} - had
    same("octets that are missing", [], sorted(missing))
    return "answered"


def parts_of(response: Response) -> list[tuple[int, bytes]]:
    """The parts of a 206, with the place where each begins: one, or those of multipart/byteranges."""
    due(response, PARTIAL)
    kind = response.get(b"content-type") or b""
    if not kind.lower().startswith(b"multipart/byteranges"):
        return [(content_range(response)[0], response.body)]
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + response.body)
    same("Content-Range in the head of a multipart", None, response.get(b"content-range"))
    return [_part(part) for part in message.iter_parts()]


def _part(part: Message) -> tuple[int, bytes]:
    match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/10", part.get("Content-Range", ""))
    body = part.get_payload(decode=True)
    if match is None or not isinstance(body, bytes) or len(body) != int(match[2]) - int(match[1]) + 1:
        raise Violation("wrong-answer", f"a part with its Content-Range was due, {part!r} came")
    return int(match[1]), body


@case("http/range/very-many", service="http", requirements=("WEB-005",), accept=ANSWERED)
def test_very_many(target: Target) -> str:
    """A thousand overlapping ranges (14.2: an attack) do not multiply the file."""
    publishes(target)
    with Visitor(target) as peer:
        response = ranged(peer, "bytes=" + ",".join(f"{each}-" for each in range(1000)), name="big.bin")
        if len(response.body) > 4 * len(BIG):
            raise Violation("multiplied", f"{len(response.body)} octets came of a file of {len(BIG)}")
        if not response.closes:
            greet(peer)
    return "answered"


# --- conditions ------------------------------------------------------------------------------------------


@case("http/range/if-range-tag", service="http", requirements=("WEB-005",), accept=PART)
def test_if_range_tag(target: Target) -> str:
    """The tag makes it a part; another tag, and a weak one, make it the whole (13.1.5: compared strongly)."""
    publishes(target)
    with Visitor(target) as peer:
        tag = tagged(peer, "digits.txt")
        for other in (OTHER, f"W/{tag.removeprefix('W/')}", f"W/{OTHER}", "digits"):
            due(ranged(peer, "bytes=2-4", f"If-Range: {other}"), OK, DIGITS)
        if tag.startswith("W/"):
            return "part"
        return part_or_whole(ranged(peer, "bytes=2-4", f"If-Range: {tag}"), DIGITS, 2, 5)


@case("http/range/if-range-date", service="http", requirements=("WEB-005",), accept=PART)
def test_if_range_date(target: Target) -> str:
    """The time of the file makes it a part; any other time, later ones too, the whole."""
    publishes(target)
    with Visitor(target) as peer:
        dated(peer)
        for date in (EARLIER, LATER, formatdate(MODIFIED + 1, usegmt=True), "yesterday"):
            due(ranged(peer, "bytes=2-4", f"If-Range: {date}"), OK, DIGITS)
        return part_or_whole(ranged(peer, "bytes=2-4", f"If-Range: {LAST_MODIFIED}"), DIGITS, 2, 5)


@case(
    "http/range/not-modified-first",
    service="http",
    requirements=("WEB-005", "WEB-004"),
    accept={"first": "pass"},
)
def test_not_modified_first(target: Target) -> str:
    """A condition that makes it a 304 counts before the range; a missing file has no part."""
    publishes(target)
    with Visitor(target) as peer:
        due(ranged(peer, "bytes=0-0", f"If-Modified-Since: {LAST_MODIFIED}"), NOT_MODIFIED)
        due(ranged(peer, "bytes=0-0", name="missing"), NOT_FOUND)
        greet(peer)
    return "first"


@case(
    "http/range/other-methods",
    service="http",
    requirements=("WEB-005",),
    accept={"ignored": "pass", "part": "weak"},
)
def test_other_methods(target: Target) -> str:
    """Range is for GET alone (14.2): HEAD tells of the whole."""
    publishes(target)
    with Visitor(target) as peer:
        headed = ranged(peer, "bytes=2-4", method="HEAD")
        same("status of HEAD", True, headed.status in {OK, PARTIAL})
        greet(peer)
    return "part" if headed.status == PARTIAL else "ignored"
