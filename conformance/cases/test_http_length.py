"""HTTP: content with a length (RFC 9112, section 6.3; RFC 9110, section 8.6; HTTP-41 to HTTP-46).

A length is decimal digits, once. Every language reads more numbers than that, and every such reading is a
request that somebody else did not see. Behind each malformed length stands one more request: whoever takes
the malformed number for another one, or for none, answers it.
"""

from conformance.case import case
from conformance.cases.web import (
    ANSWERED,
    REFUSED,
    TOO_LARGE,
    Answers,
    Stream,
    all_answered,
    all_refused,
    answered,
    family,
    refusal,
    says,
    too_large,
)
from conformance.target.view import Target
from conformance.wire.http_requests import request

HELLO = b"hello"
EVERY_OCTET = bytes(range(256))
CRLFS = b"\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
EITHER = {"refused-400": "pass", "answered": "pass", "refused-otherwise": "weak", "closed": "weak"}

SIGNS = ("+5", "-5", "-0", "+0", "--5", "+", "-", "5-", "5+", "\u00b15")
OTHER_NUMBERS = (
    "0x5",
    "0X5",
    "5h",
    "0o5",
    "0b101",
    "05o",
    "5.0",
    "5.",
    ".5",
    "5e0",
    "5E0",
    "0e5",
    "1_0",
    "0_5",
    "5_",
)
LETTERS = ("five", "5Z", "Z5", "5 octets", "NaN", "inf", "Infinity", "null", "true", "A", "a")
SEPARATED = (
    "5 5",
    "5\t5",
    "0 5",
    "5,5,",
    ",5",
    "5,",
    ",",
    "5;",
    "5;q=1",
    "5:5",
    "1,000",
    "'5'",
    '"5"',
    "(5)",
    "5/1",
)
DIGITS = ("\xb2", "5\xb2", "\xb9", "\xbc", "٥", "５", "5٥", "𝟓")
"""Digits of other scripts, in Latin-1 or UTF-8: `isdigit` of many languages is true of them."""

INVISIBLE = "\0\x01\x07\b\v\f\x1c\x1f\x7f\x85\xa0\xad"
AROUND = tuple(text for each in INVISIBLE for text in (f"{each}5", f"5{each}"))


def spelt(*lengths: str) -> dict[str, Stream]:
    """A POST of `hello` with each of these for its length."""
    return {
        repr(each): request("POST", "/echo", b"Content-Length: " + _octets(each)) + HELLO for each in lengths
    }


