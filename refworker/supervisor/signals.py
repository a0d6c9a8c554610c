"""Signals of the master: a byte in a socket for the `selectors` loop, and none lost or misled by a fork."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Each of them stops the service, or, sent to a single process, that process (LIFE-054, LIFE-055)."""

GRACEFUL = (signal.SIGQUIT, signal.SIGUSR2)
"""Stop and reload in their patient form."""

RELOADING = (signal.SIGUSR1, signal.SIGUSR2)

IGNORED = (signal.SIGPIPE,)
"""Writing tells it better."""

COMMANDS = (*STOPPING, signal.SIGQUIT, *RELOADING)
"""What people and programs send; SIGTSTP and SIGABRT do what they do everywhere."""

HEARD = (*COMMANDS, signal.SIGCHLD)

USED = (*HEARD, *IGNORED)

REPORT = signal.SIGRTMIN + 1
"""The master to a process that does not answer: write to the log where you are (`faulthandler`)."""


class SignalInbox:
    """Collects the master's signals; readable when there are some."""

    def __init__(self) -> None:
        """Take the signals over. Only in the main thread, as Python demands."""
        self._inbox, self._outbox = socket.socketpair()
        self._inbox.setblocking(False)
        self._outbox.setblocking(False)
        # A full buffer may lose a byte without harm: whoever filled it has already woken the master.
        signal.set_wakeup_fd(self._outbox.fileno(), warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, _noted)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)

    def fileno(self) -> int:
        """For selectors."""
        return self._inbox.fileno()

    def take(self) -> list[signal.Signals]:
        """The signals that have come since the last call, in their order."""
        try:
            return [signal.Signals(number) for number in self._inbox.recv(4096)]
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Stop listening. The handlers stay: a late signal must not spoil the exit code of a master that
        ends.
        """
        signal.set_wakeup_fd(-1)
        self._inbox.close()
        self._outbox.close()


def restore_defaults() -> None:
    """In the child: the master's handlers are not ours, nor what it ignores (programs that a worker starts
    would inherit that).
    """
    for number in USED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python has it


def _noted(number: int, frame: object) -> None:
    """The wake-up descriptor has the byte; Python wants a function all the same."""


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals wait. A child that is forked inside keeps them waiting until it calls `let_in`: otherwise
    one that comes before its own handlers stand would write into the master's inbox.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, USED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hold_back() -> None:
    """Let signals wait until `let_in`, over an execve too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, USED)


def let_in() -> None:
    """From now on signals arrive, those that have waited first."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, USED)
