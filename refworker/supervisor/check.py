"""Does the program still work? A process of its own finds out, before anything of the old one is given up.

It runs the program up to `run_all`, which then only looks at the workers and their addresses. Whatever it
prints explains a failure. It is not one of the service's processes, and what it does harms nobody: the
program's top level runs for every command anyway (LIFE-034).
"""

import json
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Sequence

from refworker.supervisor import program
from refworker.supervisor.agenda import Agenda
from refworker.worker import Worker

CHECK = "REFWORKER_CHECK"
"""Environment variable that makes `run_all` a check; its value: the addresses that are ours already."""

PASSED = 83
"""Exit code of a check that was passed: a program that never calls `run_all` does not end with it."""

PATIENCE = 30.0
"""Seconds that a program may take to reach `run_all`."""

LONGEST = 65536
"""Bytes of its last words that are kept."""


class Check:
    """One run of the program as it is now."""

    def __init__(
        self,
        addresses: Sequence[str],
        selector: selectors.BaseSelector,
        agenda: Agenda,
        done: Callable[[str], None],
    ) -> None:
        """Start it. `done` is called with the reason why the program does not work, empty if it does."""
        self._selector, self._done = selector, done
        self._words = b""
        program.forget_compiled()
        self._process = subprocess.Popen(
            program.command_line(),
            cwd=program.FOLDER,
            env=os.environ | {CHECK: json.dumps(list(addresses))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        selector.register(self._output, selectors.EVENT_READ, lambda mask: self._read())
        self._deadline = agenda.later(PATIENCE, self._too_slow)
        self._slow = False

    @property
    def pid(self) -> int:
        """Of the process that checks."""
        return self._process.pid

    def reap(self) -> None:
        """The process has ended: tell what it found."""
        code = self._process.wait()
        while self._read():
            pass
        self._close()
        self._done("" if code == PASSED else self._reason(code))

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._close()

    def _read(self) -> bool:
        try:
            data = os.read(self._output, LONGEST)
        except BlockingIOError:
            return False
        if not data:
            self._stop_reading()
        self._words = (self._words + data)[-LONGEST:]
        return bool(data)

    def _close(self) -> None:
        assert self._process.stdout
        self._deadline.cancel()
        self._stop_reading()
        self._process.stdout.close()

    def _stop_reading(self) -> None:
        if self._output in self._selector.get_map():
            self._selector.unregister(self._output)

    def _too_slow(self) -> None:
        self._slow = True
        self._process.kill()

    def _reason(self, code: int) -> str:
        if self._slow:
            return f"the program does not reach run_all() within {PATIENCE:g} s"
        words = self._words.decode(errors="replace").strip()
        if words:
            return words
        return f"the program ended with exit code {code} and did not call run_all()"


def requested() -> list[str] | None:
    """The addresses that are ours already, if this run of the program is a check; else None."""
    value = os.environ.pop(CHECK, None)
    return None if value is None else list(json.loads(value))


def look_at(workers: Sequence[Worker], known: Sequence[str]) -> None:
    """Bind what is not bound already, and let it go again; read certificates, which may be new. Raises
    OSError.
    """
    for worker in workers:
        worker.secure()
        if worker.place not in known:
            worker.bind()
            worker.release()
