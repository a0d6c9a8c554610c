"""HTTP: the target of a request (RFC 9112, section 3; HTTP-08, HTTP-09, HTTP-13 to HTTP-15, 17, 22).

The target is what a proxy in front decides by. A server that reads another resource, or another host, out of
the same octets undoes the decision.
"""

from conformance.case import case
from conformance.cases.web import (
    ANSWERED,
    LENIENT,
    REFLECT,
    REFUSED,
    Answers,
    Stream,
    all_answered,
    all_refused,
    answered,
    family,
    reflects,
    refusal,
    says,
    seen_values,
)
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import request

NO_URI = [chr(octet) for octet in (*range(9), 11, 12, *range(14, 32), 127, *range(128, 256))]
"""Octets that stand in no URI. HTAB, CR, LF and the space are the business of the request line."""

UNWISE = '"<>\\^`{|}'
LONG = {"refused-414": "pass", "refused-otherwise": "weak", "closed": "weak"}


# --- forms -----------------------------------------------------------------------------------------------


@case("http/target/two-slashes", service="http", requirements=("HTTP-13",), accept={"elsewhere": "pass"})
def test_two_slashes(target: Target) -> str:
    """`//x/reflect` is a path of its own, and not /reflect on the host x."""

    def judge(seen: Answers) -> str:
        first = seen.responses[0] if seen.responses else None
        if first and first.status == 200:
            raise Violation("misrouted", f"answered as another path: {first}")
        return "elsewhere" if first else refusal()(seen)

    streams: dict[str, Stream] = {
        each: request("GET", each) for each in ("//x/reflect", "//localhost/echo/../")
    }
    return family(target, streams, judge, ("elsewhere",))


@case("http/target/absolute", service="http", requirements=("HTTP-14",), accept=ANSWERED)
def test_absolute(target: Target) -> str:
    """An absolute target means the same resource as its path and query."""
    spellings = (
        "http://localhost",
        "HTTP://localhost",
        "http://LOCALHOST",
        "http://localhost:80",
        "http://[::1]:80",
    )
    streams: dict[str, Stream] = {
        each: request("GET", f"{each}{REFLECT}?q=1", host=each.split("//")[1]) for each in spellings
    }
    return all_answered(target, streams, reflects(path=REFLECT, query=[["q", "1"]]))


@case("http/target/absolute-without-path", service="http", requirements=("HTTP-14",), accept=ANSWERED)
def test_absolute_without_path(target: Target) -> str:
    """An absolute target without a path means /, with or without a query."""
    streams: dict[str, Stream] = {
        each: request("GET", each)
        for each in ("http://localhost", "http://localhost/", "http://localhost?q=1")
    }
    return all_answered(target, streams, says(b"hello"))


@case(
    "http/target/authority-counts",
    service="http",
    requirements=("HTTP-15",),
    accept={"replaced": "pass", "refused": "pass", "both-seen": "info"},
)
def test_authority_counts(target: Target) -> str:
    """The authority of an absolute target is the one that counts, whatever Host says."""

    def judge(seen: Answers) -> str:
        first = seen.responses[0] if seen.responses else None
        if first is None or first.status in (400, 421):
            return "refused" if first else refusal()(seen)
        if first.status != 200:
            raise Violation("not-answered", f"an answer, 400 or 421 was due: {seen}")
        if seen_values(first, "host") == ["good.example"]:
            return "replaced"
        if "good.example" not in first.json["target"]:
            raise Violation("authority-lost", f"the application sees {seen_values(first, 'host')} only")
        return "both-seen"

    streams: dict[str, Stream] = {
        host: request("GET", f"http://good.example{REFLECT}", host=host)
        for host in ("evil.example", "good.example:8080", "localhost")
    }
    return family(target, streams, judge, ("replaced", "refused", "both-seen"))


# --- octets ----------------------------------------------------------------------------------------------


@case("http/target/octets", service="http", requirements=("HTTP-17", "HTTP-64"), accept=LENIENT)
def test_octets(target: Target) -> str:
    """Controls and octets above ASCII stand in no target."""
    streams: dict[str, Stream] = {repr(each): request("GET", f"{REFLECT}?{each}") for each in NO_URI}
    return all_refused(target, streams, LENIENT)


@case("http/target/nul", service="http", requirements=("HTTP-17", "HTTP-32"), accept=REFUSED)
def test_nul(target: Target) -> str:
    """A NUL in the target never ends it: it is refused."""
    streams: dict[str, Stream] = {
        repr(each): request("GET", each)
        for each in ("/\0", "/\0/x", f"{REFLECT}\0", f"{REFLECT}\0?q=1", "\0/")
    }
    return all_refused(target, streams)


