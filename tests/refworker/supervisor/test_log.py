"""Which handlers a service gets; what they write is in `test_logfile.py`."""

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from refworker.callbacks import logger
from refworker.supervisor import log
from refworker.supervisor.logfile import LogFile

from .test_commands import SETTINGS


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [])  # the test runner has some of its own
    level = logger.level
    yield
    for handler in logger.handlers:
        handler.close()
    logger.setLevel(level)


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
    log.set_up_log(dataclasses.replace(SETTINGS, log_file=file), daemon=daemon)
    assert kinds() == expected
    assert (log.descriptor() == log.STDERR) is not named


def test_a_program_with_handlers_of_its_own_keeps_them(tmp_path: Path) -> None:
    own = logging.NullHandler()
    logger.addHandler(own)
    log.set_up_log(SETTINGS, daemon=False)
    assert logger.handlers == [own]
    log.set_up_log(dataclasses.replace(SETTINGS, log_file=tmp_path / "log"), daemon=False)
    assert kinds() == [logging.NullHandler, LogFile]
