"""The command line: exit statuses, one-line errors, and whole runs in a folder of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from conformance import cli
from conformance.target import family
from tests.conformance.servers import Handler, echo_lines, echo_raw, serving
from tests.conformance.targets import block, echo_server, write_target

pytestmark = pytest.mark.whole


def conformance(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, away from any settings of the repository."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "conformance.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: COMMAND"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["run", "no.toml"], "no.toml: No such file"),
        (["run", "--only", "text/framing/split-delimeter"], "did you mean 'text/framing/split-delimiter'"),
        (["run", "--skip", "*"], "nothing selected"),
        (["run", "--seed", "x"], "'x' is not a whole number"),
        (["run", "--fuzz", "inf"], "'inf' is not a number of minutes"),
        (["run", "--endpoint", "text"], "is not SERVICE=URL"),
        (["run", "--endpoint", "txt=tcp://h:1"], "did you mean 'text'"),
        (["run", "--json", "/no/such/folder/r.json"], "there is no folder"),
        (["run", "--only", "websocket-client/*"], "`conformance serve` for clients"),
        (["serve"], "required: PROTOCOL"),
        (["serve", "http"], "invalid choice: 'http'"),
        (["serve", "websocket", "no.toml"], "no.toml: No such file"),
        (["serve", "websocket", "no.toml", "--", "true"], "give one of the two"),
        (["serve", "websocket", "--only", "text/*"], "`conformance run` is for servers"),
        (["serve", "websocket", "--port", "99999"], "'99999' is not a port"),
        (["serve", "websocket", "--wait", "0"], "'0' is no time"),
        (["serve", "websocket", "--host", "192.0.2.1"], "give another --host or --port"),
        (["list", "nothing/*"], "no case matches"),
        (["explain", "TEXT-01"], "did you mean 'TEXT-0"),
        (["replay", "no.json"], "no.json: No such file"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert complaint in said.err
    assert said.err.startswith("conformance: ")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "text/limit/*"]) == 0
    assert "text/limit/exact" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["text/limit/exact", "TEXT-005", "FRAME-005", "websocket-client/request/line", "WSC-014"]
)
def test_explain(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert cli.main(["explain", name]) == 0
    assert name in capsys.readouterr().out


def test_the_five_minutes_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(block("python"))
    (tmp_path / "echo.toml").write_text(block("toml"))
    done = conformance(tmp_path, "run", "echo.toml", "--only", "text/*")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "text       22     4\n" in done.stdout
    assert r"byte 4 differs: 'a\rb\n\ra\n' was due, 'a\rb\na\n' came" in done.stdout
    echo_server(tmp_path)
    done = conformance(tmp_path, "run", "echo.toml", "--only", "text/*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "text       26\n" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"echo.py", "echo.toml"}


def test_a_run_leaves_nothing_but_its_reports(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    target = write_target(tmp_path)
    reports = ["--json", "r.json", "--junit", "r.xml", "--html", "html"]
    done = conformance(tmp_path / "empty", "run", str(target), "--only", "text/e*", "-n", "2", *reports)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    written = json.loads((tmp_path / "empty" / "r.json").read_text())
    assert written["totals"]["pass"] == len(written["cases"]) > 3
    assert {path.name for path in (tmp_path / "empty").iterdir()} == {"r.json", "r.xml", "html"}


def test_endpoints_of_a_running_server(tmp_path: Path) -> None:
    with serving(echo_lines) as address:
        arguments = ["--endpoint", f"text={address.url}", "-n", "0"]
        done = conformance(tmp_path, "run", *arguments, "--only", "text/f*", "--only", "text/limit/*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unsupported  text/limit/exact  [the case needs limits.max_package_size" in done.stdout


def late_at_first() -> Handler:
    """Echo lines; but the first connection is answered as on a machine with too much to do."""
    first = iter([0.6])

    def handler(connection: socket.socket) -> None:
        pause = next(first, 0.0)
        for line in connection.makefile("rb"):
            sleep(pause)
            connection.sendall(line)

    return handler


def test_what_noise_has_hidden_is_asked_again(tmp_path: Path) -> None:
    name = "text/framing/several-lines-in-a-segment"
    with serving(late_at_first()) as address:
        done = conformance(tmp_path, "run", "--endpoint", f"text={address.url}", "-n", "0", "--only", name)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = [line.split("  ")[0] for line in done.stdout.splitlines() if name in line or "again" in line]
    assert verdicts == [f"1/1 inconclusive {name}", "inconclusive, and asked again one by one: 1", "1/1 pass"]


ZOO = Path(__file__).parents[2] / "fixtures" / "clients" / "zoo"
SERVE, REQUESTS = ("serve", "websocket"), ("--only", "websocket-client/request/*")


def test_a_client_that_is_started(tmp_path: Path) -> None:
    reports = ["--json", "r.json", "--junit", "r.xml", "--html", "html"]
    done = conformance(
        tmp_path, *SERVE, *REQUESTS, *reports, "--", sys.executable, str(ZOO / "main.py"), "play"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "serving at ws://127.0.0.1:" in done.stdout
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["totals"]["pass"] == len(written["cases"]) > 5
    assert {path.name for path in tmp_path.iterdir()} == {"r.json", "r.xml", "html"}


def test_a_faulty_client_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_MUTATION", "client-version-8")
    done = conformance(tmp_path, *SERVE, str(ZOO / "client.toml"), *REQUESTS, "--name", "mine")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "conformance of mine: " in done.stdout
    assert "fail: websocket-client/request/version" in done.stdout


def test_a_client_that_never_comes(tmp_path: Path) -> None:
    done = conformance(tmp_path, *SERVE, *REQUESTS, "--wait", "0.2")
    assert done.returncode == 3
    assert "waiting 0.2 s for a client" in done.stdout
    assert "no client has come to ws://127.0.0.1:" in done.stdout


def test_a_raw_echo_is_unfit(tmp_path: Path) -> None:
    with serving(echo_raw) as address:
        arguments = ["--endpoint", f"text={address.url}", "--json", "r.json", "-n", "0", "--only", "text/*"]
        done = conformance(tmp_path, "run", *arguments)
    assert done.returncode == 3
    assert json.loads((tmp_path / "r.json").read_text())["totals"]["pass"] == 0


def test_where_somebody_elses_tests_are(tmp_path: Path) -> None:
    """pytest reads the conftest.py of a folder `tests` of wherever it is started."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text("raise RuntimeError('none of ours')\n")
    with serving(echo_lines) as address:
        arguments = ["--endpoint", f"text={address.url}", "-n", "0", "--only", "text/empty/*"]
        done = conformance(tmp_path, "run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_target_that_does_not_start(tmp_path: Path) -> None:
    target = write_target(tmp_path, start='["{python}", "-c", "raise SystemExit(3)"]')
    done = conformance(tmp_path, "run", str(target), "-n", "2", "--only", "text/empty/*")
    assert done.returncode == 3
    assert "exited with status 3" in done.stdout


def test_plain_pytest(tmp_path: Path) -> None:
    with serving(echo_lines) as address:
        command = [sys.executable, "-m", "pytest", "-p", "no:conformance", "-p", "conformance.plugin", "-q"]
        done = subprocess.run(
            [
                *command,
                "--pyargs",
                "conformance.cases.test_text",
                "-k",
                "empty",
                f"--endpoint=text={address.url}",
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider -c /dev/null"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 pass" in done.stdout


def test_the_plugin_is_inert_in_other_runs(tmp_path: Path) -> None:
    (tmp_path / "test_foreign.py").write_text("def test_nothing(request):\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:conformance", "-p", "conformance.plugin", "-q"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", "/dev/null", "--fixtures", "test_foreign.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conformance" not in done.stdout


def test_a_reader_that_has_had_enough_is_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "conformance.cli", "list"]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (5, "")


DAEMON = """
import os, runpy, sys
if os.fork():
    os._exit(0)
os.setsid()
with open(sys.argv[2], "w") as pid_file, open(sys.argv[3], "a") as everybody:
    print(os.getpid(), file=pid_file)
    print(os.getpid(), file=everybody)
runpy.run_path(sys.argv[0].replace("daemon", "echo"), run_name="__main__")
"""


def test_a_run_that_is_broken_off_leaves_no_daemon(tmp_path: Path) -> None:
    server, pids = tmp_path / "daemon.py", tmp_path / "pids"
    echo_server(tmp_path)
    server.write_text(DAEMON)
    start = f'["{{python}}", "{server}", "{{port.text}}", "{{dir}}/pid", "{pids}"]'
    target = write_target(tmp_path, start=start, extra='daemon = true\npid_file = "{dir}/pid"')
    command = [sys.executable, "-m", "conformance.cli", "run", str(target), "-n", "2"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert any("pass" in line for line in run.stdout)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    assert pids.exists()
    assert not [pid for pid in pids.read_text().split() if family.is_living(int(pid))]
