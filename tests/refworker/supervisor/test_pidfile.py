import fcntl
import os
import stat
from pathlib import Path

import pytest

from refworker.supervisor.pidfile import AlreadyRunning, PidFile, is_locked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "service.pid"


def test_the_whole_life(path: Path) -> None:
    lock = PidFile.acquire(path)
    assert lock.note == ""
    lock.write()
    assert path.read_text() == f"{os.getpid()}\n"
    assert is_locked(path)
    lock.remove()
    assert not path.exists()


def test_only_one_has_the_lock(path: Path) -> None:
    lock = PidFile.acquire(path)
    with pytest.raises(AlreadyRunning, match="not written yet"):
        PidFile.acquire(path)
    lock.write()
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        PidFile.acquire(path)
    lock.remove()
    PidFile.acquire(path).remove()


def test_a_new_file_is_locked_before_it_has_a_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, flock = [], fcntl.flock

    def watched(descriptor: int, kind: int) -> None:
        seen.append(path.exists())
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", watched)
    PidFile.acquire(path).remove()
    assert seen[0] is False


def test_a_system_without_nameless_files_will_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    lock = PidFile.acquire(path)
    assert is_locked(path)
    lock.remove()


def test_a_stale_file_is_taken_over(path: Path) -> None:
    path.write_text("99999999999999999999 and more\n")
    assert not is_locked(path)
    lock = PidFile.acquire(path)
    assert lock.note == "99999999999999999999 and more"
    lock.write()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.remove()


def test_a_long_and_strange_note_is_cut(path: Path) -> None:
    path.write_bytes(b"\xff" * 100_000)
    lock = PidFile.acquire(path)
    assert lock.note == "\ufffd" * 64
    lock.remove()


def test_a_file_that_took_our_place_stays(path: Path) -> None:
    lock = PidFile.acquire(path)
    path.unlink()
    path.write_text("other")
    lock.remove()
    assert path.read_text() == "other"


def test_closing_releases_and_keeps_the_file(path: Path) -> None:
    lock = PidFile.acquire(path)
    lock.close()
    assert path.exists()
    assert not is_locked(path)


def test_no_file_is_no_lock(path: Path) -> None:
    assert not is_locked(path)


def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    path.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        PidFile.acquire(path)
    assert precious.read_text() == "precious"


def test_a_forked_child_that_closes_leaves_the_lock(path: Path) -> None:
    lock = PidFile.acquire(path)
    copy = os.dup(lock._descriptor)  # what a fork gives a child
    os.close(copy)
    assert is_locked(path)
    lock.remove()


def test_others_cannot_write(path: Path) -> None:
    lock = PidFile.acquire(path)
    assert not stat.S_IMODE(path.stat().st_mode) & 0o022
    lock.remove()
