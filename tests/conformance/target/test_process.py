"""Processes of a target: readiness, commands, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.outcomes import TargetDown, Unsupported
from conformance.target import family
from conformance.target.instance import Copy
from conformance.target.ports import free_port
from conformance.target.process import wait_until
from tests.conformance.targets import spec

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(not family.available(), reason="looks into /proc"),
]

DAEMON = """
import os, signal, socket, sys, time
port, pid_file = int(sys.argv[1]), sys.argv[2]
listener = socket.create_server(("127.0.0.1", port))
if os.fork():
    os._exit(0)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    with open(pid_file, "w") as file:
        file.write(str(os.getpid()))
while True:
    time.sleep(1)
"""

TITLED = """
import os, socket, sys, time
if len(sys.argv) == 2:
    os.execve(sys.executable, [sys.executable, *sys.argv, "bare"], {})
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.fork()
while True:
    time.sleep(1)
"""
"""A server that has overwritten its environment, as many do with a process title."""


def test_start_and_stop(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as copy:
        process = copy.process
        assert process is not None
        assert process.alive()
        assert process.pid in process.family()
        assert process.children() == []
        assert process.exit_code(0) is None
    assert not process.alive()
    assert process.family() == set()
    assert not copy.folder.path.exists()


def test_temporary_files_have_a_place_of_their_own(tmp_path: Path) -> None:
    extra = '[process.commands]\nstatus = ["{python}", "-c", "import tempfile; print(tempfile.gettempdir())"]'
    with Copy(spec(tmp_path, extra=extra)) as copy:
        assert copy.process is not None
        assert copy.process.command("status").stdout.strip() == str(copy.folder.temporary)
        assert copy.folder.temporary not in (copy.folder.path, *copy.folder.path.parents)


def test_several_copies_at_once(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as one, Copy(spec(tmp_path)) as other:
        assert one.addresses["text"].port != other.addresses["text"].port


def test_a_server_that_exits_is_reported_at_once(tmp_path: Path) -> None:
    broken = spec(tmp_path, start='["{python}", "-c", "print(\'no licence\'); raise SystemExit(3)"]')
    with pytest.raises(TargetDown, match="exited with status 3; it printed: no licence"):
        Copy(broken).__enter__()


def test_a_server_that_does_not_listen(tmp_path: Path) -> None:
    idle = spec(tmp_path, start='["{python}", "-c", "import time; time.sleep(60)"]', extra="workers = {}")
    assert idle.process is not None
    object.__setattr__(idle.process, "ready_timeout", 0.2)
    copy = Copy(idle)
    with pytest.raises(TargetDown, match=r"accepts no connection after 0\.2 s; it printed: nothing"):
        copy.__enter__()
    assert copy.process is not None
    assert copy.process.family() == set()


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(TargetDown, match="cannot run '/no/such/server'"):
        Copy(spec(tmp_path, start='["/no/such/server"]')).__enter__()


def test_commands(tmp_path: Path) -> None:
    extra = '[process.commands]\nstatus = ["{python}", "-c", "print(42); raise SystemExit(1)"]\n'
    extra += 'stop = ["{python}", "-c", "import time; time.sleep(60)"]'
    with Copy(spec(tmp_path, extra=extra)) as copy:
        assert copy.process is not None
        done = copy.process.command("status")
        assert (done.returncode, done.stdout) == (1, "42\n")
        with pytest.raises(Unsupported, match="reload"):
            copy.process.command("reload")
        with pytest.raises(subprocess.TimeoutExpired):
            copy.process.command("stop", timeout=0.3)
        with pytest.raises(Unsupported, match="pid_file"):
            _ = copy.process.pid_file


STOPPING = """
import os, signal, socket, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: Path("told").touch() or (sys.argv[2:] and os._exit(0)))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while not Path("stop").exists():
    time.sleep(0.01)
