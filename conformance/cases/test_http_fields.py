"""HTTP: field lines (RFC 9112, section 5; RFC 9110, section 5; HTTP-20, HTTP-27 to HTTP-37, HTTP-40).

Where a field begins and ends is as much framing as a length is: what one server takes for a value is a field
of its own for the next. So whatever is not a field line is refused, and what may be repaired must be repaired
before anything looks at it.
"""

import hashlib
import re

from conformance.case import case
from conformance.cases.web import (
    ANSWERED,
    LENIENT,
    REFLECT,
    REFUSED,
    Answers,
    Judge,
    Stream,
    all_answered,
    all_refused,
    answered,
    family,
    reflected,
    reflects,
    refusal,
    says,
    seen_values,
)
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunks, head, request
from conformance.wire.http_responses import Response

NO_TOKEN = [chr(octet) for octet in (*range(9), *range(11, 13), *range(14, 32), *b'"(),/;<=>?@[\\]{}', 127)]
ABOVE_ASCII = [chr(octet) for octet in range(128, 256)]
CONTROLS = [chr(octet) for octet in (*range(1, 9), 11, 12, *range(14, 32), 127)]
REPAIRED = {**REFUSED, "repaired": "pass"}
"""Refused, or replaced by spaces before anything looks at it."""

DROPPED = {**REFUSED, "dropped": "pass"}
AT_WILL = {"refused-400": "pass", "answered": "info", "refused-otherwise": "weak", "closed": "weak"}


def values(name: str, *expected: str) -> Judge:
    """`answered`: the application saw these values of a field, in order, or all of them joined by commas."""

    def check(response: Response) -> None:
        seen = seen_values(response, name)
        if seen not in (list(expected), [", ".join(expected)], [",".join(expected)]):
            raise Violation("misread", f"{name}: {expected} was due, the application saw {seen}")

    return answered(check)


