"""What `ps` shows of a process (LIFE-040).

`ps` reads two things: the short name of the process (`comm`, 15 bytes), which prctl(2) sets, and the command
line, which the kernel reads out of the memory where it put the arguments at the start. Writing over them is
the only way to change it without a library; the room ends where they end, so a long title is cut there.
Where the package setproctitle is installed it does the same with more room.

Nothing depends on a title: where it cannot be set the process keeps its old one.
"""

import ctypes
import importlib
import sys
from pathlib import Path

PR_SET_NAME = 15

NAME_LENGTH = 15
"""Bytes of the short name, less the NUL behind it (prctl(2))."""

ARG_START, ARG_END = 48, 49
"""Which fields of /proc/self/stat say where the arguments lie (proc_pid_stat(5))."""

AFTER_NAME = 3
"""The first field after the process's name, which may contain blanks and parentheses itself."""


def set_title(text: str) -> None:
    """Show `text` instead of the command line. Harmless where that is not possible."""
    try:
        library = importlib.import_module("setproctitle")
    except ImportError:
        set_natively(text.replace("\0", " ").encode("utf-8", "backslashreplace"))
    else:
        library.setproctitle(text)


def set_natively(title: bytes) -> None:
    """The same without a library, on Linux."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_NAME, ctypes.create_string_buffer(cut(title, NAME_LENGTH)), 0, 0, 0)
        start, end = arguments()
        if room := end - start:
            # The last byte stays NUL: another value makes the kernel read on into the environment.
            ctypes.memmove(start, cut(title, room - 1).ljust(room, b"\0"), room)


def arguments() -> tuple[int, int]:
    """From where to where the arguments lie in the memory of this process; (0, 0) where nobody knows."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        start, end = int(fields[ARG_START - AFTER_NAME]), int(fields[ARG_END - AFTER_NAME])
    except (OSError, IndexError, ValueError):  # no /proc, or a kernel of before 3.5
        return 0, 0
    return (start, end) if 0 < start < end else (0, 0)


def cut(title: bytes, length: int) -> bytes:
    """At most `length` bytes, and no half character at the end."""
    return title[: max(length, 0)].decode("utf-8", "ignore").encode()
