"""The log file, shared by the master and all its processes, and the standard streams of a daemon.

Every record is one `write` to a descriptor that was opened for appending, so records of several processes
never mix. Two descriptors are kept from the start on: a process that has given up its rights needs no
permission any more (LIFE-104).

When the file is too large its older half goes, in place: whoever has the file open keeps the right one. The
newer half is copied over the older one before the file is shortened, so a process that is killed meanwhile
leaves lines twice and one torn at worst.

Writers hold a shared lock, who shortens an exclusive one. These are POSIX record locks (fcntl(2), F_SETLK):
they belong to a process, where a lock of flock(2) would be shared with every process that was forked. They
are let go when the process closes *any* descriptor of the file, so a process has one LogFile for it.
"""

import errno
import fcntl
import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_SIZE = 10 * 1024 * 1024
"""Bytes of a log file before its older half is dropped (manual: log_file_max_size)."""

BLOCK = 1 << 20
"""Bytes that are moved at a time: a file that has grown for years does not fill the memory."""

MODE = 0o644
"""Of a file that is made here, less what the umask forbids."""


class LineFormatter(logging.Formatter):
    """Puts time and pid before every line, those of a traceback too (LIFE-102)."""

    def format(self, record: logging.LogRecord) -> str:
        """`2026-11-23 02:39:56 pid:24526 text`, as many lines as the text has."""
        text = super().format(record)
        prefix = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')} pid:{record.process} "
        return "\n".join(prefix + line for line in text.split("\n"))


def formatter() -> logging.Formatter:
    """How a line of the log looks, wherever it goes."""
    return LineFormatter("%(message)s")


class LogFile(logging.Handler):
    """Appends records to `path`. Safe for any number of processes and threads."""

    def __init__(self, path: Path, max_size: int = MAX_SIZE) -> None:
        """Open the file; a missing folder is made. Beyond `max_size` bytes its older half is dropped; with 0
        never.

        Raises OSError, whose message names the file and the reason.
        """
        super().__init__()
        self.path, self.max_size = path, max_size
        self.setFormatter(formatter())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._end, self._start = opened(path)
        except OSError as problem:
            raise explained("log file", path, problem) from problem

    def fileno(self) -> int:
        """The descriptor that appends, for whoever writes without `logging`; -1 after `close`."""
        return self._end

    def emit(self, record: logging.LogRecord) -> None:
        """Append one record; what goes wrong is told on stderr, as by every handler."""
        try:
            self._append(f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))
            if self._too_large():
                self._shorten()
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Close the file in this process."""
        super().close()
        for descriptor in {self._end, self._start} - {-1}:
            os.close(descriptor)
        self._end = self._start = -1

    def _append(self, data: bytes) -> None:
        with self._locked(fcntl.LOCK_SH):
            while data:  # once, unless the disk is full
                data = data[os.write(self._end, data) :]

    def _too_large(self) -> bool:
        return 0 < self.max_size < os.fstat(self._end).st_size

    def _shorten(self) -> None:
        """Drop the older half, unless another process writes or shortens at this moment: nobody waits for
        that, and the next record comes by here again.
        """
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                if self._too_large():
                    drop_older_half(self._start)
        except (BlockingIOError, PermissionError):  # which of the two, POSIX leaves open
            pass

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        fcntl.lockf(self._end, how)
        try:
            yield
        finally:
            fcntl.lockf(self._end, fcntl.LOCK_UN)


def opened(path: Path) -> tuple[int, int]:
    """Two descriptors of one file, made where it is missing: one that appends, and one that writes where it
    is told to (under O_APPEND, Linux' pwrite appends as well). Raises OSError.
    """
    end = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, MODE)
    try:
        if not stat.S_ISREG(os.fstat(end).st_mode):
            return end, end  # /dev/null and the like have no size to be limited
        start = os.open(path, os.O_RDWR)
    except OSError:
        os.close(end)
        raise
    if os.path.sameopenfile(end, start):
        return end, start
    os.close(end)
    os.close(start)  # renamed between the two: begin again with the new one
    return opened(path)


def drop_older_half(file: int) -> None:
    """Move the lines of the newer half to the front and shorten the file to them (LIFE-103). A single line
    that is longer than that stays, until another one follows.
    """
    size = os.fstat(file).st_size
    first = position = line_after(file, size // 2)
    if first >= size:
        return
    while block := os.pread(file, BLOCK, position):
        write_at(file, block, position - first)
        position += len(block)
    os.ftruncate(file, position - first)


def line_after(file: int, middle: int) -> int:
    """Where the first line begins at or after `middle`; the end of the file if none does."""
    position = max(middle - 1, 0)
    while block := os.pread(file, BLOCK, position):
        if (found := block.find(b"\n")) >= 0:
            return position + found + 1
        position += len(block)
    return position


def write_at(file: int, data: bytes, position: int) -> None:
    """Write all of `data`."""
    while data:
        written = os.pwrite(file, data, position)
        data, position = data[written:], position + written


def reopen_streams(stdout_file: Path) -> None:
    """Read from nothing, and append what is printed to `stdout_file`: a daemon's streams (LIFE-027,
    LIFE-105).

    Descriptors 0, 1 and 2 are open afterwards, here and in every program that is run from here. Calling this
    again after the file was renamed opens a new one. Raises OSError, whose message names the file and the
    reason; the streams are then as they were.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # its terminal is gone, or it is closed: what is left in it is for nobody
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        output = os.open(stdout_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, MODE)
    except OSError as problem:
        os.close(nothing)
        raise explained("stdout_file", stdout_file, problem) from problem
    for source, stream_number in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, stream_number)
        os.set_inheritable(
            stream_number, True
        )  # dup2 to itself, where a stream was closed, leaves it as it is
    for descriptor in {nothing, output} - {0, 1, 2}:
        os.close(descriptor)


def explained(what: str, path: Path, problem: OSError) -> OSError:
    """The same error in a sentence for people, with the cure where there is one."""
    message = f"cannot open the {what} {path}: {problem.strerror or problem}"
    if problem.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
        message += "; choose a file that the starting user may write"
    return OSError(problem.errno, message)
