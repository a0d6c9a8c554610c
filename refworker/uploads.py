"""Files that come in a form: small ones in memory, larger ones in temporary files (manual: http/request;
HAPI-003).

    @worker.on_message
    def receive(connection, request):
        picture = request.file("picture")
        if picture and not picture.error:
            picture.move(f"/srv/pictures/{new_name()}")

A form that is not small is cut into its parts while it comes, and a file's bytes go to its temporary file as
they come: however large it is, little of it is in memory. The file is gone when the request is answered,
unless it was moved, and when its client goes before that.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from refworker.protocols.http import Request, Streamed
from refworker.protocols.http.grammar import Fields
from refworker.protocols.http.multipart import MAX_PARTS, Malformed, Part, Reader

OK, NO_FILE = 0, 4
"""What `error` may be, with the numbers of PHP: a form's field for a file may have been left empty."""

SLICE = 256 * 1024
"""Octets of a body that are looked at together."""


PREFIX = "refworker.upload."


class Upload:
    """A part of a form. `field` is its name there; `name` is what the client calls the file, None for a plain
    field: never a path to write to. `type` is what the client says of it, `size` is in bytes.
    """

    __slots__ = ("_data", "_file", "_folder", "_in_memory", "_path", "error", "field", "name", "size", "type")

    def __init__(self, part: Part, folder: str | None = None, in_memory: int = 0) -> None:
        self.field, self.name, self.type = part.name, part.filename, part.type
        self.size = 0
        self.error = OK
        self._folder, self._in_memory = folder, in_memory
        self._data = bytearray()
        self._path: str | None = None
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """More of it. Raises OSError."""
        self.size += len(data)
        if self._file:
            self._file.write(data)
            return
        self._data += data
        if self.size > self._in_memory:
            self._spill()

    def _spill(self) -> None:
        descriptor, self._path = tempfile.mkstemp(prefix=PREFIX, dir=self._folder)
        self._file = os.fdopen(descriptor, "wb")
        self._file.write(self._data)
        self._data = bytearray()

    def finish(self) -> int:
        """All of it has come. How many bytes of it are in memory."""
        if self._file:
            self._file.close()
            self._file = None
        if self.name == "" and not self.size:
            self.error = NO_FILE
        return len(self._data)

    @property
    def tmp_name(self) -> str | None:
        """The path of a file with the content, made now where there was none; None where no file was sent.
        Raises OSError.
        """
        if self._path is None and not self.error:
            self._spill()
            self.finish()
        return self._path

    def read(self) -> bytes:
        """All of it in memory."""
        return Path(self._path).read_bytes() if self._path else bytes(self._data)

    def text(self) -> str:
        """As UTF-8; what is not becomes U+FFFD."""
        return self.read().decode(errors="replace")

    def move(self, path: str | Path) -> None:
        """Keep it: the file is yours now. Raises OSError, ValueError where no file was sent."""
        if (own := self.tmp_name) is None:
            raise ValueError(f"the field {self.field!r} was sent without a file")
        shutil.move(own, path)

    def remove(self) -> None:
        """Let it go, unless it was moved."""
        self.finish()
        if self._path:
            Path(self._path).unlink(missing_ok=True)

    def __getitem__(self, name: str) -> Any:
        """`file["tmp_name"]`, as the manual has it."""
        if name not in ("name", "tmp_name", "size", "error", "type"):
            raise KeyError(name)
        return getattr(self, name)

    def __repr__(self) -> str:
        return f"<Upload {self.field!r}, {self.size} bytes>"


class Uploads:
    """How a worker takes forms in."""

    def __init__(
        self,
        folder: str | Path | None = None,
        in_memory: int = 64 * 1024,
        max_parts: int = MAX_PARTS,
        at_once: int = 256 * 1024,
    ) -> None:
        """`folder` is for the temporary files, else where the system has them; content up to `in_memory`
        bytes needs none. A form larger than `at_once` goes there while it comes, and its `raw_body` is not
        kept; no form has more than `at_once` bytes of content in memory.
        """
        self.folder = str(folder) if folder else None
        self.in_memory, self.max_parts, self.at_once = in_memory, max_parts, at_once

    def read(self, boundary: str, body: bytes) -> list[Upload]:
        """The parts of a form in their order. Raises Malformed, with nothing left behind; OSError."""
        parts, view = Parts(self, boundary), memoryview(body)
        try:
            for start in range(0, len(body), SLICE):
                parts.write(view[start : start + SLICE])
            return parts.finish()
        except BaseException:
            parts.remove()
            raise


USUAL = Uploads()
"""How it is done where a worker says nothing."""


class Parts:
    """The parts of a form while it comes."""

    def __init__(self, uploads: Uploads, boundary: str) -> None:
        """Raises Malformed."""
        self._uploads = uploads
        self._reader = Reader(boundary, uploads.max_parts)
        self._parts: list[Upload] = []
        self._room = uploads.at_once  # for content in memory

    def write(self, data: bytes | memoryview) -> None:
        """A piece. Raises Malformed, OSError."""
        for item in self._reader.feed(data):
            if isinstance(item, Part):
                room = min(self._uploads.in_memory, self._room)
                self._parts.append(Upload(item, self._uploads.folder, room))
            elif isinstance(item, bytes):
                self._parts[-1].write(item)
            else:
                self._room -= self._parts[-1].finish()

    def finish(self) -> list[Upload]:
        """All of it has come. Raises Malformed."""
        self._reader.finish()
        return self._parts

    def remove(self) -> None:
        """Let all of it go."""
        remove(self._parts)


class Form:
    """Takes the form of a request (see `protocols/http/intake.py`): into files, as soon as it is larger than
    `at_once`. What is wrong with it is said to who asks for its parts.
    """

    request = None

    def __init__(self, uploads: Uploads, request: Streamed, boundary: str) -> None:
        self.limit = request.max_body_size
        self._uploads, self._request, self._boundary = uploads, request, boundary
        self._kept = bytearray()
        self._parts: Parts | None = None
        self._problem: Exception | None = None

    def begin(self) -> None:
        """There is nothing to do before the end."""

    def write(self, data: bytes) -> None:
        """A piece."""
        if self._parts is None and self._problem is None:
            self._kept += data
            if len(self._kept) > self._uploads.at_once:
                self._spill()
        else:
            self._try(lambda parts: parts.write(data))

    def _spill(self) -> None:
        kept, self._kept = self._kept, bytearray()
        try:
            self._parts = Parts(self._uploads, self._boundary)
        except Malformed as problem:
            self._problem = problem
        self._try(lambda parts: parts.write(memoryview(kept)))

    def _try(self, step: Callable[[Parts], Any]) -> None:
        """Do something with the parts, as long as nothing is wrong."""
        if self._problem or not self._parts:
            return
        try:
            step(self._parts)
        except (Malformed, OSError) as problem:
            self._problem = problem
            self._parts.remove()

    def finish(self, trailers: Fields) -> Request:
        """All of it has come: the request, as every other one where the form is small."""
        request = self._request
        if self._parts is None and self._problem is None:
            return Request(request.head, bytes(self._kept), trailers, request.conversation)
        self._try(lambda parts: parts.finish())
        request.trailers, request.taker = trailers, self
        return request

    def parts(self) -> list[Upload]:
        """The parts in their order. Raises what was wrong, Malformed or OSError."""
        if self._problem:
            raise self._problem
        assert self._parts
        return self._parts.finish()

    def abandon(self) -> None:
        """Nobody wants it: its files go."""
        if self._parts:
            self._parts.remove()


def remove(parts: list[Upload]) -> None:
    """Let all of a form go."""
    for part in parts:
        part.remove()
