"""HTTP: two ideas of how long content is (RFC 9112, sections 6.1, 6.3 and 11.2; HTTP-59 to HTTP-63).

A proxy and the server behind it share a connection for the requests of many users. Where the two disagree on
the length of one request, its sender writes the beginning of the next one, which is somebody else's. The way
to disagree is a field in disguise: `chunked` for the one, nothing for the other. So whatever is not plainly a
length is refused, and the families here are made of every disguise that is known, and of their products.

Each disguise is sent in two ways. With a Content-Length beside it both readings are the same length: whoever
ignores the disguise, or sees through it, answers. Alone, with a request right behind the head, whoever
ignores it answers that.
"""

from conformance.case import case
from conformance.cases.web import (
    REFLECT,
    REFUSED,
    Answers,
    Stream,
    answered,
    family,
    refusal,
    says,
)
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunks, head, request

LAST = b"0\r\n\r\n"
CODING_REFUSED = {"refused-400": "pass", "refused-501": "pass", "refused-otherwise": "weak", "closed": "weak"}
NO_CODING = {**CODING_REFUSED, "answered": "weak"}
ONCE = {"refused-400": "pass", "answered-once": "pass", "refused-otherwise": "weak", "closed": "weak"}
DROPPED = {**REFUSED, "ignored": "weak"}
BESIDE = b"xxx"

BLANKS = "\0\x01\b\v\f\x1c\x1f\x7f\x85\xa0\xad\xff"
AROUND = tuple(text for each in BLANKS for text in (f"{each}chunked", f"chunked{each}", f"chun{each}ked"))
UNICODE = tuple(
    text.encode().decode("latin-1")
    for text in (
        "\u2028chunked",
        "chunked\u3000",
        "\ufeffchunked",
        "ｃｈｕｎｋｅｄ",
        "chun\u212aed",
        "сhunked",
    )
)
"""In UTF-8: spaces, a byte order mark, wide letters, the Kelvin sign, a Cyrillic letter."""

WORDS = (
    "identity",
    "xchunked",
    "chunkedx",
    "x-chunked",
    "chunk",
    "chunked0",
    "chunked-",
    "c",
    "none",
    "utf-8",
    "5",
)
QUOTED = (
    '"chunked"',
    "'chunked'",
    "`chunked`",
    "<chunked>",
    "(chunked)",
    "{chunked}",
    "[chunked]",
    '"chunked',
    "\\chunked",
)
JOINED = (
    "chunked chunked",
    "chunked identity",
    "identity chunked",
    "chunked\tchunked",
    "chunked;",
    "chunked:",
    "chunked=1",
    "chunked/1",
)
LISTS = (
    "chunked, identity",
    "chunked,identity",
    "chunked, x",
    "chunked, gzip",
    "identity, identity",
    "cow, chunked, cow",
    'chunked, ""',
)
NO_WORD = ("", " ", "\t", ",", ", ,", ";", '""')

NAMES = (
    "{}Transfer-Encoding: chunked",
    "Transfer-Encoding{}: chunked",
    "Transfer{}-Encoding: chunked",
    "Transfer-{}Encoding: chunked",
)
LENGTH_NAMES = ("{}Content-Length: 5", "Content-Length{}: 5", "Content{}-Length: 5", "Content-{}Length: 5")
IN_NAMES = '\0\x01\v\f\x1c\x7f\x85\xa0\xff;,="/(@'
LOOKALIKES = (
    "Transfer_Encoding",
    "Transfer.Encoding",
    "TransferEncoding",
    "Transfer--Encoding",
    "X-Transfer-Encoding",
    "Transfer-Encodings",
    "Transfer-Encodin",
)


def disguised(*codings: str) -> dict[str, Stream]:
    """Each coding beside a length that fits both readings, and alone with a request behind the head."""
    fields = {repr(each): f"Transfer-Encoding: {each}" for each in codings}
    return {
        **{
            f"{name} and a length": request("POST", "/echo", field, body=LAST)
            for name, field in fields.items()
        },
        **{f"{name} alone": request("POST", "/echo", field) for name, field in fields.items()},
        **{
            f"{name} and chunks": request("POST", "/echo", field) + chunks(b"x")
            for name, field in fields.items()
        },
    }


