"""Running the program again: where, and with nothing stale; the rest is in `test_reload.py`."""

import importlib
import os
import sys
from pathlib import Path

import pytest

from refworker.supervisor import program


def test_the_folder_is_called_as_the_shell_calls_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to("release")
    monkeypatch.chdir(tmp_path / "current")
    monkeypatch.setenv("PWD", str(tmp_path / "current"))
    assert program.start_folder() == str(tmp_path / "current")


@pytest.mark.parametrize("stale", ["", "/", "release", "/no/such/folder"])
def test_a_name_that_leads_elsewhere_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stale: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", stale)
    assert program.start_folder() == str(tmp_path)


def test_compiled_files_that_may_be_stale_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    compiled = {}
    for name, age in (("stale_just_now", 0), ("stale_long_ago", 100)):
        source = tmp_path / f"{name}.py"
        source.write_text("")
        os.utime(source, (source.stat().st_mtime - age,) * 2)
        compiled[name] = Path(importlib.import_module(name).__cached__)
    assert all(path.exists() for path in compiled.values())
    program.forget_compiled()
    assert {name: path.exists() for name, path in compiled.items()} == {
        "stale_just_now": False,
        "stale_long_ago": True,
    }


def test_nothing_is_inherited_by_a_program_that_was_started() -> None:
    assert program.inherit() is None


def test_a_program_that_cannot_be_executed_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "execve", refused)
    monkeypatch.setattr(program, "FOLDER", str(Path.cwd()))
    reading, writing = os.pipe()
    with pytest.raises(FileNotFoundError):
        program.execute({"descriptors": []}, [reading, writing])
    assert not os.get_inheritable(reading)
    os.close(reading)
    os.close(writing)
