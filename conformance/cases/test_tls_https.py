"""HTTP over TLS: everything is as it is in the clear, and the end is announced (RFC 9112, sections 9.7, 9.8).

Requests and answers are judged without TLS; here is what TLS may spoil: where records end, which have nothing
to do with heads, chunks or bodies, and how the stream does, which may decide whether an answer is whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from conformance.case import Violation, case
from conformance.cases.browsing import (
    ANSWERED,
    OK,
    ask,
    due,
    every_kind,
    greet,
    hello,
    publishes,
    reflected,
    same,
)
from conformance.cases.echoing import several
from conformance.cases.secure import ENDED, Handmade, announced, dropped, in_one_segment
from conformance.target.site import BIG
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, CLOSE, chunks, cuts, head, request
from conformance.wire.http_responses import read

CLEAN = {"clean": "pass"}
MANY = 40
FILES_IN_A_ROW = 16
"""So many of the big file are more than the kernel takes from a server whose client does not read."""

BAD_REQUEST = 400
HALF_BODIES = {
    "nothing of a body": request("POST", "/echo", "Content-Length: 5"),
    "a part of a body": request("POST", "/echo", "Content-Length: 5") + b"abc",
    "a part of a chunk": request("POST", "/echo", CHUNKED) + b"5\r\nabc",
    "chunks without a last one": request("POST", "/echo", CHUNKED) + b"3\r\nabc\r\n",
    "a last chunk without its end": request("POST", "/echo", CHUNKED) + b"3\r\nabc\r\n0\r\n",
}


# --- records are not messages ----------------------------------------------------------------------------


@case("tls/https/persists", service="https", requirements=("TLS-001", "HTTP-68"), accept=ANSWERED)
def test_persists(target: Target) -> str:
    """Requests of every kind follow each other on one connection."""
    with target.connect() as peer:
        for _ in range(2):
            every_kind(peer)
            due(ask(peer, "GET", "/chunked?n=3&size=10000"), OK, b"x" * 30_000)
            ask(peer, "HEAD", "/")
        greet(peer)
    return "answered"


@case("tls/https/pipelined", service="https", requirements=("TLS-001", "HTTP-73"), accept=ANSWERED)
def test_pipelined(target: Target) -> str:
    """Many requests in one segment, first a record each, then all in one record: as many answers in order."""
    requests = [request("GET", f"/reflect?{number}") for number in range(MANY)]
    with target.connect() as peer:
        for records in (requests, [b"".join(requests)]):
            in_one_segment(peer, *records)
            for number in range(MANY):
                same("the target", f"/reflect?{number}", reflected(read(peer))["target"])
        greet(peer)
    return "answered"


@case("tls/https/head-in-two-records", service="https", requirements=("TLS-001", "HTTP-01"), accept=ANSWERED)
def test_head_in_two_records(target: Target) -> str:
    """A head that is cut into two records, at every place, is one head."""
    with target.connect() as peer:
        for records in cuts(request("GET", "/", "X-A: 1")):
            in_one_segment(peer, *records)
            hello(peer)
        greet(peer)
    return "answered"


@case("tls/https/body-in-records", service="https", requirements=("TLS-001", "HTTP-48"), accept=ANSWERED)
def test_body_in_records(target: Target) -> str:
    """A body by length and one in chunks, in records of any size: neither chunks nor the body end there."""
    random = target.random
    body = random.randbytes(60_000)
    parts = [body[at : at + 700] for at in range(0, len(body), 700)]
    with target.connect() as peer:
        for stream in (
            request("POST", "/reflect", body=body),
            request("POST", "/reflect", CHUNKED) + chunks(*parts),
        ):
            places = sorted(random.sample(range(1, len(stream)), MANY))
            ends = zip([0, *places], [*places, len(stream)], strict=True)
            in_one_segment(peer, *(stream[start:end] for start, end in ends))
            same("the body's digest", sha256(body).hexdigest(), reflected(read(peer))["sha256"])
        greet(peer)
    return "answered"


@case(
    "tls/https/files-to-a-slow-reader", service="https", requirements=("TLS-001", "WEB-004"), accept=ANSWERED
)
def test_files_to_a_slow_reader(target: Target) -> str:
    """A file of many records is whole, and the next one behind it, though the client first writes and then
    reads.
    """
    publishes(target)
    with target.connect(receive_buffer=4096) as peer:
        peer.send(request("GET", "/static/big.bin") * FILES_IN_A_ROW)
        peer.rest_a_while()
        for _ in range(FILES_IN_A_ROW):
            due(read(peer), OK, BIG)
        greet(peer)
    return "answered"


# --- the end is announced --------------------------------------------------------------------------------


@case("tls/https/close-notify", service="https", requirements=("TLS-008", "HTTP-69"), accept=CLEAN)
def test_close_notify(target: Target) -> str:
    """Behind the last answer comes close_notify, then the end."""
    with target.connect() as peer:
        greet(peer, CLOSE)
        return announced(peer)


@case(
    "tls/https/close-notify-ends-a-body", service="https", requirements=("TLS-008", "HTTP-84"), accept=CLEAN
)
def test_close_notify_ends_a_body(target: Target) -> str:
    """A body that only the end of the stream delimits is whole when close_notify has come, and not before."""
    with target.connect() as peer:
        peer.send(request("GET", "/chunked?n=3&size=10000", version="HTTP/1.0"))
        due(read(peer), OK, b"x" * 30_000)
        return announced(peer)


@case(
    "tls/https/close-notify-behind-a-refusal",
    service="https",
    requirements=("TLS-008", "HTTP-64"),
    accept={"clean": "pass", "reset": "pass"},
)
def test_close_notify_behind_a_refusal(target: Target) -> str:
    """What is no request is refused, and behind the refusal comes close_notify."""
    with target.connect() as peer:
        peer.send(head("GET / HTTP/1.1", "Host: a", "Content-Length: x"))
        due(read(peer), BAD_REQUEST)
        return announced(peer)


@case(
    "tls/https/cut-off-body",
    service="https",
    requirements=("TLS-011", "HTTP-65"),
    accept={"refused": "pass", "ended": "pass"},
)
def test_cut_off_body(target: Target) -> str:
    """A body that FIN cuts off, without close_notify, is no request: at most a refusal comes, and the end."""
    with served_to_others(target):
        outcomes = {_cut_off(target, name, stream) for name, stream in HALF_BODIES.items()}
    return "refused" if "refused" in outcomes else "ended"


def _cut_off(target: Target, name: str, stream: bytes) -> str:
    with Handmade(target) as client:
        client.open()
        client.peer.send(client.engine.seal(stream))
        client.peer.finish()
        answer = client.rest()
        if answer and not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
            raise Violation("served", f"{name}: a refusal or the end was due, {answer!r:.80} came")
        if not client.peer.ended:
            raise Violation("open", f"{name}: the connection had to be closed, and stays open")
    return "refused" if answer else "ended"


@case("tls/https/left-without-a-word", service="https", requirements=("TLS-011",), accept=ENDED)
def test_left_without_a_word(target: Target) -> str:
    """A client that leaves behind an answer without close_notify is let go, and nobody else is."""
    with served_to_others(target), Handmade(target) as client:
        client.open()
        client.peer.send(client.engine.seal(request("GET", "/")))
        while b"hello" not in client.receive():
            pass
        client.peer.finish()
        client.rest()
        return client.peer.ended or "open"


# --- what is no TLS --------------------------------------------------------------------------------------


@case("tls/https/in-the-clear", service="https", requirements=("TLS-004",), accept=ENDED)
def test_in_the_clear(target: Target) -> str:
    """A request in the clear is not served, and harms nobody."""
    with served_to_others(target), target.connect(bare=True) as peer:
        peer.send(request("GET", "/"))
        return dropped(peer)


@contextmanager
def served_to_others(target: Target) -> Iterator[None]:
    """Some who have been here before, in every process, are served afterwards as ever; a newcomer is, too."""
    with several(target, 8) as peers:
        for peer in peers:
            greet(peer)
        yield
        for peer in peers:
            greet(peer)
        with target.connect() as newcomer:
            greet(newcomer)