def all_coding_refused(target: Target, streams: dict[str, Stream]) -> str:
    """Each is refused with 400, or with 501 for a coding that is not known."""
    return family(target, streams, refusal(400, 501), CODING_REFUSED)


# --- both lengths ----------------------------------------------------------------------------------------


def once(seen: Answers) -> str:
    """`answered-once`: one answer, and the end. Else as `refusal`."""
    if seen.responses and seen.responses[0].status < 400:
        if seen.responses[1:] or seen.ending == "open":
            raise Violation("goes-on", f"one answer and the end were due: {seen}")
        return "answered-once"
    return refusal(400)(seen)


@case("http/smuggling/both-lengths", service="http", requirements=("HTTP-59", "HTTP-64"), accept=ONCE)
def test_both_lengths(target: Target) -> str:
    """Content-Length and chunks: refused, or the chunks decide; in both cases the connection ends."""
    streams: dict[str, Stream] = {}
    for length in (0, 3, 5, 6, 100):
        fields = [f"Content-Length: {length}", CHUNKED]
        streams[f"length {length} first"] = request("POST", "/echo", *fields) + LAST
        streams[f"length {length} last"] = request("POST", "/echo", *reversed(fields)) + LAST
        streams[f"length {length}, lower case"] = request("POST", "/echo", *map(str.lower, fields)) + LAST
    streams["apart"] = request("POST", "/echo", CHUNKED, "X-A: a", "X-B: b", "Content-Length: 5") + LAST
    streams["on a GET"] = request("GET", REFLECT, CHUNKED, "Content-Length: 5") + LAST
    return family(target, streams, once, ONCE)


@case(
    "http/smuggling/both-malformed",
    service="http",
    requirements=("HTTP-59", "HTTP-43", "HTTP-64"),
    accept=ONCE,
)
def test_both_malformed(target: Target) -> str:
    """A malformed length beside chunks is no better than a good one."""
    lengths = ("", "x", "+5", "5, 5", "5, 6", "-1", "0x5")
    streams: dict[str, Stream] = {
        repr(each): request("POST", "/echo", f"Content-Length: {each}", CHUNKED) + LAST for each in lengths
    }
    return family(target, streams, once, ONCE)


# --- the value in disguise -------------------------------------------------------------------------------


@case("http/smuggling/invisible", service="http", requirements=("HTTP-60", "HTTP-64"), accept=CODING_REFUSED)
def test_invisible(target: Target) -> str:
    """Chunked with controls and strange spaces around it or inside."""
    return all_coding_refused(target, disguised(*AROUND))


@case("http/smuggling/unicode", service="http", requirements=("HTTP-60", "HTTP-64"), accept=CODING_REFUSED)
def test_unicode(target: Target) -> str:
    """Chunked in letters that only look like it, or that some fold into it, and among spaces of Unicode."""
    return all_coding_refused(target, disguised(*UNICODE))


@case(
    "http/smuggling/other-words", service="http", requirements=("HTTP-60", "HTTP-64"), accept=CODING_REFUSED
)
def test_other_words(target: Target) -> str:
    """Words that have chunked in them, or begin as it does, are other words."""
    return all_coding_refused(target, disguised(*WORDS, *QUOTED))


@case(
    "http/smuggling/joined-words", service="http", requirements=("HTTP-60", "HTTP-64"), accept=CODING_REFUSED
)
def test_joined_words(target: Target) -> str:
    """Chunked with a second word, or with punctuation, is no list."""
    return all_coding_refused(target, disguised(*JOINED))


@case("http/smuggling/not-last", service="http", requirements=("HTTP-60", "HTTP-64"), accept=CODING_REFUSED)
def test_not_last(target: Target) -> str:
    """A list whose last coding is not chunked says nothing about the length."""
    return all_coding_refused(target, disguised(*LISTS))


@case("http/smuggling/no-word", service="http", requirements=("HTTP-60", "HTTP-64"), accept=NO_CODING)
def test_no_word(target: Target) -> str:
    """A Transfer-Encoding that says nothing is not as if there were none."""
    return family(target, disguised(*NO_WORD), refusal(400, 501), NO_CODING)


