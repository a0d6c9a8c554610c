"""From a note about a file to an answer: what it is, whether the client has it already, which part of it goes
over the wire (HAPI-007, HAPI-008, WEB-004, WEB-005; RFC 9110 sections 13 and 14).

The entity tag is strong: it is made of the size, of the time of the last change in nanoseconds, and of the
coding where there is one.
"""

import os
import stat
from pathlib import PurePath
from time import time

from refworker.protocols.http.conditional import FAILED, NOT_MODIFIED, Validators, precondition, range_applies
from refworker.protocols.http.dates import http_date
from refworker.protocols.http.heads import Head
from refworker.protocols.http.mime import UNKNOWN, media_type
from refworker.protocols.http.ranges import UNSATISFIABLE, Span, content_range, wanted_span
from refworker.protocols.http.response import File, OpenFile, Response, Value

SMALL = 64 * 1024
"""Bytes that are read at once, and leave in one write with their head."""

TEXT = "text/plain; charset=utf-8"
FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""The last: a named pipe must not hold up the process."""


def answer_with(response: Response, head: Head) -> Response:
    """The answer that a `Response` with a `File` makes for a request. What it leaves open, the `OpenFile` in
    its body, is to be closed by whoever sends it.
    """
    file: File = response.body
    try:
        descriptor = opened(file)
    except (OSError, ValueError):  # the latter: a path with a NUL
        return plain(response, 404, "there is no such file\n")
    try:
        made = _answer(response, file, head, descriptor, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    if not isinstance(made.body, OpenFile):
        os.close(descriptor)
    elif head.method == "HEAD" or made.body.length <= SMALL:
        made.body = content_of(made.body, head.method == "HEAD")
    return made


def opened(file: File) -> int:
    """A descriptor of a regular file. Raises OSError."""
    descriptor = os.open(file.path, FLAGS) if file.descriptor is None else file.descriptor
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(file.path)
    return descriptor


def content_of(file: OpenFile, mute: bool) -> OpenFile | bytes:
    """A small file as bytes; of one that nobody will read only the length. Closes it."""
    try:
        return file if mute else os.pread(file.descriptor, file.length, file.offset)
    finally:
        os.close(file.descriptor)


def _answer(response: Response, file: File, head: Head, descriptor: int, status: os.stat_result) -> Response:
    size, present = status.st_size, time()
    now = validators(response, status)
    if response.status == 200 and not (file.offset or file.length):
        outcome = precondition(head.method, head.get, now, present)
        if outcome:
            return refused(response, outcome, now)
        span = asked_span(head, size, now, present)
    else:
        span = noted_span(file, size)
    made = described(response, file, now)
    if span == UNSATISFIABLE:
        return plain(made, 416, "there is no such part\n").header("Content-Range", content_range(span, size))
    if span:
        made.status = 206 if made.status == 200 else made.status
        made.header("Content-Range", content_range(span, size))
    start, stop = span or (0, size)
    made.body = OpenFile(descriptor, start, stop - start)
    return made


def validators(response: Response, status: os.stat_result) -> Validators:
    """Of a file, or what the application says in place of that."""
    own = response.get_header("ETag")
    coding = response.get_header("Content-Encoding")
    parts = [f"{status.st_mtime_ns:x}", f"{status.st_size:x}", *([str(coding)] if coding else [])]
    etag = own if isinstance(own, str) else f'"{"-".join(parts)}"'
    return Validators(etag, int(status.st_mtime_ns // 10**9))


def asked_span(head: Head, size: int, now: Validators, present: float) -> Span | None:
    """What a Range asks for; only GET has one (RFC 9110 section 14.2)."""
    wanted = head.get("range") if head.method == "GET" else None
    if wanted is None or not range_applies(head.get("if-range"), now, present):
        return None
    return wanted_span(wanted, size)


def noted_span(file: File, size: int) -> Span | None:
    """What the application asks for; a length beyond the end is cut (HAPI-008)."""
    if not (file.offset or file.length):
        return None
    if file.offset < 0 or file.length < 0 or file.offset >= size:
        return UNSATISFIABLE
    return file.offset, min(file.offset + file.length, size) if file.length else size


def described(response: Response, file: File, now: Validators) -> Response:
    """A copy with what is to be said of a file, where the application has not said it."""
    kind = media_type(file.path)
    usual: dict[str, Value] = {"Content-Type": kind, "Accept-Ranges": "bytes", **said(now)}
    if kind == UNKNOWN:
        usual["Content-Disposition"] = f'attachment; filename="{safe_name(file.path)}"'
    made = response.copy().without_header("Transfer-Encoding")
    known = {name.lower() for name in made.headers}
    made.headers.update({name: value for name, value in usual.items() if name.lower() not in known})
    return made


def said(now: Validators) -> dict[str, Value]:
    """The fields that tell a client what to ask with."""
    assert now.etag
    assert now.last_modified is not None
    return {"ETag": now.etag, "Last-Modified": http_date(now.last_modified)}


def safe_name(path: str) -> str:
    """The name of a file as it can stand in quotes."""
    name = PurePath(path).name.replace("\\", "_").replace('"', "_")
    return name if name.isascii() and name.isprintable() else "download"


def refused(response: Response, status: int, now: Validators) -> Response:
    """304, or 412: the client knows enough, or something else than there is (RFC 9110 section 15.4.5)."""
    made = response.copy()
    made.headers.update(said(now))
    if status == FAILED:
        return plain(made, FAILED, "it is not what you think it is\n")
    for name in ("Content-Type", "Content-Encoding", "Content-Disposition"):
        made.without_header(name)
    made.status, made.body = NOT_MODIFIED, b""
    return made


def plain(response: Response, status: int, text: str) -> Response:
    """An answer that says why there is no file, with the application's other fields."""
    made = response.copy().header("Content-Type", TEXT)
    for name in ("Content-Encoding", "Content-Disposition"):
        made.without_header(name)
    made.status, made.reason, made.body = status, None, text
    return made
