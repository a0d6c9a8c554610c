"""Which handlers a service gets; what they write is in `test_logfile.py`."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refworker.callbacks import logger
from refworker.supervisor import log
from refworker.supervisor.logfile import LogFile

from .test_commands import SETTINGS


@contextmanager
def alone() -> Iterator[None]:
    """Without the handlers that the test runner adds to every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "propagate", False)
        patch.setattr(logger, "handlers", [])
        patch.setattr(logger, "level", logger.level)
        yield
        for handler in logger.handlers:
            handler.close()


def kinds() -> list[type]:
    return [type(handler) for handler in logger.handlers]


@pytest.mark.parametrize(
    ("named", "daemon", "expected"),
    [
        (False, False, [logging.StreamHandler]),
        (True, False, [LogFile, logging.StreamHandler]),
        (True, True, [LogFile]),
    ],
)
def test_the_terminal_and_the_file(tmp_path: Path, named: bool, daemon: bool, expected: list[type]) -> None:
    file = tmp_path / "log" if named else None
    with alone():
        log.set_up_log(dataclasses.replace(SETTINGS, log_file=file), daemon=daemon)
        assert kinds() == expected
        assert (log.descriptor() == log.STDERR) is not named


def test_a_program_with_handlers_of_its_own_keeps_them(tmp_path: Path) -> None:
    own = logging.NullHandler()
    with alone():
        logger.addHandler(own)
        log.set_up_log(SETTINGS, daemon=False)
        assert logger.handlers == [own]
        log.set_up_log(dataclasses.replace(SETTINGS, log_file=tmp_path / "log"), daemon=False)
        assert kinds() == [logging.NullHandler, LogFile]