def repaired(name: str, expected: str) -> Judge:
    """`repaired`: the application saw this value, any blanks for one; or a refusal."""

    def judge(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        if outcome != "answered" or not seen.own:
            return outcome
        values = seen_values(seen.responses[0], name) if seen.responses[0].status == 200 else []
        if [re.sub("[ \t]+", " ", value).strip() for value in values] != [expected]:
            raise Violation("kept", f"{name}: the application saw {values}")
        return "repaired"

    return judge


# --- lines that are right --------------------------------------------------------------------------------


@case("http/field/blanks-around", service="http", requirements=("HTTP-34",), accept=ANSWERED)
def test_blanks_around(target: Target) -> str:
    """Spaces and tabs around a value are no part of it, and those inside are."""
    lines = {"none": "X-A:v w", "a space": "X-A: v w", "before": "X-A: \t  \tv w", "behind": "X-A: v w \t "}
    streams: dict[str, Stream] = {name: reflected(line) for name, line in lines.items()}
    return family(target, streams, values("x-a", "v w"), ANSWERED)


@case("http/field/empty-value", service="http", requirements=("HTTP-34",), accept=ANSWERED)
def test_empty_value(target: Target) -> str:
    """A value may be empty, or have blanks only, which is the same."""
    streams: dict[str, Stream] = {repr(each): reflected(f"X-A:{each}") for each in ("", " ", "\t", " \t ")}
    return family(target, streams, values("x-a", ""), ANSWERED)


@case("http/field/blanks-around-framing", service="http", requirements=("HTTP-34",), accept=ANSWERED)
def test_blanks_around_framing(target: Target) -> str:
    """The same for Host, Content-Length and Transfer-Encoding."""
    around = {"none": "{}", "HTAB before": "\t{}", "HTAB behind": " {}\t", "both": " \t {} \t "}
    lengths = {f"length, {name}": around[name].format("5") for name in around}
    codings = {f"chunked, {name}": around[name].format("chunked") for name in around}
    hosts = {f"host, {name}": around[name].format("localhost") for name in around}
    post = "POST /echo HTTP/1.1"
    streams: dict[str, Stream] = {
        **{
            name: head(post, "Host: a", f"Content-Length:{each}") + b"hello" for name, each in lengths.items()
        },
        **{
            name: head(post, "Host: a", f"Transfer-Encoding:{each}") + chunks(b"hello")
            for name, each in codings.items()
        },
        **{name: head(post, f"Host:{each}", "Content-Length: 5") + b"hello" for name, each in hosts.items()},
    }
    return all_answered(target, streams, says(b"hello"))


@case("http/field/name-case", service="http", requirements=("HTTP-35",), accept=ANSWERED)
def test_name_case(target: Target) -> str:
    """Names are the same in any case."""
    spellings = (str.lower, str.upper, str.swapcase, str.title)
    post, host, length, coding = "POST /echo HTTP/1.1", "Host", "Content-Length", "Transfer-Encoding"
    streams: dict[str, Stream] = {}
    for spell in spellings:
        hosts = f"{spell(host)}: localhost"
        streams[spell(length)] = head(post, hosts, f"{spell(length)}: 5") + b"hello"
        streams[spell(coding)] = head(post, hosts, f"{spell(coding)}: chunked") + chunks(b"hello")
    return all_answered(target, streams, says(b"hello"))


@case("http/field/order", service="http", requirements=("HTTP-36",), accept=ANSWERED)
def test_order(target: Target) -> str:
    """Lines of one name keep their order, with others among them."""
    mixed = reflected("X-A: 1", "X-B: z", "x-a: 2", "X-C: y", "X-A: 3")
    return family(target, {"three": mixed}, values("x-a", "1", "2", "3"), ANSWERED)


@case(
    "http/field/underscores",
    service="http",
    requirements=("HTTP-37",),
    accept=ANSWERED | {"refused-400": "weak"},
)
def test_underscores(target: Target) -> str:
    """Content_Length and Transfer_Encoding are other fields, and say nothing about content."""
    sha = hashlib.sha256(b"hello").hexdigest()
    nothing = answered(reflects(length=0), otherwise=refusal(400))
    hello = answered(reflects(length=5, sha256=sha), otherwise=refusal(400))
    streams: dict[str, Stream] = {
        "Content_Length alone": reflected("Content_Length: 5"),
        "Transfer_Encoding alone": reflected("Transfer_Encoding: chunked"),
        "Content_Length beside": request("POST", REFLECT, "Content_Length: 3", body=b"hello"),
        "Transfer_Encoding beside": request("POST", REFLECT, "Transfer_Encoding: chunked", body=b"hello"),
    }
    judges = {name: hello if "beside" in name else nothing for name in streams}
    return family(target, streams, judges, ("answered", "refused-400"))


@case("http/field/above-ascii", service="http", requirements=("HTTP-33",), accept=ANSWERED)
def test_above_ascii(target: Target) -> str:
    """Octets from 0x80 on are data."""
    streams: dict[str, Stream] = {
        "Latin-1": reflected("X-A: caf\xe9"),
        "UTF-8": reflected("X-A: café"),
        "all": reflected("X-A: " + "".join(ABOVE_ASCII)),
        "C1 and NBSP around": reflected("X-A: \x85\xa0a\xa0\x85"),
    }
    return all_answered(target, streams, reflects(method="GET"))


@case("http/field/controls", service="http", requirements=("HTTP-33", "HTTP-64"), accept=AT_WILL)
def test_controls(target: Target) -> str:
    """Controls in a value are refused, or kept; they never cut it."""

    def kept(value: str) -> Judge:
        check = values("x-a", value)
        return lambda seen: check(seen) if refusal(400)(seen) == "answered" else refusal(400)(seen)

    sent = {repr(each): f"a{each}b" for each in CONTROLS}
    streams: dict[str, Stream] = {name: reflected(f"X-A: {value}") for name, value in sent.items()}
    return family(target, streams, {name: kept(value) for name, value in sent.items()}, AT_WILL)


# --- lines that are wrong --------------------------------------------------------------------------------


@case("http/field/blank-before-colon", service="http", requirements=("HTTP-27", "HTTP-64"), accept=REFUSED)
def test_blank_before_colon(target: Target) -> str:
    """A blank between name and colon is refused, whatever the field."""
    fields = (
        "X-A{}: b",
        "Accept{}: */*",
        "Content-Length{}: 0",
        "Transfer-Encoding{}: chunked",
        "Connection{}: close",
    )
    streams: dict[str, Stream] = {
        repr(field.format(blank)): reflected(field.format(blank))
        for field in fields
        for blank in (" ", "\t", "  ", " \t")
    }
    streams["Host"] = head(f"GET {REFLECT} HTTP/1.1", "Host : localhost")
    return all_refused(target, streams)


@case("http/field/fold", service="http", requirements=("HTTP-28", "HTTP-64"), accept=REPAIRED)
def test_fold(target: Target) -> str:
    """A folded value is refused, or read as one value with a space."""
    folds = {"space": "\r\n b", "HTAB": "\r\n\tb", "spaces": " \r\n   b", "twice": "\r\n \r\n b"}
    streams: dict[str, Stream] = {name: reflected(f"X-A: a{fold}") for name, fold in folds.items()}
    return family(target, streams, repaired("x-a", "a b"), REPAIRED)


@case("http/field/fold-of-blanks", service="http", requirements=("HTTP-28", "HTTP-64"), accept=REPAIRED)
def test_fold_of_blanks(target: Target) -> str:
    """A line of blanks is a fold, and never the end of the section."""
    streams: dict[str, Stream] = {
        repr(blank): reflected(f"X-A: a\r\n{blank}", "X-B: 1") for blank in (" ", "\t", "  ", " \t ")
    }
    streams["behind Host"] = head(f"GET {REFLECT} HTTP/1.1", "Host: localhost", " ", "X-A: a", "X-B: 1")
    return family(target, streams, repaired("x-b", "1"), REPAIRED)


@case("http/field/blank-first", service="http", requirements=("HTTP-29", "HTTP-64"), accept=DROPPED)
def test_blank_first(target: Target) -> str:
    """A line with blanks in front, right behind the request line, is refused or dropped."""

    def judge(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        if outcome == "answered" and seen_values(seen.responses[0], "x-first"):
            raise Violation("taken-for-a-field", "the application sees it")
        return "dropped" if outcome == "answered" else outcome

    start = f"GET {REFLECT} HTTP/1.1"
    streams: dict[str, Stream] = {
        repr(blank): head(start, f"{blank}X-First: 1", "Host: localhost") for blank in (" ", "\t", "  ")
    }
    return family(target, streams, judge, DROPPED)


@case("http/field/no-colon", service="http", requirements=("HTTP-30", "HTTP-64"), accept=LENIENT)
def test_no_colon(target: Target) -> str:
    """A line without a colon is no field."""
    streams: dict[str, Stream] = {
        each: reflected(each, "X-B: 1") for each in ("nocolon", "X-A b", "GET / HTTP/1.1")
    }
    return all_refused(target, streams, LENIENT)


@case("http/field/no-name", service="http", requirements=("HTTP-30", "HTTP-64"), accept=LENIENT)
def test_no_name(target: Target) -> str:
    """A line without a name is no field."""
    return all_refused(target, {each: reflected(each, "X-B: 1") for each in (": v", ":v", ":")}, LENIENT)


@case("http/field/name-octets", service="http", requirements=("HTTP-31", "HTTP-64"), accept=LENIENT)
def test_name_octets(target: Target) -> str:
    """An octet that tokens have not got makes a name malformed."""
    streams: dict[str, Stream] = {repr(each): reflected(f"X{each}A: 1") for each in (*NO_TOKEN, " ", "\t")}
    return all_refused(target, streams, LENIENT)


@case("http/field/name-above-ascii", service="http", requirements=("HTTP-31", "HTTP-64"), accept=LENIENT)
def test_name_above_ascii(target: Target) -> str:
    """No octet from 0x80 on stands in a name."""
    streams: dict[str, Stream] = {repr(each): reflected(f"X{each}A: 1") for each in ABOVE_ASCII[::3]}
    streams |= {f"{each!r} behind": reflected(f"X-A{each}: 1") for each in "\x85\xa0\xad\xff"}
    return all_refused(target, streams, LENIENT)


@case("http/field/nul", service="http", requirements=("HTTP-32", "HTTP-64"), accept=REPAIRED)
def test_nul(target: Target) -> str:
    """A NUL in a value is refused, or replaced by a space; it never ends the value."""
    return _forbidden(target, "\0")


@case("http/field/cr", service="http", requirements=("HTTP-32", "HTTP-20", "HTTP-64"), accept=REPAIRED)
def test_cr(target: Target) -> str:
    """The same of a CR."""
    return _forbidden(target, "\r")


def _forbidden(target: Target, octet: str) -> str:
    """It stands inside, twice, first and last in a value."""
    sent = {
        "inside": (f"a{octet}b", "a b"),
        "twice": (f"a{octet}{octet}b", "a b"),
        "first": (f"{octet}b", "b"),
        "last": (f"a{octet}", "a"),
    }
    streams: dict[str, Stream] = {name: reflected(f"X-A: {value}") for name, (value, _) in sent.items()}
    judges = {name: repaired("x-a", expected) for name, (_, expected) in sent.items()}
    return family(target, streams, judges, REPAIRED)


@case("http/field/lf", service="http", requirements=("HTTP-32", "HTTP-64"), accept=REPAIRED)
def test_lf(target: Target) -> str:
    """An LF in a value is refused, replaced by a space, or the end of the line; then no field was hidden."""

    def judge(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        if outcome != "answered":
            return outcome
        if any("\n" in text for field in seen.responses[0].json["headers"] for text in field):
            raise Violation("kept", "the application sees an LF")
        return "repaired"

    sent = {"inside": "a\nX-B: b", "first": "\nX-B: b", "before CRLF": "a\n", "LF CR": "a\n\rb"}
    streams: dict[str, Stream] = {name: reflected(f"X-A: {value}") for name, value in sent.items()}
    streams["in Host"] = request("GET", REFLECT, host="localhost\n")
    return family(target, streams, judge, REPAIRED)


@case("http/field/cr-hides-a-field", service="http", requirements=("HTTP-20", "HTTP-64"), accept=REFUSED)
def test_cr_hides_a_field(target: Target) -> str:
    """A CR alone never ends a line: a coding behind it is not seen by somebody, and by somebody it is."""
    streams: dict[str, Stream] = {
        "behind a value": request("POST", "/echo", f"X-A: a\r{CHUNKED}", body=b"0\r\n\r\n"),
        "behind a length": request("POST", "/echo", f"Content-Length: 5\r{CHUNKED}") + b"0\r\n\r\n",
        "behind Host": request("POST", "/echo", host=f"localhost\r{CHUNKED}", body=b"0\r\n\r\n"),
    }
    return all_refused(target, streams)


@case("http/field/cr-ends-lines", service="http", requirements=("HTTP-20", "HTTP-64"), accept=REFUSED)
def test_cr_ends_lines(target: Target) -> str:
    """CR for CRLF is refused, everywhere and at single lines."""
    plain = reflected("X-A: a")
    streams: dict[str, Stream] = {
        "everywhere": plain.replace(b"\r\n", b"\r"),
        "the request line": plain.replace(b"1.1\r\n", b"1.1\r"),
        "in the target": plain.replace(b"/reflect", b"/refl\rect"),
        "in a name": plain.replace(b"X-A", b"X\rA"),
        "before a name": plain.replace(b"X-A", b"\rX-A"),
    }
    return all_refused(target, streams)


@case("http/field/false-end", service="http", requirements=("HTTP-40", "HTTP-64"), accept=REFUSED)
def test_false_end(target: Target) -> str:
    """Only CRLF by itself ends the section; what stands behind a false end is no request."""
    start, host, hidden = f"GET {REFLECT} HTTP/1.1\r\n".encode(), b"Host: localhost\r\n", b"GET /hidden: x"
    ends = (b"\r", b"\rZ", b"\r\r\n", b"\r \r\n", b"\0\r\n", b"\r\0\n", b"\v\r\n", b"\x85\r\n", b"\xa0\r\n")
    streams: dict[str, Stream] = {
        repr(end): start + host + end + hidden + b" HTTP/1.1\r\n" + host + b"\r\n" for end in ends
    }
    return all_refused(target, streams)
