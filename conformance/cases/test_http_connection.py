"""HTTP: how long a connection lives, and how it ends (RFC 9112, section 9).

HTTP-68 to HTTP-72, HTTP-76, HTTP-77, HTTP-79, HTTP-80.

One connection carries many requests, until one side says that it is the last. Whoever closes with bytes
unread destroys what it has just said, so a server half-closes, reads on a while, and then lets go.
"""

from contextlib import ExitStack

from conformance.case import Violation, case
from conformance.cases.browsing import (
    ANSWERED,
    CLOSED,
    OK,
    Requests,
    due,
    each,
    every_kind,
    greet,
    hello,
    or_end,
    over,
    reflected,
    same,
)
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, CLOSE, chunks, head, request
from conformance.wire.http_responses import read, read_one
from conformance.wire.peer import Peer

KEEP_ALIVE = "Connection: keep-alive"
CONTINUE, BAD_REQUEST = 100, 400
MEBIBYTE = 1024 * 1024
ERRORED = 8
"""Clients that have got an error and do not go: more than a server has patience for, one after the other."""

CLOSE_OPTIONS = {
    "close": [CLOSE],
    "in capitals": ["connection: CLOSE"],
    "last of a list": ["Connection: foo, Close"],
    "first of a list": ["Connection: close, foo"],
    "behind keep-alive": ["Connection: keep-alive, close"],
    "before keep-alive": ["Connection: close, keep-alive"],
    "among empty elements": ["Connection: , close,,"],
    "without blanks": ["Connection:keep-alive,close"],
}
TWO_LINES = {"in the second line": [KEEP_ALIVE, CLOSE], "in the first line": [CLOSE, KEEP_ALIVE]}
NOT_CLOSE = ("keep-alive", "Keep-Alive", "x-close", "closed", "close-up", "not close", "", "foo")

MALFORMED = head("GET / HTTP/1.1", "Host: a", "Content-Length: x")
"""A request that no server can take for one."""


# --- a connection goes on --------------------------------------------------------------------------------


@case("http/connection/persists", service="http", requirements=("HTTP-68",), accept=ANSWERED)
def test_persists(target: Target) -> str:
    """Requests of every kind follow each other on one connection, which nobody has asked to keep."""
    with target.connect() as peer:
        for _ in range(3):
            every_kind(peer)
        greet(peer)
    return "answered"


@case(
    "http/connection/words-like-close",
    service="http",
    requirements=("HTTP-68", "HTTP-69"),
    accept={"answered": "pass", "closed": "weak"},
)
def test_words_like_close(target: Target) -> str:
    """An option that is not `close` closes nothing."""
    requests: Requests = {each: request("GET", "/", f"Connection: {each}") for each in NOT_CLOSE}
    return each(target, requests, _goes_on, ["answered", "closed"])


def _goes_on(peer: Peer) -> str:
    """A server may close whenever it says so."""
    if hello(peer).closes:
        return over(peer)
    greet(peer)
    return "answered"


# --- the last request ------------------------------------------------------------------------------------


@case("http/connection/close-option", service="http", requirements=("HTTP-69",), accept=CLOSED)
def test_close_option(target: Target) -> str:
    """The option `close`, in any case and at any place of the list, makes this response the last."""
    requests: Requests = {name: request("GET", "/", *fields) for name, fields in CLOSE_OPTIONS.items()}
    return each(target, requests, _closes, CLOSED)


@case("http/connection/close-in-two-lines", service="http", requirements=("HTTP-69",), accept=CLOSED)
def test_close_in_two_lines(target: Target) -> str:
    """The list may stand in two lines (RFC 9110, section 5.3), with `close` in either."""
    requests: Requests = {name: request("GET", "/", *fields) for name, fields in TWO_LINES.items()}
    return each(target, requests, _closes, CLOSED)


def _closes(peer: Peer) -> str:
    hello(peer)
    over(peer)
    if peer.ended == "reset":
        raise Violation("reset", "everything was read, so a FIN was due")
    return "closed"


@case("http/connection/close-after-body", service="http", requirements=("HTTP-69",), accept=CLOSED)
def test_close_after_body(target: Target) -> str:
    """A request with a body may be the last, too, and so may one that is answered with an error."""
    requests: Requests = {
        "length": request("POST", "/echo", CLOSE, body=b"last words"),
        "chunks": request("POST", "/echo", CLOSE, CHUNKED) + chunks(b"last ", b"words"),
    }
    each(target, requests, _echoes_and_closes, CLOSED)
    return each(target, {"404": request("GET", "/nowhere", CLOSE)}, _misses_and_closes, CLOSED)


def _echoes_and_closes(peer: Peer) -> str:
    due(read(peer), OK, b"last words")
    return over(peer)


def _misses_and_closes(peer: Peer) -> str:
    due(read(peer), 404)
    return over(peer)


@case("http/connection/says-close", service="http", requirements=("HTTP-70",), accept={"said": "pass"})
def test_says_close(target: Target) -> str:
    """The last response carries the option `close`, and one that is not the last does not."""
    with target.connect() as peer:
        same("Connection: close in a response that is not the last", False, greet(peer).closes)
        same("Connection: close in the last response", True, greet(peer, CLOSE).closes)
        over(peer)
    return "said"


