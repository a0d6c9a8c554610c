import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refworker.sessions import stores
from refworker.sessions.stores import FileStore, MemoryStore

ID = "0123456789abcdef"
OTHER = "fedcba9876543210"
LIFETIME = 60.0


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return MemoryStore() if request.param == "memory" else FileStore(tmp_path / "sessions")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass."""
    real, passed = stores.time, [0.0]
    monkeypatch.setattr(stores, "time", lambda: real() + passed[0])

    def pass_by(seconds: float) -> None:
        passed[0] += seconds

    return pass_by


def test_what_is_written_is_read(store: Any) -> None:
    assert store.read(ID) == ""
    store.write(ID, "é", LIFETIME)
    store.write(OTHER, "2", LIFETIME)
    store.write(ID, "3", LIFETIME)
    assert (store.read(ID), store.read(OTHER)) == ("3", "2")
    store.destroy(ID)
    store.destroy(ID)
    assert (store.read(ID), store.read(OTHER)) == ("", "2")


def test_a_lifetime_ends(store: Any, later: Callable[[float], None]) -> None:
    store.write(ID, "1", LIFETIME)
    later(LIFETIME - 1)
    assert store.read(ID) == "1"
    later(2)
    assert store.read(ID) == ""
    store.update_timestamp(ID, LIFETIME)
    assert store.read(ID) == ""


def test_a_lifetime_begins_anew(store: Any, later: Callable[[float], None]) -> None:
    store.write(ID, "1", LIFETIME)
    later(LIFETIME - 1)
    store.update_timestamp(ID, LIFETIME)
    store.update_timestamp(OTHER, LIFETIME)
    later(LIFETIME - 1)
    assert (store.read(ID), store.read(OTHER)) == ("1", "")


def test_what_is_over_is_collected(store: Any, later: Callable[[float], None]) -> None:
    store.gc()
    store.write(ID, "1", LIFETIME)
    store.write(OTHER, "2", 3 * LIFETIME)
    later(2 * LIFETIME)
    store.gc()
    left = len(store._kept) if isinstance(store, MemoryStore) else len(os.listdir(store.folder))
    assert left == 1
    assert store.read(OTHER) == "2"


def test_files_are_the_users_own(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "a" / "b")
    store.write(ID, "1", LIFETIME)
    (path,) = store.folder.iterdir()
    assert path.name == f"session_{ID}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_processes_share_them(tmp_path: Path) -> None:
    FileStore(tmp_path).write(ID, "1", LIFETIME)
    assert FileStore(str(tmp_path)).read(ID) == "1"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    os.utime(secret, (2**33, 2**33))
    (tmp_path / f"session_{ID}").symlink_to(secret)
    assert FileStore(tmp_path).read(ID) == ""


def test_what_somebody_else_has_put_there_is_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path)
    store.write(ID, "1", LIFETIME)
    assert store.read(ID) == "1"
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert store.read(ID) == ""


def test_an_id_that_is_too_long_for_a_file_is_unknown(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    assert store.read("a" * 256) == ""
    store.destroy("a" * 256)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    store = FileStore(tmp_path)
    if tmp_path.stat().st_uid:
        with pytest.raises(PermissionError, match="belongs to"):
            store.check()
    else:
        store.check()  # root may have made it for us


def test_the_usual_folder_has_the_users_name_on_it() -> None:
    assert FileStore().folder.name == f"refworker-sessions-{os.getuid()}"
