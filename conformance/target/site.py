"""The files behind `GET /static/NAME`: what `{static}` holds, and what lies beside it, out of bounds.

One small file, an empty one, a big one that no kernel takes in one piece, names that need percent-coding, a
folder with an index and one without; a file that begins with a dot, and links that lead out. All are of the
same known second, so that a case can say what Last-Modified has to be.
"""

import os
from email.utils import formatdate
from pathlib import Path
from random import Random

SECRET = b"nobody outside may read this line\n"
"""The content of every file that is not to be had: a case looks for it in whatever comes."""

MODIFIED = 1_709_210_096
"""When all files were written last: a leap day, 12:34:56 GMT, in seconds since 1970."""

LAST_MODIFIED = formatdate(MODIFIED, usegmt=True)
"""The same as HTTP spells it (RFC 9110, section 5.6.7)."""

BIG = Random(0).randbytes(300 * 1024)

FILES = {
    "hello.txt": b"hello\n",
    "empty.txt": b"",
    "digits.txt": b"0123456789",
    "big.bin": BIG,
    "page.html": b"<!doctype html><title>page</title>\n",
    "style.css": b"body { color: black }\n",
    "script.js": b"'use strict'\n",
    "data.json": b"{}\n",
    "picture.png": b"\x89PNG\r\n\x1a\n",
    "noext": b"a name without a dot\n",
    "a name with blanks.txt": b"blanks\n",
    "naïve 文.txt": b"beyond ASCII\n",
    "100%+.txt": b"a sign of per cent\n",
    "folder/inner.txt": b"inner\n",
    "folder/index.html": b"<!doctype html><title>index</title>\n",
    "bare/only.txt": b"a folder without an index\n",
}
"""What may be had, by name."""

HIDDEN = (".hidden", "folder/.hidden/inner.txt")
"""In the folder, yet not to be had (WEB-008): a copy of a site often brings `.git` and `.env` along."""

OUTSIDE = ("secret.txt", "static-secret/s.txt", "static.txt")
"""Beside the folder: their names begin as its own does, or stand a folder above."""

LINKS = {"link.txt": "../secret.txt", "way-out": "..", "folder/link.txt": "../../static-secret/s.txt"}
"""Symbolic links in the folder that lead out of it."""


def fill_site(folder: Path) -> Path:
    """Make the folder `static`, with everything in it and around it, in a fresh folder."""
    static = folder / "static"
    readable = {static / name: content for name, content in FILES.items()}
    secrets = [static / name for name in HIDDEN] + [folder / name for name in OUTSIDE]
    for path, content in {**readable, **dict.fromkeys(secrets, SECRET)}.items():
        _write(path, content)
    for name, goal in LINKS.items():
        (static / name).symlink_to(goal)
    return static


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (MODIFIED, MODIFIED))
