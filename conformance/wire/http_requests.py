r"""HTTP/1.1 requests as bytes, right and wrong: what is given is what is sent (RFC 9112, sections 2 to 7).

Nothing is repaired, ordered or checked. A field is a whole line without its end, so that a case can write
`"Content-Length : 5"` or a fold; text stands for octets, one character each (`"\x85"` is one octet).
"""

from collections.abc import Iterable

HOST = "localhost"

Text = str | bytes


def octets(text: Text) -> bytes:
    """Bytes as they are; text by its code points, which must be below 256."""
    return text if isinstance(text, bytes) else text.encode("latin-1")


def head(line: Text, *fields: Text) -> bytes:
    """A request line and field lines, each with its CRLF, and the empty line behind."""
    return b"".join(octets(each) + b"\r\n" for each in (line, *fields, b""))


def request(
    method: Text = "GET",
    target: Text = "/",
    *fields: Text,
    body: bytes | None = None,
    host: Text | None = HOST,
    version: Text = "HTTP/1.1",
) -> bytes:
    """A request. `host` None leaves the field out; a `body` brings its Content-Length, as the last field.

    To frame a body otherwise, append it: `request("POST", "/echo", CHUNKED) + chunks(b"hello")`.
    """
    line = b" ".join(map(octets, (method, target, version)))
    hosts = [] if host is None else [b"Host: " + octets(host)]
    lengths = [] if body is None else [f"Content-Length: {len(body)}"]
    return head(line, *hosts, *fields, *lengths) + (body or b"")


CHUNKED = "Transfer-Encoding: chunked"
CLOSE = "Connection: close"


def chunk(data: bytes, extension: Text = b"") -> bytes:
    """One chunk (RFC 9112, section 7.1); `extension` is put behind the size as it is."""
    return f"{len(data):x}".encode() + octets(extension) + b"\r\n" + data + b"\r\n"


def chunks(*parts: bytes, trailers: Iterable[Text] = ()) -> bytes:
    """A whole body in chunked coding: each part a chunk, then the last chunk and the trailer section."""
    return b"".join(map(chunk, parts)) + head("0", *trailers)


def cuts(data: bytes, step: int = 1) -> list[tuple[bytes, bytes]]:
    """The data in two segments, cut at every place (or at every `step`-th)."""
    return [(data[:at], data[at:]) for at in range(1, len(data), step)]
