"""How a service ends, and what it leaves: nothing. In real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .service import Make, alive, eventually, gone, refuses


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with the service."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("note", ["garbage", "-1", "0", "1", "", "999999999"])
def test_a_stale_pid_file_is_taken_over(service: Make, note: str) -> None:
    running = service()
    running.pid_file.write_text(note)
    assert running.command("status").returncode == 3
    assert running.command("stop").returncode == 0
    running.started()
    assert not note or f"Master pid:{note} is not alive" in running.out
    assert running.master
    running.master.terminate()
    assert running.wait() == 0
    assert gone(running)


def test_a_foreign_process_in_the_pid_file_is_left_alone(
    service: Make, bystander: "subprocess.Popen[bytes]"
) -> None:
    running = service()
    running.pid_file.write_text(f"{bystander.pid}\n")
    assert running.command("stop").returncode == 0
    assert running.command("status").returncode == 3
    running.started()
    running.pid_file.write_text(f"{bystander.pid}\n")  # and once more under the running service
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert bystander.poll() is None


def test_a_service_that_lost_its_pid_file_can_be_stopped(service: Make) -> None:
    running = service().started()
    running.pid_file.unlink()
    assert running.command("status").returncode == 0
    second = running.command("start")
    assert second.returncode == 1
    assert "stop it first" in second.stderr
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert running.leftovers() == []


def test_a_pid_file_that_was_replaced_is_not_removed(service: Make) -> None:
    running = service().started()
    running.pid_file.unlink()
    running.pid_file.write_text("somebody else's")
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert running.pid_file.read_text() == "somebody else's"


def test_a_service_without_its_control_socket_is_not_called_stopped(service: Make) -> None:
    running = service().started()
    Path(f"{running.pid_file}.sock").unlink()
    done = running.command("stop")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "is locked" in done.stderr
    assert not running.ended()


def test_stop_leaves_nothing(service: Make) -> None:
    running = service().started()
    running.children()
    done = running.command("stop")
    assert done.returncode == 0
    assert "stop success" in done.stdout
    assert running.master
    assert not alive(running.master.pid)
    assert gone(running)
    assert running.wait() == 0
    assert "has been stopped" in running.err


def test_stop_does_not_mind_a_parent_that_does_not_reap(service: Make) -> None:
    running = service().started()
    assert running.command("stop").returncode == 0  # the master is a zombie of this test meanwhile
    assert running.command("status").returncode == 3
    assert running.wait() == 0


def test_several_stops_at_once_all_succeed(service: Make) -> None:
    running = service().started()
    command = [sys.executable, str(running.program), "stop"]
    stops = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [stop.wait(10) for stop in stops] == [0, 0, 0, 0]
    assert running.wait() == 0


def test_of_several_starts_one_succeeds(service: Make) -> None:
    starts = [service() for _ in range(4)]
    for each in starts:
        each.start()
    eventually(lambda: [each.ended() for each in starts].count(True) == 3, "three refusals")
    (running,) = (each for each in starts if not each.ended())
    eventually(lambda: "Start success" in running.out, "one start")
    assert [each.wait() for each in starts if each is not running] == [1, 1, 1]
    assert running.err.count("already running") == 3
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert running.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_stops_the_service(service: Make, number: signal.Signals) -> None:
    running = service().started()
    running.children()
    assert running.master
    running.master.send_signal(number)
    assert running.wait() == 0
    assert gone(running)
    assert f"received signal {number.name}" in running.err


def test_ctrl_c_reaches_the_whole_group_without_a_traceback(service: Make) -> None:
    running = service().started(start_new_session=True)
    running.children()
    assert running.master
    os.killpg(running.master.pid, signal.SIGINT)
    assert running.wait() == 0
    assert gone(running)
    assert "Traceback" not in running.err
    assert "exit with status" not in running.err


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGCHLD])
def test_other_signals_do_not_stop_the_service(service: Make, number: signal.Signals) -> None:
    running = service().started()
    before = running.children()
    assert running.master
    running.master.send_signal(number)
    assert running.status()["master"]["state"] == "running"
    assert running.children() == before


@pytest.mark.parametrize("word", ["hang", "spin"])
def test_a_process_that_hangs_is_killed_at_the_deadline(service: Make, word: str) -> None:
    running = service().started()
    running.children()
    client = running.tell(word)
    eventually(lambda: "busy" in {process["state"] for process in running.status()["processes"]}, "busy")
    begin = time.monotonic()
    assert running.command("stop").returncode == 0
    assert time.monotonic() - begin >= 1.0
    assert gone(running)
    assert "exit with status 9 (SIGKILL)" in running.err
    client.close()


def test_stop_during_a_slow_start(service: Make) -> None:
    extra = (
        "@worker.on_worker_start\nasync def slow(worker):\n    import asyncio\n    await asyncio.sleep(100)\n"
    )
    running = service(extra=extra).start()
    eventually(lambda: len(running.children()) == 2, "two processes")
    eventually(lambda: running.command("status").returncode == 0, "the control socket")
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert "Traceback" not in running.err


def test_a_callback_may_stop_the_service(service: Make) -> None:
    running = service().started()
    running.children()
    running.tell("stop_service").close()
    assert running.wait() == 0
    assert gone(running)


def test_an_error_in_on_worker_stop_does_not_spoil_the_stop(service: Make) -> None:
    extra = "@worker.on_worker_stop\ndef broken(worker):\n    raise RuntimeError('broken stop')\n"
    running = service(extra=extra).started()
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert "broken stop" in running.err
    assert "exit with status" not in running.err


def test_programs_that_a_worker_starts_hold_no_port(service: Make) -> None:
    running = service().started()
    program = json.loads(running.say("run sleep 100"))["pid"]
    try:
        assert running.command("stop").returncode == 0
        assert alive(program)
        assert refuses(running)
    finally:
        os.kill(program, signal.SIGKILL)
