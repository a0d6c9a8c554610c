"""What a program may ask about the process that it runs in (LIFE-019), in the master and in its workers."""

from enum import IntEnum
from typing import Protocol

from refworker.supervisor.states import MasterState as M
from refworker.worker import Worker, beside, registered


class ServiceStatus(IntEnum):
    """Where a process stands, by the manual's numbers."""

    INITIAL = 0  # `run_all` has not begun, or a worker runs without it
    STARTING = 1
    RUNNING = 2
    SHUTDOWN = 4  # it leaves
    RELOADING = 8  # in the master: new processes take over; in a process: it leaves, since it has a successor


STATUS = {
    M.STARTING: ServiceStatus.STARTING,
    M.RUNNING: ServiceStatus.RUNNING,
    M.CHECKING: ServiceStatus.RUNNING,  # whether there will be a reload is not known yet
    M.RELOADING: ServiceStatus.RELOADING,
    M.DRAINING: ServiceStatus.SHUTDOWN,
    M.STOPPING: ServiceStatus.SHUTDOWN,
    M.STOPPED: ServiceStatus.SHUTDOWN,
}


class Runner(Protocol):
    """Whoever runs this process: the master, or a worker's side of the fork."""

    @property
    def worker(self) -> Worker | None:
        """The worker that this process is of; the master is of none."""

    @property
    def status(self) -> ServiceStatus:
        """Where it stands."""

    @property
    def leaves_gracefully(self) -> bool:
        """Whether a graceful command ends it."""


class Nobody:
    """Before `run_all`, and in programs that embed a worker."""

    worker: Worker | None = None
    status = ServiceStatus.INITIAL
    leaves_gracefully = False


_runner: Runner = Nobody()


def run_by(runner: Runner) -> None:
    """From now on `runner` knows where this process stands."""
    global _runner
    _runner = runner


def get_status() -> ServiceStatus:
    """Where this process stands (manual: worker/get-status)."""
    return _runner.status


def is_running() -> bool:
    """Whether `run_all` is at work here, from the start to the end."""
    return _runner.status is not ServiceStatus.INITIAL


def get_graceful_stop() -> bool:
    """Whether this process leaves by a graceful command, and so has `graceful_timeout` seconds for it."""
    return _runner.leaves_gracefully


def get_all_workers() -> list[Worker]:
    """In the master all workers of the program, in a worker process its own, and what listens beside it."""
    return [_runner.worker, *reversed(beside())] if _runner.worker else registered()
