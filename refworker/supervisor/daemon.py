"""`start -d`: away from the terminal, and back only with a result (LIFE-025, LIFE-026).

The command forks; the service is its grandchild, in a session of its own and without a terminal. The command
waits at a pipe until the service says that every process is ready, or why not, and ends accordingly.
"""

import contextlib
import json
import os
from collections.abc import Callable
from typing import NoReturn

from refworker.supervisor.output import flush_output

FAILURE = 1


class Herald:
    """Who tells the user how the start went: on the terminal, or through the pipe of a daemon."""

    def __init__(self, tell: Callable[[str, int], None], pipe: int = -1) -> None:
        """`tell` is called once, with a text and an exit code; `pipe` is the descriptor that it writes to."""
        self._tell: Callable[[str, int], None] | None = tell
        self._pipe = pipe

    @property
    def awaited(self) -> bool:
        """Whether a command waits for the result."""
        return self._pipe >= 0

    def started(self, text: str) -> None:
        """Every process is ready."""
        self._once(text, 0)

    def failed(self, text: str, code: int = FAILURE) -> None:
        """The service does not start."""
        self._once(text, code)

    def abandon(self) -> None:
        """In a worker process, and when all is said: an open pipe would keep the command waiting."""
        self._tell = None
        if self.awaited:
            os.close(self._pipe)
            self._pipe = -1

    def _once(self, text: str, code: int) -> None:
        if self._tell:
            self._tell(text, code)
            self.abandon()


def detached(serve: Callable[[Herald], int]) -> tuple[str, int]:
    """Run `serve` in a daemon. Returns, in this process, what its herald said, and the exit code."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        become_daemon(serve, writing)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    if not said:
        return "the service ended before it was started; see its log", FAILURE
    text, code = json.loads(said)
    return text, code


def become_daemon(serve: Callable[[Herald], int], writing: int) -> NoReturn:
    """In the child of the command: start the daemon and end. In the daemon: serve, never return."""
    code = FAILURE
    try:
        os.setsid()
        if os.fork():
            code = 0
        else:
            os.umask(0o022)
            code = serve(Herald(lambda text, code: report(writing, text, code), writing))
    finally:
        flush_output()
        os._exit(code)


def report(writing: int, text: str, code: int) -> None:
    """Tell the command, which may have been interrupted meanwhile."""
    with contextlib.suppress(OSError):
        os.write(writing, json.dumps([text, code]).encode())
