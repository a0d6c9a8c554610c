"""The master and its processes. Read in this order: `states` (the lifecycle as three tables), `master`,
`slot` and `child`, `process` (the child's side of the fork), `reload`, `control` and `commands`; the rest are
their tools.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from refworker.supervisor import commands
from refworker.supervisor.introspection import (
    ServiceStatus,
    get_all_workers,
    get_graceful_stop,
    get_status,
    is_running,
)
from refworker.supervisor.process import Context, context, reload_service, stop_all, stop_service
from refworker.supervisor.settings import SettingError, make_settings
from refworker.worker import Worker, registered

__all__ = [
    "Context",
    "ServiceStatus",
    "context",
    "get_all_workers",
    "get_graceful_stop",
    "get_status",
    "is_running",
    "reload_service",
    "run_all",
    "stop_all",
    "stop_service",
]


def run_all(
    workers: Sequence[Worker] | None = None,
    *,
    argv: Sequence[str] | None = None,
    daemonize: bool = False,
    pid_file: str | Path | None = None,
    log_file: str | Path | None = None,
    log_file_max_size: int = 10 * 1024 * 1024,
    stdout_file: str | Path = "/dev/null",
    stop_timeout: float = 2.0,
    graceful_timeout: float = 30.0,
    busy_report: float = 5.0,
    busy_timeout: float | None = None,
    loop: str | None = None,
    on_master_reload: Callable[[], Any] | None = None,
    on_master_stop: Callable[[], Any] | None = None,
) -> NoReturn:
    """Carry out the command line of this program; never returns (manual: worker/run-all, LIFE-034).

    `workers` are all that were made, if none are given; `argv` is the program's own, without its name.
    `daemonize` is the option -d. `pid_file` lies beside the program by default; the control socket has its
    name with `.sock` behind. The log goes to stderr, unless the program has set up `logging`, and to
    `log_file`; a daemon's to `refworker.log` beside the program by default. Of a log larger than
    `log_file_max_size` bytes the older half is dropped; 0: never. A daemon's output goes to `stdout_file`.

    A process that was told to go has `stop_timeout` seconds, after a graceful command `graceful_timeout`;
    then it is killed. A process whose event loop does not answer for `busy_report` seconds is reported, with
    its stack, and after `busy_timeout` seconds, where that is set, it is killed and replaced. `loop` is
    `asyncio` or `uvloop`; by default the environment's `REFWORKER_LOOP`.

    `on_master_reload` is called in the master after each reload, by the new code and before it forks; it may
    change the `count` of workers. `on_master_stop` is the last thing that the master does.

    Ends the program with exit code 0 done, 1 failed, 2 wrong usage, 3 not running, 4 no permission.
    """
    try:
        settings = make_settings(
            daemonize=daemonize,
            pid_file=pid_file,
            log_file=log_file,
            log_file_max_size=log_file_max_size,
            stdout_file=stdout_file,
            stop_timeout=stop_timeout,
            graceful_timeout=graceful_timeout,
            busy_report=busy_report,
            busy_timeout=busy_timeout,
            loop=loop,
            on_master_reload=on_master_reload,
            on_master_stop=on_master_stop,
        )
    except SettingError as problem:
        print(f"run_all: {problem}", file=sys.stderr)
        sys.exit(commands.FAILURE)
    found = registered() if workers is None else workers
    sys.exit(commands.main(settings, found, sys.argv[1:] if argv is None else argv))
