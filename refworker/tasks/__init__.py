"""Task workers and the dispatcher that calls them. Read in this order: `wire` (what is said), `worker` and
`conversation` (who answers), `dispatcher`, `pool` and `link` (who asks), `fanout` and `errors`.
"""

from refworker.tasks.dispatcher import Caller, Dispatcher
from refworker.tasks.errors import (
    TaskBusy,
    TaskClosed,
    TaskConnectionLost,
    TaskError,
    TaskFailed,
    TaskInvalid,
    TaskTimeout,
    TaskUnreachable,
)
from refworker.tasks.fanout import Outcome
from refworker.tasks.worker import TaskWorker

__all__ = [
    "Caller",
    "Dispatcher",
    "Outcome",
    "TaskBusy",
    "TaskClosed",
    "TaskConnectionLost",
    "TaskError",
    "TaskFailed",
    "TaskInvalid",
    "TaskTimeout",
    "TaskUnreachable",
    "TaskWorker",
]
