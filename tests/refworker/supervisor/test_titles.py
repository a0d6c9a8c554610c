import os
import subprocess
import sys
from pathlib import Path

import pytest

from refworker.supervisor import titles

PROGRAM = """
import os, sys
from refworker.supervisor import titles

def no_library(name):
    raise ImportError(name)

titles.importlib.import_module = no_library
before = dict(os.environ), sys.argv[:]
for title in sys.argv[1].split("|"):
    titles.set_title(title.replace("LONG", "日" * 100_000))
assert (dict(os.environ), sys.argv) == before
libc = titles.ctypes.CDLL(None)
libc.getenv.restype = titles.ctypes.c_char_p
assert libc.getenv(b"CANARY") == b"sings", libc.getenv(b"CANARY")
print(os.getpid(), flush=True)
sys.stdin.readline()
"""


def shown(title: str) -> tuple[str, bytes]:
    """The short name and the command line of a process that has called itself `title`, by way of /proc."""
    command, environment = [sys.executable, "-c", PROGRAM, title], {**os.environ, "CANARY": "sings"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        said = process.stdout.readline()
        assert said, "the program failed"
        folder = Path("/proc", said.strip())
        result = (folder / "comm").read_text().rstrip("\n"), (folder / "cmdline").read_bytes()
        process.communicate("\n", timeout=30)
    assert process.returncode == 0
    return result


def test_the_title_is_all_that_is_shown() -> None:
    name, line = shown("refworker: worker process  echo text://127.0.0.1:9000")
    assert name == "refworker: work"
    assert line.rstrip(b"\0") == b"refworker: worker process  echo text://127.0.0.1:9000"


def test_a_shorter_title_leaves_nothing_of_the_one_before() -> None:
    name, line = shown("a long title with many words|short")
    assert (name, line.rstrip(b"\0")) == ("short", b"short")


def test_a_title_without_room_is_cut_and_the_environment_is_untouched() -> None:
    before = sum(len(word.encode()) + 1 for word in [sys.executable, "-c", PROGRAM, "xLONG"])
    _, line = shown("xLONG")
    assert len(line) == before
    assert line.rstrip(b"\0").decode() == "x" + "日" * ((before - 2) // 3)


def test_a_name_is_cut_between_characters() -> None:
    assert shown("日本語日本語")[0] == "日本語日本"
    assert titles.cut("日本".encode(), 5) == "日".encode()


def test_a_library_that_is_installed_is_used(tmp_path: Path) -> None:
    (tmp_path / "setproctitle.py").write_text("setproctitle = print\n")
    program = "from refworker.supervisor.titles import set_title; set_title('by the library')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "by the library\n"


def test_where_nobody_knows_the_place_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (" S 1", " S" + " 0" * 60, " S" + " x" * 60, " S" + " 9" * 60):
        monkeypatch.setattr(Path, "read_text", lambda *_, content=content, **__: f"1 (a) b){content}")
        assert titles.arguments() == (0, 0)


def test_a_system_without_proc_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert titles.arguments() == (0, 0)
