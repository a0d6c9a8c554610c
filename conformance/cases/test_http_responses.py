"""HTTP: what a response has to have, and what it must not (RFC 9110, sections 6 to 9; HTTP-81 to HTTP-86).

How a client finds the end of a response depends on the request's method and version and on the status, not
on what the application wrote: a server has to know these rules for all of its handlers.
"""

import re
from email.utils import parsedate_to_datetime
from time import time

from conformance.case import Violation, case
from conformance.cases.browsing import (
    ANSWERED,
    OK,
    Requests,
    ask,
    due,
    each,
    greet,
    or_end,
    over,
    publishes,
    same,
    static,
)
from conformance.outcomes import Observation
from conformance.target.site import FILES, LAST_MODIFIED
from conformance.target.view import Target
from conformance.wire.http_requests import CLOSE, head, request
from conformance.wire.http_responses import Response, read, read_one
from conformance.wire.peer import Peer

MALFORMED = head("GET / HTTP/1.1", "Host: a", "Content-Length: x")
IMF_FIXDATE = re.compile(
    rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] "
    rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} [0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
)
ROUTES = ("/", "/echo", "/nowhere", "/throw", "/sleep?ms=1", "/cookies")
OFF = 60.0
"""Seconds that a Date on this machine may differ from its clock."""


# --- HEAD ------------------------------------------------------------------------------------------------

LIKE_GET = {"like-get": "pass", "without-length": "weak", "other-status": "weak"}


@case("http/head/like-get", service="http", requirements=("HTTP-81",), accept=LIKE_GET)
def test_head_like_get(target: Target) -> str:
    """HEAD of every route, GET behind it: the same status and length, and no content."""
    requests: Requests = {
        path: request("HEAD", path) + request("GET", path) + request("GET", "/", CLOSE) for path in ROUTES
    }
    return each(target, requests, _head_then_get, LIKE_GET)


def _head_then_get(peer: Peer) -> str:
    """Three responses; the connection may end with those of errors."""
    headed = read(peer, "HEAD")
    if headed.closes:
        over(peer)
        return "like-get"
    got = read(peer)
    if not got.closes:
        due(read(peer), OK, b"hello")
    return _compared(headed, got)


def _compared(headed: Response, got: Response) -> str:
    if headed.status != got.status:
        return "other-status"
    length = headed.get(b"content-length")
    if length is None:
        return "without-length" if got.framing == "length" else "like-get"
    same("Content-Length of HEAD", len(got.body), int(length))
    return "like-get"


@case("http/head/files", service="http", requirements=("HTTP-81", "WEB-008"), accept=LIKE_GET)
def test_head_files(target: Target) -> str:
    """HEAD of files, big and empty ones: the length of the file, the same fields, and no content."""
    publishes(target)
    outcomes = set()
    with target.connect() as peer:
        for name in ("hello.txt", "empty.txt", "big.bin"):
            headed, got = ask(peer, "HEAD", static(name)), ask(peer, "GET", static(name))
            due(got, OK, FILES[name])
            outcomes.add(_compared(headed, got))
            for field in (b"content-type", b"etag", b"last-modified"):
                same(f"{field.decode()} of HEAD", str(got.get(field)), str(headed.get(field)))
        greet(peer)
    return max(outcomes, key=list(LIKE_GET).index)


@case(
    "http/head/stream",
    service="http",
    requirements=("HTTP-81",),
    accept={"empty": "pass", "other-status": "weak"},
)
def test_head_stream(target: Target) -> str:
    """HEAD of what would be chunked, and of events: no chunk, not even the last one."""
    requests: Requests = {
        path: request("HEAD", path) + request("GET", "/", CLOSE)
        for path in ("/chunked?n=3&size=4", "/sse?n=3")
    }
    return each(target, requests, _empty_stream, ["empty", "other-status"])


def _empty_stream(peer: Peer) -> str:
    headed = read(peer, "HEAD")
    if headed.closes:
        over(peer)
    else:
        due(read(peer), OK, b"hello")
    return "empty" if headed.status == OK else "other-status"


@case("http/head/with-a-body", service="http", requirements=("HTTP-81",), accept=ANSWERED)
def test_head_with_a_body(target: Target) -> str:
    """The body of a HEAD is passed over, and what is behind it answered, or the connection ends."""
    requests: Requests = {
        path: request("HEAD", path, body=request("GET", "/smuggled")) + request("GET", "/", CLOSE)
        for path in ("/", "/reflect", "/nowhere")
    }
    return each(target, requests, _passed_over, ANSWERED)


def _passed_over(peer: Peer) -> str:
    if not read(peer, "HEAD").closes:
        due(read(peer), OK, b"hello")
    over(peer)
    return "answered"


