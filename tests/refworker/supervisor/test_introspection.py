"""What a program is told about the process that it runs in, by real masters and workers."""

import refworker
from refworker import ServiceStatus

from .service import Make, eventually

TELLS = """
from refworker import get_all_workers, get_graceful_stop, get_status, is_running

def told(where):
    print(where, get_status().name, is_running(), get_graceful_stop(), len(get_all_workers()), flush=True)

Worker(name="other")
worker.on_worker_start = lambda worker: told("start")
worker.on_worker_drain = lambda worker: told("drain")
COMMANDS["told"] = lambda connection: (told("message"), connection.send("told"))[1]
told("program")
"""

END = """
callbacks = {f"on_master_{what}": lambda what=what: told(f"master {what}") for what in ("reload", "stop")}
run_all(stop_timeout=1.0, **callbacks)
"""


def test_nothing_runs_where_nobody_called_run_all() -> None:
    assert refworker.get_status() is ServiceStatus.INITIAL
    assert not refworker.is_running()
    assert not refworker.get_graceful_stop()


def test_every_process_knows_where_it_stands(service: Make) -> None:
    running = service(extra=TELLS, end=END).started()
    assert running.say("told") == "told"
    assert running.command("reload").returncode == 0
    eventually(lambda: "drain RELOADING True False 1" in running.out, "the end of the old processes")
    assert running.command("stop", "-g").returncode == 0
    for line in (
        "program INITIAL False False 2",
        "start STARTING True False 1",
        "message RUNNING True False 1",
        "master reload RELOADING True False 2",
        "drain SHUTDOWN True True 1",
        "master stop SHUTDOWN True True 2",
    ):
        assert line in running.out
