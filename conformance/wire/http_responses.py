"""HTTP/1.1 responses, read strictly: status line, fields, and a body framed as RFC 9112 says.

    peer.send(request("GET", "/") + request("HEAD", "/"))
    first, second = read(peer), read(peer, "HEAD")
    peer.ending()                                  # "fin", "reset" or "open", see `Peer`

What is read is exactly one response, with the interim ones (1xx) in front of it; the next one, or bytes that
should not be there, stay in the peer. Whatever is not a response is the Violation `wrong-answer`; a stream
that ends too soon is `fin` or `reset`, one that stops is `no-answer`. Every response is shown to h11, too.

Not judged here, since the rules are about single responses and their cases name them: whether a 204 says how
long it is, whether a client of 1.0 is sent chunks, and which fields there must be.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

import h11

from conformance.outcomes import Violation
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt

Framing = Literal["none", "length", "chunked", "close"]
Field = tuple[bytes, bytes]

STATUS_LINE = re.compile(rb"(HTTP/1\.[0-9]) ([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)\r\n")
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
FIELD_LINE = re.compile(rb"(%b):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*\r\n" % TOKEN)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[\t ]*(;[\t\x20-\x7e\x80-\xff]*)?\r\n")
MAX_LINE = 64 * 1024
SWITCHING = 101


@dataclass(frozen=True)
class Response:
    """One response; names of fields in lower case, in their order. `raw` is everything as it came.

    `framing` says how the end of the body was found: `none` (there is never one), by its `length`, `chunked`,
    or by the end of the connection (`close`). `interim` are the responses 1xx that came before.
    """

    version: bytes
    status: int
    reason: bytes
    fields: tuple[Field, ...]
    body: bytes = b""
    framing: Framing = "none"
    trailers: tuple[Field, ...] = ()
    interim: tuple["Response", ...] = ()
    raw: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of this name, in order."""
        return [value for each, value in self.fields if each == name]

    def get(self, name: bytes) -> bytes | None:
        """The value of a field that stands there once, None for none. Raises Violation for several."""
        values = self.values(name)
        if len(values) > 1:
            raise Violation("wrong-answer", f"{name.decode()} stands there {len(values)} times")
        return values[0] if values else None

    def items(self, name: bytes) -> list[bytes]:
        """The elements of a list field, in lower case, from all its lines (RFC 9110, section 5.6.1)."""
        elements = b",".join(self.values(name)).lower().split(b",")
        return [element.strip(b" \t") for element in elements if element.strip(b" \t")]

    @property
    def closes(self) -> bool:
        """Whether the response announces the end of its connection (RFC 9112, section 9.6)."""
        return b"close" in self.items(b"connection")

    @property
    def json(self) -> Any:
        """The value that the body is. Raises Violation `wrong-answer` when it is none."""
        try:
            return json.loads(self.body)
        except ValueError as problem:
            raise Violation("wrong-answer", f"JSON was due, {excerpt(self.body)} came") from problem

    def __str__(self) -> str:
        return f"{self.status} {excerpt(self.body)}"


def read(peer: Peer, method: str = "GET", within: float | None = None) -> Response:
    """The final response to a request of this method; `within` seconds for each part of it."""
    interim: list[Response] = []
    while (response := read_one(peer, method, within)).status < 200 and response.status != SWITCHING:
        interim.append(response)
    raw = b"".join(each.raw for each in (*interim, response))
    return _with(response, interim=tuple(interim), raw=raw)


def read_one(peer: Peer, method: str = "GET", within: float | None = None) -> Response:
    """The next response, interim or final: for a client that waits for 100 (Continue)."""
    response = _head(peer, within)
    framing = _framing(response, method)
    body, trailers, raw = _BODIES[framing](peer, response, within)
    response = _with(response, framing=framing, body=body, trailers=trailers, raw=response.raw + raw)
    _second_opinion(response, method)
    return response


def _with(response: Response, **changes: Any) -> Response:
    return Response(**{**response.__dict__, **changes})


# --- the head --------------------------------------------------------------------------------------------


def _head(peer: Peer, within: float | None) -> Response:
    line = _line(peer, within)
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        raise Violation("wrong-answer", f"a status line was due, {excerpt(line)} came")
    fields, raw = _fields(peer, within)
    return Response(match[1], int(match[2]), match[3], fields, raw=line + raw)


