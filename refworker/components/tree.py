"""A folder that nothing leads out of (WEB-003).

A path of a URL becomes names; a name that could mean more than an entry of its folder is none. The folders
are then opened one inside the other, and no link is followed on the way: what is opened lies below the root
whatever the names are, and whatever somebody does to the folders meanwhile (openat(2), O_NOFOLLOW).
"""

import os
import stat
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ENTRY = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Not to wait: a named pipe would hold up the process."""

WELL_KNOWN = ".well-known"
"""The one name with a dot in front that is for everybody (RFC 8615)."""

FORBIDDEN = frozenset("/\\\0")
"""Characters that a name cannot have, however they were encoded."""


def names_of(path: str, hidden: bool = False) -> list[str] | None:
    """The names in the path of a URL, the last one empty for a path that ends in a slash. None for a path
    that cannot lead to a file: dot segments, empty ones, encoded slashes, backslashes, NUL, what is not
    UTF-8, and names with a dot in front, unless `hidden` ones are shown.
    """
    if not path.startswith("/"):
        return None
    try:
        names = [unquote_to_bytes(segment).decode() for segment in path[1:].split("/")]
    except UnicodeDecodeError:
        return None
    entries = names if names[-1] else names[:-1]
    return names if all(_is_entry(name, hidden) for name in entries) else None


def _is_entry(name: str, hidden: bool) -> bool:
    if not name or name in (".", "..") or FORBIDDEN.intersection(name):
        return False
    return hidden or name == WELL_KNOWN or not name.startswith(".")


class Tree:
    """A folder with all that is below it."""

    def __init__(self, root: str | os.PathLike[str], follow_links: bool = False) -> None:
        """With `follow_links` links are followed that stay below the root. Raises OSError for a `root` that
        is no folder.
        """
        self.root = os.path.realpath(root)
        self.follow_links = follow_links
        os.close(os.open(self.root, FOLDER))

    def open(self, names: Sequence[str]) -> int:
        """A descriptor of a file or a folder; no names mean the root. Raises OSError, also for what would
        lead out of here.
        """
        if self.follow_links:
            names = self._without_links(names)
        descriptor = os.open(self.root, FOLDER)
        for number, name in enumerate(names, 1):
            folder = descriptor
            try:
                descriptor = os.open(name, FOLDER if number < len(names) else ENTRY, dir_fd=folder)
            finally:
                os.close(folder)
        return descriptor

    def _without_links(self, names: Sequence[str]) -> list[str]:
        """Where links lead to, at this moment; the walk follows none that came since."""
        real = os.path.realpath(os.path.join(self.root, *names))
        inside = os.path.relpath(real, self.root).split(os.sep)
        if inside[0] == os.pardir:
            raise PermissionError(f"{'/'.join(names)} leads out of {self.root}")
        return [] if inside == [os.curdir] else inside


def is_folder(descriptor: int) -> bool:
    """Whether it is one."""
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)
