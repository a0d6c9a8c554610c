"""HTTP: server-sent events (WHATWG HTML, section 9.2; contract, section 2, `/sse`; HAPI-011)."""

from conformance.case import Violation, case
from conformance.cases.browsing import OK, due, over, same
from conformance.target.view import Target
from conformance.wire.http_requests import request
from conformance.wire.http_responses import Response, read

Event = dict[str, str]

NUMBERS = (0, 1, 3, 200)


def events(stream: str) -> list[Event]:
    """The events of a stream as a browser dispatches them: one for each empty line, if it has data.

    An event that its empty line has not ended is none, and comments are not seen.
    """
    dispatched, fields = list[Event](), Event()
    for line in stream.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
        name, _, value = line.partition(":")
        if not line:
            dispatched += [fields] if "data" in fields else []
            fields = {}
        elif name:
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
    return dispatched


def ticks(response: Response, number: int) -> None:
    """These are so many ticks, and nothing else."""
    wanted = [{"id": str(each), "event": "tick", "data": str(each)} for each in range(1, number + 1)]
    try:
        seen = events(due(response, OK).body.decode())
    except UnicodeDecodeError as problem:
        raise Violation("wrong-answer", f"a stream of events is UTF-8: {problem}") from problem
    same("events", wanted, seen)


@case("http/event/ticks", service="http", requirements=("HAPI-011",), accept={"ticked": "pass"})
def test_ticks(target: Target) -> str:
    """No event, one, a few and many; then the connection ends."""
    for number in NUMBERS:
        with target.connect() as peer:
            peer.send(request("GET", f"/sse?n={number}"))
            ticks(read(peer), number)
            over(peer)
    return "ticked"


@case(
    "http/event/type",
    service="http",
    requirements=("HAPI-011",),
    accept={"typed": "pass", "with-length": "weak"},
)
def test_type(target: Target) -> str:
    """The type is text/event-stream, in UTF-8 if it says so; the length of a stream is not told."""
    with target.connect() as peer:
        peer.send(request("GET", "/sse?n=1"))
        response = due(read(peer), OK)
    kind, _, parameters = (response.get(b"content-type") or b"").lower().partition(b";")
    same("type", b"text/event-stream", kind.strip())
    same("charset", True, parameters.replace(b" ", b"") in {b"", b"charset=utf-8", b'charset="utf-8"'})
    return "with-length" if response.framing == "length" else "typed"


@case("http/event/http-1.0", service="http", requirements=("HAPI-011", "HTTP-84"), accept={"ticked": "pass"})
def test_http_1_0(target: Target) -> str:
    """The same to a client of HTTP/1.0: the stream as it is, then the end."""
    with target.connect() as peer:
        peer.send(request("GET", "/sse?n=3", version="HTTP/1.0"))
        response = read(peer)
        same("Transfer-Encoding to HTTP/1.0", [], response.values(b"transfer-encoding"))
        ticks(response, 3)
        over(peer)
    return "ticked"
