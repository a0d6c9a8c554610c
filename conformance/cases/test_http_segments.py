"""HTTP: a request is octets, however TCP cut them, and nothing but them (RFC 9112, sections 2.2, 6.3 and 8;
HTTP-01, HTTP-48, HTTP-65, HTTP-67).

The same stream in one piece, octet by octet, and cut at every place is the same requests. A stream that ends
too soon is none. And what another request brought, on this connection or another, is not in this one.
"""

import hashlib
from collections.abc import Iterable

from hypothesis import strategies as st

from conformance.case import case
from conformance.cases.abreast import batches, blamed, bytewise, opened_abreast, worst
from conformance.cases.web import (
    ANSWERED,
    REFLECT,
    REFUSED,
    Stream,
    all_answered,
    all_refused,
    answers,
    reflects,
    refusal,
    says,
)
from conformance.exploration import explore
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunk, chunks, cuts, request
from conformance.wire.http_responses import read
from conformance.wire.peer import Peer

LENGTH = request("POST", "/echo", "X-A:  a b\t", body=b"hello")
IN_CHUNKS = request("POST", "/echo", CHUNKED) + chunks(b"hel", b"lo")
EXTRAS = request("POST", "/echo", CHUNKED) + chunk(b"hel", ";a=1") + chunks(b"lo", trailers=["X-T: a"])
PLAIN = request()
CUT_SHORT = {"refused": "pass", "closed": "pass"}


# --- pieces ----------------------------------------------------------------------------------------------


@case("http/segments/octet-by-octet", service="http", requirements=("HTTP-01", "HTTP-48"), accept=ANSWERED)
def test_octet_by_octet(target: Target) -> str:
    """Every octet in a segment of its own."""
    streams: dict[str, Stream] = {
        "a length": bytewise(request("POST", "/echo", body=b"hello")),
        "chunks": bytewise(IN_CHUNKS),
    }
    return all_answered(target, streams, says(b"hello"))


@case("http/segments/two-requests", service="http", requirements=("HTTP-01",), accept=ANSWERED)
def test_two_requests(target: Target) -> str:
    """Two requests, octet by octet: the second one begins where the first one ends."""
    streams: dict[str, Stream] = {
        "a length": bytewise(request("POST", "/echo", body=b"one") + PLAIN),
        "chunks": bytewise(request("POST", "/echo", CHUNKED) + chunks(b"one") + PLAIN),
    }
    return all_answered(target, streams, says(b"one"), says(b"hello"))


@case("http/segments/any-cut", service="http", requirements=("HTTP-01",), accept=ANSWERED)
def test_any_cut(target: Target) -> str:
    """Cut in two at every place, with a length and in chunks, all on one connection."""
    with target.connect() as peer:
        for stream, body in ((PLAIN, b"hello"), (LENGTH, b"hello"), (IN_CHUNKS, b"hello")):
            for first, second in cuts(stream):
                peer.send(first, second)
                says(body)(read(peer))
    return "answered"


@case("http/segments/line-ends", service="http", requirements=("HTTP-01", "HTTP-48"), accept=ANSWERED)
def test_line_ends(target: Target) -> str:
    """Cut in the midst of each line end, behind each line, and behind the head."""
    return all_answered(target, _at_line_ends(IN_CHUNKS), says(b"hello"))


@case("http/segments/extras", service="http", requirements=("HTTP-01", "HTTP-49", "HTTP-55"), accept=ANSWERED)
def test_extras(target: Target) -> str:
    """The same of an extension and a trailer, and octet by octet."""
    streams = {**_at_line_ends(EXTRAS), "octet by octet": bytewise(EXTRAS)}
    return all_answered(target, streams, says(b"hello"))


def _at_line_ends(stream: bytes) -> dict[str, Stream]:
    end = stream.index(b"\r\n\r\n") + 4
    return {
        "behind each CR": [*(part + b"\r" for part in stream.split(b"\r")[:-1]), b"\n"],
        "behind each LF": [line + b"\n" for line in stream.split(b"\n")[:-1]],
        "the head apart": [stream[:end], stream[end:]],
    }


