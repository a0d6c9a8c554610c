"""The master and its processes. Read in this order: `states` (the lifecycle as two tables), `master`, `slot`,
`process` (the child's side of the fork), `control` and `commands`; the rest are their tools.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from refworker.callbacks import logger
from refworker.supervisor import commands
from refworker.supervisor.logfile import formatter
from refworker.supervisor.process import Context, context, stop_all, stop_service
from refworker.supervisor.settings import SettingError, make_settings
from refworker.worker import Worker, registered

__all__ = ["Context", "context", "run_all", "stop_all", "stop_service"]


def run_all(
    workers: Sequence[Worker] | None = None,
    *,
    argv: Sequence[str] | None = None,
    pid_file: str | Path | None = None,
    stop_timeout: float = 2.0,
    loop: str | None = None,
) -> NoReturn:
    """Carry out the command line of this program; never returns (manual: worker/run-all, LIFE-034).

    `workers` are all that were made, if none are given; `argv` is the program's own, without its name.
    `pid_file` lies beside the program by default; the control socket has its name with `.sock` behind. After
    `stop_timeout` seconds a process that does not stop is killed. `loop` is `asyncio` or `uvloop`; by default
    the environment's `REFWORKER_LOOP`.

    Ends the program with exit code 0 done, 1 failed, 2 wrong usage, 3 not running, 4 no permission. The log
    goes to stderr unless the program has set up `logging`.
    """
    set_up_log()
    try:
        settings = make_settings(pid_file, stop_timeout, loop)
    except SettingError as problem:
        print(f"run_all: {problem}", file=sys.stderr)
        sys.exit(commands.FAILURE)
    found = registered() if workers is None else workers
    sys.exit(commands.main(settings, found, sys.argv[1:] if argv is None else argv))


def set_up_log() -> None:
    """Log to stderr, with time and pid (LIFE-102), unless the program has its own handlers."""
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(formatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
