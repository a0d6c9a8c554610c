"""New code without a pause, in real processes."""

import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from .service import Make, Service, alive, eventually

VERSION = """
import version
COMMANDS["version"] = lambda c: c.send(version.TEXT)

async def slow(connection, seconds):
    await __import__("asyncio").sleep(float(seconds))
    connection.send("slow " + version.TEXT)

@worker.on_message
async def answer_async(connection, message):
    if message.startswith(b"slow"):
        await slow(connection, message.split()[1])
    else:
        answer(connection, message)
"""
END = "\nrun_all(stop_timeout=1.0, graceful_timeout=8.0)\n"


@pytest.fixture
def versioned(service: Make, tmp_path: Path) -> Any:
    """Makes a service whose code has a version in a module of its own."""

    def make(extra: str = "", end: str = END) -> Service:
        write(tmp_path, "one")
        return service(extra=VERSION + extra, end=end)

    return make


def write(folder: Path, text: str) -> None:
    (folder / "version.py").write_text(f"TEXT = {text!r}\n")


def reload(running: Service, graceful: bool = False) -> None:
    """What the command `reload` does, without a process for it."""
    running.asked({"command": "reload", "graceful": graceful})


def left(running: Service, before: set[int]) -> None:
    """New processes serve when a reload has been answered; from now on nobody else does."""
    eventually(lambda: not running.children() & before, "the end of the old processes")


@pytest.mark.parametrize("graceful", [False, True])
def test_every_module_is_new_and_the_master_is_the_same(versioned: Any, graceful: bool) -> None:
    running = versioned().started()
    assert running.say("version") == "one"
    for version in ("two", "six"):  # of one length, within one second: compiled files must not hide it
        before = running.children()
        write(running.folder, version)
        reload(running, graceful)
        left(running, before)
        assert running.say("version") == version
    who = json.loads(running.say("who"))
    assert running.master
    assert who["master"] == running.master.pid
    report = running.status()
    assert sorted(process["id"] for process in report["processes"]) == [0, 1]
    assert report["master"]["reloads"] == 2
    assert report["workers"][0]["exits"] == {"0": 4}
    assert report["totals"]["messages"] == 4
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert "Traceback" not in running.err


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_reloads(versioned: Any, number: signal.Signals) -> None:
    running = versioned().started()
    write(running.folder, "two")
    assert running.master
    running.master.send_signal(number)
    eventually(lambda: running.say("version") == "two", "the new version")


def test_code_that_does_not_work_leaves_the_old_serving_and_says_why(versioned: Any) -> None:
    running = versioned().started()
    before = running.children()
    (running.folder / "version.py").write_text("TEXT = broken\n")
    assert running.master
    running.master.send_signal(signal.SIGUSR1)
    eventually(lambda: "NameError: name 'broken' is not defined" in running.err, "the reason")
    assert running.children() == before
    assert running.say("version") == "one"
    write(running.folder, "two")
    reload(running)
    left(running, before)
    assert running.say("version") == "two"


def test_a_worker_that_does_not_start_leaves_the_old_serving(versioned: Any) -> None:
    extra = (
        "@worker.on_worker_start\n"
        "def start(worker):\n"
        "    if version.TEXT == 'bad':\n"
        "        raise RuntimeError('bad version')\n"
    )
    running = versioned(extra).started()
    before = running.children()
    write(running.folder, "bad")
    done = running.command("reload")
    assert done.returncode == 1
    assert "the old code serves on" in done.stderr
    assert "bad version" in running.err
    assert running.children() == before
    assert running.say("version") == "one"
    write(running.folder, "two")
    reload(running)
    left(running, before)
    assert running.say("version") == "two"


@pytest.mark.parametrize("words", [(), ("-g",)])
def test_what_is_in_hand_is_finished_by_the_old_process(versioned: Any, words: tuple[str, ...]) -> None:
    running = versioned().started()
    with running.tell("slow 0.7") as client:
        eventually(
            lambda: [each for each in running.status()["processes"] if each["messages"]], "the request"
        )
        write(running.folder, "two")
        done = running.command("reload", *words)
        assert done.returncode == 0, done.stderr + running.err
        eventually(lambda: running.say("version") == "two", "new code, the old request being in hand")
        assert client.makefile().read() == "slow one\n"


def test_half_a_message_is_waited_for_and_an_idle_client_is_not(versioned: Any) -> None:
    running = versioned().started()
    with running.connect() as half, running.connect() as idle:
        for client in (half, idle):
            client.sendall(b"hello\n")
            assert client.recv(100) == b"hello\n"
        half.sendall(b"ver")
        eventually(lambda: running.status()["totals"]["messages"] == 2, "both")
        write(running.folder, "two")
        reload(running, graceful=True)
        assert idle.recv(100) == b""
        half.sendall(b"sion\n")
        assert half.makefile().read() == "one\n"


def test_a_process_that_hangs_holds_nobody_up(versioned: Any) -> None:
    running = versioned().started()
    before = running.children()
    with running.tell("hang"):
        eventually(lambda: "busy" in {each["state"] for each in running.status()["processes"]}, "busy")
        write(running.folder, "two")
        reload(running)
        eventually(lambda: running.say("version") == "two", "new code")
        eventually(lambda: not any(map(alive, before)), "its end")
    eventually(lambda: "SIGKILL" in running.err, "the word about it")