@case("http/segments/refusals", service="http", requirements=("HTTP-01", "HTTP-64"), accept=REFUSED)
def test_refusals(target: Target) -> str:
    """A head that is refused in one piece is refused octet by octet, too."""
    wrong = {
        "two lengths": request("POST", "/echo", "Content-Length: 5", "Content-Length: 6"),
        "a malformed length": request("POST", "/echo", "Content-Length: +5"),
        "a blank before the colon": request("GET", REFLECT, "X-A : a"),
        "another coding": request("POST", "/echo", "Transfer-Encoding: chunked, identity"),
        "a CR": request("GET", REFLECT, "X-A: a\rb: c"),
        "a version": request("GET", REFLECT, version="HTTP/1.1x"),
    }
    return all_refused(target, {name: bytewise(stream) for name, stream in wrong.items()})


@case("http/segments/bad-chunks", service="http", requirements=("HTTP-01", "HTTP-64"), accept=REFUSED)
def test_bad_chunks(target: Target) -> str:
    """The same of chunks, whose error is found when the head has been read long since."""
    post = request("POST", "/echo", CHUNKED)
    wrong = {
        "a size with a sign": [b"+5\r\nhello\r\n0\r\n\r\n"],
        "no CRLF behind the data": [b"5\r\nhelloXX0\r\n\r\n"],
        "a second size": [b"5\r\nhello\r\n", b"x\r\n"],
    }
    return all_refused(target, {name: [post, *parts] for name, parts in wrong.items()})


@case("http/segments/not-early", service="http", requirements=("HTTP-01",), accept=ANSWERED)
def test_not_early(target: Target) -> str:
    """A request is not answered before its last octet has come."""
    for stream in (PLAIN, LENGTH, IN_CHUNKS):
        with target.connect() as peer:
            peer.send(stream[:-1])
            peer.silent()
            peer.send(stream[-1:])
            says(b"hello")(read(peer))
    return "answered"


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[tuple[bytes, bytes]], list[int]]:
    """A few requests with the content that each brings, and where the stream of all of them is cut."""
    requests = []
    for body in draw(st.lists(st.binary(max_size=40), min_size=1, max_size=5)):
        at = draw(st.integers(0, len(body)))
        in_chunks = request("POST", REFLECT, CHUNKED) + chunks(*filter(None, [body[:at], body[at:]]))
        requests.append((draw(st.sampled_from([in_chunks, request("PUT", REFLECT, body=body)])), body))
    size = sum(len(stream) for stream, _ in requests)
    return requests, sorted(draw(st.sets(st.integers(1, size - 1), max_size=4)))


@case(
    "http/segments/any-row",
    service="http",
    requirements=("HTTP-01", "HTTP-41"),
    accept=ANSWERED,
    explores=True,
)
def test_any_row(target: Target) -> str:
    """Any few requests, in one stream that is cut anywhere, arrive each as it was sent."""

    def check(example: tuple[list[tuple[bytes, bytes]], list[int]]) -> None:
        requests, places = example
        stream = b"".join(each for each, _ in requests)
        with target.connect() as peer:
            peer.send(*_pieces(stream, places))
            for _, body in requests:
                reflects(length=len(body), sha256=hashlib.sha256(body).hexdigest())(read(peer))

    explore(target, rows(), check, examples=25)
    return "answered"


def _pieces(stream: bytes, places: list[int]) -> list[bytes]:
    ends = [*places, len(stream)]
    return [stream[start:end] for start, end in zip([0, *places], ends, strict=True)]


# --- streams that end too soon ---------------------------------------------------------------------------


@case(
    "http/segments/head-cut-short",
    service="http",
    requirements=("HTTP-65",),
    accept={**CUT_SHORT, "left-open": "weak"},
)
def test_head_cut_short(target: Target) -> str:
    """The end comes within the head: no answer, and the connection ends."""
    head = request("GET", "/", "X-A: a")
    return _cut_short(target, (head[:end] for end in range(1, len(head), 3)))


@case("http/segments/content-cut-short", service="http", requirements=("HTTP-65",), accept=CUT_SHORT)
def test_content_cut_short(target: Target) -> str:
    """The end comes within content of a length: the handler never sees it."""
    post = request("POST", "/echo", body=b"hello")
    return _cut_short(target, (post[: len(post) - less] for less in range(1, 6)))


