"""The client's own command, where the suite starts it: `conformance serve websocket -- COMMAND...`.

It finds the suite's address in the environment (`CONFORMANCE_URL`) or where its arguments say `{url}`.
"""

from collections.abc import Sequence
from dataclasses import replace

from conformance.outcomes import TargetDown
from conformance.target.file import ProcessSpec
from conformance.target.fill import UnknownPlaceholder
from conformance.target.folder import Folder
from conformance.target.process import Process, wait_until

VARIABLE = "CONFORMANCE_URL"

FAREWELL = 5.0
"""Seconds for a client that was told that all is done to end by itself."""


class Command:
    """A client that the suite starts, and starts again when a case has lost it. Stop it in the end."""

    def __init__(self, spec: ProcessSpec, url: str) -> None:
        self.spec = replace(spec, env={**spec.env, VARIABLE: url})
        self.folder = Folder(url=url)
        self._process: Process | None = None

    def start(self) -> None:
        """Start the client. Raises TargetDown."""
        try:
            self._process = Process(self.spec, self.folder)
            self._process.start([])
        except UnknownPlaceholder as problem:
            raise TargetDown(f"{problem}, {{url}}") from problem

    def restart(self) -> None:
        """End what is left of the client, and start another. Raises TargetDown."""
        self._end()
        self.start()

    def trouble(self) -> str:
        """Why the client cannot come any more, empty while it lives or was not started."""
        if self._process is None or self._process.alive():
            return ""
        return f"it exited with status {self._process.exit_code()}; it printed: {self._process.last_words()}"

    def farewell(self) -> bool:
        """Whether the client ends by itself, now that it has been told that all is done."""
        process = self._process
        return process is None or wait_until(lambda: not process.alive(), FAREWELL)

    def stop(self) -> None:
        """End whatever is left, and remove the folder."""
        self._end()
        self.folder.remove()

    def _end(self) -> None:
        if self._process:
            self._process.kill()
        self._process = None


def command(arguments: Sequence[str]) -> ProcessSpec:
    """What stands behind `--` on the command line, to be started in the present folder."""
    return ProcessSpec(tuple(arguments))
