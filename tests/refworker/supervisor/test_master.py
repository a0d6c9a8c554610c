"""The life of a service, in real processes."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from .service import Service, alive, eventually

Make = Callable[..., Service]

OTHER_USER = 65534


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with the service."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def refuses(service: Service) -> bool:
    try:
        service.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def gone(service: Service) -> bool:
    """Neither processes, nor files, nor a listening port."""
    return not any(map(alive, service.known)) and not service.leftovers() and refuses(service)


def new_child(service: Service, before: set[int]) -> int:
    """The pid of the only process that was not there before, when the service is complete again."""

    def replacement() -> set[int] | None:
        now = service.children()
        return now - before if len(now) == len(before) and len(now - before) == 1 else None

    (pid,) = eventually(replacement, "a replacement")
    return int(pid)


# -- start -----------------------------------------------------------------------------------------


def test_the_start_table_names_every_worker(service: Make) -> None:
    running = service(extra="Worker(name='timer')\n").started()
    assert f"echo    text://127.0.0.1:{running.port()}      2  [OK]" in running.out
    assert "timer   none                        1  [OK]" in running.out
    assert running.out.index("echo ") < running.out.index("timer ")


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


# -- refused starts --------------------------------------------------------------------------------


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


# -- the pid file is a note ------------------------------------------------------------------------


@pytest.mark.parametrize("note", ["garbage", "-1", "0", "1", "", "999999999"])
def test_a_stale_pid_file_is_taken_over(service: Make, note: str) -> None:
    running = service()
    running.pid_file.write_text(note)
    assert running.command("status").returncode == 3
    assert running.command("stop").returncode == 0
    running.started()
    assert not note or f"Master pid:{note} is not alive" in running.out
    assert running.command("stop").returncode == 0
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


# -- stop ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD])
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


# -- supervision -----------------------------------------------------------------------------------


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
    (process,) = running.status()["processes"]
    assert sum(process["exits"].values()) == 1


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
    (running.folder / "repaired").touch()
    times = [float(line) for line in starts.read_text().splitlines()]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(pause >= delay for pause, delay in zip(pauses, [0, 0.1, 0.2, 0.4, 0.8], strict=False))
    assert running.status()["master"]["state"] == "starting"
    eventually(lambda: "Start success" in running.out, "the recovery")
    assert running.err.count("exit with status 256 (exit code 1)") == len(times)


def test_a_crash_loop_does_not_delay_the_stop(service: Make) -> None:
    running = service(extra="worker.on_worker_start = lambda worker: os._exit(1)\n").start()
    eventually(lambda: "next start in 0.8 s" in running.err, "growing delays")
    begin = time.monotonic()
    assert running.command("stop").returncode == 0
    assert time.monotonic() - begin < 3.0
    assert running.wait() == 0


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
    eventually(lambda: not word or "busy" in running.command("status").stdout, "busy")
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


# -- status and the control socket -----------------------------------------------------------------


def test_status_counts(service: Make) -> None:
    running = service(extra="worker.count = 1\n").started()
    clients = [running.connect() for _ in range(2)]
    for client in clients:
        client.sendall(b"one\ntwo\n")
        assert client.makefile().readline() == "one\n"
    (process,) = eventually(
        lambda: [row for row in running.status()["processes"] if row["messages"] == 4], "four messages"
    )
    assert process["connections"] == 2
    assert process["worker"] == "echo"
    assert process["state"] == "ready"
    assert process["uptime"] > 0
    assert process["exits"] == {}
    for client in clients:
        client.close()


def test_status_describes_the_master(service: Make) -> None:
    running = service().started()
    master = running.status()["master"]
    assert running.master
    assert master["pid"] == running.master.pid
    assert master["python"] == ".".join(map(str, sys.version_info[:3]))
    assert master["workers"] == 1
    text = running.command("status").stdout
    assert f"master pid {running.master.pid}  running" in text
    assert text.count("[ready]") == 2


def test_the_control_socket_is_private(service: Make) -> None:
    running = service().started()
    assert stat.S_IMODE(Path(f"{running.pid_file}.sock").stat().st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("words", ["status", "stop", "start"])
def test_another_user_is_told_so(service: Make, public: Path, words: str) -> None:
    running = service(folder=public).started()
    code = (
        "import os, subprocess, sys, refworker.supervisor\n"  # what root alone may read, perhaps
        "sys.modules['__main__'].__file__, source = sys.argv[1], open(sys.argv.pop(1)).read()\n"
        f"os.setuid({OTHER_USER})\n"
        "exec(source)\n"
    )
    command = [sys.executable, "-c", code, str(running.program), words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "ermission" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not running.ended()


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"nonsense\n", "not JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"{}\n", "unknown command 'None'"),
        (b'{"command": "explode"}\n', "unknown command 'explode'; known are status, stop"),
        (b'{"command": ["stop"]}\n', "unknown command"),
        (b'{"command": "\xff"}\n', "not JSON"),
        (b"[" * 3000 + b"\n", "not JSON"),
        (b"x" * 10000, "longer than"),
    ],
)
def test_a_malformed_request_harms_nobody(service: Make, sent: bytes, complaint: str) -> None:
    running = service().started()
    (answer,) = running.control(sent)
    assert complaint in answer["error"]
    assert running.status()["master"]["state"] == "running"


def test_many_silent_clients_do_not_exhaust_the_master(service: Make) -> None:
    running = service().started()
    clients = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"{running.pid_file}.sock")
        clients.append(client)
    assert running.say("hello") == "hello"
    for client in clients:
        client.close()
    eventually(lambda: running.command("status").returncode == 0, "a free session")


def test_several_clients_may_ask_at_once(service: Make) -> None:
    running = service().started()
    clients = []
    for _ in range(5):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(f"{running.pid_file}.sock")
        client.sendall(b'{"command": "status"}\n{"command": "status"}\n')
        clients.append(client)
    for client in clients:
        lines = client.makefile()
        for _ in range(2):
            assert len(json.loads(lines.readline())["processes"]) == 2
        client.close()
