"""Processes that crash, hang, freeze or cannot be forked, and what the master makes of it."""

import json
import os
import signal
import socket
from itertools import pairwise

import pytest

from .service import Make, alive, eventually, gone, new_child, refuses


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("crash", "exit with status 1792 (exit code 7)"),
        ("exit 3", "exit with status 768 (exit code 3)"),
        ("stop_all 9", "exit with status 2304 (exit code 9)"),
        ("stop_all 0", ""),
    ],
)
def test_a_process_that_ends_is_replaced(service: Make, message: str, logged: str) -> None:
    running = service(extra="worker.count = 1\n").started()
    before = running.children()
    running.tell(message).close()
    pid = new_child(running, before)
    who = json.loads(eventually(lambda: running.say("who"), "an answer"))
    assert (who["pid"], who["id"]) == (pid, 0)
    assert logged in running.err
    assert bool(logged) == ("exit with status" in running.err)
    report = running.status()
    assert sum(report["workers"][0]["exits"].values()) == 1
    assert report["totals"]["exits"] == 1


def test_a_killed_process_is_replaced_under_its_id(service: Make) -> None:
    running = service().started()
    before = running.children()
    victim = next(process for process in running.status()["processes"] if process["id"] == 1)
    os.kill(victim["pid"], signal.SIGKILL)
    pid = new_child(running, before)
    by_id = {process["id"]: process["pid"] for process in running.status()["processes"]}
    assert by_id[1] == pid
    assert f"worker[echo:{victim['pid']}] exit with status 9 (SIGKILL)" in running.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_to_a_process_ends_it_in_good_order(service: Make, number: signal.Signals) -> None:
    extra = "@worker.on_worker_stop\ndef stopped(worker):\n    print('stopped', os.getpid())\n"
    running = service(extra=extra).started()
    before = running.children()
    victim = min(before)
    os.kill(victim, number)
    new_child(running, before)
    assert f"stopped {victim}" in running.out
    assert "exit with status" not in running.err
    assert not running.ended()


def test_a_frozen_process_is_not_a_dead_one(service: Make) -> None:
    running = service().started()
    before = running.children()
    os.kill(min(before), signal.SIGSTOP)
    states = {process["pid"]: process["state"] for process in running.status()["processes"]}
    assert states[min(before)] == "busy"
    assert running.children() == before
    assert running.command("stop").returncode == 0
    assert gone(running)


def test_a_crash_loop_is_throttled_and_ends_when_its_cause_does(service: Make) -> None:
    extra = (
        "@worker.on_worker_start\n"
        "def crash(worker):\n"
        "    if worker.id == 0 and not os.path.exists('repaired'):\n"
        "        with open('starts', 'a') as file:\n"
        "            file.write(f'{time.monotonic()}\\n')\n"
        "        os._exit(1)\n"
    )
    running = service(extra=extra)
    running.start(cwd=running.folder)
    starts = running.folder / "starts"
    eventually(lambda: starts.exists() and len(starts.read_text().splitlines()) >= 6, "six starts")
    assert running.status()["master"]["state"] == "starting"
    (running.folder / "repaired").touch()
    eventually(lambda: "Start success" in running.out, "the recovery")
    times = [float(line) for line in starts.read_text().splitlines()]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(pause >= delay for pause, delay in zip(pauses, [0, 0.1, 0.2, 0.4, 0.8], strict=False))
    assert running.err.count("exit with status 256 (exit code 1)") == len(times)


def test_a_crash_loop_does_not_delay_the_stop(service: Make) -> None:
    running = service(extra="worker.on_worker_start = lambda worker: os._exit(1)\n").start()
    eventually(lambda: "next start in 0.8 s" in running.err, "growing delays")
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert "SIGKILL" not in running.err


def test_an_error_in_on_worker_start_leaves_the_others_serving(service: Make) -> None:
    extra = (
        "@worker.on_worker_start\n"
        "def broken(worker):\n"
        "    if worker.id == 0:\n"
        "        raise RuntimeError('broken start')\n"
    )
    running = service(extra=extra).start()
    eventually(lambda: "next start in 0.2 s" in running.err, "growing delays")
    assert "RuntimeError: broken start" in running.err
    assert "exit with status 64000 (exit code 250)" in running.err
    address = running.status()["processes"][1]["address"]
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as client:
        client.sendall(b"hello\n")
        assert client.makefile().readline() == "hello\n"


def test_a_failure_to_fork_is_repaired(service: Make) -> None:
    extra = (
        "fork, failures = os.fork, [1, 1, 1]\n"
        "def unwilling():\n"
        "    if failures:\n"
        "        failures.pop()\n"
        "        raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        "    return fork()\n"
        "os.fork = unwilling\n"
    )
    running = service(extra=extra).started()
    assert running.err.count("cannot fork a process for worker echo") == 3
    assert len(running.children()) == 2


@pytest.mark.parametrize("word", ["", "hang", "spin"])
def test_processes_do_not_outlive_their_master(service: Make, word: str) -> None:
    running = service().started()
    running.children()
    client = running.tell(word) if word else None
    if word:
        eventually(lambda: "busy" in {each["state"] for each in running.status()["processes"]}, "busy")
    assert running.master
    running.master.kill()
    running.master.wait()
    eventually(lambda: not any(map(alive, running.known)), "the end of all processes")
    assert refuses(running)
    assert running.command("status").returncode == 3
    assert running.command("stop").returncode == 0
    (running.folder / "out").write_text("")
    running.started()
    assert "is not alive" in running.out
    if client:
        client.close()


def test_a_failing_master_takes_its_processes_with_it(service: Make) -> None:
    extra = (
        "from refworker.supervisor.master import Master\n"
        "def broken(self):\n    raise RuntimeError('broken master')\n"
        "Master.report_started = broken\n"
    )
    running = service(extra=extra).start()
    eventually(lambda: running.children() or running.ended(), "processes")
    assert running.wait() == 1
    assert "broken master" in running.err
    assert not any(map(alive, running.known))
    assert running.leftovers() == []
