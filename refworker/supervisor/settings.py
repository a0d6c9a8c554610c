"""What `run_all` was asked for, in one place."""

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOPS = ("asyncio", "uvloop")
DEFAULT_LOG = "refworker.log"


class SettingError(ValueError):
    """A setting that cannot be meant; the message names the cure."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service is run: `run_all` explains each. Paths are absolute, times in seconds, sizes in bytes."""

    program: str
    pid_file: Path
    log_file: Path | None
    log_file_max_size: int
    stdout_file: Path
    daemonize: bool
    stop_timeout: float
    graceful_timeout: float
    busy_report: float
    busy_timeout: float | None
    loop: str
    on_master_reload: Callable[[], Any] | None
    on_master_stop: Callable[[], Any] | None

    @property
    def title(self) -> str:
        """How messages name this service."""
        return f"refworker[{self.program}]"

    @property
    def control_path(self) -> Path:
        """The control socket lies beside the pid file (LIFE-099)."""
        return self.pid_file.with_name(f"{self.pid_file.name}.sock")


def make_settings(
    *,
    pid_file: str | Path | None,
    log_file: str | Path | None,
    stdout_file: str | Path,
    loop: str | None,
    **others: Any,
) -> Settings:
    """Fill in the defaults: files lie beside the program and carry its name (LIFE-100); the loop is
    `REFWORKER_LOOP`, or asyncio's own. Raises SettingError.
    """
    for name in ("stop_timeout", "graceful_timeout", "busy_report", "busy_timeout"):
        seconds = others[name]
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise SettingError(f"{name} is a number of seconds from 0 up, not {seconds}")
    script = Path(getattr(sys.modules["__main__"], "__file__", None) or "program")
    path = Path(pid_file) if pid_file else script.with_name(f"refworker.{script.name}.pid")
    return Settings(
        program=script.name,
        pid_file=path.absolute(),
        log_file=Path(log_file).absolute() if log_file else None,
        stdout_file=Path(stdout_file).absolute(),
        loop=checked_loop(loop),
        **others,
    )


def default_log() -> Path:
    """Where a daemon logs that was told nothing: beside the program."""
    script = Path(getattr(sys.modules["__main__"], "__file__", None) or "program")
    return script.with_name(DEFAULT_LOG).absolute()


def checked_loop(name: str | None) -> str:
    """The name of an event loop that can be had here. Raises SettingError."""
    name = name or os.environ.get("REFWORKER_LOOP") or "asyncio"
    if name not in LOOPS:
        raise SettingError(f"unknown event loop {name!r}; choose one of {', '.join(LOOPS)}")
    if name == "uvloop" and importlib.util.find_spec("uvloop") is None:
        raise SettingError("uvloop is not installed; pip install 'refworker[fast]', or choose asyncio")
    return name
