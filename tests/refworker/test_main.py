import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from refworker.worker import Worker
Worker("text://127.0.0.1:0", name="echo", on_message=lambda connection, message: connection.send(message))
"""


def refworker(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "refworker", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)


def test_a_program_needs_no_line_for_the_master(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "refworker", "app.py", "start"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            while "Start success" not in server.stdout.readline():
                assert server.poll() is None
            shown = refworker("app.py", "status", "--json", cwd=tmp_path)
            assert (shown.returncode, '"echo"' in shown.stdout) == (0, True)
            assert refworker("app.py", "stop", cwd=tmp_path).returncode == 0
            assert server.wait(10) == 0
        finally:
            server.kill()
    assert [path.name for path in tmp_path.iterdir() if "refworker" in path.name] == []


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ([], "a program is missing"),
        (["nothing.py", "start"], "no such program: nothing.py"),
        (["app.py", "frobnicate"], "unknown command 'frobnicate'"),
        (["app.py"], "a command is missing"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], cause: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    done = refworker(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert cause in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert refworker("--version", cwd=tmp_path).stdout.startswith("refworker 0.")
