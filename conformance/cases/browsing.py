"""What the cases about the routes share: a client that asks one thing after the other, and how that ends.

The requests are right, unless a case says otherwise, so there is one right answer for each. What must *not*
come is seen by asking for the plainest thing behind (`greet`): its answer has to stand right there.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any
from urllib.parse import quote

from conformance.case import Unsupported, Violation
from conformance.cases.abreast import Segments, abreast, worst
from conformance.exchange import without_a_word
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, CLOSE, Text, chunks, request
from conformance.wire.http_responses import Response, read
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt

OK, NOT_FOUND = 200, 404

CLOSED = {"closed": "pass"}
ANSWERED = {"answered": "pass"}
REFUSED = {"refused": "pass", "other-status": "weak", "dropped": "weak"}
"""Answers to what nobody can understand, from a word that explains it to none."""

Judge = Callable[[Peer], str]
Requests = Mapping[str, bytes | Segments]


class Visitor:
    """A client that goes on, on a new connection where the one before has ended.

    A context manager; the pattern for cases that ask many things of which none is about connections. A server
    may end any connection between two requests, and clients ask again then (RFC 9112, section 9.3.1).
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._peer: Peer | None = None

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the connection, if there is one."""
        if self._peer:
            self._peer.close()
        self._peer = None

    def ask(self, method: str, target: str, *fields: Text, body: bytes | None = None) -> Response:
        """One request, and its final response; asked again where the connection was an old one, and gone."""
        peer, old = self._peer or self._target.connect(), self._peer
        self._peer = peer
        try:
            response = ask(peer, method, target, *fields, body=body)
        except Violation as ending:
            if not (old and without_a_word(ending, peer)):
                raise
            self.leave()
            return self.ask(method, target, *fields, body=body)
        if response.closes:
            self.leave()
        return response


def ask(
    who: Peer | Visitor, method: str = "GET", target: str = "/", *fields: Text, body: bytes | None = None
) -> Response:
    """One request, and its final response."""
    if isinstance(who, Visitor):
        return who.ask(method, target, *fields, body=body)
    who.send(request(method, target, *fields, body=body))
    return read(who, method)


def due(response: Response, status: int, body: bytes | None = None) -> Response:
    """This response, of which the status (and the body) was known before. Raises Violation `wrong-answer`."""
    if response.status != status or body not in (None, response.body):
        wanted = f"{status} {'' if body is None else excerpt(body)}".strip()
        raise Violation("wrong-answer", f"{wanted} was due, {response} came")
    return response


def greet(peer: Peer | Visitor, *fields: Text) -> Response:
    """One more request for `/` is answered, and nothing stands before its answer."""
    return due(ask(peer, "GET", "/", *fields), OK, b"hello")


def every_kind(peer: Peer) -> None:
    """Requests without a body, with a length, in chunks, and for what is not there follow each other."""
    greet(peer)
    due(ask(peer, "POST", "/echo", body=b"with a length"), OK, b"with a length")
    peer.send(request("POST", "/echo", CHUNKED) + chunks(b"in ", b"chunks"))
    due(read(peer), OK, b"in chunks")
    due(ask(peer, "GET", "/nowhere"), NOT_FOUND)


def hello(peer: Peer) -> Response:
    """The answer to a request for `/` that has been sent."""
    return due(read(peer), OK, b"hello")


def over(peer: Peer) -> str:
    """`closed`: nothing more comes, and the stream ends. Raises Violation `open`, or `unexpected-bytes`.

    Where it does not end soon it is asked once more: a connection that is idle comes to its end in any case.
    """
    if peer.ending(within=peer.calibration.quiet) == "open":
        peer.send(request("GET", "/reflect?behind-the-last"))
        if peer.receive(1) or not peer.ended:
            raise Violation("open", "the connection had to be closed, and stays open")
    return "closed"


def get(target: Target, path: str, *fields: Text) -> Response:
    """The answer to one GET on a connection of its own."""
    with target.connect() as peer:
        return ask(peer, "GET", path, *fields, CLOSE)


def reflected(response: Response) -> dict[str, Any]:
    """What `/reflect` has seen of a request."""
    seen = due(response, OK).json
    if not isinstance(seen, dict):
        raise Violation("wrong-answer", f"a JSON object was due, {excerpt(response.body)} came")
    return seen


def same(what: str, wanted: object, seen: object) -> None:
    """Raises Violation `wrong-answer` where they differ."""
    if seen != wanted:
        raise Violation("wrong-answer", f"{what}: {shown(wanted)} was due, {shown(seen)} came")


def shown(value: object) -> str:
    """A value for a sentence: short, whatever it is."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) < 200 else f"{text[:200]}…"


def or_end(peer: Peer, judge: Judge, name: str = "dropped") -> str:
    """What `judge` says, or `name` where the connection has ended without another word."""
    try:
        return judge(peer)
    except Violation as ending:
        if without_a_word(ending, peer):
            return name
        raise


def refusal(peer: Peer, *statuses: int) -> str:
    """How a request is refused, an outcome of `REFUSED`: with one of these statuses, with another of 4xx, or
    by the end without a word. Raises Violation `served` for what is no refusal.
    """
    return or_end(peer, lambda peer: _refused(read(peer).status, statuses))


def _refused(status: int, statuses: Sequence[int]) -> str:
    if not 400 <= status < 500 and status not in statuses:
        raise Violation("served", f"a refusal with {' or '.join(map(str, statuses))} was due, {status} came")
    return "refused" if status in statuses else "other-status"


def each(target: Target, requests: Requests, judge: Judge, order: Iterable[str]) -> str:
    """Send each of these on a connection of its own, side by side; the worst outcome, of `order`."""
    streams = {name: [data] if isinstance(data, bytes) else data for name, data in requests.items()}
    return worst(abreast(target, streams, judge, upgraded=False), order)


def each_answered(target: Target, requests: Requests, check: Callable[[Response], object]) -> str:
    """Each of these gets a response that passes `check`, and the connection serves on."""

    def judge(peer: Peer) -> str:
        check(read(peer))
        greet(peer)
        return "answered"

    return each(target, requests, judge, ANSWERED)


def each_refused(target: Target, requests: Requests, *statuses: int) -> str:
    """Each of these is refused, best with one of these statuses; the worst, of `REFUSED`."""
    return each(target, requests, lambda peer: refusal(peer, *statuses), REFUSED)


def dozen(random: Random, stream: bytes) -> list[bytes]:
    """A stream in a dozen segments: more of them could take longer than a head or a body may."""
    cuts = sorted({0, len(stream), *random.sample(range(1, len(stream)), 11)})
    return [stream[start:end] for start, end in pairwise(cuts)]


def static(name: str) -> str:
    """The request target of a file, percent-coded as clients do it."""
    return "/static/" + quote(name)


def publishes(target: Target) -> None:
    """Raises Unsupported for a target that was never told where the files are."""
    spec = target.copy.spec.process
    if spec is None or "{static}" not in repr(spec):
        raise Unsupported("the target file does not say {static}, so nobody knows what it publishes")
