"""Where messages go: to stderr in the foreground, to the log file of a daemon or of a program that names one
(LIFE-102).
"""

import logging
import sys

from refworker.callbacks import logger
from refworker.supervisor.logfile import LogFile, formatter
from refworker.supervisor.settings import Settings

STDERR = 2


def set_up_log(settings: Settings, *, daemon: bool) -> None:
    """Add the handlers that the settings ask for. A program that has its own keeps them, and gets only the
    log file that it names. Raises OSError.
    """
    foreign = logger.hasHandlers()
    if settings.log_file:
        add(LogFile(settings.log_file, settings.log_file_max_size))
    if not foreign and not daemon:
        add(logging.StreamHandler())


def add(handler: logging.Handler) -> None:
    """Write through a handler from now on."""
    handler.setFormatter(formatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def descriptor() -> int:
    """Where a process writes the stack of a crash: into the log file, if there is one, else to stderr; -1 for
    nowhere.
    """
    files = [handler for handler in logger.handlers if isinstance(handler, LogFile)]
    if files:
        return files[0].fileno()
    return STDERR if sys.stderr else -1
