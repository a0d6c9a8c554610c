"""HTTP: what handlers see of a request, and what echoes give back (contract, section 2).

HAPI-001, HAPI-002, ROUTE-004. The parts of a request that HTTP itself has rules for (request lines, fields,
framing) have cases of their own; here it is what becomes of them on the way to the application.
"""

from hashlib import sha256

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.cases.browsing import OK, Visitor, ask, due, reflected, same
from conformance.exploration import explore
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunks, request
from conformance.wire.http_responses import read

SEEN = {"seen": "pass"}
FACTS = ("method", "version", "length", "sha256")
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")

QUERIES = {
    "a=1": [["a", "1"]],
    "a=1&b=2": [["a", "1"], ["b", "2"]],
    "a=1&a=2": [["a", "1"], ["a", "2"]],
    "b[]=2&b[]=3&c[x]=y": [["b[]", "2"], ["b[]", "3"], ["c[x]", "y"]],
    "a=": [["a", ""]],
    "a=b=c": [["a", "b=c"]],
    "a=one+two": [["a", "one two"]],
    "a=one%20two%2bthree": [["a", "one two+three"]],
    "%61%3d=%26": [["a=", "&"]],
    "a=%2541": [["a", "%41"]],
    "name=%E6%96%87%c3%a9": [["name", "文é"]],
    "a=/?:@!$'()*,;": [["a", "/?:@!$'()*,;"]],
    "": [],
}


@case("http/reflect/methods", service="http", requirements=("HAPI-001",), accept=SEEN)
def test_methods(target: Target) -> str:
    """Every method, with a body and without, in both versions."""
    with Visitor(target) as visitor:
        for method in METHODS:
            for body in (None, b"a body"):
                seen = reflected(ask(visitor, method, "/reflect", body=body))
                same("request", _facts(method, body or b""), {name: seen.get(name) for name in FACTS})
    with target.connect() as peer:
        peer.send(request("GET", "/reflect", version="HTTP/1.0"))
        same("version", "1.0", reflected(read(peer))["version"])
    return "seen"


def _facts(method: str, body: bytes) -> dict[str, object]:
    """What has to be seen of such a request."""
    return dict(zip(FACTS, (method, "1.1", len(body), sha256(body).hexdigest()), strict=True))


@case("http/reflect/targets", service="http", requirements=("HAPI-001",), accept=SEEN)
def test_targets(target: Target) -> str:
    """The target arrives as it was sent, and its path decoded."""
    with Visitor(target) as visitor:
        for path in (
            "/reflect",
            "/reflect?",
            "/reflect?a=/b?c",
            "/%72eflect",
            "/%72%65%66%6C%65%63%74?x=%41",
        ):
            seen = reflected(ask(visitor, "GET", path))
            same("target", path, seen["target"])
            same("path", "/reflect", seen["path"])
    return "seen"


@case("http/reflect/fields", service="http", requirements=("HAPI-001",), accept=SEEN)
def test_fields(target: Target) -> str:
    """Fields arrive in their order, names in small letters, repeated ones each by itself or joined."""
    with Visitor(target) as visitor:
        fields = ("X-One: 1", "x-two:2", "X-THREE: \t3 \t", "X-Four: a, b", "X-One: 4", "X-Empty:")
        seen = reflected(ask(visitor, "GET", "/reflect", *fields))["headers"]
        same("fields", True, _own(seen) in (_SINGLE, _JOINED))
    return "seen"


_SINGLE = [
    ["x-one", "1"],
    ["x-two", "2"],
    ["x-three", "3"],
    ["x-four", "a, b"],
    ["x-one", "4"],
    ["x-empty", ""],
]
_JOINED = [["x-one", "1, 4"], ["x-two", "2"], ["x-three", "3"], ["x-four", "a, b"], ["x-empty", ""]]


def _own(fields: list[list[str]]) -> list[list[str]]:
    """The fields of the case, without those that every request has."""
    own = [[name, value] for name, value in fields if name.startswith("x-")]
    return [[name, value.replace(",4", ", 4")] for name, value in own]


@case("http/reflect/no-leftovers", service="http", requirements=("HAPI-001",), accept=SEEN)
def test_no_leftovers(target: Target) -> str:
    """Nothing of one request is seen in the next: query, fields, body."""
    with target.connect() as peer:
        peer.send(request("POST", "/reflect?a=1", "X-One: 1", body=b"body") + request("GET", "/reflect"))
        same("query", [["a", "1"]], reflected(read(peer))["query"])
        seen = reflected(read(peer))
        same("query", [], seen["query"])
        same("length", 0, seen["length"])
        same("fields", [], _own(seen["headers"]))
    return "seen"