@case(
    "http/target/unwise",
    service="http",
    requirements=("HTTP-17", "HTTP-64"),
    accept={"refused-400": "pass", "answered": "info", "refused-otherwise": "weak", "closed": "weak"},
)
def test_unwise(target: Target) -> str:
    """Printable characters that stand in no URI are refused or kept; browsers send some of them."""
    sent = {each: f"{REFLECT}?a{each}b" for each in UNWISE}
    streams: dict[str, Stream] = {each: request("GET", path) for each, path in sent.items()}
    judges = {each: answered(reflects(target=path), otherwise=refusal(400)) for each, path in sent.items()}
    return family(target, streams, judges, ("refused-400", "answered", "refused-otherwise", "closed"))


@case("http/target/forms", service="http", requirements=("HTTP-17", "HTTP-64"), accept=LENIENT)
def test_forms(target: Target) -> str:
    """What is neither a path nor an absolute target is refused."""
    wrong = (
        "*",
        "reflect",
        "?q=1",
        "reflect?q=1",
        "localhost:80",
        "://localhost/",
        "http:/reflect",
        "http://",
    )
    more = (
        "http:///reflect",
        "http://u:p@localhost/reflect",
        "http://local host/",
        "*/reflect",
        "..",
        "\\reflect",
    )
    streams: dict[str, Stream] = {each: request("GET", each) for each in (*wrong, *more)}
    streams["a fragment"] = request("GET", f"{REFLECT}#frag")
    streams["a fragment behind the query"] = request("GET", f"{REFLECT}?a#frag")
    streams["POST *"] = request("POST", "*", body=b"hello")
    return all_refused(target, streams, LENIENT)


@case("http/target/coded-line-ends", service="http", requirements=("HTTP-22",), accept={"kept-out": "pass"})
def test_coded_line_ends(target: Target) -> str:
    """CR and LF that come percent-coded never get into the head of a response."""

    def judge(seen: Answers) -> str:
        if any(response.values(b"x-evil") for response in seen.responses):
            raise Violation("split", "a field of the target stands in the head of the response")
        return "kept-out" if seen.responses else refusal()(seen)

    evil = (
        "%0d%0aX-Evil:%201",
        "%0D%0AX-Evil:%201%0d%0a%0d%0a",
        "%0aX-Evil:1",
        "%0dX-Evil:1",
        "%E5%98%8AX-Evil:1",
    )
    paths = (REFLECT, "/no-such-path", "/static", "//localhost", "/static/folder")
    streams: dict[str, Stream] = {
        f"{path}{each}": request("GET", f"{path}{each}") for path in paths for each in evil
    }
    streams |= {f"?{each}": request("GET", f"{REFLECT}?{each}") for each in evil}
    return family(target, streams, judge, ("kept-out",))


# --- length ----------------------------------------------------------------------------------------------


@case("http/target/8000-octets", service="http", requirements=("HTTP-09",), accept=ANSWERED)
def test_8000_octets(target: Target) -> str:
    """A request line of 8000 octets is read to its end."""
    filler = "x" * (8000 - len(f"GET {REFLECT}? HTTP/1.1"))
    stream = request("GET", f"{REFLECT}?{filler}")
    return all_answered(target, {"8000": stream}, reflects(target=f"{REFLECT}?{filler}"))


@case("http/target/too-long", service="http", requirements=("HTTP-08", "HTTP-64"), accept=LONG)
def test_too_long(target: Target) -> str:
    """A target of 128 KiB is answered with 414, whole or without an end."""
    path = "/" + "x" * (128 * 1024)
    streams: dict[str, Stream] = {"whole": request("GET", path), "without an end": f"GET {path}".encode()}
    return all_refused(target, streams, LONG, (414,))


@case(
    "http/target/declared-limit",
    service="http",
    requirements=("HTTP-08", "HTTP-64"),
    accept=LONG,
    needs=("limits.max_request_line",),
)
def test_declared_limit(target: Target) -> str:
    """A request line of exactly the limit is read; one octet more is 414."""
    filler = "x" * (target.limits["max_request_line"] - len(f"GET {REFLECT}? HTTP/1.1"))
    whole = f"{REFLECT}?{filler}"
    all_answered(target, {"the limit": request("GET", whole)}, reflects(target=whole))
    return all_refused(target, {"one more": request("GET", whole + "x")}, LONG, (414,))


@case("http/target/percent-coded", service="http", requirements=("HTTP-17",), accept=ANSWERED)
def test_percent_coded(target: Target) -> str:
    """Every octet may come percent-coded; the application sees the target as it was sent."""
    coded = "".join(f"%{octet:02X}" for octet in range(256))
    plain = "-._~!$&'()*+,;=:@/?"
    streams: dict[str, Stream] = {
        each: request("GET", f"{REFLECT}?{each}") for each in (coded, plain, "%41=%61", "a=b&a=c")
    }
    judges = {each: answered(reflects(target=f"{REFLECT}?{each}")) for each in streams}
    return family(target, streams, judges, ANSWERED)