"""


@pytest.mark.parametrize("heeds", [True, False])
def test_what_heeds_sigterm_needs_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heeds: bool
) -> None:
    monkeypatch.setattr("conformance.target.process.HEED", 30.0 if heeds else 0.3)
    (tmp_path / "stopping.py").write_text(STOPPING)
    words = ', "heeds"' if heeds else ""
    start = f'["{{python}}", "stopping.py", "{{port.text}}"{words}]'
    stop = '[process.commands]\nstop = ["{python}", "-c", "open(\'stop\', \'w\')"]'
    with Copy(spec(tmp_path, start=start, extra=stop)) as copy:
        assert copy.process is not None
    assert not copy.process.alive()
    assert (tmp_path / "told").exists()
    assert (tmp_path / "stop").exists() != heeds


def test_a_daemon_that_ignores_sigterm_is_gone_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conformance.target.process.STOP_TIMEOUT", 0.3)
    script = tmp_path / "daemon.py"
    script.write_text(DAEMON)
    start = f'["{{python}}", "{script}", "{{port.text}}", "{{dir}}/pid"]'
    with Copy(spec(tmp_path, start=start, extra='daemon = true\npid_file = "{dir}/pid"')) as copy:
        process = copy.process
        assert process is not None
        assert wait_until(lambda: process.pid_file.exists() and len(process.children()) == 1, 5)
        assert len(process.family()) == 2
        members = process.family()
    assert wait_until(lambda: not any(map(family.is_living, members)), 5)


def test_orphans_without_an_environment_are_known_and_ended(tmp_path: Path) -> None:
    script = tmp_path / "titled.py"
    script.write_text(TITLED)
    with Copy(spec(tmp_path, start=f'["{{python}}", "{script}", "{{port.text}}"]')) as copy:
        process = copy.process
        assert process is not None
        assert wait_until(lambda: len(process.children()) == 1, 5)
        orphans = set(process.children())
        process.signal(signal.SIGKILL)
        assert process.exit_code() == -signal.SIGKILL
        assert process.family() == orphans
    assert not any(map(family.is_living, orphans))


def test_a_daemon_is_ready_when_its_pid_file_is(tmp_path: Path) -> None:
    script = tmp_path / "daemon.py"
    script.write_text(DAEMON.replace("with open", "time.sleep(0.5)\n    with open"))
    start = f'["{{python}}", "{script}", "{{port.text}}", "{{dir}}/pid"]'
    with Copy(spec(tmp_path, start=start, extra='daemon = true\npid_file = "{dir}/pid"')) as copy:
        assert copy.process is not None
        assert family.is_living(copy.process.pid)
        copy.process.kill()


def test_a_server_of_datagrams_is_ready_when_its_socket_is_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", port := free_port()))
        assert family.takes_datagrams(port)
    assert not family.takes_datagrams(port)


def test_who_listens(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as copy:
        assert copy.process is not None
        port = copy.addresses["text"].port
        pid = copy.process.pid
        assert family.listeners([os.getpid(), pid, 1 << 30], port) == {pid}


def test_signal_and_exit_code(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as copy:
        assert copy.process is not None
        copy.process.signal(signal.SIGKILL)
        assert copy.process.exit_code() == -signal.SIGKILL
        assert not copy.process.alive()


def test_usage_counts_living_processes_only() -> None:
    used = family.usage([1 << 30])
    assert (used.memory, used.descriptors) == (0, 0)


def test_a_process_that_never_waits_takes_up_a_processor_however_little_it_gets_of_one() -> None:
    spins = "print(flush=True)\nwhile True: pass"
    sleeps = "print(flush=True)\nimport time\nwhile True: time.sleep(0.01)"
    programs = (spins, spins, spins, sleeps)  # more than there are processors on a small machine
    begun = [subprocess.Popen([sys.executable, "-c", each], stdout=subprocess.PIPE) for each in programs]
    for each in begun:
        assert each.stdout
        assert each.stdout.readline()
    pids = [each.pid for each in begun]
    before = family.stints(pids)
    assert not wait_until(lambda: False, 0.5)
    after = family.stints(pids)
    for each in begun:
        each.kill()
        each.communicate()
    # Half of a processor is what cases ask for; what the machine below takes from all is nobody's wait.
    *busy, idle = (family.strain({pid: before[pid]}, after) for pid in pids)
    assert all(0.5 < share <= 1.0 for share in busy)
    assert idle < 0.25


def test_who_shares_a_processor_waits_for_it() -> None:
    place = min(os.sched_getaffinity(0))
    shares = f"import os\nos.sched_setaffinity(0, [{place}])\nwhile True: pass"
    begun = [subprocess.Popen([sys.executable, "-c", shares]) for _ in range(2)]
    waited = wait_until(lambda: all(family.queued([each.pid]) > 0.1 for each in begun), 20)
    for each in begun:
        each.kill()
        each.wait()
    assert waited
    assert family.queued(each.pid for each in begun) == 0.0


def test_strain_of_threads_that_come_or_go_is_not_counted() -> None:
    before = {1: family.Stint(1.0, 0.0, 7.0), 2: family.Stint(5.0, 0.0, 7.0)}
    after = {1: family.Stint(1.5, 1.0, 9.0), 3: family.Stint(9.0, 0.0, 9.0)}
    assert family.strain(before, after) == 0.5
    assert family.strain(before, before) == 0.0


def test_each_thread_has_its_own_time_between_two_looks() -> None:
    spins, sleeps = family.Stint(0.0, 0.0, 1.0), family.Stint(0.0, 0.0, 3.0)
    after = {1: family.Stint(0.1, 0.9, 2.0), 2: family.Stint(0.1, 0.0, 4.0)}
    assert family.strain({1: spins, 2: sleeps}, after) == pytest.approx(1.1)


def test_a_command_that_is_launched_ends_with_the_copy(tmp_path: Path) -> None:
    extra = '[process.commands]\nreload = ["{python}", "-c", "import time; time.sleep(60)"]\n'
    with Copy(spec(tmp_path, extra=extra)) as copy:
        assert copy.process is not None
        begun = copy.process.launch("reload")
        assert begun.poll() is None
        assert begun.pid in copy.process.family()
        with pytest.raises(Unsupported):
            copy.process.launch("restart")
        copy.process.kill()
    assert begun.returncode == -signal.SIGKILL


def test_a_signal_to_the_group_reaches_what_was_started(tmp_path: Path) -> None:
    with Copy(spec(tmp_path)) as copy:
        assert copy.process is not None
        assert copy.process.started_as == copy.process.pid
        copy.process.signal_group(signal.SIGTERM)
        assert copy.process.exit_code() == -signal.SIGTERM
        copy.process.signal_group(signal.SIGTERM)  # harmless now
