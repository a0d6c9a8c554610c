"""Files that come in a form: small ones in memory, larger ones in temporary files (manual: http/request;
HAPI-003).

    @worker.on_message
    def receive(connection, request):
        picture = request.file("picture")
        if picture and not picture.error:
            picture.move(f"/srv/pictures/{new_name()}")

A temporary file is gone when its request is answered, unless it was moved.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from refworker.protocols.http.multipart import MAX_PARTS, Part, Reader

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
        self._data: list[bytes] = []
        self._path: str | None = None
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """More of it. Raises OSError."""
        self.size += len(data)
        if self._file:
            self._file.write(data)
            return
        self._data.append(data)
        if self.size > self._in_memory:
            self._spill()

    def _spill(self) -> None:
        descriptor, self._path = tempfile.mkstemp(prefix=PREFIX, dir=self._folder)
        self._file = os.fdopen(descriptor, "wb")
        self._file.write(b"".join(self._data))
        self._data.clear()

    def finish(self) -> None:
        """All of it has come."""
        if self._file:
            self._file.close()
            self._file = None
        if self.name == "" and not self.size:
            self.error = NO_FILE

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
        return Path(self._path).read_bytes() if self._path else b"".join(self._data)

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
        self, folder: str | Path | None = None, in_memory: int = 64 * 1024, max_parts: int = MAX_PARTS
    ) -> None:
        """`folder` is for the temporary files, else where the system has them; content up to `in_memory`
        bytes needs none.
        """
        self.folder = str(folder) if folder else None
        self.in_memory, self.max_parts = in_memory, max_parts

    def read(self, boundary: str, body: bytes) -> list[Upload]:
        """The parts of a form in their order. Raises Malformed, with nothing left behind; OSError."""
        parts: list[Upload] = []
        try:
            for item in self._items(boundary, body):
                if isinstance(item, Part):
                    parts.append(Upload(item, self.folder, self.in_memory))
                elif isinstance(item, bytes):
                    parts[-1].write(item)
                else:
                    parts[-1].finish()
        except BaseException:
            remove(parts)
            raise
        return parts

    def _items(self, boundary: str, body: bytes) -> Iterator[Any]:
        reader = Reader(boundary, self.max_parts)
        view = memoryview(body)
        for start in range(0, len(body), SLICE):
            yield from reader.feed(view[start : start + SLICE])
        reader.finish()


def remove(parts: list[Upload]) -> None:
    """Let all of a form go."""
    for part in parts:
        part.remove()
