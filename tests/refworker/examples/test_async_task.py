import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from urllib.request import urlopen

import pytest

from refworker.examples import async_task
from tests.refworker.examples.processes import children, children_of
from tests.refworker.peers import DEADLINE

pytestmark = pytest.mark.whole

PROGRAM = (sys.executable, "-m", "refworker.examples.async_task")


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    program = [*PROGRAM, *options]
    return subprocess.run(program, check=False, capture_output=True, text=True, timeout=6 * DEADLINE, env=env)


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_mail_arrives_and_the_service_answers_meanwhile() -> None:
    pytest.importorskip("aiosmtpd")
    done = run("--mails", "30", "--workers", "3")
    assert done.returncode == 0, done.stderr
    rows = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert rows["mails accepted by the sink"].strip() == "30 of 30"
    assert 1 <= int(rows["sockets to task workers"]) <= 4
    assert int(rows["echo requests meanwhile"]) > 2
    assert "blocked" in rows["verdict"]
    assert done.stderr == ""


@contextmanager
def hearing() -> Iterator[None]:
    """Whoever runs the tests in the background has told them, and what they start, not to hear Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_everything(number: int) -> None:
    pytest.importorskip("aiosmtpd")
    with hearing():
        process = subprocess.Popen(
            [*PROGRAM, "--mails", "100000", "--workers", "2"], stderr=subprocess.PIPE, text=True
        )
    try:
        wait_for(lambda: len(children(process.pid)) == 5)  # sink, master, service and two task workers
        started = children(process.pid)
        process.send_signal(number)
        _, errors = process.communicate(timeout=2 * DEADLINE)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, errors) == (130, "\nasync_task: stopped\n")
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example with its page, and the page's address."""
    pytest.importorskip("aiosmtpd")
    program = [*PROGRAM, "--page", "--workers", "2"]
    with hearing(), subprocess.Popen(program, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout
        try:
            url = re.search(r"http://[^ ]*", process.stdout.readline())
            assert url
            yield process, url[0]
        finally:
            process.terminate()


def test_with_a_page_it_serves_until_ctrl_c() -> None:
    with serving() as (process, url):
        with urlopen(url, timeout=DEADLINE) as page:
            assert b"Send 1000 e-mails" in page.read()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=2 * DEADLINE)
    assert (process.returncode, rest, errors) == (130, "", "\nasync_task: stopped\n")


def test_a_service_that_ends_by_itself_is_trouble() -> None:
    with serving() as (process, _):
        (master,) = (pid for pid in children_of(process.pid) if children_of(pid))
        os.kill(master, signal.SIGTERM)
        _, errors = process.communicate(timeout=2 * DEADLINE)
    assert (process.returncode, errors) == (1, "async_task: the service has ended\n")


def test_a_port_that_is_taken_is_named() -> None:
    pytest.importorskip("aiosmtpd")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run("--page", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("async_task: mail_service did not start: ")
    assert f":{port}: Address already in use" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--mails", "0"),
        ("--mails", "many"),
        ("--workers", "-1"),
        ("--workers", "501"),
        ("--page", "http"),
        ("--page", "65536"),
        ("--page", "--mails", "5"),
        ("--nonsense",),
        ("x",),
    ],
)
def test_wrong_options_are_a_one_line_mistake(options: tuple[str, ...]) -> None:
    done = run(*options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("async_task: ")
    assert done.stderr.count("\n") == 1


def test_a_missing_aiosmtpd_is_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "aiosmtpd.py").write_text("raise ImportError('as if it were not there')")
    done = run("--mails", "1", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "async_task: aiosmtpd is missing; pip install 'refworker[examples]'\n"


def test_a_program_that_does_not_start_says_why(tmp_path: Path) -> None:
    async def start() -> None:
        async with async_task.program("mail_service", tmp_path, PID_FILE=str(tmp_path / "no" / "pid")):
            raise AssertionError("it has started")

    with pytest.raises(async_task.Trouble, match=r"mail_service did not start: .*cannot write the pid file"):
        asyncio.run(start())


def test_the_table_tells_a_blocked_service() -> None:
    calm = async_task.table(10, 10, 1.0, 3, [0.001] * 10)
    assert "10 of 10" in calm
    assert "the service never blocked (longest echo 1 ms" in calm
    assert "the service blocked (longest echo 300 ms" in async_task.table(10, 9, 1.0, 3, [0.001] * 9 + [0.3])
