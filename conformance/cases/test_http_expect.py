"""HTTP: Expect: 100-continue (RFC 9110, section 10.1.1; HTTP-73, HTTP-87 to HTTP-89)."""

from conformance.case import Violation, case
from conformance.cases.browsing import ANSWERED, OK, due, greet, hello, or_end, over, same
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, Text, chunks, request
from conformance.wire.http_responses import read, read_one
from conformance.wire.peer import Peer

CONTINUE = 100
EXPECT = "Expect: 100-continue"
CONTINUED = {"continued": "pass", "refused": "weak"}
HUGE = 1 << 40


def _waits(peer: Peer, *fields: Text, body: bytes = b"body", content: bytes = b"body") -> str:
    """A client that sends a head, and the body only behind a 100."""
    peer.send(request("POST", "/echo", *fields))
    first = read_one(peer)
    if first.status == CONTINUE:
        peer.send(body)
        due(read(peer), OK, content)
        greet(peer)
        return "continued"
    if first.status < 400:
        raise Violation("wrong-answer", f"100 was due, or a refusal, {first} came")
    return "refused"


@case("http/expect/waits", service="http", requirements=("HTTP-87",), accept=CONTINUED)
def test_waits(target: Target) -> str:
    """A head with a length and nothing more: 100 comes, then the body goes out, then the response."""
    with target.connect() as peer:
        return _waits(peer, EXPECT, "Content-Length: 4")


@case("http/expect/waits-in-chunks", service="http", requirements=("HTTP-87",), accept=CONTINUED)
def test_waits_in_chunks(target: Target) -> str:
    """The same for a body in chunks."""
    with target.connect() as peer:
        return _waits(peer, EXPECT, CHUNKED, body=chunks(b"bo", b"dy"))


@case("http/expect/in-capitals", service="http", requirements=("HTTP-87",), accept=CONTINUED)
def test_in_capitals(target: Target) -> str:
    """The expectation is the same in any case (10.1.1)."""
    with target.connect() as peer:
        return _waits(peer, "EXPECT: 100-Continue", "Content-Length: 4")


@case("http/expect/again-and-again", service="http", requirements=("HTTP-87",), accept=CONTINUED)
def test_again_and_again(target: Target) -> str:
    """Several requests of one connection wait, one behind the other, and others do not."""
    with target.connect() as peer:
        outcomes = [_waits(peer, EXPECT, "Content-Length: 4") for _ in range(3)]
    return max(outcomes, key=list(CONTINUED).index)


@case("http/expect/body-at-once", service="http", requirements=("HTTP-87",), accept=ANSWERED)
def test_body_at_once(target: Target) -> str:
    """A body that does not wait is answered as always, behind a 100 or without, and so is the next."""
    with target.connect() as peer:
        peer.send(request("POST", "/echo", EXPECT, body=b"body") + request("GET", "/"))
        response = due(read(peer), OK, b"body")
        same(
            "interim responses",
            [CONTINUE] * len(response.interim),
            [each.status for each in response.interim],
        )
        same("more than one 100", True, len(response.interim) <= 1)
        hello(peer)
    return "answered"


@case("http/expect/behind-a-slow-one", service="http", requirements=("HTTP-73", "HTTP-87"), accept=CONTINUED)
def test_behind_a_slow_one(target: Target) -> str:
    """A 100 waits for the response before it: else it would be taken for that one's."""
    with target.connect() as peer:
        peer.send(request("GET", "/sleep?ms=100"), gap=0)
        peer.send(request("POST", "/echo", EXPECT, "Content-Length: 4"))
        slept = read(peer)
        due(slept, OK, b"slept")
        same("interim responses to what expects none", 0, len(slept.interim))
        first = read_one(peer)
        if first.status != CONTINUE:
            return "refused"
        peer.send(b"body")
        due(read(peer), OK, b"body")
    return "continued"


@case("http/expect/http-1.0", service="http", requirements=("HTTP-88",), accept=ANSWERED)
def test_http_1_0(target: Target) -> str:
    """A client of HTTP/1.0 gets the response alone."""
    with target.connect() as peer:
        peer.send(request("POST", "/echo", EXPECT, "Content-Length: 4", version="HTTP/1.0"))
        peer.rest_a_while()
        same("what came before the body", b"", peer.receive(within=0))
        peer.send(b"body")
        response = due(read(peer), OK, b"body")
        same("interim responses", 0, len(response.interim))
        over(peer)
    return "answered"


@case(
    "http/expect/too-large",
    service="http",
    requirements=("HTTP-89",),
    accept={"refused": "pass", "continued": "weak", "dropped": "weak"},
    needs=("limits.max_package_size",),
)
def test_too_large(target: Target) -> str:
    """A body that is larger than may be is refused at once, instead of being invited."""
    with target.connect() as peer:
        peer.send(request("POST", "/echo", EXPECT, f"Content-Length: {HUGE}"))
        return or_end(peer, _not_invited)


def _not_invited(peer: Peer) -> str:
    first = read_one(peer)
    if first.status == CONTINUE:
        return "continued"
    due(first, 413)
    return "refused"


@case(
    "http/expect/unknown",
    service="http",
    requirements=("HTTP-89",),
    accept={"refused": "pass", "ignored": "pass", "other-status": "weak"},
)
def test_unknown(target: Target) -> str:
    """An expectation that nobody knows is 417, or ignored."""
    with target.connect() as peer:
        peer.send(request("POST", "/echo", "Expect: banana", body=b"body"))
        response = read(peer)
        if response.status != OK:
            return "refused" if response.status == 417 else "other-status"
        due(response, OK, b"body")
        greet(peer)
    return "ignored"


@case("http/expect/no-body", service="http", requirements=("HTTP-89",), accept=ANSWERED)
def test_no_body(target: Target) -> str:
    """An expectation without a body to come keeps nobody waiting."""
    with target.connect() as peer:
        peer.send(request("GET", "/", EXPECT) + request("POST", "/echo", EXPECT, body=b""))
        hello(peer)
        due(read(peer), OK, b"")
        greet(peer)
    return "answered"
