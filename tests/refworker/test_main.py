import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole

PROGRAM = """
from refworker.worker import Worker
worker = Worker("text://127.0.0.1:0", name="echo", on_message=lambda each, message: each.send(message))
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


MODULE = (
    PROGRAM
    + """
several = [worker]
none, number = [], 1

def made():
    return worker
"""
)


@pytest.mark.parametrize("name", ["worker", "several", "made"])
def test_a_module_with_workers_needs_no_main(name: str, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(MODULE)
    place = f"service:{name}"
    assert refworker(place, "start", "-d", cwd=tmp_path).returncode == 0
    try:
        (tmp_path / "service.py").write_text(MODULE.replace('"echo"', '"other"'))
        reloaded = refworker(place, "reload", cwd=tmp_path)
        assert reloaded.returncode == 0, reloaded.stderr
        assert '"other"' in refworker(place, "status", "--json", cwd=tmp_path).stdout
    finally:
        assert refworker(place, "stop", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.glob("refworker*")) == ["refworker.log"]


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        ("nothing:worker", "there is no module 'nothing'"),
        ("service:", "module 'service' has no ''"),
        ("service:nobody", "module 'service' has no 'nobody'"),
        ("service:none", "neither a Worker nor a list of them"),
        ("service:number", "neither a Worker nor a list of them"),
    ],
)
def test_a_place_without_workers_is_one_line(place: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(MODULE)
    done = refworker(place, "start", cwd=tmp_path)
    assert done.returncode == 2
    assert cause in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert refworker("--version", cwd=tmp_path).stdout.startswith("refworker 0.")
