"""HTTP/1.1 from the client's side, as far as plain requests need it; h11 judges the answers."""

from dataclasses import dataclass

import h11

from conformance.outcomes import Violation
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt

OK = 200


@dataclass(frozen=True)
class Response:
    """A whole response. `fields` have lower-case names; `closes` says that the server wants to close."""

    status: int
    fields: dict[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the response announces the end of its connection (RFC 9112, section 9.6)."""
        return b"close" in self.fields.get(b"connection", b"").lower()


def exchange(peer: Peer, method: str, target: str, body: bytes = b"") -> Response:
    """One request, and its response. Raises Violation `wrong-answer`, or what reading raises."""
    client = h11.Connection(h11.CLIENT)
    peer.send(request(client, peer.address.authority, method, target, body))
    return read(peer, client)


def request(client: h11.Connection, host: str, method: str, target: str, body: bytes = b"") -> bytes:
    """The bytes of a request, with a length where it has a body."""
    headers = [("host", host)]
    headers += [("content-type", "text/plain"), ("content-length", str(len(body)))] if body else []
    head = h11.Request(method=method, target=target, headers=headers)
    rest = [h11.Data(data=body), h11.EndOfMessage()] if body else [h11.EndOfMessage()]
    return b"".join(client.send(event) or b"" for event in [head, *rest])


def read(peer: Peer, client: h11.Connection, within: float | None = None) -> Response:
    """The response to what this client has sent; `within` is the time for each part of it, in seconds."""
    status, fields, body = 0, dict[bytes, bytes](), b""
    while True:
        event = _next(peer, client, within)
        if isinstance(event, h11.Response):
            status, fields = event.status_code, dict(event.headers)
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Response(status, fields, body)


def _next(peer: Peer, client: h11.Connection, within: float | None) -> object:
    """The next event of h11, fed with whatever comes."""
    try:
        while (event := client.next_event()) is h11.NEED_DATA:
            data = peer.receive(within=within)
            if not data and not peer.ended:
                raise Violation("no-answer", "a response was due, and does not get ready")
            if peer.ended == "reset":
                raise Violation("reset", "a response was due")
            client.receive_data(data)
    except h11.RemoteProtocolError as problem:
        ended = peer.ended if not peer.waiting else None
        raise Violation(ended or "wrong-answer", f"no HTTP response: {problem}") from problem
    return event


def expect(peer: Peer, method: str, target: str, answer: bytes, body: bytes = b"") -> Response:
    """The response is 200 with exactly this body. Raises Violation `wrong-answer`."""
    response = exchange(peer, method, target, body)
    if (response.status, response.body) != (OK, answer):
        came = f"{response.status} {excerpt(response.body)}"
        raise Violation("wrong-answer", f"{method} {target}: 200 {excerpt(answer)} was due, {came} came")
    return response
