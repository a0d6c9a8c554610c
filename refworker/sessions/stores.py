"""Where sessions are kept between requests.

Text under an id, for a while. A store of your own has the methods of `Store`; where they are coroutines,
handlers write `session = await request.session()`.
"""

import os
import tempfile
from pathlib import Path
from time import time
from typing import Any, Protocol


class Store(Protocol):
    """The manual's SessionHandlerInterface. A key is made of letters, digits, comma and minus, lifetimes are
    in seconds; each method may be a coroutine, all of them where `read` is one.

    Two more are called where a store has them, and concern the process, not a session: requests are served
    side by side. `open(name)` comes before the first session, with the name of the cookie; one that raises is
    called again for the next. `close()` comes behind `on_worker_stop`, if there was a session.
    """

    def read(self, key: str) -> Any:
        """The text of a session, empty or None where there is none any more."""

    def write(self, key: str, text: str, lifetime: float) -> Any:
        """Keep it."""

    def update_timestamp(self, key: str, lifetime: float) -> Any:
        """Keep what there is for another lifetime."""

    def destroy(self, key: str) -> Any:
        """Forget it; one that is not there is no error."""

    def gc(self) -> Any:
        """Forget all whose lifetime is over."""


class MemoryStore:
    """In this process alone: for tests, and for workers of one process. A reload forgets it."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, float]] = {}

    def read(self, key: str) -> str:
        """The text, if its time is not over."""
        text, end = self._kept.get(key, ("", 0.0))
        return text if time() < end else ""

    def write(self, key: str, text: str, lifetime: float) -> None:
        """Keep it."""
        self._kept[key] = (text, time() + lifetime)

    def update_timestamp(self, key: str, lifetime: float) -> None:
        """Keep what there is."""
        if text := self.read(key):
            self.write(key, text, lifetime)

    def destroy(self, key: str) -> None:
        """Forget it."""
        self._kept.pop(key, None)

    def gc(self) -> None:
        """Forget what is over."""
        now = time()
        self._kept = {key: kept for key, kept in self._kept.items() if now < kept[1]}


class FileStore:
    """Files in a folder, shared by all processes. When a session ends is the file's time of modification.

    A file is replaced in one step, so that a reader sees the old text or the new one. Nobody else may read
    them: the folder is made with mode 0700.
    """

    prefix = "session_"

    def __init__(self, folder: str | Path | None = None) -> None:
        """Without a `folder`: one of the user's own among the temporary files."""
        default = Path(tempfile.gettempdir(), f"refworker-sessions-{os.getuid()}")
        self.folder = Path(folder) if folder else default

    def _path(self, key: str) -> Path:
        return self.folder / f"{self.prefix}{key}"

    def read(self, key: str) -> str:
        """The text, if its time is not over."""
        try:
            descriptor = os.open(self._path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # none, or an id too long for a name
            return ""
        with open(descriptor, encoding="utf-8") as file:
            status = os.fstat(descriptor)
            good = status.st_uid == os.geteuid() and time() < status.st_mtime
            return file.read() if good else ""  # what somebody else has put there is no session

    def write(self, key: str, text: str, lifetime: float) -> None:
        """Keep it. Raises OSError."""
        self.check()
        descriptor, path = tempfile.mkstemp(prefix="new_", dir=self.folder)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        self._end_at(path, time() + lifetime)
        os.replace(path, self._path(key))

    def check(self) -> None:
        """Make the folder, where it is missing. Raises PermissionError for somebody else's."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = os.stat(self.folder, follow_symlinks=False).st_uid
        if owner not in (os.geteuid(), 0):
            raise PermissionError(f"the folder of sessions {self.folder} belongs to user {owner}")

    def _end_at(self, path: str | Path, end: float) -> None:
        os.utime(path, (end, end), follow_symlinks=False)

    def update_timestamp(self, key: str, lifetime: float) -> None:
        """Keep what there is."""
        if self.read(key):
            self._end_at(self._path(key), time() + lifetime)

    def destroy(self, key: str) -> None:
        """Forget it."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError:  # an id too long for a name: there is none
            pass

    def gc(self) -> None:
        """Forget what is over; another process may do the same at the same time."""
        now = time()
        for path in self.folder.glob(f"{self.prefix}*"):
            try:
                if path.lstat().st_mtime <= now:
                    path.unlink()
            except FileNotFoundError:
                pass