def _octets(text: str) -> bytes:
    """Latin-1 where that has the character, else UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


# --- lengths that are right ------------------------------------------------------------------------------


@case("http/length/exact", service="http", requirements=("HTTP-41",), accept=ANSWERED)
def test_exact(target: Target) -> str:
    """Exactly so many octets are content, whatever they are, and the next one begins the next request."""
    bodies = (b"", b"x", HELLO, EVERY_OCTET, CRLFS, b"\r\n", b"x" * 4096, EVERY_OCTET * 512)
    streams: dict[str, Stream] = {
        f"{len(body)} octets": request("POST", "/echo", body=body) for body in bodies
    }
    judges = {f"{len(body)} octets": answered(says(body)) for body in bodies}
    return family(target, streams, judges, ANSWERED)


@case("http/length/zeros-in-front", service="http", requirements=("HTTP-41",), accept=ANSWERED)
def test_zeros_in_front(target: Target) -> str:
    """Zeros in front change nothing: a length is decimal, never octal."""
    body = b"ten octets"
    streams: dict[str, Stream] = {
        each: request("POST", "/echo", f"Content-Length: {each}") + body
        for each in ("010", "0010", "0" * 18 + "10")
    }
    return all_answered(target, streams, says(body))


@case("http/length/several", service="http", requirements=("HTTP-41",), accept=ANSWERED)
def test_several(target: Target) -> str:
    """Requests with content in a row, each with its own length."""
    bodies = [b"a" * size for size in (5, 0, 1, 300, 2)]
    stream = b"".join(request("POST", "/echo", body=body) for body in bodies)
    return all_answered(target, {"five": stream}, *map(says, bodies))


@case(
    "http/length/none",
    service="http",
    requirements=("HTTP-42",),
    accept={"answered": "pass", "refused-411": "pass"},
)
def test_none(target: Target) -> str:
    """Without any length there is no content, and the next request stands right behind the head."""

    def judge(seen: Answers) -> str:
        if seen.responses and seen.responses[0].status == 411:
            return "refused-411"
        return answered(says(b""))(seen)

    return family(target, {"POST": request("POST", "/echo")}, judge, ("answered", "refused-411"))


# --- lengths that are wrong ------------------------------------------------------------------------------


@case("http/length/signs", service="http", requirements=("HTTP-43", "HTTP-64"), accept=REFUSED)
def test_signs(target: Target) -> str:
    """A length has no sign."""
    return all_refused(target, spelt(*SIGNS))


@case("http/length/other-numbers", service="http", requirements=("HTTP-43", "HTTP-64"), accept=REFUSED)
def test_other_numbers(target: Target) -> str:
    """A length is not hexadecimal, octal, binary, nor a fraction, and has no underscores."""
    return all_refused(target, spelt(*OTHER_NUMBERS))


@case("http/length/letters", service="http", requirements=("HTTP-43", "HTTP-64"), accept=REFUSED)
def test_letters(target: Target) -> str:
    """A length is no word, and no number with a word behind."""
    return all_refused(target, spelt(*LETTERS))


@case("http/length/separated", service="http", requirements=("HTTP-43", "HTTP-64"), accept=REFUSED)
def test_separated(target: Target) -> str:
    """A length has no blanks inside, no quotes, no empty elements, no parameters."""
    return all_refused(target, spelt(*SEPARATED))


@case("http/length/other-digits", service="http", requirements=("HTTP-43", "HTTP-64"), accept=REFUSED)
def test_other_digits(target: Target) -> str:
    """Digits of other scripts are no digits here."""
    return all_refused(target, spelt(*DIGITS))


@case("http/length/invisible", service="http", requirements=("HTTP-43", "HTTP-64"), accept=REFUSED)
def test_invisible(target: Target) -> str:
    """Controls and spaces that are neither SP nor HTAB are not taken off a length."""
    return all_refused(target, spelt(*AROUND))


@case("http/length/empty", service="http", requirements=("HTTP-43", "HTTP-64"), accept=REFUSED)
def test_empty(target: Target) -> str:
    """An empty length is none of zero."""
    return all_refused(target, spelt("", " ", "\t"))


@case("http/length/differing", service="http", requirements=("HTTP-44", "HTTP-64"), accept=REFUSED)
def test_differing(target: Target) -> str:
    """Lengths that differ are refused: in lines, in a list, and one that is empty."""
    pairs = {
        "shorter first": ("5", "6"),
        "longer first": ("6", "5"),
        "zero first": ("0", "5"),
        "zero last": ("5", "0"),
        "empty first": ("", "5"),
        "empty last": ("5", ""),
        "malformed last": ("5", "x"),
        "malformed first": ("+5", "5"),
    }
    streams: dict[str, Stream] = {
        name: request("POST", "/echo", f"Content-Length: {one}", f"Content-Length: {two}") + HELLO
        for name, (one, two) in pairs.items()
    }
    streams |= {
        f"{name}, as a list": request("POST", "/echo", f"Content-Length: {one}, {two}") + HELLO
        for name, (one, two) in pairs.items()
    }
    apart = ("content-length: 5", "X-A: a", "CONTENT-LENGTH: 0")
    return all_refused(target, {**streams, "apart, in other cases": request("POST", "/echo", *apart) + HELLO})


@case("http/length/repeated", service="http", requirements=("HTTP-45", "HTTP-64"), accept=EITHER)
def test_repeated(target: Target) -> str:
    """The same length twice is refused, or taken for one."""
    twice = "Content-Length: 5"
    streams: dict[str, Stream] = {
        "two lines": request("POST", "/echo", twice, twice) + HELLO,
        "a list": request("POST", "/echo", "Content-Length: 5, 5") + HELLO,
        "a list without blanks": request("POST", "/echo", "Content-Length: 5,5") + HELLO,
    }
    return family(target, streams, answered(says(HELLO), otherwise=refusal(400)), EITHER)


@case("http/length/large", service="http", requirements=("HTTP-46", "HTTP-64"), accept=TOO_LARGE)
def test_large(target: Target) -> str:
    """Numbers that wrap, or lose digits, are refused, and their last digits are no length."""
    powers = {f"2 to the {power}th plus 5": str(2**power + 5) for power in (32, 53, 63, 64, 128)}
    digits = {f"{count} digits": "9" * (count - 1) + "5" for count in (20, 30, 400)}
    streams: dict[str, Stream] = {
        name: request("POST", "/echo", f"Content-Length: {each}") + HELLO
        for name, each in {**powers, **digits}.items()
    }
    return family(target, streams, too_large(target), TOO_LARGE)
