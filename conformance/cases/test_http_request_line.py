"""HTTP: the request line (RFC 9112, sections 2.2, 2.3 and 3; HTTP-02 to 04, HTTP-10 to 12, HTTP-21).

A server may repair some of these lines ("MAY instead parse on whitespace-delimited word boundaries"), but two
servers in a row that repair differently are two different requests: so a repaired line is weak. What it may
never do is to refuse a line and then go on as if it knew where the next one begins.
"""

from conformance.case import case
from conformance.cases.web import (
    ANSWERED,
    LENIENT,
    REFLECT,
    Answers,
    all_answered,
    all_refused,
    family,
    refusal,
    says,
)
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import head, request
from conformance.wire.http_responses import read

HOST = "Host: localhost"
VERSION = {"refused-400": "pass", "refused-505": "pass", "refused-otherwise": "weak", "closed": "weak"}
NOT_HTTP = {"refused-400": "pass", "refused-otherwise": "pass", "closed": "pass"}
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(192))
"""The beginning of a TLS handshake, with an LF in its midst, as every sixth has one."""


def lines(*spellings: str) -> dict[str, bytes]:
    """A request for each request line."""
    return {repr(line): head(line, HOST) for line in spellings}


# --- lines that are right --------------------------------------------------------------------------------


@case("http/request-line/empty-line-before", service="http", requirements=("HTTP-02",), accept=ANSWERED)
def test_empty_line_before(target: Target) -> str:
    """An empty line in front of the first request is skipped."""
    return all_answered(target, {"CRLF": b"\r\n" + request()}, says(b"hello"))


@case("http/request-line/empty-line-between", service="http", requirements=("HTTP-02",), accept=ANSWERED)
def test_empty_line_between(target: Target) -> str:
    """Old clients send CRLF behind the body of a POST; the next request is found all the same."""
    post = request("POST", "/echo", body=b"hello")
    streams = {"one segment": [post + b"\r\n"], "apart": [post, b"\r", b"\n"]}
    return all_answered(target, streams, says(b"hello"))


@case("http/request-line/higher-minor", service="http", requirements=("HTTP-11",), accept=ANSWERED)
def test_higher_minor(target: Target) -> str:
    """A minor version that is not known yet is handled as 1.1 (RFC 9110, section 2.5)."""
    streams = {each: request(version=each) for each in ("HTTP/1.2", "HTTP/1.9")}
    return all_answered(target, streams, says(b"hello"))


@case(
    "http/request-line/own-version",
    service="http",
    requirements=("HTTP-11",),
    accept={"own-version": "pass", "their-version": "weak"},
)
def test_own_version(target: Target) -> str:
    """The response has the server's own version, also to a client of HTTP/1.0."""
    with target.connect() as peer:
        peer.send(request(version="HTTP/1.0"))
        response = read(peer)
    says(b"hello")(response)
    return "own-version" if response.version == b"HTTP/1.1" else "their-version"


# --- lines that are wrong --------------------------------------------------------------------------------


@case("http/request-line/blanks", service="http", requirements=("HTTP-03", "HTTP-64"), accept=LENIENT)
def test_blanks(target: Target) -> str:
    """Exactly two spaces, and nothing else, divide the three parts of a request line."""
    words = ("GET", REFLECT, "HTTP/1.1")
    others = {
        "two spaces": "  ",
        "HTAB": "\t",
        "VT": "\v",
        "FF": "\f",
        "NBSP": "\xa0",
        "NUL": "\0",
        "CR": "\r",
    }
    first = {f"{name} first": f"{words[0]}{blank}{words[1]} {words[2]}" for name, blank in others.items()}
    second = {f"{name} second": f"{words[0]} {words[1]}{blank}{words[2]}" for name, blank in others.items()}
    around = {
        f"{name} {where}": line
        for name, blank in {**others, "a space": " "}.items()
        for where, line in {
            "before": f"{blank}{words[0]} {words[1]} {words[2]}",
            "behind": f"{words[0]} {words[1]} {words[2]}{blank}",
        }.items()
    }
    streams = {name: head(line, HOST) for name, line in {**first, **second, **around}.items()}
    return all_refused(target, streams, LENIENT)


@case("http/request-line/parts", service="http", requirements=("HTTP-03", "HTTP-64"), accept=LENIENT)
def test_parts(target: Target) -> str:
    """A part that is missing, or one too many, makes it no request line."""
    wrong = (
        "GET",
        "GET HTTP/1.1",
        f"{REFLECT} HTTP/1.1",
        "GET /re flect HTTP/1.1",
        f"GET {REFLECT} x HTTP/1.1",
    )
    more = (f"GET {REFLECT} HTTP/1.1 x", f"GET {REFLECT} HTTP/1.1 HTTP/1.1", "HTTP/1.1 200 OK", ":")
    return all_refused(target, lines(*wrong, *more), LENIENT)