@case(
    "http/connection/error-says-close",
    service="http",
    requirements=("HTTP-70",),
    accept={"said": "pass", "dropped": "weak"},
)
def test_error_says_close(target: Target) -> str:
    """The response to what is no request carries the option `close`."""
    with target.connect() as peer:
        peer.send(MALFORMED)
        return or_end(peer, _says_close)


def _says_close(peer: Peer) -> str:
    same("Connection: close in an error response", True, read(peer).closes)
    return over(peer).replace("closed", "said")


ONCE = {"closed": "pass", "refused": "weak"}


@case("http/connection/nothing-behind-close", service="http", requirements=("HTTP-71",), accept=ONCE)
def test_nothing_behind_close(target: Target) -> str:
    """What stands behind a request with `close` is not processed, in the same segment or in the next."""
    last, behind = request("GET", "/", CLOSE), request("GET", "/reflect")
    body = request("POST", "/echo", CLOSE, body=b"hello") + behind
    return each(
        target,
        {"same segment": last + behind, "next segment": [last, behind], "behind a body": body},
        _answers_once,
        ONCE,
    )


def _answers_once(peer: Peer) -> str:
    """The end may be a reset, for there were bytes that nobody reads; some take them for a mistake."""
    response = read(peer)
    if response.status != BAD_REQUEST:
        due(response, OK, b"hello")
    return over(peer) if response.status == OK else over(peer).replace("closed", "refused")


# --- HTTP/1.0 --------------------------------------------------------------------------------------------


@case("http/connection/http-1.0-closes", service="http", requirements=("HTTP-72",), accept=CLOSED)
def test_http_1_0_closes(target: Target) -> str:
    """A connection of HTTP/1.0 ends with the response, whatever else stands in Connection."""
    fields = {"nothing": (), "close": (CLOSE,), "another option": ("Connection: foo",)}
    requests: Requests = {
        name: request("GET", "/", *more, version="HTTP/1.0") for name, more in fields.items()
    }
    return each(target, requests, _closes, CLOSED)


@case("http/connection/http-1.0-close-wins", service="http", requirements=("HTTP-72",), accept=CLOSED)
def test_http_1_0_close_wins(target: Target) -> str:
    """`close` beats `keep-alive` in HTTP/1.0, too."""
    requests: Requests = {
        each: request("GET", "/", f"Connection: {each}", version="HTTP/1.0")
        for each in ("close, keep-alive", "keep-alive, close")
    }
    return each(target, requests, _closes, CLOSED)


@case(
    "http/connection/http-1.0-keep-alive",
    service="http",
    requirements=("HTTP-72",),
    accept={"persists": "pass", "closed": "pass"},
)
def test_http_1_0_keep_alive(target: Target) -> str:
    """With `keep-alive` it goes on if the response says so, too, and ends if it does not."""
    requests: Requests = {
        each: request("GET", "/", f"Connection: {each}", version="HTTP/1.0")
        for each in ("keep-alive", "Keep-Alive", "foo, keep-alive")
    }
    return each(target, requests, _as_it_says, ["persists", "closed"])


def _as_it_says(peer: Peer) -> str:
    if b"keep-alive" in hello(peer).items(b"connection"):
        greet(peer)
        return "persists"
    return over(peer)


@case(
    "http/connection/http-1.0-unknown-length",
    service="http",
    requirements=("HTTP-72", "HTTP-84"),
    accept=CLOSED,
)
def test_http_1_0_unknown_length(target: Target) -> str:
    """Where the end of the connection is the end of the response, `keep-alive` keeps nothing."""
    with target.connect() as peer:
        peer.send(request("GET", "/chunked?n=3&size=4", KEEP_ALIVE, version="HTTP/1.0"))
        head = peer.until(b"\r\n\r\n").lower()
        same("content", (12 * b"x").decode(), peer.exactly(12).decode("latin-1"))
        if b"content-length: 12\r\n" in head and b"keep-alive" in head:
            greet(peer)
            return "closed"  # it had collected the whole: its length was known after all
        return over(peer)


# --- what a handler leaves unread ------------------------------------------------------------------------

UNREAD = request("GET", "/reflect") * 2000
"""A body of requests, some hundred KiB: each of them would be answered, were it taken for one."""


DRAINED = {"drained": "pass", "closed": "pass"}


@case("http/connection/unread-body", service="http", requirements=("HTTP-76",), accept=DRAINED)
def test_unread_body(target: Target) -> str:
    """A body that no handler wants is passed over, or the connection is closed; it is never a request."""
    requests: Requests = {
        "no such page": request("POST", "/nowhere", body=UNREAD),
        "not for this method": request("POST", "/", body=UNREAD),
        "of a GET": request("GET", "/", body=UNREAD),
        "of a handler that raises": request("GET", "/throw", body=UNREAD),
        "in chunks": request("POST", "/nowhere", CHUNKED) + chunks(UNREAD),
    }
    return each(target, requests, _passes_over, DRAINED)


