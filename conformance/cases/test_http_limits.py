"""HTTP: what is too much (RFC 9110, sections 5.4 and 15.5.14; RFC 9112, section 7.1.1).

A server decides how much it takes, and says so with a status that the client gets to read, although it may
still be writing. What is ordinary has to pass.
"""

from conformance.case import case
from conformance.cases.web import (
    ANSWERED,
    LENIENT,
    Stream,
    all_answered,
    all_refused,
    family,
    reflected,
    reflects,
    refusal,
    says,
)
from conformance.target.view import Target
from conformance.wire.http_requests import CHUNKED, chunk, chunks, request

FIELDS = {"refused-431": "pass", "refused-400": "pass", "refused-otherwise": "weak", "closed": "weak"}
MANY = {
    **dict.fromkeys(("refused-431", "refused-400", "refused-otherwise", "closed"), "pass"),
    "answered": "weak",
}
CONTENT = {"refused-413": "pass", "refused-400": "weak", "refused-otherwise": "weak", "closed": "weak"}
SIZE, SECTION, COUNT = (
    f"limits.{name}" for name in ("max_package_size", "max_header_size", "max_header_count")
)
CHATTER = {**dict.fromkeys(("refused-431", "refused-413", "refused-400"), "pass"), **LENIENT}
"""Extensions and trailers are counted with the head by some, with the content by others."""

MEBIBYTE = 1024 * 1024
SPARE = 256
"""Octets: whether names, colons, line ends and Host count is everybody's own affair."""


# --- the head --------------------------------------------------------------------------------------------


@case("http/limit/ordinary-heads", service="http", requirements=("HTTP-39",), accept=ANSWERED)
def test_ordinary_heads(target: Target) -> str:
    """A hundred fields, and a value of 8000 octets, are nothing special."""
    streams: dict[str, Stream] = {
        "100 fields": reflected(*(f"X-{number}: {number}" for number in range(99))),
        "8000 octets": reflected("X-A: " + "a" * 8000),
    }
    return all_answered(target, streams, reflects(method="GET"))


@case("http/limit/long-field", service="http", requirements=("HTTP-38", "HTTP-64"), accept=FIELDS)
def test_long_field(target: Target) -> str:
    """A field of 128 KiB is refused, be it long in its value or in its name."""
    streams: dict[str, Stream] = {
        "value": reflected("X-A: " + "a" * 131072),
        "name": reflected("X" * 131072 + ": a"),
    }
    return family(target, streams, refusal(431, 400), FIELDS)