def _line(peer: Peer, within: float | None) -> bytes:
    return peer.until(b"\r\n", MAX_LINE, within)


def _fields(peer: Peer, within: float | None) -> tuple[tuple[Field, ...], bytes]:
    """The field lines up to the empty line, and their bytes."""
    fields, raw = [], b""
    while (line := _line(peer, within)) != b"\r\n":
        match = FIELD_LINE.fullmatch(line)
        if match is None:
            raise Violation("wrong-answer", f"a field was due, {excerpt(line)} came")
        fields.append((match[1].lower(), match[2]))
        raw += line
    return tuple(fields), raw + line


def _framing(response: Response, method: str) -> Framing:
    """RFC 9112, section 6.3."""
    status, codings = response.status, response.items(b"transfer-encoding")
    lengths = response.values(b"content-length")
    if codings and lengths:
        raise Violation("wrong-answer", "both Transfer-Encoding and Content-Length")
    if method == "HEAD" or status < 200 or status in (204, 304) or _tunnel(method, status):
        return "none"
    if codings:
        if codings != [b"chunked"]:
            raise Violation("wrong-answer", f"transfer codings {codings!r} that were not asked for")
        return "chunked"
    return "length" if lengths else "close"


def _tunnel(method: str, status: int) -> bool:
    return method == "CONNECT" and 200 <= status < 300


# --- the body --------------------------------------------------------------------------------------------

Body = tuple[bytes, tuple[Field, ...], bytes]
"""Content, trailers, and the bytes of both as they came."""


def _no_body(peer: Peer, response: Response, within: float | None) -> Body:
    return b"", (), b""


def _counted(peer: Peer, response: Response, within: float | None) -> Body:
    length = response.get(b"content-length") or b""
    if not re.fullmatch(rb"[0-9]{1,18}", length):
        raise Violation("wrong-answer", f"Content-Length {excerpt(length)}")
    body = peer.exactly(int(length), within) if int(length) else b""
    return body, (), body


def _chunked(peer: Peer, response: Response, within: float | None) -> Body:
    body, raw = bytearray(), bytearray()
    while size := _chunk_size(line := _line(peer, within)):
        data = peer.exactly(size + 2, within)
        if not data.endswith(b"\r\n"):
            raise Violation("wrong-answer", f"CRLF was due behind a chunk, {excerpt(data[size:])} came")
        body += data[:size]
        raw += line + data
    trailers, rest = _fields(peer, within)
    return bytes(body), trailers, bytes(raw) + line + rest


def _chunk_size(line: bytes) -> int:
    match = CHUNK_LINE.fullmatch(line)
    if match is None:
        raise Violation("wrong-answer", f"the size of a chunk was due, {excerpt(line)} came")
    return int(match[1], 16)


def _to_the_end(peer: Peer, response: Response, within: float | None) -> Body:
    body = peer.rest(within)
    if peer.ended != "fin":
        raise Violation(peer.ended or "no-answer", "a body without length has to end with its connection")
    return body, (), body


_BODIES = {"none": _no_body, "length": _counted, "chunked": _chunked, "close": _to_the_end}


# --- the judge -------------------------------------------------------------------------------------------


def _second_opinion(response: Response, method: str) -> None:
    """h11 must see the same. Raises Violation `wrong-answer`."""
    client = h11.Connection(h11.CLIENT)
    upgrade = [("Upgrade", "any"), ("Connection", "upgrade")] if response.status == SWITCHING else []
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a"), *upgrade]))
    client.send(h11.EndOfMessage())
    client.receive_data(response.raw)
    if response.framing == "close":
        client.receive_data(b"")
    try:
        seen = _events(client, response)
    except h11.RemoteProtocolError as problem:
        raise Violation("wrong-answer", f"h11 takes this for no response: {problem}") from problem
    if seen != (response.status, response.body):
        raise Violation("wrong-answer", f"h11 reads {seen[0]} {excerpt(seen[1])}, and we {response}")


def _events(client: h11.Connection, response: Response) -> tuple[int, bytes]:
    """Status and body as h11 sees them; interim responses and tunnels have no end of message."""
    head, body = client.next_event(), b""
    if not isinstance(head, h11.Response | h11.InformationalResponse):
        raise h11.RemoteProtocolError(f"{head!r}")
    while isinstance(head, h11.Response) and not isinstance(event := client.next_event(), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            break
        body += bytes(event.data)
    return head.status_code, body
