"""HTTP: methods (RFC 9110, section 9; HTTP-05 to HTTP-07, HTTP-16, HTTP-18, HTTP-19, HTTP-47).

A method is a word that the server passes on as it is, known or not; and what is content is decided by the
fields of the request, whatever its method.
"""

from collections.abc import Callable

from conformance.case import case
from conformance.cases.web import (
    REFLECT,
    REFUSED,
    Answers,
    Judge,
    Stream,
    all_refused,
    family,
    refusal,
)
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunks, request
from conformance.wire.http_responses import Response, read

TOKENS = "!#$%&'*+-.^_`|~09azAZ"
NO_TOKENS = '"(),/:;<=>?@[\\]{}\x01\x0b\x1f\x7f\x80\xa0\xff'
AT_WILL = {"understood": "pass", "refused-501": "pass", "refused-otherwise": "weak", "closed": "weak"}
KEPT = dict.fromkeys(("understood", "refused-501", "refused-otherwise", "closed"), "pass")
UNDERSTOOD = {"understood": "pass"}
REJECTED = {"rejected": "pass", "closed": "weak"}
ENDLESS = dict.fromkeys(("refused-400", "refused-501", "refused-414", "refused-otherwise"), "pass")
ENDLESS |= {"closed": "weak"}
SECRET = "s3cret"
PATHS = ("/", REFLECT, "/no-such-path")

SMUGGLED = request("GET", f"{REFLECT}?smuggled")
FRAMED = {"kept": "pass", "refused": "pass", "closed": "weak"}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "FOO")


def unchanged(method: str) -> Judge:
    """`understood`: the application saw this method, or there is no such method; else as `refusal`."""

    def judge(seen: Answers) -> str:
        outcome = refusal(501)(seen)
        first = seen.responses[0] if outcome == "answered" else None
        if first and first.status == 200 and first.json.get("method") != method:
            raise Violation("changed", f"{method} was sent, the application saw {first.json.get('method')}")
        return "understood" if first else outcome

    return judge


def asked_of_reflect(*methods: str) -> tuple[dict[str, Stream], dict[str, Judge]]:
    """Each method, and what has to become of it."""
    streams: dict[str, Stream] = {method: request(method, REFLECT) for method in methods}
    return streams, {method: unchanged(method) for method in methods}


@case("http/method/case", service="http", requirements=("HTTP-05",), accept=KEPT)
def test_case(target: Target) -> str:
    """A method in another case is another method, and arrives as it was sent."""
    return family(target, *asked_of_reflect("get", "Get", "gET", "post", "Put", "oPTIONS"), KEPT)


@case("http/method/lower-case-get", service="http", requirements=("HTTP-05",), accept=KEPT)
def test_lower_case_get(target: Target) -> str:
    """`get /` is not answered as GET is."""

    def judge(seen: Answers) -> str:
        outcome = refusal(501)(seen)
        if outcome == "answered" and seen.responses[0].status == 200:
            raise Violation("taken-for-get", f"{seen.responses[0]}")
        return "understood" if outcome == "answered" else outcome

    return family(target, {"get": request("get"), "Get": request("Get")}, judge, KEPT)


@case("http/method/unknown", service="http", requirements=("HTTP-06",), accept=AT_WILL)
def test_unknown(target: Target) -> str:
    """A method that nobody knows is no error of syntax: 501 or 405, or the application answers."""
    return family(target, *asked_of_reflect("FOO", "X-SEARCH", "A", TOKENS, "M" * 32), AT_WILL)


@case("http/method/no-token", service="http", requirements=("HTTP-06", "HTTP-64"), accept=REFUSED)
def test_no_token(target: Target) -> str:
    """A method with an octet that tokens have not got is malformed."""
    streams: dict[str, Stream] = {repr(each): request(f"G{each}T", REFLECT) for each in NO_TOKENS}
    return all_refused(target, streams)


@case("http/method/endless", service="http", requirements=("HTTP-06", "HTTP-64"), accept=ENDLESS)
def test_endless(target: Target) -> str:
    """A method of 64 KiB is refused."""
    return family(target, {"64 KiB": request("M" * 65536, REFLECT)}, refusal(400, 501, 414), ENDLESS)