# --- 1xx, 204, 304 ---------------------------------------------------------------------------------------

BARE = {"bare": "pass", "none-came": "info"}
LENGTHS = (b"content-length", b"transfer-encoding")


@case("http/no-content/interim", service="http", requirements=("HTTP-82",), accept=BARE)
def test_interim_has_no_length(target: Target) -> str:
    """100 (Continue) is a head alone, without any length."""
    with target.connect() as peer:
        peer.send(request("POST", "/echo", "Expect: 100-continue", "Content-Length: 4"))
        interim = read_one(peer)
        if interim.status != 100:
            return "none-came"
        _has_no_length(interim)
        peer.send(b"body")
        due(read(peer), OK, b"body")
    return "bare"


@case("http/no-content/options", service="http", requirements=("HTTP-82",), accept=BARE)
def test_options_without_content(target: Target) -> str:
    """Where OPTIONS is answered with 204, that has no length and no content."""
    with target.connect() as peer:
        response = ask(peer, "OPTIONS", "/")
        if response.status == 204:
            _has_no_length(response)
        if not response.closes:
            greet(peer)
    return "bare" if response.status == 204 else "none-came"


def _has_no_length(response: Response) -> None:
    for name in LENGTHS:
        same(f"{name.decode()} in a {response.status}", [], response.values(name))


@case("http/no-content/not-modified", service="http", requirements=("HTTP-83",), accept={"bare": "pass"})
def test_not_modified_has_no_content(target: Target) -> str:
    """304 is a head alone: the next response stands right behind it, and its length is that of the 200."""
    publishes(target)
    with target.connect() as peer:
        for name in ("hello.txt", "big.bin"):
            fields = _condition(due(ask(peer, "GET", static(name)), OK))
            response = due(ask(peer, "GET", static(name), *fields), 304)
            length = response.get(b"content-length")
            same("Content-Length of a 304", True, length in (None, str(len(FILES[name])).encode()))
            same("Transfer-Encoding of a 304", [], response.values(b"transfer-encoding"))
            greet(peer)
    return "bare"


def _condition(response: Response) -> list[bytes]:
    """The condition that makes this response a 304."""
    if etag := response.get(b"etag"):
        return [b"If-None-Match: " + etag]
    return [b"If-Modified-Since: " + LAST_MODIFIED.encode()]


# --- responses of unknown length -------------------------------------------------------------------------

STREAMS = {
    "/chunked?n=0&size=5": 0,
    "/chunked?n=5&size=0": 0,
    "/chunked?n=1&size=1": 1,
    "/chunked?n=40&size=300": 12000,
}
STREAMS |= {"/chunked?n=3&size=70000": 210_000, "/chunked?n=1000&size=1": 1000}


@case(
    "http/stream/chunked",
    service="http",
    requirements=("HTTP-84", "HAPI-010"),
    accept={"chunked": "pass", "with-length": "info"},
)
def test_stream_chunked(target: Target) -> str:
    """Streams of no chunk, of empty ones, of many and of big ones; the connection goes on behind each."""
    with target.connect() as peer:
        framings = set()
        for path, size in STREAMS.items():
            response = due(ask(peer, "GET", path), OK, size * b"x")
            framings.add(response.framing)
            greet(peer)
    return Observation("chunked" if framings == {"chunked"} else "with-length", ", ".join(sorted(framings)))


@case("http/stream/http-1.0", service="http", requirements=("HTTP-84",), accept={"closed": "pass"})
def test_stream_http_1_0(target: Target) -> str:
    """To a client of HTTP/1.0 no chunk is ever sent: the end of the connection is the end of the stream."""
    requests: Requests = {path: request("GET", path, version="HTTP/1.0") for path in (*STREAMS, "/sse?n=2")}
    return each(target, requests, _unchunked, ["closed"])


def _unchunked(peer: Peer) -> str:
    response = due(read(peer), OK)
    same("Transfer-Encoding to HTTP/1.0", [], response.values(b"transfer-encoding"))
    same("content", False, b"\r\n" in response.body)
    return over(peer)


@case("http/stream/bad-numbers", service="http", requirements=("ROUTE-002",), accept={"refused": "pass"})
def test_bad_numbers(target: Target) -> str:
    """Query numbers that are none, or are missing, are answered with 400."""
    bad = ("x", "-1", "1.5", "", "0x10", "1e3", "%20", "1_0")
    paths = [f"/chunked?n={each}&size=1" for each in bad] + [f"/sleep?ms={each}" for each in bad]
    paths += ["/chunked", "/chunked?n=1", "/chunked?size=1", "/sse?n=x", "/sleep"]
    with target.connect() as peer:
        for path in paths:
            response = ask(peer, "GET", path)
            if response.status != 400:
                raise Violation("served", f"{path}: 400 was due, {response} came")
            if response.closes:
                over(peer)
                return "refused"
    return "refused"