@case("http/reflect/queries", service="http", requirements=("HAPI-002",), accept=SEEN)
def test_queries(target: Target) -> str:
    """Repeated, empty and coded names and values, plus signs, brackets, UTF-8."""
    with Visitor(target) as visitor:
        for query, pairs in QUERIES.items():
            seen = reflected(ask(visitor, "GET", f"/reflect?{query}"))
            same(f"query {query}", pairs, seen["query"])
    return "seen"


@case(
    "http/reflect/odd-queries",
    service="http",
    requirements=("HAPI-002",),
    accept={"seen": "pass", "refused": "pass"},
)
def test_odd_queries(target: Target) -> str:
    """Broken coding, and names without a value: whatever is seen, the server does not fail."""
    odd = ("a=%", "a=%4", "a=%zz", "a=%ff%fe", "a", "&", "&&a=1&&", "=", "=1", "a=1&", "a=%00", "+", "%")
    statuses = set()
    with Visitor(target) as visitor:
        for query in odd:
            response = ask(visitor, "GET", f"/reflect?{query}")
            if response.status not in {OK, 400}:
                raise Violation("failed", f"{query}: 200 or 400 was due, {response} came")
            statuses.add(response.status)
    return "seen" if statuses == {OK} else "refused"


@case("http/reflect/any-query", service="http", requirements=("HAPI-002",), accept=SEEN, explores=True)
def test_any_query(target: Target) -> str:
    """Generated pairs, coded octet by octet."""
    text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
    pairs = st.lists(st.tuples(text.filter(bool), text), max_size=4)

    def check(example: list[tuple[str, str]]) -> None:
        query = "&".join(f"{_coded(name)}={_coded(value)}" for name, value in example)
        with target.connect() as peer:
            seen = reflected(ask(peer, "GET", f"/reflect?{query}"))
        same("query", [list(pair) for pair in example], seen["query"])

    explore(target, pairs, check, examples=25)
    return "seen"


def _coded(text: str) -> str:
    return "".join(f"%{octet:02X}" for octet in text.encode())


# --- echo ------------------------------------------------------------------------------------------------

TYPES = ("text/plain", "application/json", "text/html; charset=utf-8", 'multipart/mixed; boundary="a b"')


@case("http/echo/types", service="http", requirements=("ROUTE-004",), accept={"echoed": "pass"})
def test_types(target: Target) -> str:
    """The type comes back with its parameters; without one it is octets."""
    with Visitor(target) as visitor:
        for kind in TYPES:
            response = due(ask(visitor, "POST", "/echo", f"Content-Type: {kind}", body=b"body"), OK, b"body")
            same("type", kind, (response.get(b"content-type") or b"").decode("latin-1"))
        response = due(ask(visitor, "POST", "/echo", body=b"body"), OK, b"body")
        same("type", b"application/octet-stream", response.get(b"content-type"))
    return "echoed"


@case("http/echo/bodies", service="http", requirements=("ROUTE-004",), accept={"echoed": "pass"})
def test_bodies(target: Target) -> str:
    """All octets, none, many, and what looks like a request, by length and in chunks."""
    bodies = (
        bytes(range(256)),
        b"",
        target.random.randbytes(200_000),
        request("GET", "/"),
        b"\r\n",
        b"0\r\n\r\n",
    )
    with Visitor(target) as visitor:
        for body in bodies:
            due(ask(visitor, "POST", "/echo", body=body), OK, body)
    with target.connect() as peer:
        for body in filter(None, bodies):
            peer.send(request("POST", "/echo", CHUNKED) + chunks(body[:1], *([body[1:]] if body[1:] else [])))
            due(read(peer), OK, body)
    return "echoed"


@case(
    "http/echo/as-large-as-may-be",
    service="http",
    requirements=("ROUTE-004",),
    accept={"echoed": "pass"},
    needs=("limits.max_package_size",),
)
def test_as_large_as_may_be(target: Target) -> str:
    """A body of exactly the size of the limit comes back."""
    body = target.random.randbytes(target.limits["max_package_size"])
    with target.connect() as peer:
        due(ask(peer, "POST", "/echo", body=body), OK, body)
    return "echoed"
