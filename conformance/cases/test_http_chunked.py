"""HTTP: content in chunks (RFC 9112, section 7; HTTP-48 to HTTP-58).

Each chunk brings its own length, so each is one more place where two servers may disagree on where content
ends. Everything in chunks is exact: hexadecimal digits, CRLF, and nothing that is skipped unseen.
"""

from conformance.case import case
from conformance.cases.web import (
    ANSWERED,
    LENIENT,
    REFLECT,
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
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunk, chunks, request

POST = request("POST", "/echo", CHUNKED)
LAST = b"0\r\n\r\n"
CHOICE = {"refused-400": "pass", "answered": "info", "refused-otherwise": "weak", "closed": "weak"}

SIGNS = ("+5", "-5", "-0", "+0", "+", "-", "5-")
PREFIXES = ("0x5", "0X5", "x5", "#5", "$5", "\\x5", "5h", "0h5")
LETTERS = ("zz", "g", "5g", "five", "5.0", "5e0x", "5_", "0_5", "5,5", '"5"', "'5'", "5/", "5=5", "%35", "5:")
BLANKS = (" 5", "\t5", "5 5", "5\t5", "0 5", "  5", "5 0")
DIGITS = ("\xb2", "5\xb2", "\xb5", "٥".encode().decode("latin-1"), "５".encode().decode("latin-1"))
INVISIBLE = "\0\x01\x07\v\f\x1c\x1f\x7f\x85\xa0"
AROUND = tuple(text for each in INVISIBLE for text in (f"{each}5", f"5{each}"))

EXTENSIONS = (
    ";a",
    ";a=1",
    ";a=b;c=d",
    ';a="x y"',
    ';a=";\t#"',
    ';a="\\"q\\""',
    ";a=1;a=1",
    ';a=""',
    ";!#$%&'*+-.^_`|~=x",
)
ODD_EXTENSIONS = (" ;a=1", "; a=1", ";a =1", ";a= 1", " ", "\t", ";", ";;", ";a=", ";=1", ";a=1;", ";a=1 ")
BAD_OCTETS = ("\r", "\0", "\x01", "\x07", "\x0b", "\x1b", "\x7f")
SECRETS = ("Host: evil.example", "Authorization: s3cret", "Cookie: a=s3cret", "X-Forwarded-For: 6.6.6.6")
FRAMED, DECODED = ("host", "transfer-encoding"), ["content-length", "5"]
DANGEROUS = ("Content-Length: 4", "Transfer-Encoding: chunked", "Connection: close", "Expect: 100-continue")


def sized(*sizes: str, data: bytes = b"hello") -> dict[str, Stream]:
    """A POST whose first chunk has each of these for its size."""
    return {repr(each): POST + each.encode("latin-1") + b"\r\n" + data + b"\r\n" + LAST for each in sizes}


# --- chunks that are right -------------------------------------------------------------------------------


@case("http/chunked/decoded", service="http", requirements=("HTTP-48",), accept=ANSWERED)
def test_decoded(target: Target) -> str:
    """Any number of chunks of any size come back as one content."""
    bodies = {
        "one": [b"hello"],
        "two": [b"hello", b" world"],
        "none": [],
        "chunks that look like chunks": [b"\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n"],
        "every octet, one by one": [bytes([octet]) for octet in range(256)],
        "16": [b"x" * 16],
        "64 KiB": [b"y" * 65536, b"z"],
    }
    streams: dict[str, Stream] = {name: POST + chunks(*parts) for name, parts in bodies.items()}
    judges = {name: answered(says(b"".join(parts))) for name, parts in bodies.items()}
    return family(target, streams, judges, ANSWERED)


@case("http/chunked/sizes", service="http", requirements=("HTTP-48",), accept=ANSWERED)
def test_sizes(target: Target) -> str:
    """Sizes are hexadecimal in either case, and may have zeros in front, also the last one."""
    body = b"0123456789abcdef" * 11
    sizes = ("b0", "B0", "00b0", "0000000B0")
    streams: dict[str, Stream] = {
        f"{size}, then {last}": POST + f"{size}\r\n".encode() + body + f"\r\n{last}\r\n\r\n".encode()
        for size in sizes
        for last in ("0", "000")
    }
    return all_answered(target, streams, says(body))


@case("http/chunked/next-request", service="http", requirements=("HTTP-48",), accept=ANSWERED)
def test_next_request(target: Target) -> str:
    """Requests with chunks in a row are all found."""
    stream = POST + chunks(b"one") + POST + chunks() + POST + chunks(b"t", b"hree")
    return all_answered(target, {"three": stream}, says(b"one"), says(b""), says(b"three"))


@case("http/chunked/extensions", service="http", requirements=("HTTP-49",), accept=ANSWERED)
def test_extensions(target: Target) -> str:
    """Extensions that nobody knows are ignored, on any chunk."""
    streams: dict[str, Stream] = {each: POST + chunk(b"hello", each) + LAST for each in EXTENSIONS}
    streams["on the last one"] = POST + chunk(b"hello") + b"0;a=1\r\n\r\n"
    return all_answered(target, streams, says(b"hello"))


@case("http/chunked/trailers", service="http", requirements=("HTTP-55",), accept=ANSWERED)
def test_trailers(target: Target) -> str:
    """Trailers are read, and are no request."""
    streams: dict[str, Stream] = {
        "two": POST + chunks(b"hello", trailers=["X-T1: a", "X-T2: b"]),
        "an empty value": POST + chunks(b"hello", trailers=["X-T1:"]),
        "like a request": POST + chunks(b"hello", trailers=["GET: / HTTP/1.1"]),
    }
    return all_answered(target, streams, says(b"hello"))


@case(
    "http/chunked/trailers-are-no-headers",
    service="http",
    requirements=("HTTP-56",),
    accept={"kept-apart": "pass", "refused-400": "pass"},
)
def test_trailers_are_no_headers(target: Target) -> str:
    """Fields of the trailer are not seen as header fields, and do not change the framing.

    In place of the coding a server may say how long the body is, now that it knows (RFC 9112, section 7.1.3).
    """

    def judge(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        if outcome != "answered":
            return outcome
        if len(seen.own) != 1 or not seen.behind or seen.own[0].status != 200:
            raise Violation("framing-changed", f"one answer and the one behind were due: {seen}")
        fields = [field for field in seen.own[0].json["headers"] if field[0] not in FRAMED]
        if fields not in ([], [DECODED]) or b"evil" in seen.own[0].body:
            raise Violation("taken-for-headers", f"the application sees {seen.own[0].body!r:.200}")
        return "kept-apart"

    post = request("POST", REFLECT, CHUNKED)
    streams: dict[str, Stream] = {
        each: post + chunks(b"hello", trailers=[each]) for each in (*SECRETS, *DANGEROUS, "X-T1: a")
    }
    return family(target, streams, judge, ("kept-apart", "refused-400"))


# --- the name of the coding ------------------------------------------------------------------------------


@case("http/chunked/name-case", service="http", requirements=("HTTP-58",), accept=ANSWERED)
def test_name_case(target: Target) -> str:
    """Chunked is chunked in any case."""
    streams: dict[str, Stream] = {
        each: request("POST", "/echo", f"Transfer-Encoding: {each}") + chunks(b"hello")
        for each in ("CHUNKED", "ChUnKeD", "Chunked", "chunkeD")
    }
    return all_answered(target, streams, says(b"hello"))


@case(
    "http/chunked/empty-elements",
    service="http",
    requirements=("HTTP-58", "HTTP-64"),
    accept={**CHOICE, "answered": "pass"},
)
def test_empty_elements(target: Target) -> str:
    """Empty elements of the list mean nothing: the content is in chunks, or the request is refused."""
    streams: dict[str, Stream] = {
        repr(each): request("POST", "/echo", f"Transfer-Encoding: {each}") + chunks(b"hello")
        for each in ("chunked,", ",chunked", "chunked , ", " , chunked", ",,chunked,,")
    }
    return family(target, streams, answered(says(b"hello"), otherwise=refusal(400)), CHOICE)


# --- sizes that are wrong --------------------------------------------------------------------------------


@case("http/chunked/size-signs", service="http", requirements=("HTTP-50", "HTTP-64"), accept=REFUSED)
def test_size_signs(target: Target) -> str:
    """A size has no sign."""
    return all_refused(target, sized(*SIGNS))


@case("http/chunked/size-prefixes", service="http", requirements=("HTTP-50", "HTTP-64"), accept=REFUSED)
def test_size_prefixes(target: Target) -> str:
    """A size is hexadecimal without saying so."""
    return all_refused(target, sized(*PREFIXES))


@case("http/chunked/size-letters", service="http", requirements=("HTTP-50", "HTTP-64"), accept=REFUSED)
def test_size_letters(target: Target) -> str:
    """A size has no other letters, and no punctuation."""
    return all_refused(target, sized(*LETTERS))


@case("http/chunked/size-blanks", service="http", requirements=("HTTP-50", "HTTP-64"), accept=REFUSED)
def test_size_blanks(target: Target) -> str:
    """A size has no blanks in front and none inside."""
    return all_refused(target, sized(*BLANKS))


@case("http/chunked/size-invisible", service="http", requirements=("HTTP-50", "HTTP-64"), accept=REFUSED)
def test_size_invisible(target: Target) -> str:
    """Controls, other spaces, and digits of other scripts are no part of a size."""
    return all_refused(target, sized(*AROUND, *DIGITS))


@case("http/chunked/size-empty", service="http", requirements=("HTTP-50", "HTTP-64"), accept=REFUSED)
def test_size_empty(target: Target) -> str:
    """A chunk without a size is neither the last one nor skipped."""
    streams: dict[str, Stream] = {
        **sized("", ";a=1", " "),
        "instead of the last": POST + chunk(b"hello") + b"\r\n\r\n",
        "before the last": POST + chunk(b"hello") + b"\r\n" + LAST,
    }
    return all_refused(target, streams)


@case("http/chunked/size-wraps", service="http", requirements=("HTTP-51", "HTTP-64"), accept=TOO_LARGE)
def test_size_wraps(target: Target) -> str:
    """Sizes that wrap are refused, and their last digits are no size."""
    sizes = [f"{2**power + 5:x}" for power in (32, 63, 64, 128)] + ["f" * 16, "f" * 17, f"1{5:0400}"]
    return family(target, sized(*sizes), too_large(target), TOO_LARGE)


@case("http/chunked/size-announced", service="http", requirements=("HTTP-51", "HTTP-66"), accept=TOO_LARGE)
def test_size_announced(target: Target) -> str:
    """A chunk of 2 GiB is refused before its data has come."""
    streams: dict[str, Stream] = {
        each: POST + each.encode() + b"\r\n" for each in ("7fffffff", "7fffffffffffffff")
    }
    return family(target, streams, too_large(target), TOO_LARGE)


# --- ends that are wrong ---------------------------------------------------------------------------------


@case("http/chunked/data-end", service="http", requirements=("HTTP-52", "HTTP-64"), accept=REFUSED)
def test_data_end(target: Target) -> str:
    """Exactly CRLF stands behind the data of a chunk."""
    ends = (
        b"XX",
        b"!",
        b"!\r\n",
        b"",
        b"\n\r",
        b"\r\r\n",
        b"\r",
        b"\r\n\r\n",
        b"  ",
        b"\r ",
        b" \n",
        b"\0\r\n",
    )
    return all_refused(target, {repr(end): POST + b"5\r\nhello" + end + LAST for end in ends})


@case("http/chunked/lf-alone", service="http", requirements=("HTTP-53", "HTTP-64"), accept=REFUSED)
def test_lf_alone(target: Target) -> str:
    """An LF alone ends nothing in chunks."""
    streams: dict[str, Stream] = {
        "behind the size": POST + b"5\nhello\r\n" + LAST,
        "behind the data": POST + b"5\r\nhello\n" + LAST,
        "everywhere": POST + b"5\nhello\n0\n\n",
        "behind an extension": POST + b"5;a=1\nhello\r\n" + LAST,
        "behind the last size": POST + b"5\r\nhello\r\n0\n\r\n",
    }
    return all_refused(target, streams)


@case("http/chunked/line-end-inside", service="http", requirements=("HTTP-53", "HTTP-64"), accept=REFUSED)
def test_line_end_inside(target: Target) -> str:
    """Neither CR nor LF stands beside a size, nor an LF in an extension."""
    lines = ("5;a\nb", '5;a="\n"', "5;\n", "5\r\r;ab", "5\rX", "5\r;a", "5\r\r", "\r5", "5\r0", "\n5", "5\n0")
    return all_refused(target, sized(*lines))


@case("http/chunked/odd-extensions", service="http", requirements=("HTTP-54", "HTTP-64"), accept=CHOICE)
def test_odd_extensions(target: Target) -> str:
    """Blanks around the parts of an extension, and empty ones, are refused or ignored."""
    streams: dict[str, Stream] = {repr(each): POST + chunk(b"hello", each) + LAST for each in ODD_EXTENSIONS}
    return family(target, streams, answered(says(b"hello"), otherwise=refusal(400)), CHOICE)


@case("http/chunked/extension-octets", service="http", requirements=("HTTP-54", "HTTP-64"), accept=LENIENT)
def test_extension_octets(target: Target) -> str:
    """Controls in extensions, quotes that do not close, and parts without a semicolon are refused."""
    spelt = [f";a{each}b" for each in BAD_OCTETS] + [f';a="{each}"' for each in BAD_OCTETS]
    wrong = [*spelt, ';a="b', ';a=b"', ';"a"', ';a="b"c', "a=1", ";a=b,c", ";a=(b)"]
    return all_refused(target, {repr(each): POST + chunk(b"hello", each) + LAST for each in wrong}, LENIENT)


# --- trailers that are wrong -----------------------------------------------------------------------------


@case("http/chunked/bad-trailers", service="http", requirements=("HTTP-57", "HTTP-64"), accept=LENIENT)
def test_bad_trailers(target: Target) -> str:
    """What is no field line in the header section is none in the trailer."""
    wrong = (
        "nocolon",
        ": v",
        "X-T : a",
        "X-T\t: a",
        "X T: a",
        "X\0T: a",
        "X-T: a\0b",
        "X-T: a\r\n b",
        "\x85X: a",
        "GET / HTTP/1.1",
    )
    return all_refused(
        target, {repr(each): POST + chunks(b"hello", trailers=[each]) for each in wrong}, LENIENT
    )


@case(
    "http/chunked/trailer-line-ends",
    service="http",
    requirements=("HTTP-57", "HTTP-20", "HTTP-64"),
    accept={**LENIENT, "answered": "weak"},
)
def test_trailer_line_ends(target: Target) -> str:
    """CR alone ends no trailer, and what it hides is no request."""
    body = chunk(b"hello") + b"0\r\n"
    ends = (b"\r", b"X-T: a\r\r\n", b"X-T: a\rX-U: b\r\n\r\n", b"\rX\r\n\r\n", b"\r\r\n")
    return all_refused(target, {repr(end): POST + body + end for end in ends}, LENIENT)


@case("http/chunked/last-end", service="http", requirements=("HTTP-52", "HTTP-64"), accept=REFUSED)
def test_last_end(target: Target) -> str:
    """Behind the last chunk and its trailers stands an empty line, and nothing in its place."""
    ends = (b"0\r\nXX", b"0\r\n\rX", b"0\r\nX\r\n\r\n", b"0XX\r\n\r\n", b"0\r\n\0\0", b"0\r\n \r\n\r\n")
    return all_refused(target, {repr(end): POST + chunk(b"hello") + end for end in ends})
