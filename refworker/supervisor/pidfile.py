"""The pid file: a note for people, and a lock for programs.

The lock (`flock`, held for the master's whole life) says that a service runs; the number in the file only
tells people where. No command ever signals a number that it read from a file (LIFE-030).
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

ATTEMPTS, PAUSE = 5, 0.02
"""How often, and after how many seconds again, the lock is tried: a command that looks whether the lock is
held (`is_locked`) holds it itself for a moment, and a service that ends takes the file away.
"""

LONGEST_NOTE = 64
"""Bytes of the file that are looked at; a pid needs no more."""


class AlreadyRunning(Exception):
    """Another process holds the lock; `pid` is what its file says, for people."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"already running (pid {pid or 'not written yet'})")


class PidFile:
    """The lock of a running service; `note` is what a dead predecessor left in the file, else empty."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.note = _content(descriptor)

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take the lock, creating the file if need be.

        Raises AlreadyRunning, or OSError where the file cannot be made.
        """
        for _ in range(ATTEMPTS):
            descriptor = _opened(path)
            if _lock(descriptor, fcntl.LOCK_EX) and _is_at(path, descriptor):
                return cls(path, descriptor)
            pid = _content(descriptor)
            os.close(descriptor)
            time.sleep(PAUSE)
        raise AlreadyRunning(pid)

    def fileno(self) -> int:
        """The descriptor that holds the lock: who has it has the lock, also after an execve."""
        return self._descriptor

    def write(self) -> None:
        """Write this process's pid."""
        text = f"{os.getpid()}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def remove(self) -> None:
        """Delete the file if it is still ours, and release the lock."""
        if _is_at(self.path, self._descriptor):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Close the descriptor. In a forked child this leaves the lock with the master."""
        os.close(self._descriptor)


def is_locked(path: Path) -> bool:
    """Whether a living service holds the pid file. Raises PermissionError if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except PermissionError:
        raise
    except OSError:
        return False
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    if not path.exists():
        with suppress(AttributeError, OSError):  # another system, or another file that was faster
            return _born_locked(path)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)


def _born_locked(path: Path) -> int:
    """A new file, locked before it has a name: a `stop` that comes as soon as there is one is not told that
    nothing runs (open(2), O_TMPFILE).
    """
    descriptor = os.open(path.parent, os.O_RDWR | os.O_TMPFILE, 0o644)
    try:
        _lock(descriptor, fcntl.LOCK_EX)
        os.link(f"/proc/self/fd/{descriptor}", path, follow_symlinks=True)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether `path` is still the file that was opened: it may have been removed or replaced since."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _content(descriptor: int) -> str:
    return os.pread(descriptor, LONGEST_NOTE, 0).decode(errors="replace").strip()
