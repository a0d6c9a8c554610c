"""Starts that succeed, and starts that are refused, in real processes."""

import json
import socket
import stat
from pathlib import Path

import pytest

from .service import Make, eventually, gone, new_child


def test_the_start_table_names_every_worker(service: Make) -> None:
    running = service(extra="Worker(name='timer')\n").started()
    rows = [line.split()[-4:] for line in running.out.splitlines() if line.endswith("[OK]")]
    address = f"text://127.0.0.1:{running.port()}"
    assert rows == [["echo", address, "2", "[OK]"], ["timer", "none", "1", "[OK]"]]


def test_one_master_and_count_children(service: Make) -> None:
    running = service(extra="worker.count = 3\n").started()
    assert len(running.children()) == 3
    assert running.master
    assert running.pid_file.read_text() == f"{running.master.pid}\n"
    assert stat.S_IMODE(running.pid_file.stat().st_mode) == 0o644


def test_a_process_knows_who_it_is(service: Make) -> None:
    running = service(extra="worker.count = 1\n").started()
    assert running.master
    (child,) = running.children()
    assert json.loads(running.say("who")) == {
        "pid": child,
        "id": 0,
        "name": "echo",
        "master": running.master.pid,
    }


def test_the_program_does_not_go_on_after_run_all(service: Make) -> None:
    running = service().started()
    running.say("crash")
    running.command("stop")
    assert running.wait() == 0
    assert "AFTER" not in running.out


def test_workers_start_when_all_is_bound_and_written(service: Make) -> None:
    extra = (
        "@worker.on_worker_start\n"
        "def started(worker):\n"
        "    print('pid file', os.path.exists('refworker.app.py.pid'), 'id', worker.id)\n"
    )
    running = service(extra=extra)
    running.started(cwd=running.folder)
    assert "pid file True id 0" in running.out
    assert "pid file True id 1" in running.out


def test_nothing_is_reported_before_every_process_is_ready(service: Make) -> None:
    extra = (
        "@worker.on_worker_start\n"
        "async def slow(worker):\n"
        "    import asyncio\n"
        "    while not os.path.exists('go'):\n"
        "        await asyncio.sleep(0.01)\n"
    )
    running = service(extra=extra)
    running.start(cwd=running.folder)
    eventually(lambda: len(running.children()) == 2, "two processes")
    report = running.status()
    assert report["master"]["state"] == "starting"
    assert {process["state"] for process in report["processes"]} == {"starting"}
    assert running.out == ""
    (running.folder / "go").touch()
    eventually(lambda: "Start success" in running.out, "the report")
    assert running.status()["master"]["state"] == "running"


def test_processes_have_random_numbers_of_their_own(service: Make) -> None:
    extra = (
        "import random\nworker.count = 4\n"
        "@worker.on_worker_start\n"
        "def started(worker):\n    print('dice', random.random())\n"
    )
    running = service(extra=extra).started()
    dice = [line for line in running.out.splitlines() if line.startswith("dice")]
    assert len(set(dice)) == 4


def test_a_process_keeps_only_its_own_descriptors(service: Make) -> None:
    extra = (
        "worker.count = 1\nfor number in range(3):\n    Worker('text://127.0.0.1:0', name='other', count=2)\n"
    )
    running = service(extra=extra).started()
    control = socket.socket(socket.AF_UNIX)
    control.connect(f"{running.pid_file}.sock")
    before = running.children()
    running.say("crash")  # its replacement is forked while everything else is open
    new_child(running, before)
    files = eventually(lambda: running.say("files"), "an answer")
    # Its listener, its channel, its client, and asyncio's pair; nobody else's, and no lock.
    assert json.loads(files).count("socket") == 5
    assert not any("refworker" in name for name in json.loads(files))
    control.close()


def test_the_service_runs_on_uvloop(service: Make) -> None:
    pytest.importorskip("uvloop")
    running = service(end="\nrun_all(stop_timeout=1.0, loop='uvloop')\n").started()
    assert "uvloop" in running.out
    before = running.children()
    assert running.say("hello") == "hello"
    running.tell("exit 3").close()
    new_child(running, before)
    assert running.status()["master"]["event_loop"] == "uvloop"
    assert running.command("stop").returncode == 0
    assert gone(running)


def test_a_second_start_changes_nothing(service: Make) -> None:
    running = service().started()
    before = running.children()
    second = running.command("start")
    assert second.returncode == 1
    assert running.master
    assert f"already running (pid {running.master.pid})" in second.stderr
    assert running.children() == before
    assert running.say("hello") == "hello"
    assert running.pid_file.read_text() == f"{running.master.pid}\n"


def test_an_address_in_use_starts_nothing(service: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = service(extra=f"Worker('text://127.0.0.1:{port}')\n")
        done = refused.command("start")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert refused.leftovers() == []


def test_a_program_without_workers_is_refused(service: Make) -> None:
    empty = service(end="\nrun_all([])\n")
    done = empty.command("start")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert empty.leftovers() == []


def test_a_pid_file_that_cannot_be_written_is_refused(service: Make) -> None:
    refused = service(end="\nrun_all(pid_file='/no/such/folder/pid')\n")
    done = refused.command("start")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "/no/such/folder/pid" in done.stderr


def test_a_foreign_file_in_place_of_the_control_socket_stays(service: Make) -> None:
    refused = service()
    precious = Path(f"{refused.pid_file}.sock")
    precious.write_text("precious")
    done = refused.command("start")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert precious.read_text() == "precious"
    assert not refused.pid_file.exists()


def test_long_paths_fit(service: Make) -> None:
    folder = "x" * 60
    end = f"\nimport pathlib\nrun_all(pid_file=pathlib.Path(__file__).parent / '{folder}' / '{folder}.pid')\n"
    running = service(end=end)
    (running.folder / folder).mkdir()
    running.started()
    assert running.command("status").returncode == 0
    assert running.command("stop").returncode == 0
    assert list((running.folder / folder).iterdir()) == []
