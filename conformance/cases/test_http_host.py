"""HTTP: the field Host (RFC 9112, section 3.2; RFC 9110, section 7.2; HTTP-23 to HTTP-26).

Whose site is meant: rules, caches and links are made of this value, so it is there, once, and nothing but a
host and a port.
"""

from conformance.case import case
from conformance.cases.web import (
    ANSWERED,
    REFLECT,
    REFUSED,
    Stream,
    all_answered,
    all_refused,
    answered,
    family,
    reflected,
    reflects,
    refusal,
    says,
)
from conformance.target.view import Target
from conformance.wire.http_requests import head, request
from conformance.wire.http_responses import read

GOOD = (
    "localhost",
    "LOCALHOST",
    "a",
    "a.b-c.example",
    "example.com:80",
    "127.0.0.1",
    "127.0.0.1:8080",
    "a_b",
    "0",
)
LITERALS = ("[::1]", "[::1]:8080", "[2001:db8::1]:80", "[::ffff:127.0.0.1]")
BLANKS = ("a b", "a\tb", "a , b", "a, b", "a;\tb")
PATHS = ("a/b", "a/", "/", "http://a", "//a", "a?b", "a#b", "a\\b")
USERS = ("u@a", "u:p@a", "@a", "a@")
PORTS = ("a:x1", "a:1x", "a:-1", "a:+80", "a:80:90", "a:0x50", "a:8 0", "a:\xb2", "::1", "[::1]:x")
BRACKETS = ("[::1", "::1]", "[]", "[g::1]", "[::1]x", "x[::1]", "[[::1]]", "[::1]::80")
OCTETS = ('a"b', "<a>", "a|b", "a^b", "a`b", "{a}", "a\x01b", "a\x7fb", "\xe9", "a%zz", "a%2")


def hosts(*values: str) -> dict[str, Stream]:
    """A request with each of these."""
    return {repr(value): request("GET", REFLECT, host=value) for value in values}


@case("http/host/missing", service="http", requirements=("HTTP-23", "HTTP-64"), accept=REFUSED)
def test_missing(target: Target) -> str:
    """A request of HTTP/1.1 without Host is refused."""
    return all_refused(
        target,
        {
            "no field": reflected(host=None),
            "other fields": reflected("X-Host: localhost", "X-Forwarded-Host: localhost", host=None),
            "POST": request("POST", "/echo", host=None, body=b"hello"),
            "absolute target": request("GET", f"http://localhost{REFLECT}", host=None),
        },
    )


@case("http/host/missing-in-1.0", service="http", requirements=("HTTP-23",), accept=ANSWERED)
def test_missing_in_10(target: Target) -> str:
    """HTTP/1.0 needs no Host."""
    with target.connect() as peer:
        peer.send(request("GET", "/", host=None, version="HTTP/1.0"))
        says(b"hello")(read(peer))
    return "answered"


@case("http/host/two", service="http", requirements=("HTTP-24", "HTTP-64"), accept=REFUSED)
def test_two(target: Target) -> str:
    """Two lines of Host are refused, equal or not, wherever they stand."""
    start = f"GET {REFLECT} HTTP/1.1"
    streams: dict[str, Stream] = {
        "different": reflected("Host: evil.example"),
        "equal": reflected("Host: localhost"),
        "another case": reflected("hOST: localhost"),
        "apart": reflected("X-A: a", "X-B: b", "Host: localhost"),
        "an empty one first": head(start, "Host:", "Host: localhost"),
        "an empty one last": reflected("Host:"),
        "three": reflected("Host: localhost", "Host: localhost"),
        "absolute target": request("GET", f"http://localhost{REFLECT}", "Host: localhost"),
    }
    return all_refused(target, streams)


@case("http/host/good", service="http", requirements=("HTTP-25",), accept=ANSWERED)
def test_good(target: Target) -> str:
    """Names and addresses, with and without a port."""
    return all_answered(target, hosts(*GOOD, *LITERALS), reflects(method="GET"))


@case("http/host/empty-port", service="http", requirements=("HTTP-25",), accept=ANSWERED)
def test_empty_port(target: Target) -> str:
    """A port may be empty."""
    return all_answered(target, hosts("localhost:", "127.0.0.1:", "[::1]:"), reflects(method="GET"))


@case(
    "http/host/empty",
    service="http",
    requirements=("HTTP-26", "HTTP-64"),
    accept={"refused-400": "pass", "answered": "pass"},
)
def test_empty(target: Target) -> str:
    """An empty Host is answered, or refused with 400; nothing else."""
    judge = answered(reflects(method="GET"), otherwise=refusal(400))
    return family(target, hosts("", " ", "\t"), judge, ("answered", "refused-400"))


@case("http/host/blanks-and-lists", service="http", requirements=("HTTP-25", "HTTP-64"), accept=REFUSED)
def test_blanks_and_lists(target: Target) -> str:
    """There is no blank in a host, and so no list."""
    return all_refused(target, hosts(*BLANKS))


@case("http/host/paths", service="http", requirements=("HTTP-25", "HTTP-64"), accept=REFUSED)
def test_paths(target: Target) -> str:
    """A host is no URI and has no path."""
    return all_refused(target, hosts(*PATHS))


@case("http/host/users", service="http", requirements=("HTTP-25", "HTTP-64"), accept=REFUSED)
def test_users(target: Target) -> str:
    """A host has no user."""
    return all_refused(target, hosts(*USERS))


@case("http/host/ports", service="http", requirements=("HTTP-25", "HTTP-64"), accept=REFUSED)
def test_ports(target: Target) -> str:
    """A port is digits."""
    return all_refused(target, hosts(*PORTS))


@case("http/host/brackets", service="http", requirements=("HTTP-25", "HTTP-64"), accept=REFUSED)
def test_brackets(target: Target) -> str:
    """Brackets stand around an address of IPv6, and nowhere else."""
    return all_refused(target, hosts(*BRACKETS))


@case("http/host/octets", service="http", requirements=("HTTP-25", "HTTP-64"), accept=REFUSED)
def test_octets(target: Target) -> str:
    """Characters that stand in no host are refused."""
    return all_refused(target, hosts(*OCTETS))
