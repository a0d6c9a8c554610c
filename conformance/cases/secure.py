"""What TLS cases share: a client whose records and segments a case cuts itself, and how a stream ends."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from conformance.case import Violation
from conformance.cases.echoing import exchange_then
from conformance.target.view import Target
from conformance.wire import text
from conformance.wire.peer import Peer
from conformance.wire.tls import ALERT, Engine

ENDED = {"fin": "pass", "reset": "pass"}
"""How a target may leave somebody with whom no TLS connection stands."""

SENTINEL = b"the line after\n"

Cut = Callable[[bytes], list[bytes]]


def whole(flight: bytes) -> list[bytes]:
    """Not cut at all."""
    return [flight]


exchange = exchange_then(SENTINEL)


def echoes(peer: Peer, lines: bytes) -> str:
    """As `exchange`, for lines that end as they like."""
    peer.send(lines)
    peer.expect(text.encode(*text.meaning(lines)))
    return exchange(peer)


def in_one_segment(peer: Peer, *records: bytes) -> None:
    """A record for each piece, all of them in one segment."""
    for record in records:
        peer.transcript.add(peer.number, "send", record)
    if peer.tls:
        peer.tls.send_together(records)


class Handmade:
    """A TLS client on bare TCP: the transcript shows ciphertext, and every record passes through the case."""

    def __init__(self, target: Target, context: ssl.SSLContext | None = None) -> None:
        self.peer = target.connect(bare=True)
        self.engine = Engine(target.endpoint().host, context)

    def __enter__(self) -> "Handmade":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.peer.close()

    def greet(self, cut: Cut = whole) -> None:
        """Send the ClientHello."""
        self.peer.send(*cut(self.engine.shake()))

    def shake(self, cut: Cut = whole) -> bytes:
        """Go on from there to the end of the handshake; our last flight, which is not sent yet."""
        while True:
            if not (answer := self.peer.receive()):
                raise Violation(self.peer.ended or "no-answer", "the handshake was not finished")
            flight = self._opened(self.engine.shake, answer)
            if self.engine.ready:
                return flight
            self.peer.send(*cut(flight) if flight else [])

    def open(self, cut: Cut = whole) -> None:
        """The whole handshake."""
        self.greet(cut)
        self.peer.send(*cut(self.shake(cut)))

    def receive(self) -> bytes:
        """The plaintext of what comes next, perhaps none. Raises Violation where nothing comes any more."""
        if not (data := self.peer.receive()):
            raise Violation(self.peer.ended or "no-answer", "an answer was due, and nothing more came")
        return self._opened(self.engine.open, data)

    def rest(self) -> bytes:
        """The plaintext of all that comes until the stream ends."""
        return self._opened(self.engine.open, self.peer.rest())

    def expect(self, answer: bytes) -> None:
        """The plaintext that comes next is exactly this."""
        seen = b""
        while len(seen) < len(answer):
            if not (data := self.peer.receive()):
                raise Violation(self.peer.ended or "no-answer", f"{answer!r:.80} was due, {seen!r:.80} came")
            seen += self._opened(self.engine.open, data)
        if seen != answer:
            raise Violation("wrong-answer", f"{answer!r:.80} was due, {seen!r:.80} came")

    def exchange(self, *pieces: bytes) -> str:
        """A record for each piece, all in one segment; the same bytes come back."""
        self.peer.send(b"".join(map(self.engine.seal, pieces)))
        self.expect(b"".join(pieces))
        return "echoed"

    @staticmethod
    def _opened(step: Callable[[bytes], bytes], data: bytes) -> bytes:
        try:
            return step(data)
        except ssl.SSLError as problem:
            raise Violation("alert", f"TLS: {problem.reason}") from problem


@contextmanager
def bystander(target: Target) -> Iterator[Peer]:
    """Somebody who has been here before, and is served afterwards as ever; a newcomer is, too."""
    with target.connect() as peer:
        exchange(peer, b"before\n")
        yield peer
        exchange(peer, b"afterwards\n")
        with target.connect() as newcomer:
            exchange(newcomer, b"new\n")


def dropped(peer: Peer) -> str:
    """How the target leaves a bare connection; an alert may come first, or a word to a stray browser."""
    said = peer.rest()
    if said and said[0] != ALERT and not said.startswith(b"HTTP/1.1 400 "):
        raise Violation("answered", f"nothing or an alert was due, {said!r:.80} came")
    return peer.ended or "open"


def announced(peer: Peer) -> str:
    """How the stream ends: `clean` is close_notify and FIN, `truncated` FIN alone."""
    how = peer.ending()
    if how == "fin":
        return "clean" if peer.tls and peer.tls.ended else "truncated"
    return how