@case("http/request-line/not-http", service="http", requirements=("HTTP-04", "HTTP-64"), accept=NOT_HTTP)
def test_not_http(target: Target) -> str:
    """Octets that begin no method are refused at the latest with the end of the first line."""
    return all_refused(
        target,
        {
            "TLS": CLIENT_HELLO,
            "TLS 1.2, no LF": CLIENT_HELLO[:21],
            "SSH": b"\x00\x00\x01\x14\x05\x14SSH-2.0",
            "zeros": bytes(64),
            "all ones": b"\xff" * 64,
            "UTF-16": request().decode().encode("utf-16"),
            "byte order mark": b"\xef\xbb\xbf" + request("GET", REFLECT),
            "a NUL first": b"\0" + request("GET", REFLECT),
            "JSON": b'{"method": "GET"}\r\n',
        },
        NOT_HTTP,
    )


@case(
    "http/request-line/version-spelling",
    service="http",
    requirements=("HTTP-10", "HTTP-64"),
    accept=VERSION | {"answered": "weak"},
)
def test_version_spelling(target: Target) -> str:
    """A version is `HTTP/`, a digit, a dot and a digit, in capitals, and nothing else."""
    wrong = ["http/1.1", "Http/1.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.10", "HTTP/01.1", "HTTP/1.1.1"]
    wrong += [
        "HTTP/11",
        "HTTP/+1.1",
        "HTTP/1.+1",
        "HTTP/1,1",
        "HTTP/1.a",
        "HTTP/1.\xb9",
        "HTTP/-1.1",
        "HTTP 1.1",
    ]
    wrong += [
        "HTTP/1.1x",
        "xHTTP/1.1",
        "HTTP/1.1;",
        "HTTPS/1.1",
        "HTTP1.1",
        "HTTP//1.1",
        "HTTP\\1.1",
        "ICY/1.1",
    ]
    wrong += ["HTTP/257.1", "HTTP/1.257", "HTTP/4294967297.1", "1.1", "HTTP", "HTTP/"]
    streams = lines(*(f"GET {REFLECT} {version}" for version in wrong))
    return family(target, streams, refusal(400, 505), VERSION | {"answered": "weak"})


@case(
    "http/request-line/other-major",
    service="http",
    requirements=("HTTP-12", "HTTP-64"),
    accept=VERSION | {"answered": "weak"},
)
def test_other_major(target: Target) -> str:
    """Another major version is another protocol: 505, or 400."""
    streams = lines(*(f"GET {REFLECT} HTTP/{each}" for each in ("0.0", "0.9", "2.0", "2.1", "3.0", "9.9")))
    return family(target, streams, refusal(400, 505), VERSION | {"answered": "weak"})


@case("http/request-line/http2-preface", service="http", requirements=("HTTP-12",), accept=NOT_HTTP)
def test_http2_preface(target: Target) -> str:
    """The preface of HTTP/2 is refused where HTTP/2 is not spoken (RFC 9113, section 3.4)."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
    return all_refused(target, {"preface": preface}, NOT_HTTP)


@case("http/request-line/http09", service="http", requirements=("HTTP-12",), accept=NOT_HTTP)
def test_http09(target: Target) -> str:
    """A request without version is HTTP/0.9, which has neither status nor length: refused."""
    return all_refused(target, {"GET /": b"GET /\r\n", "and an empty line": b"GET /\r\n\r\n"}, NOT_HTTP)


@case(
    "http/request-line/lf-alone",
    service="http",
    requirements=("HTTP-21", "HTTP-32"),
    accept={"refused-400": "pass", "answered": "info", "refused-otherwise": "weak", "closed": "weak"},
)
def test_lf_alone(target: Target) -> str:
    """An LF alone is refused, or it ends a line wherever it stands; it never stays inside an element."""

    def whole(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        if outcome == "answered" and any("\n" in text for text in _texts(seen)):
            raise Violation("kept", "an LF stands inside of what the application sees")
        return outcome

    plain = request("GET", REFLECT, "X-A: a")
    streams = {
        "everywhere": plain.replace(b"\r\n", b"\n"),
        "behind the request line": plain.replace(b"1.1\r\n", b"1.1\n"),
        "behind a field": plain.replace(b"localhost\r\n", b"localhost\n"),
        "the empty line": plain[:-2] + b"\n",
        "LF and CRLF behind the version": plain.replace(b"1.1\r\n", b"1.1\n\r\n"),
        "inside a value": request("GET", REFLECT, "X-A: a\nX-B: b"),
        "behind a name": request("GET", REFLECT, "X-A\n: a"),
        "at the end of Host": request("GET", REFLECT, host="localhost\n"),
        "LF CR LF": plain[:-4] + b"\n\r\n",
        "inside the target": head("GET /refl\nect HTTP/1.1", HOST),
        "before the version": head(f"GET {REFLECT}\nHTTP/1.1", HOST),
    }
    return family(target, streams, whole, ("refused-400", "answered", "refused-otherwise", "closed"))


def _texts(seen: Answers) -> list[str]:
    """Everything that the first response, if it is a reflection, says of the request's head."""
    if seen.responses[0].status != 200 or seen.own == ():
        return []
    facts = seen.responses[0].json
    return [facts["method"], facts["target"], *(text for field in facts["headers"] for text in field)]
