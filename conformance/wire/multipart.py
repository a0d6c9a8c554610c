"""Forms as multipart/form-data (RFC 7578; RFC 2046, section 5.1), spelled as they are told, right or wrong.

    body = form([field("a", b"1"), file("f", "name.txt", b"content")])
    request("POST", "/upload", form_type(), body=body)

A part is a list of header lines and a content; nothing is escaped, ordered or checked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

BOUNDARY = "----boundary7MA4YWxkTrZu0gW"


@dataclass(frozen=True)
class Part:
    """Header lines without their ends, and a content; `entry` is what a server should list for it."""

    lines: Sequence[str]
    content: bytes
    entry: dict[str, Any]


def field(name: str, content: bytes = b"") -> Part:
    """A part without a file name."""
    return Part([f'Content-Disposition: form-data; name="{name}"'], content, entry(name, None, content))


def file(name: str, filename: str, content: bytes, kind: str = "application/octet-stream") -> Part:
    """A part with a file name and a type."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return Part([disposition, f"Content-Type: {kind}"], content, entry(name, filename, content, kind))


def entry(name: str, filename: str | None, content: bytes, kind: str = "text/plain") -> dict[str, Any]:
    """What the contract's `/upload` lists for a part."""
    facts = {"length": len(content), "sha256": sha256(content).hexdigest()}
    return {"name": name, "filename": filename, "type": kind, **facts}


def form(
    parts: Iterable[Part],
    boundary: str = BOUNDARY,
    *,
    preamble: bytes = b"",
    epilogue: bytes = b"\r\n",
    padding: bytes = b"",
) -> bytes:
    """A whole body; `padding` are the blanks behind each boundary, the epilogue stands behind the last."""
    dash = b"--" + boundary.encode()
    body = preamble
    for part in parts:
        head = "\r\n".join([*part.lines, "", ""]).encode()
        body += dash + padding + b"\r\n" + head + part.content + b"\r\n"
    return body + dash + b"--" + padding + epilogue


def form_type(boundary: str = BOUNDARY) -> str:
    """The field that says so; a boundary in quotes where it stands in them."""
    return f"Content-Type: multipart/form-data; boundary={boundary}"