@case("http/segments/chunks-cut-short", service="http", requirements=("HTTP-65",), accept=CUT_SHORT)
def test_chunks_cut_short(target: Target) -> str:
    """The end comes within or between chunks, or before the end of the trailer."""
    body = len(IN_CHUNKS) - IN_CHUNKS.index(b"\r\n\r\n") - 4
    return _cut_short(target, (IN_CHUNKS[: len(IN_CHUNKS) - less] for less in range(1, body + 1)))


def _cut_short(target: Target, streams: Iterable[bytes]) -> str:
    """Each stream, and then FIN; the worst of what is accepted here."""
    named, outcomes = {repr(stream[-20:]): stream for stream in streams}, {}
    for batch in batches(named):
        with opened_abreast(target, batch, upgraded=False) as peers:
            for name, peer in peers.items():
                peer.send(named[name])
                peer.finish()
            for name, peer in peers.items():
                with blamed(name, peer):
                    outcomes[name] = _ending(peer)
    return worst(outcomes, ("refused", "closed", "left-open"))


def _ending(peer: Peer) -> str:
    seen = answers(peer)
    outcome = refusal()(seen)
    if outcome == "answered":
        raise Violation("answered", f"half a request was answered: {seen}")
    return {"refused-otherwise": "refused", "no-answer": "left-open"}.get(outcome, outcome)


# --- nothing leaks ---------------------------------------------------------------------------------------


@case("http/segments/equal-heads", service="http", requirements=("HTTP-67",), accept=ANSWERED)
def test_equal_heads(target: Target) -> str:
    """Requests with the same head and other content, on several connections in turns."""
    bodies = [f"{number:05}".encode() for number in range(8)]
    peers = [target.connect() for _ in range(3)]
    for number, body in enumerate(bodies * len(peers)):
        peer = peers[number % len(peers)]
        peer.send(request("POST", "/echo", body=body))
        says(body)(read(peer))
        peer.send(request("POST", "/echo", CHUNKED) + chunks(body[::-1]))
        says(body[::-1])(read(peer))
    for peer in peers:
        peer.close()
    return "answered"


@case("http/segments/equal-octets", service="http", requirements=("HTTP-67",), accept=ANSWERED)
def test_equal_octets(target: Target) -> str:
    """The same octets alone, then with another request behind, then that one alone."""
    in_chunks = request("POST", "/echo", CHUNKED) + chunks(b"abc")
    length = request("POST", "/echo", body=b"hello")
    for stream, bodies in (
        (in_chunks, [b"abc"]),
        (in_chunks + length, [b"abc", b"hello"]),
        (length, [b"hello"]),
        (length + in_chunks, [b"hello", b"abc"]),
        (in_chunks, [b"abc"]),
    ):
        with target.connect() as peer:
            peer.send(stream)
            for body in bodies:
                says(body)(read(peer))
    return "answered"


@case("http/segments/equal-to-refused", service="http", requirements=("HTTP-67", "HTTP-64"), accept=ANSWERED)
def test_equal_to_refused(target: Target) -> str:
    """A head that was good once is no excuse for content that is bad now, nor the other way round."""
    post = request("POST", "/echo", CHUNKED)
    for _ in range(2):
        all_answered(target, {"good": post + chunks(b"hello")}, says(b"hello"))
        all_refused(target, {"bad": post + b"+5\r\nhello\r\n0\r\n\r\n"})
    return all_answered(target, {"good": post + chunks(b"hello")}, says(b"hello"))


@case("http/segments/fields-stay-apart", service="http", requirements=("HTTP-67",), accept=ANSWERED)
def test_fields_stay_apart(target: Target) -> str:
    """Fields of one request are not those of the next one on its connection."""
    with target.connect() as peer:
        for number in range(4):
            fields = [f"X-{number}: {number}"]
            peer.send(request("GET", f"{REFLECT}?{number}", *fields))
            response = read(peer)
            reflects(
                target=f"{REFLECT}?{number}", headers=[["host", "localhost"], [f"x-{number}", str(number)]]
            )(response)
    return "answered"