# --- Date ------------------------------------------------------------------------------------------------

DATED = {"dated": "pass", "other-time": "weak"}


@case("http/date/answers", service="http", requirements=("HTTP-85",), accept=DATED)
def test_date(target: Target) -> str:
    """Every answer of a handler, and every error of the server's own, is dated."""
    requests: Requests = {
        "200": request("GET", "/"),
        "with a body": request("POST", "/echo", body=b"body"),
        "404": request("GET", "/nowhere"),
        "404 or 405": request("DELETE", "/"),
        "HTTP/1.0": request("GET", "/", version="HTTP/1.0"),
        "a stream": request("GET", "/chunked?n=1&size=1"),
    }
    return each(target, requests, lambda peer: dated(target, read(peer)), DATED)


@case("http/date/files", service="http", requirements=("HTTP-85",), accept=DATED)
def test_date_of_files(target: Target) -> str:
    """The answers about files, too: whole, in part, unchanged, missing, out of range."""
    publishes(target)
    digits = static("digits.txt")
    requests: Requests = {
        "200": request("GET", digits),
        "206": request("GET", digits, "Range: bytes=0-0"),
        "304": request("GET", digits, f"If-Modified-Since: {LAST_MODIFIED}"),
        "404": request("GET", static("missing")),
        "416": request("GET", digits, "Range: bytes=100-"),
    }
    return each(target, requests, lambda peer: dated(target, read(peer)), DATED)


@case(
    "http/date/bad-request",
    service="http",
    requirements=("HTTP-85",),
    accept={**DATED, "dropped": "weak"},
)
def test_date_of_bad_request(target: Target) -> str:
    """The 400 to what is no request is dated."""
    with target.connect() as peer:
        peer.send(MALFORMED)
        return or_end(peer, lambda peer: dated(target, read(peer)))


def dated(target: Target, response: Response) -> str:
    """Whether a response has one Date in the one right spelling, and whether it is now, as far as we know."""
    date = response.get(b"date")
    if date is None or not IMF_FIXDATE.fullmatch(date):
        raise Violation("wrong-answer", f"{response.status}: an IMF-fixdate was due, {date!r} came")
    moment = parsedate_to_datetime(date.decode())
    same("the day of the week", moment.strftime("%a"), date[:3].decode())
    here = target.copy.process is not None
    return "other-time" if here and abs(moment.timestamp() - time()) > OFF else "dated"


# --- injection -------------------------------------------------------------------------------------------

EVIL = ("%0d%0aX-Evil:%201", "%0aX-Evil:%201", "%0dX-Evil:%201", "%00X-Evil:%201", "%0d%0a%0d%0aX-Evil:%201")
PLAIN_EVIL = (b"a\rX-Evil: 1", b"a\nX-Evil: 1", b"a\x00X-Evil: 1", b"a\r\rX-Evil: 1")


@case("http/injection/targets", service="http", requirements=("HTTP-86",), accept={"clean": "pass"})
def test_injection_by_targets(target: Target) -> str:
    """Line ends in a target, percent-coded, get into no field of the response."""
    places = (
        "/{}",
        "/static/folder{}",
        "/static/{}/..",
        "/reflect?a={}",
        "/reflect#{}",
        "/cookies?{}",
        "/static/folder/..{}",
    )
    requests: Requests = {
        place.format(evil): request("GET", place.format(evil), CLOSE) for place in places for evil in EVIL
    }
    return each(target, requests, clean, ["clean"])


@case("http/injection/fields", service="http", requirements=("HTTP-86",), accept={"clean": "pass"})
def test_injection_by_fields(target: Target) -> str:
    """Line ends in cookies and in the type of a body, which an echo repeats, get into no field either."""
    requests: dict[str, bytes] = {
        f"cookie {evil}": request("GET", path, f"Cookie: PHPSID={evil}; a={evil}", CLOSE)
        for evil in EVIL
        for path in ("/cookies", "/session")
    }
    for evil in PLAIN_EVIL:
        requests[f"type {evil!r}"] = request("POST", "/echo", b"Content-Type: " + evil, CLOSE, body=b"body")
    return each(target, requests, clean, ["clean"])


def clean(peer: Peer) -> str:
    """One response, strictly read, or none: of a mistake, the target may think what it likes."""

    def judge(peer: Peer) -> str:
        same("fields of the client's", [], read(peer).values(b"x-evil"))
        over(peer)
        return "clean"

    return or_end(peer, judge, "clean")