@case("http/smuggling/two-lines", service="http", requirements=("HTTP-60", "HTTP-64"), accept=CODING_REFUSED)
def test_two_lines(target: Target) -> str:
    """Two lines of which the last is not chunked, whichever of them is looked at."""
    others = ("identity", "cow", "", "xchunked", "gzip", '"chunked"')
    streams: dict[str, Stream] = {}
    for other in others:
        fields = [CHUNKED, f"Transfer-Encoding: {other}"]
        streams[f"chunked and {other!r}"] = request("POST", "/echo", *fields) + LAST
        streams[f"chunked and {other!r}, in other cases"] = (
            request("POST", "/echo", *map(str.lower, fields)) + LAST
        )
        streams[f"chunked and {other!r}, and a length"] = request("POST", "/echo", *fields, body=LAST)
    return all_coding_refused(target, streams)


@case(
    "http/smuggling/fold",
    service="http",
    requirements=("HTTP-60", "HTTP-28", "HTTP-64"),
    accept={**CODING_REFUSED, "answered-once": "pass"},
)
def test_fold(target: Target) -> str:
    """A folded Transfer-Encoding, or one that hides in a fold, beside a length."""
    lines = {
        "value in a fold": "Transfer-Encoding:\r\n chunked",
        "HTAB": "Transfer-Encoding:\r\n\tchunked",
        "half a value": "Transfer-Encoding: chun\r\n ked",
        "behind a value": "Transfer-Encoding: chunked\r\n , identity",
        "an empty one": "Transfer-Encoding: chunked\r\n ",
        "the field in a fold": f"X-A: a\r\n {CHUNKED}",
        "a length in a fold": "Content-Length:\r\n 5\r\nTransfer-Encoding: chunked",
    }
    streams: dict[str, Stream] = {
        name: request("POST", "/echo", line, body=LAST) for name, line in lines.items()
    }
    return family(target, streams, _refused_or_unfolded, {**CODING_REFUSED, "answered-once": "pass"})


def _refused_or_unfolded(seen: Answers) -> str:
    """A fold that is a part of another field's value is no coding: it may be answered, and so the rest."""
    if len(seen.own) == 1 and seen.behind and seen.own[0].body == LAST:
        return "answered-once"
    outcome = once(seen)
    return outcome if outcome == "answered-once" else refusal(400, 501)(seen)


# --- the name in disguise --------------------------------------------------------------------------------


@case("http/smuggling/name", service="http", requirements=("HTTP-31", "HTTP-64"), accept=DROPPED)
def test_name(target: Target) -> str:
    """Transfer-Encoding with an octet in its name that names have not got: refused, never seen through."""
    return _names(target, NAMES)


@case("http/smuggling/length-name", service="http", requirements=("HTTP-31", "HTTP-64"), accept=DROPPED)
def test_length_name(target: Target) -> str:
    """The same of Content-Length."""
    return _names(target, LENGTH_NAMES)