def _passes_over(peer: Peer) -> str:
    """One response; then the connection ends, or serves the next request."""
    response = read(peer)
    peer.send(request("GET", "/reflect?next"))
    return over(peer) if response.closes else or_end(peer, _next, "closed")


def _next(peer: Peer) -> str:
    same("target", "/reflect?next", reflected(read(peer))["target"])
    return "drained"


@case("http/connection/unread-body-expected", service="http", requirements=("HTTP-76",), accept=DRAINED)
def test_unread_body_expected(target: Target) -> str:
    """The same for a client that has asked first (Expect), was refused, and sends the body all the same."""
    with target.connect() as peer:
        size = f"Content-Length: {len(UNREAD)}"
        peer.send(request("POST", "/nowhere", "Expect: 100-continue", size))
        first = read_one(peer)
        peer.send(UNREAD)
        if first.status == CONTINUE:
            return _passes_over(peer)
        peer.send(request("GET", "/reflect?next"))
        return over(peer) if first.closes else or_end(peer, _next, "closed")


# --- how it ends -----------------------------------------------------------------------------------------


@case(
    "http/connection/error-is-readable",
    service="http",
    requirements=("HTTP-77",),
    accept={"readable": "pass", "dropped": "weak"},
)
def test_error_is_readable(target: Target) -> str:
    """Who goes on sending behind a mistake still reads the error: it is closed in stages."""
    with target.connect() as peer:
        peer.send(MALFORMED, bytes(MEBIBYTE))
        return or_end(peer, lambda peer: _readable(peer, 400))


def _readable(peer: Peer, status: int) -> str:
    """A server that reads the rest after all need not close."""
    if due(read(peer), status).closes:
        over(peer)
    return "readable"


@case(
    "http/connection/too-large-is-readable",
    service="http",
    requirements=("HTTP-77",),
    accept={"readable": "pass", "dropped": "weak"},
    needs=("limits.max_package_size",),
)
def test_too_large_is_readable(target: Target) -> str:
    """A client that sends a body twice as large as may be reads 413, although it never stops to listen."""
    body = bytes(2 * target.limits["max_package_size"])
    with target.connect() as peer:
        peer.send(request("POST", "/echo", body=body))
        return or_end(peer, lambda peer: _readable(peer, 413))


@case("http/connection/draining-disturbs-nobody", service="http", requirements=("HTTP-77",), accept=ANSWERED)
def test_draining_disturbs_nobody(target: Target) -> str:
    """Clients that got an error, and neither read nor go, do not delay others."""
    with ExitStack() as stack:
        for _ in range(ERRORED):
            stack.enter_context(target.connect()).send(MALFORMED)
        with target.connect() as peer:
            peer.send(request("GET", "/"))
            if not peer.receive(1):
                raise Violation(
                    peer.ended or "kept-waiting", f"{ERRORED} clients that do not go keep others out"
                )
    return "answered"


HALF_CLOSED = {"answered": "pass", "unanswered": "info"}


@case("http/connection/half-closed", service="http", requirements=("HTTP-79", "HTTP-78"), accept=HALF_CLOSED)
def test_half_closed(target: Target) -> str:
    """A client that has said all it wants, and sends FIN, gets its response."""
    return _after_fin(target, "/")


@case(
    "http/connection/half-closed-while-waiting",
    service="http",
    requirements=("HTTP-79", "HTTP-78"),
    accept=HALF_CLOSED,
)
def test_half_closed_while_waiting(target: Target) -> str:
    """The same where the response takes a moment."""
    return _after_fin(target, "/sleep?ms=100")


def _after_fin(target: Target, path: str) -> str:
    with target.connect() as peer:
        peer.send(request("GET", path))
        peer.finish()
        return or_end(peer, _answered_last, "unanswered")


def _answered_last(peer: Peer) -> str:
    due(read(peer), OK)
    return "answered"


# --- a handler fails -------------------------------------------------------------------------------------


@case(
    "http/throw/answered",
    service="http",
    requirements=("HTTP-80",),
    accept={"answered": "pass", "dropped": "weak"},
)
def test_throw(target: Target) -> str:
    """A handler that raises is answered with 500, each time; then the connection goes on, or says its end."""
    with target.connect() as peer:
        peer.send(request("GET", "/throw"))
        return or_end(peer, _failed)


def _failed(peer: Peer) -> str:
    if due(read(peer), 500).closes:
        over(peer)
    else:
        greet(peer)
    return "answered"


@case("http/throw/disturbs-nobody", service="http", requirements=("HTTP-80",), accept=ANSWERED)
def test_throw_disturbs_nobody(target: Target) -> str:
    """Connections beside it live on: one that is idle, and one whose response is still to come."""
    with target.connect() as idle, target.connect() as waiting, target.connect() as peer:
        greet(idle)
        waiting.send(request("GET", "/sleep?ms=200"))
        for _ in range(3):
            with target.connect() as other:
                other.send(request("GET", "/throw"))
                other.receive()
        greet(peer)
        due(read(waiting), OK, b"slept")
        greet(idle)
    return "answered"