def test_a_reload_during_a_reload_is_not_lost(versioned: Any) -> None:
    running = versioned().started()
    results: list[int] = []

    def ask() -> None:
        results.append(running.command("reload").returncode)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: "reloading" in running.err, "the first")
    write(running.folder, "two")
    assert running.command("reload").returncode == 0
    eventually(lambda: running.say("version") == "two", "new code")
    for thread in threads:
        thread.join()
    assert results == [0, 0, 0]


def test_a_stop_during_a_reload_wins(versioned: Any) -> None:
    running = versioned("@worker.on_worker_start\ndef s(w): time.sleep(0.3)\n").started()
    running.children()
    assert running.master
    running.master.send_signal(signal.SIGUSR1)
    eventually(lambda: "reloading" in running.err, "the reload")
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert not any(map(alive, running.known))
    assert running.leftovers() == ["version.py"] or "__pycache__" in running.leftovers()


def test_the_callbacks_and_their_order(versioned: Any) -> None:
    extra = """
def log(*words):
    print(*words, "in", "master" if os.getpid() == MASTER else "worker", flush=True)
MASTER = os.getpid()
worker.count = 1
worker.on_worker_reload = lambda w: (log("reload"), [c.send("reloading") for c in w.connections.values()])[0]
worker.on_worker_drain = lambda w: (log("drain"), [c.send("farewell") for c in w.connections.values()])[0]
worker.on_worker_stop = lambda w: log("stop", len(w.connections))
worker.on_worker_exit = lambda w, status, pid: log("exit", status)
def more():
    log("master reload")
    worker.count = 3
"""
    end = "\nrun_all(stop_timeout=1.0, on_master_reload=more, on_master_stop=lambda: log('master stop'))\n"
    running = versioned(extra, end).started()
    with running.connect() as client:
        client.sendall(b"hello\n")
        assert client.recv(100) == b"hello\n"
        reload(running)
        assert client.makefile().read() == "reloading\nfarewell\n"
    eventually(lambda: "exit 0 in master" in running.out, "the end of the old process")
    lines = [line for line in running.out.splitlines() if line.endswith((" master", " worker"))]
    assert lines[:5] == [
        "master reload in master",
        "reload in worker",
        "drain in worker",
        "stop 0 in worker",
        "exit 0 in master",
    ]
    assert len(running.children()) == 3
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert running.out.splitlines()[-1] == "master stop in master"


def test_an_error_in_on_master_reload_leaves_the_old_processes(versioned: Any) -> None:
    end = "\nrun_all(on_master_reload=lambda: 1 / 0)\n"
    running = versioned(end=end).started()
    before = running.children()
    done = running.command("reload")
    assert done.returncode == 1
    assert "on_master_reload failed" in done.stderr
    assert "ZeroDivisionError" in running.err
    assert running.children() == before
    assert running.say("hello") == "hello"


def test_a_worker_that_is_not_reloadable_stays(versioned: Any) -> None:
    extra = "worker.reloadable = False\nworker.on_worker_reload = lambda w: print('told', w.id, flush=True)\n"
    running = versioned(extra).started()
    before = running.children()
    with running.connect() as client:
        reload(running)
        assert running.children() == before
        eventually(lambda: running.out.count("told") == 2, "on_worker_reload")
        client.sendall(b"hello\n")
        assert client.recv(100) == b"hello\n"
    reload(running)
    assert running.children() == before


def test_workers_come_and_go_with_the_program(versioned: Any) -> None:
    running = versioned().started()
    running.children()
    port = running.port()
    program = running.program.read_text()
    renamed = program.replace(
        "run_all(stop", "Worker('text://127.0.0.1:0', name='second', count=2)\nrun_all(stop"
    )
    running.program.write_text(renamed)
    reload(running)
    assert {each["worker"] for each in running.status()["processes"]} == {"echo", "second"}
    running.program.write_text(program.replace('"text://127.0.0.1:0", name="echo"', '"", name="alone"'))
    reload(running)
    eventually(lambda: {each["worker"] for each in running.status()["processes"]} == {"alone"}, "one worker")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_an_address_that_is_taken_refuses_the_reload(versioned: Any) -> None:
    running = versioned().started()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        end = f"\nWorker('text://127.0.0.1:{port}')\nrun_all()\n"
        running.program.write_text(running.program.read_text().replace(END, end))
        done = running.command("reload")
    assert done.returncode == 1
    assert f"cannot listen on text://127.0.0.1:{port}" in done.stderr
    assert running.say("version") == "one"


def test_ports_of_each_process_go_over(versioned: Any) -> None:
    extra = "worker.reuse_port = True\nworker.count = 3\n"
    running = versioned(extra).started()
    for version in ("two", "six"):
        before = running.children()
        write(running.folder, version)
        reload(running)
        left(running, before)
        assert {running.say("version") for _ in range(20)} == {version}
    ids = {json.loads(running.say("who"))["id"] for _ in range(60)}
    assert ids == {0, 1, 2}


def test_no_descriptor_is_lost_over_reloads(versioned: Any) -> None:
    running = versioned().started()
    assert running.master
    folder = f"/proc/{running.master.pid}/fd"
    reload(running)
    eventually(lambda: len(running.children()) == 2, "the end of the old processes")
    before = len(os.listdir(folder))
    for _ in range(3):
        reload(running)
    eventually(lambda: len(running.children()) == 2, "the end of the old processes")
    eventually(lambda: len(os.listdir(folder)) <= before, "the end of the last session")