def _names(target: Target, templates: tuple[str, ...]) -> str:
    """Beside a length of its own, and alone before content that fits what it seems to say.

    `ignored`: beside a length that one counts, and alone there is no content. Violation `seen-through` for an
    answer to the content of the disguise.
    """

    def judge(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        if outcome == "answered" and seen.responses[0].body not in (b"", BESIDE):
            raise Violation("seen-through", f"{seen}")
        return "ignored" if outcome in ("answered", "answered-behind") else outcome

    streams: dict[str, Stream] = {}
    for field in (template.format(octet) for template in templates for octet in IN_NAMES):
        content = b"hello" if "Length" in field else chunks(b"hello")
        streams[f"{field!r} beside a length"] = request("POST", "/echo", field, body=BESIDE)
        streams[f"{field!r} alone"] = request("POST", "/echo", field) + content
    return family(target, streams, judge, DROPPED)


@case(
    "http/smuggling/lookalikes",
    service="http",
    requirements=("HTTP-37", "HTTP-64"),
    accept={"ignored": "pass", **dict.fromkeys(REFUSED, "weak")},
)
def test_lookalikes(target: Target) -> str:
    """Names that only look like Transfer-Encoding are other fields."""
    check = answered(says(LAST))

    def judge(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        if outcome == "answered":
            check(seen)
        return "ignored" if outcome == "answered" else outcome

    streams: dict[str, Stream] = {
        each: request("POST", "/echo", f"{each}: chunked", body=LAST) for each in LOOKALIKES
    }
    return family(target, streams, judge, ("ignored", *REFUSED))


@case("http/smuggling/line-ends", service="http", requirements=("HTTP-20", "HTTP-31", "HTTP-64"), accept=ONCE)
def test_line_ends(target: Target) -> str:
    """A coding behind a line end that is none for somebody: it counts for all, or the request is refused."""
    ends = {
        "LF": "\n",
        "CR": "\r",
        "CR CR LF": "\r\r\n",
        "LF CR": "\n\r",
        "NUL CRLF": "\0\r\n",
        "VT": "\v",
        "FF": "\f",
    }
    more = {"NEL": "\x85", "LS": "\u2028".encode().decode("latin-1"), "FS": "\x1c", "CR NUL": "\r\0"}
    streams: dict[str, Stream] = {
        f"{name} behind {field.partition(':')[0]}": request(
            "POST", "/echo", f"{field}{end}{CHUNKED}", body=LAST
        )
        for name, end in {**ends, **more}.items()
        for field in ("X-A: a", "Accept: */*")
    }
    return family(target, streams, _counted_or_once, ONCE)


def _counted_or_once(seen: Answers) -> str:
    """A value that goes on is no coding: then the length counts, and the request behind is answered, too."""
    kept = len(seen.own) == 1 and seen.behind and seen.own[0].status == 200 and seen.own[0].body == LAST
    return "answered-once" if kept else once(seen)


# --- codings that exist ----------------------------------------------------------------------------------


@case(
    "http/smuggling/unknown-coding",
    service="http",
    requirements=("HTTP-61", "HTTP-64"),
    accept={**CODING_REFUSED, "answered": "weak"},
)
def test_unknown_coding(target: Target) -> str:
    """A coding that is not implemented is refused; content that is still coded never reaches the handler."""
    streams: dict[str, Stream] = {
        each: request("POST", "/echo", f"Transfer-Encoding: {each}") + chunks(b"hello")
        for each in (
            "gzip, chunked",
            "deflate, chunked",
            "compress, chunked",
            "x-gzip,chunked",
            "gzip, deflate, chunked",
        )
    }
    return family(target, streams, refusal(400, 501), (*CODING_REFUSED, "answered"))


@case(
    "http/smuggling/twice",
    service="http",
    requirements=("HTTP-62", "HTTP-64"),
    accept={**CODING_REFUSED, "answered": "weak"},
)
def test_twice(target: Target) -> str:
    """Chunked twice, in two lines, behind identity, or with parameters is refused."""
    values = (
        "chunked, chunked",
        "chunked,chunked",
        "identity, chunked",
        "chunked;q=1",
        'chunked;a="b"',
        "chunked ;a",
    )
    streams: dict[str, Stream] = {
        each: request("POST", "/echo", f"Transfer-Encoding: {each}") + chunks(b"hello") for each in values
    }
    streams["two lines"] = request("POST", "/echo", CHUNKED, CHUNKED) + chunks(b"hello")
    streams["identity first"] = request("POST", "/echo", "Transfer-Encoding: identity", CHUNKED) + chunks(
        b"hello"
    )
    streams["in other cases"] = request("POST", "/echo", CHUNKED, CHUNKED.lower()) + chunks(b"hello")
    return family(target, streams, refusal(400, 501), (*CODING_REFUSED, "answered"))


@case("http/smuggling/chunks-in-1.0", service="http", requirements=("HTTP-63", "HTTP-64"), accept=ONCE)
def test_chunks_in_10(target: Target) -> str:
    """HTTP/1.0 has no chunks: the connection ends behind the response, keep-alive or not."""
    post = head("POST /echo HTTP/1.0", "Host: localhost", "Connection: keep-alive", CHUNKED)
    both = head("POST /echo HTTP/1.0", "Connection: keep-alive", CHUNKED, "Content-Length: 5")
    bare = head("POST /echo HTTP/1.0", CHUNKED)
    streams: dict[str, Stream] = {
        "keep-alive": post + chunks(b"hello"),
        "no content": post + LAST,
        "and a length": both + LAST,
        "without keep-alive": bare + LAST,
    }
    return family(target, streams, once, ONCE)
