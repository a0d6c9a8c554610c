"""Where clients come in: a listener that tells a client where to go next, and knows it again when it comes.

A client has one thing to do between two connections of a case: ask `/next` for the path of the next one, over
WebSocket (the answer is one text message) or by a plain GET (the answer is the body). The gate answers when a
case wants a connection, and not before; so whoever asks has come back from the last one, which is all that is
to be known of its health.

One thing at a time: a client that opens several connections at once waits in the listener's queue.
"""

import re
import select
import socket
from collections.abc import Callable
from time import sleep

from conformance.outcomes import Violation
from conformance.target.calibration import Calibration
from conformance.wire.address import Address
from conformance.wire.clock import clock, ready
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript
from conformance.wire.websocket import Opcode, close_payload
from conformance.wire.websocket_server import Request, frame, read_request, response

NEXT = "/next"
DONE = "done"
"""The answer to `/next` when there is nothing more to do; every path begins with a slash."""

PEEK = 4096
"""Bytes that are looked at for the first line of a request."""

GLANCE = 0.05
"""Seconds between two looks at whether the client still lives."""

FAREWELL = 0.5
"""Seconds for a client to end a connection on which it has got its answer."""

WRONG_TURNS = 20
"""Connections in a row that lead nowhere: who opens so many has lost its way and would for ever."""


class Lost(Violation):
    """The client has gone: it `crash`ed, does not come back (`hang`), or runs in circles (`loops`)."""


class Gate:
    """The listening socket. `trouble` says why the client cannot come any more, empty while it can."""

    def __init__(self, host: str, port: int, trouble: Callable[[], str] = lambda: "") -> None:
        """Raises OSError where nobody may listen."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, port), family=family, backlog=64)
        self.address = Address.parse(f"ws://{self._authority(host)}/")
        self.trouble = trouble
        self._waiting: Peer | None = None

    def _authority(self, host: str) -> str:
        port = self.listener.getsockname()[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def url(self) -> str:
        """What a client is given: without a path, and without a slash at the end."""
        return f"ws://{self.address.authority}"

    def close(self) -> None:
        """Send away whoever still waits, and listen no more."""
        self.forget()
        self.listener.close()

    def forget(self) -> None:
        """Drop the client that waits for an answer: it has been replaced by another."""
        if self._waiting:
            self._waiting.close()
        self._waiting = None

    def back(self, within: float) -> None:
        """Wait until the client asks where to go next. Raises Lost."""
        limit = clock() + within
        for _ in range(WRONG_TURNS):
            if self._waiting:
                return
            self._receive(limit, "")
        raise Lost(
            "loops", f"{WRONG_TURNS} connections to a place that nobody has named; it never asks {NEXT}"
        )

    def summon(self, path: str, within: float) -> socket.socket:
        """The client's connection to this path, of which it is told. Raises Lost."""
        limit = clock() + within
        for _ in range(WRONG_TURNS):
            if self._waiting:
                caller, self._waiting = self._waiting, None
                tell(caller, path)
            if found := self._receive(limit, path):
                return found
        raise Lost("loops", f"asked {NEXT} {WRONG_TURNS} times, and does not go to {path}")

    def dismiss(self, within: float) -> None:
        """Tell the client that all is done, if it asks within so many seconds."""
        try:
            self.back(within)
        except Lost:
            return
        assert self._waiting
        tell(self._waiting, DONE)
        self._waiting = None

    def _receive(self, limit: float, path: str) -> socket.socket | None:
        """The next connection, if it goes to this path; one that asks is kept, any other is sent away."""
        caller = self._accept(limit)
        line = _first_line(caller, limit)
        if path and _leads(line, path):
            return caller
        peer = Peer(self.address, Calibration(), Transcript(), "?", connection=caller)
        if _leads(line, NEXT):
            self.forget()
            self._waiting = peer
        else:
            _send_away(peer)
        return None

    def _accept(self, limit: float) -> socket.socket:
        while True:
            if ready(self.listener, select.POLLIN, GLANCE):
                caller = self.listener.accept()[0]
                caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return caller
            if trouble := self.trouble():
                raise Lost("crash", trouble)
            if clock() > limit:
                raise Lost("hang", f"the client does not ask {NEXT} again")


def _first_line(caller: socket.socket, limit: float) -> bytes:
    """The first line, which stays in the socket; or as much of it as comes by then."""
    line = b""
    while b"\n" not in line and len(line) < PEEK and (left := limit - clock()) > 0:
        if not ready(caller, select.POLLIN, left):
            break
        try:
            more = caller.recv(PEEK, socket.MSG_PEEK)
        except OSError:
            break
        if more == line:
            if not more:
                break
            sleep(GLANCE)  # the same bytes still: the rest has not come
        line = more
    return line.partition(b"\n")[0]


def _leads(line: bytes, path: str) -> bool:
    """Whether a request line, good or not so good, is meant for this path: its query does not matter."""
    wanted = re.escape(path.partition("?")[0].encode())
    return re.search(rb"%s(?:[?# \r]|$)" % wanted, line) is not None


def tell(caller: Peer, answer: str) -> None:
    """Answer `/next`, in the way in which it was asked, and close."""
    with caller:
        try:
            request = read_request(caller)
        except Violation:
            return
        if request.key:
            _tell_by_websocket(caller, request, answer)
        else:
            caller.send(_page("200 OK", answer))
        caller.finish()
        caller.rest(within=FAREWELL)


def _tell_by_websocket(caller: Peer, request: Request, answer: str) -> None:
    """The gap is for clients that lose what comes right behind the head: a case is about that."""
    message = frame(Opcode.TEXT, answer.encode())
    caller.send(response(request), message, frame(Opcode.CLOSE, close_payload(1000)))


def _send_away(caller: Peer) -> None:
    with caller:
        caller.send(_page("404 Not Found", f"ask {NEXT} where to go"))
        caller.finish()
        caller.rest(within=FAREWELL)


def _page(status: str, body: str) -> bytes:
    fields = ["Content-Type: text/plain", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", body]).encode()