@case(
    "http/method/allow",
    service="http",
    requirements=("HTTP-07",),
    accept={"allowed": "pass", "other-status": "info"},
)
def test_allow(target: Target) -> str:
    """A 405 says which methods there are instead."""

    def judge(seen: Answers) -> str:
        first = seen.responses[0] if seen.responses else None
        if first is None or first.status < 400:
            raise Violation("not-refused", f"405 was due: {seen}")
        if first.status == 405 and not first.values(b"allow"):
            raise Violation("without-allow", "405 without the field Allow")
        return "allowed" if first.status == 405 else "other-status"

    streams: dict[str, Stream] = {
        "DELETE /": request("DELETE"),
        "POST /": request("POST", "/", body=b""),
        "GET /echo": request("GET", "/echo"),
    }
    return family(target, streams, judge, ("allowed", "other-status"))


@case(
    "http/method/options-asterisk", service="http", requirements=("HTTP-16",), accept={"understood": "pass"}
)
def test_options_asterisk(target: Target) -> str:
    """OPTIONS * is about the server as a whole, and is understood."""

    def judge(seen: Answers) -> str:
        outcome = refusal(400)(seen)
        return "understood" if outcome == "answered" else outcome

    return family(target, {"OPTIONS *": request("OPTIONS", "*")}, judge, UNDERSTOOD)


# --- CONNECT and TRACE -----------------------------------------------------------------------------------


@case("http/method/connect-malformed", service="http", requirements=("HTTP-18",), accept=REJECTED)
def test_connect_malformed(target: Target) -> str:
    """CONNECT to something that is no host and port is rejected."""
    wrong = ("localhost", "localhost:", "localhost:x", "localhost:0x50", ":443", "localhost:99999", "/", "*")
    return _rejected(target, *wrong, "http://localhost/", "localhost:443/", "u@localhost:443")


@case("http/method/connect", service="http", requirements=("HTTP-18",), accept=REJECTED)
def test_connect(target: Target) -> str:
    """A server that is no tunnel does not say that it is one."""
    return _rejected(target, "localhost:443", "127.0.0.1:80", "[::1]:443")


def _rejected(target: Target, *addresses: str) -> str:
    def judge(seen: Answers) -> str:
        if not seen.responses:
            return refusal()(seen)
        if seen.responses[0].status < 300:
            raise Violation("tunnel", f"{seen.responses[0].status} opens a tunnel")
        return "rejected"

    streams: dict[str, Stream] = {each: request("CONNECT", each, host=each) for each in addresses}
    return family(target, streams, judge, REJECTED, dict.fromkeys(streams, "CONNECT"))


@case(
    "http/method/trace",
    service="http",
    requirements=("HTTP-19",),
    accept={"off": "pass", "without-secrets": "pass", "closed": "weak"},
)
def test_trace(target: Target) -> str:
    """TRACE is off, or does not show what is secret."""
    secrets = (f"Cookie: key={SECRET}", f"Authorization: Basic {SECRET}")
    with target.connect() as peer:
        peer.send(request("TRACE", "/", *secrets))
        try:
            response = read(peer, "TRACE")
        except Violation as ending:
            if ending.outcome in {"fin", "reset"} and not peer.waiting:
                return "closed"
            raise
    if SECRET.encode() in response.raw:
        raise Violation("shows-secrets", f"{response}")
    return "off" if response.status >= 400 else "without-secrets"


# --- content of any method -------------------------------------------------------------------------------


def framed(seen: Answers) -> str:
    """`kept`: one answer, and the one to the request behind. `refused`: one error, and the end."""
    for response in seen.responses:
        if _answers_smuggled(response):
            raise Violation("smuggled", "the content was answered as a request")
    if len(seen.own) == 1 and seen.behind:
        return "kept"
    return "refused" if refusal()(seen) == "refused-otherwise" else refusal()(seen)


def _answers_smuggled(response: Response) -> bool:
    return (
        response.status == 200
        and b"?smuggled" in response.body
        and b"json" in (response.get(b"content-type") or b"")
    )


@case("http/method/content", service="http", requirements=("HTTP-47", "HTTP-19"), accept=FRAMED)
def test_content(target: Target) -> str:
    """Content that is itself a request stays content, whatever the method."""
    return _all_framed(target, lambda method, path: request(method, path, body=SMUGGLED))


@case("http/method/chunked-content", service="http", requirements=("HTTP-47", "HTTP-19"), accept=FRAMED)
def test_chunked_content(target: Target) -> str:
    """The same in chunks."""
    return _all_framed(target, lambda method, path: request(method, path, CHUNKED) + chunks(SMUGGLED))


def _all_framed(target: Target, build: Callable[[str, str], bytes]) -> str:
    """Requests of every method for three paths."""
    pairs = {f"{method} {path}": (method, path) for method in METHODS for path in PATHS}
    streams: dict[str, Stream] = {name: build(*pair) for name, pair in pairs.items()}
    return family(target, streams, framed, FRAMED, {name: pair[0] for name, pair in pairs.items()})
