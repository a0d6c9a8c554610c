"""HTTP: octets nobody has thought of (RFC 9112, section 2.2; HTTP-01, HTTP-04, HTTP-64).

Requests that are nearly right, made by chance. What is right for them nobody knows beforehand; what is wrong
is known: an error and then another answer, an answer that is no response, a 500, and an answer that depends
on how the stream was cut.
"""

from hypothesis import strategies as st

from conformance.case import case
from conformance.cases.web import MARK, NO_SUCH, REFLECT, Answers, answers, with_behind
from conformance.exploration import explore
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunk, chunks, request

KEPT = {"kept": "pass"}
BASES = (
    request("GET", REFLECT, "X-A: a", "X-B: b"),
    request("POST", REFLECT, body=b"hello"),
    request("POST", REFLECT, CHUNKED) + chunk(b"hel", ";a=1") + chunks(b"lo", trailers=["X-T: a"]),
    request("POST", REFLECT, "Content-Length: 5", CHUNKED) + chunks(b"hello"),
)
ODD = [
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b",",
    b";",
    b"0",
    b"5",
    b"x",
    b"\x0b",
    b"\x80",
    b"\xff",
    b"/",
]
LINES = [
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n",
    b" folded\r\n",
    b"0\r\n\r\n",
]


@st.composite
def near_requests(draw: st.DrawFn) -> tuple[bytes, int]:
    """A request with a few places changed, and where its stream is cut in two."""
    stream = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(stream)))
        gone = draw(st.sampled_from([0, 0, 1, 2]))
        stream = stream[:at] + draw(st.sampled_from([*ODD, *LINES, b""])) + stream[at + gone :]
    return stream, draw(st.integers(0, len(stream)))


@case("http/any/garbage", service="http", requirements=("HTTP-04", "HTTP-64"), accept=KEPT, explores=True)
def test_garbage(target: Target) -> str:
    """Any octets, with a request behind: refused, or waited for, or understood; never half of it."""
    explore(target, st.binary(min_size=1, max_size=60), lambda data: _sane(target, [data]), examples=40)
    return "kept"


@case(
    "http/any/near-requests", service="http", requirements=("HTTP-01", "HTTP-64"), accept=KEPT, explores=True
)
def test_near_requests(target: Target) -> str:
    """Requests with a few octets changed are answered alike, in one piece and in two."""

    def check(example: tuple[bytes, int]) -> None:
        stream, at = example
        whole = _sane(target, [stream])
        cut = _sane(target, [stream[:at], stream[at:]])
        if whole and cut and whole != cut:
            raise Violation("depends-on-segments", f"{whole} in one piece, {cut} in two")

    explore(target, near_requests(), check, examples=60)
    return "kept"


def _sane(target: Target, segments: list[bytes]) -> list[int]:
    """The statuses that come back; none where the server waits for more. Raises Violation."""
    with target.connect() as peer:
        peer.send(*with_behind([segment for segment in segments if segment] or [b""]))
        seen = answers(peer, within=target.calibration.quiet)
    _judge(seen)
    return [each.status for each in seen.responses] if seen.behind or seen.ending != "open" else []


def _judge(seen: Answers) -> None:
    for number, response in enumerate(seen.responses):
        if response.status >= 500 and response.status not in (501, 505):
            raise Violation("error", f"{response}")
        last = number == len(seen.responses) - 1
        if response.status >= 400 and response.status not in NO_SUCH and not last:
            raise Violation("answered-behind", f"{MARK}: {seen}")