@case("http/limit/large-section", service="http", requirements=("HTTP-38", "HTTP-64"), accept=FIELDS)
def test_large_section(target: Target) -> str:
    """Two mebibytes of small fields are refused."""
    lines = [f"X-{number}: {'a' * 100}" for number in range(2 * MEBIBYTE // 110)]
    return family(target, {"2 MiB": reflected(*lines)}, refusal(431, 400), FIELDS)


@case("http/limit/endless-line", service="http", requirements=("HTTP-39", "HTTP-64"), accept=MANY)
def test_endless_line(target: Target) -> str:
    """Four mebibytes of a field without an end are not collected."""
    streams: dict[str, Stream] = {
        "a field": reflected()[:-2] + b"X-A: " + b"a" * (4 * MEBIBYTE),
        "a name": reflected()[:-2] + b"a" * (4 * MEBIBYTE),
    }
    return family(target, streams, refusal(431, 400), MANY)


@case("http/limit/many-fields", service="http", requirements=("HTTP-39", "HTTP-64"), accept=MANY)
def test_many_fields(target: Target) -> str:
    """Ten thousand of the smallest fields are refused."""
    return family(target, {"10000": reflected(*["A: b"] * 10_000)}, refusal(431, 400), MANY)


@case(
    "http/limit/declared-section",
    service="http",
    requirements=("HTTP-38", "HTTP-64"),
    accept=FIELDS,
    needs=(SECTION,),
)
def test_declared_section(target: Target) -> str:
    """A section a little below the limit is read, one a little above is refused."""
    size = target.limits["max_header_size"]
    all_answered(target, {"below": reflected(*_section(size - SPARE))}, reflects(method="GET"))
    return family(target, {"above": reflected(*_section(size + SPARE))}, refusal(431, 400), FIELDS)


def _section(size: int) -> list[str]:
    """Field lines of so many octets in all, line ends included, and none of them long."""
    line = "X-A: " + "a" * 505
    return [line] * (size // 512) + ["X-B: " + "b" * max(0, size % 512 - 7)]


@case(
    "http/limit/declared-count",
    service="http",
    requirements=("HTTP-39", "HTTP-64"),
    accept=FIELDS,
    needs=(COUNT,),
)
def test_declared_count(target: Target) -> str:
    """As many fields as the limit are read, one more is refused; Host is one of them."""
    most = target.limits["max_header_count"]
    all_answered(target, {"the limit": reflected(*["A: b"] * (most - 1))}, reflects(method="GET"))
    return family(target, {"one more": reflected(*["A: b"] * most)}, refusal(431, 400), FIELDS)


# --- chunks ----------------------------------------------------------------------------------------------


@case("http/limit/extension", service="http", requirements=("HTTP-54", "HTTP-64"), accept=CHATTER)
def test_extension(target: Target) -> str:
    """A mebibyte of extensions, of one chunk or of many, is refused."""
    post = request("POST", "/echo", CHUNKED)
    streams: dict[str, Stream] = {
        "one": post + chunk(b"hello", ";a=" + "b" * MEBIBYTE) + b"0\r\n\r\n",
        "many": post + chunk(b"x", ";a=" + "b" * 1000) * 1000 + b"0\r\n\r\n",
        "the last": post + b"0;a=" + b"b" * MEBIBYTE + b"\r\n\r\n",
    }
    return all_refused(target, streams, CHATTER, (400, 413, 431))


@case("http/limit/trailers", service="http", requirements=("HTTP-57", "HTTP-64"), accept=CHATTER)
def test_trailers(target: Target) -> str:
    """A mebibyte of trailers, in one line or in many, is refused."""
    post = request("POST", "/echo", CHUNKED)
    streams: dict[str, Stream] = {
        "one": post + chunks(b"hello", trailers=["X-T: " + "a" * MEBIBYTE]),
        "many": post + chunks(b"hello", trailers=["X-T: " + "a" * 100] * 10_000),
    }
    return all_refused(target, streams, CHATTER, (400, 413, 431))


# --- content ---------------------------------------------------------------------------------------------


@case(
    "http/limit/content-at-limit", service="http", requirements=("HTTP-66",), accept=ANSWERED, needs=(SIZE,)
)
def test_content_at_limit(target: Target) -> str:
    """Content of exactly the limit comes back, with a length and in chunks."""
    body = b"x" * target.limits["max_package_size"]
    half = len(body) // 2
    streams: dict[str, Stream] = {
        "a length": request("POST", "/echo", body=body),
        "chunks": request("POST", "/echo", CHUNKED) + chunks(body[:half], body[half:]),
    }
    return all_answered(target, streams, says(body))


@case(
    "http/limit/length-beyond",
    service="http",
    requirements=("HTTP-66", "HTTP-64"),
    accept=CONTENT,
    needs=(SIZE,),
)
def test_length_beyond(target: Target) -> str:
    """A length beyond the limit is refused before any content has come."""
    most = target.limits["max_package_size"]
    streams: dict[str, Stream] = {
        name: request("POST", "/echo", f"Content-Length: {size}")
        for name, size in {"one more": most + 1, "ten times": 10 * most, "1 GiB": 2**30}.items()
    }
    return family(target, streams, refusal(413, 400), CONTENT)


@case(
    "http/limit/chunk-beyond",
    service="http",
    requirements=("HTTP-66", "HTTP-51", "HTTP-64"),
    accept=CONTENT,
    needs=(SIZE,),
)
def test_chunk_beyond(target: Target) -> str:
    """A chunk beyond the limit is refused before its data has come, also as the second one."""
    most, post = target.limits["max_package_size"], request("POST", "/echo", CHUNKED)
    streams: dict[str, Stream] = {
        "one more": post + f"{most + 1:x}\r\n".encode(),
        "64 times": post + f"{64 * most:x}\r\n".encode(),
        "the second": post + chunk(b"hello") + f"{most - 4:x}\r\n".encode(),
    }
    return family(target, streams, refusal(413, 400), CONTENT)


@case(
    "http/limit/chunks-beyond",
    service="http",
    requirements=("HTTP-66", "HTTP-64"),
    accept=CONTENT,
    needs=(SIZE,),
)
def test_chunks_beyond(target: Target) -> str:
    """Chunks that sum up to more than the limit are refused as they come."""
    size, most = 65536, target.limits["max_package_size"]
    post = request("POST", "/echo", CHUNKED) + chunk(b"x" * size) * (most // size + 1)
    return family(target, {"64 KiB each": post}, refusal(413, 400), CONTENT)
