import asyncio
from pathlib import Path
from typing import Any

import pytest

from refworker.sessions import manager
from refworker.sessions.manager import Sessions
from refworker.sessions.session import ID, Session
from refworker.sessions.stores import FileStore, MemoryStore

UNKNOWN = "A" * 20


class Visit:
    """A request, as far as sessions look at it."""

    def __init__(self, key: str | None = None, answered: bool = False) -> None:
        self.id, self.answered = key, answered

    def cookie(self, name: str) -> str | None:
        return self.id if name == "PHPSID" else None


class Slow(MemoryStore):
    """A store that has to be waited for."""

    async def read(self, key: str) -> str:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().read(key)

    async def write(self, key: str, text: str, lifetime: float) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().write(key, text, lifetime)

    async def gc(self) -> None:  # type: ignore[override]
        raise AssertionError


def opened(sessions: Sessions, key: str | None = None) -> Session:
    session = sessions.open(Visit(key))
    assert isinstance(session, Session)
    return session


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(MemoryStore())


def test_a_session_lives_from_one_request_to_the_next(sessions: Sessions) -> None:
    first = opened(sessions)
    first.set("n", 1)
    first.save()
    assert ID.fullmatch(first.id)
    again = opened(sessions, first.id)
    assert (again.id, again.all()) == (first.id, {"n": 1})


@pytest.mark.parametrize("key", [UNKNOWN, "short", "../../x" * 5, None])
def test_an_id_of_a_clients_choice_is_replaced(sessions: Sessions, key: str | None) -> None:
    session = opened(sessions, key)
    assert session.id != key
    session.set("n", 1)
    session.save()
    assert key is None or sessions.store.read(key) == ""


def test_an_emptied_session_is_removed(sessions: Sessions) -> None:
    session = opened(sessions)
    session.set("n", 1)
    session.save()
    session.flush()
    session.save()
    session.save()
    assert sessions.store.read(session.id) == ""


def test_what_is_not_changed_lives_on() -> None:
    sessions = Sessions(MemoryStore(), lifetime=60)
    session = opened(sessions)
    session.set("n", 1)
    session.save()
    touched: list[str] = []
    sessions.store.update_timestamp = lambda key, lifetime: touched.append(key)  # type: ignore[method-assign]
    sessions.store.write = None  # type: ignore[assignment, method-assign]
    again = opened(sessions, session.id)
    again.save()
    assert touched == [session.id]


@pytest.mark.parametrize("delete_old", [True, False])
def test_another_id(sessions: Sessions, delete_old: bool) -> None:
    session = opened(sessions)
    session.set("n", 1)
    session.save()
    old = session.id
    sessions.renew(session, delete_old)
    session.save()
    assert session.id != old
    assert opened(sessions, session.id).all() == {"n": 1}
    assert bool(sessions.store.read(old)) is not delete_old


def test_too_late(sessions: Sessions) -> None:
    with pytest.raises(RuntimeError, match="answered"):
        sessions.open(Visit(answered=True))


def test_the_cookie_is_safe_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    session = Session("abc")
    assert Sessions(MemoryStore()).cookie(session) == "PHPSID=abc; Path=/; HttpOnly; SameSite=Lax"
    other = Sessions(FileStore(tmp_path), name="sid", max_age=9, path="/a", domain="a.b", secure=True,
                     http_only=False, same_site="None")  # fmt: skip
    assert other.cookie(session) == "sid=abc; Domain=a.b; Max-Age=9; Path=/a; Secure; SameSite=None"
    with pytest.raises(ValueError, match="SameSite"):
        Sessions(MemoryStore(), same_site="None")


def test_ids_do_not_repeat() -> None:
    assert len({manager.new_id() for _ in range(1000)}) == 1000


def test_what_is_over_is_collected_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(MemoryStore(), lifetime=-1)
    session = opened(sessions)
    session.set("n", 1)
    session.save()
    assert sessions.store._kept  # type: ignore[attr-defined]
    monkeypatch.setattr(manager, "GC_INTERVAL", -1.0)
    opened(sessions).save()
    assert not sessions.store._kept  # type: ignore[attr-defined]


def test_a_store_may_be_waited_for() -> None:
    async def program() -> None:
        sessions: Any = Sessions(Slow())
        session = await sessions.open(Visit(UNKNOWN))
        session.set("n", 1)
        await session.save()
        again = await sessions.open(Visit(session.id))
        assert again.all() == {"n": 1}

    asyncio.run(program())


def test_a_store_is_opened_once_however_many_ask() -> None:
    class Opened(Slow):
        told: list[str] = []  # noqa: RUF012
        fails = True

        async def open(self, name: str) -> None:
            self.told.append(name)
            await asyncio.sleep(0)
            if self.fails:
                raise OSError("not there yet")

        def close(self) -> None:
            self.told.append("close")

    async def program() -> None:
        store = Opened()
        sessions: Any = Sessions(store)
        await sessions.close()
        with pytest.raises(OSError, match="not there yet"):
            await sessions.open(Visit())
        store.fails = False
        await asyncio.gather(*(sessions.open(Visit()) for _ in range(3)))
        await sessions.close()
        await sessions.close()
        await sessions.open(Visit())
        assert store.told == ["PHPSID", "PHPSID", "close", "PHPSID"]

    asyncio.run(program())
