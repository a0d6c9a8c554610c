"""The file of a Unix socket: what may be replaced at a start, and who may remove it at the end (UNIX-002)."""

import errno
import os
import socket
import stat
from contextlib import suppress


class SocketFile:
    """The file at which this process has begun to listen. Processes that it forks share the socket and not
    the file: a service removes it once, at its end, and not when one of its processes leaves.
    """

    def __init__(self, path: str) -> None:
        self._path, self._owner, self._identity = path, os.getpid(), identity(path)

    def remove(self) -> None:
        """Remove the file; in another process nothing, and nothing that somebody has put in its place."""
        if self._owner == os.getpid() and self._identity == identity(self._path):
            with suppress(OSError):  # its folder is no longer ours to write
                os.unlink(self._path)


def file_of(listener: socket.socket) -> SocketFile | None:
    """The file of a listening socket; None where it has a port, or a name without a file."""
    name = listener.getsockname()
    return SocketFile(name) if listener.family == socket.AF_UNIX and isinstance(name, str) else None


def identity(path: str) -> tuple[int, int]:
    """Device and inode of what stands at `path`; (0, 0) where nothing does."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def remove_stale(path: str) -> None:
    """Remove the socket at `path` if nobody listens there. Raises OSError for anything but a socket."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        if not is_alive(path):
            os.unlink(path)


def is_alive(path: str) -> bool:
    """Whether somebody listens on the Unix socket at `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            pass  # its queue is full, so somebody owns it
    return True
