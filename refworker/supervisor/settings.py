"""What `run_all` was asked for, in one place."""

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

LOOPS = ("asyncio", "uvloop")


class SettingError(ValueError):
    """A setting that cannot be meant; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service is run. `pid_file` is absolute, `stop_timeout` in seconds, `loop` one of `LOOPS`."""

    program: str
    pid_file: Path
    stop_timeout: float
    loop: str

    @property
    def title(self) -> str:
        """How messages name this service."""
        return f"refworker[{self.program}]"

    @property
    def control_path(self) -> Path:
        """The control socket lies beside the pid file (LIFE-099)."""
        return self.pid_file.with_name(f"{self.pid_file.name}.sock")


def make_settings(pid_file: str | Path | None, stop_timeout: float, loop: str | None) -> Settings:
    """Fill in the defaults: the pid file lies beside the program and carries its name (LIFE-100); the loop is
    `REFWORKER_LOOP`, or asyncio's own. Raises SettingError.
    """
    if not 0 <= stop_timeout < float("inf"):
        raise SettingError(f"stop_timeout is a number of seconds from 0 up, not {stop_timeout}")
    script = Path(getattr(sys.modules["__main__"], "__file__", None) or "program")
    path = Path(pid_file) if pid_file else script.with_name(f"refworker.{script.name}.pid")
    return Settings(script.name, path.absolute(), stop_timeout, checked_loop(loop))


def checked_loop(name: str | None) -> str:
    """The name of an event loop that can be had here. Raises SettingError."""
    name = name or os.environ.get("REFWORKER_LOOP") or "asyncio"
    if name not in LOOPS:
        raise SettingError(f"unknown event loop {name!r}; choose one of {', '.join(LOOPS)}")
    if name == "uvloop" and importlib.util.find_spec("uvloop") is None:
        raise SettingError("uvloop is not installed; pip install 'refworker[fast]', or choose asyncio")
    return name
