"""Sessions on real connections."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from refworker.connection import TcpConnection
from refworker.protocols.http import Request, Response
from refworker.sessions import MemoryStore, Sessions
from refworker.status import Status
from tests.refworker.asking import answer, ask, serving
from tests.refworker.peers import connected, run


class Slow(MemoryStore):
    """A store that has to be waited for."""

    async def read(self, key: str) -> str:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().read(key)

    async def write(self, key: str, text: str, lifetime: float) -> None:  # type: ignore[override]
        await asyncio.sleep(0.01)
        super().write(key, text, lifetime)

    async def update_timestamp(self, key: str, lifetime: float) -> None:  # type: ignore[override]
        await asyncio.sleep(0)

    async def destroy(self, key: str) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().destroy(key)


def cookie_of(fields: dict[str, str]) -> str:
    return f"Cookie: {fields['set-cookie'].partition(';')[0]}"


@pytest.mark.parametrize("kind", ["str", "dict", "response", "send"])
def test_a_session_is_kept_whatever_the_answer_is(kind: str) -> None:
    shared = Response(200, {"X-Own": "1"}, "shared")

    def handler(connection: TcpConnection, request: Request) -> Any:
        session = request.session()
        assert request.session() is session
        assert request.session_id() == session.id
        session.set("n", session.get("n", 0) + 1)
        if kind == "send":
            connection.send(str(session.get("n")))
            return None
        return {"str": str(session.get("n")), "dict": {"n": session.get("n")}, "response": shared}[kind]

    async def program() -> None:
        store = MemoryStore()
        async with serving(handler, sessions=Sessions(store)) as worker, connected(worker) as peer:
            ask(peer)
            _, fields, body = await answer(peer)
            assert "HttpOnly" in fields["set-cookie"]
            ask(peer, "/", cookie_of(fields))
            _, again, body = await answer(peer)
            assert "set-cookie" not in again
            assert again["content-type"] == fields["content-type"]
            assert body in (b"2", b'{"n":2}', b"shared")
            assert next(iter(store._kept.values()))[0] == '{"n":2}'
            assert "set-cookie" not in map(str.lower, shared.headers)

    run(program)


def test_a_session_of_a_store_that_has_to_be_waited_for() -> None:
    async def handler(connection: TcpConnection, request: Request) -> str:
        session = await request.session()
        assert await request.session() is session
        assert await request.session_id() == session.id
        session.set("n", session.get("n", 0) + 1)
        if request.path == "/login":
            await request.session_regenerate_id(delete_old=True)
        return str(session.get("n"))

    async def program() -> None:
        async with serving(handler, sessions=Sessions(Slow())) as worker, connected(worker) as peer:
            ask(peer)
            _, fields, _ = await answer(peer)
            old = cookie_of(fields)
            ask(peer, "/login", old)
            _, fields, body = await answer(peer)
            assert (body, cookie_of(fields) != old) == (b"2", True)
            ask(peer, "/", cookie_of(fields))
            assert (await answer(peer))[2] == b"3"
            ask(peer, "/", old)
            assert (await answer(peer))[2] == b"1"

    run(program)


@pytest.mark.parametrize("delete_old", [True, False])
def test_another_id_after_a_login(delete_old: bool) -> None:
    def handler(connection: TcpConnection, request: Request) -> str:
        session = request.session()
        session.set("n", session.get("n", 0) + 1)
        if request.path == "/login":
            request.session_regenerate_id(delete_old)
        return str(session.get("n"))

    async def program() -> None:
        async with serving(handler, sessions=Sessions(MemoryStore())) as worker, connected(worker) as peer:
            ask(peer)
            _, fields, _ = await answer(peer)
            old = cookie_of(fields)
            ask(peer, "/login", old)
            _, fields, _ = await answer(peer)
            ask(peer, "/", cookie_of(fields))
            assert (await answer(peer))[2] == b"3"
            ask(peer, "/", old)
            assert (await answer(peer))[2] == (b"1" if delete_old else b"2")

    run(program)


def test_a_session_behind_the_answer_is_an_error_and_touches_no_other() -> None:
    problems: list[Exception] = []

    def handler(connection: TcpConnection, request: Request) -> str | None:
        if request.path != "/late":
            return "plain"
        connection.send("early")
        try:
            request.session()
        except RuntimeError as problem:
            problems.append(problem)
        return None

    async def program() -> None:
        async with serving(handler, sessions=Sessions(MemoryStore())) as worker, connected(worker) as peer:
            ask(peer, "/late")
            ask(peer, "/late")
            ask(peer, "/str")
            for _ in range(3):
                assert "set-cookie" not in (await answer(peer))[1]
            assert len(problems) == 2

    run(program)


def test_a_session_that_cannot_be_kept_is_a_500() -> None:
    def handler(connection: TcpConnection, request: Request) -> str:
        request.session().set("x", object())
        return "never"

    async def program() -> None:
        async with serving(handler, sessions=Sessions(MemoryStore())) as worker, connected(worker) as peer:
            ask(peer)
            status, fields, _ = await answer(peer)
            assert (status, "set-cookie" in fields) == (500, False)

    run(program)


def test_a_worker_has_sessions_without_being_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def handler(connection: TcpConnection, request: Request) -> str:
        request.session().set("n", 1)
        return "kept"

    async def program() -> None:
        async with serving(handler) as worker, connected(worker) as peer:
            ask(peer)
            await answer(peer)
            (folder,) = tmp_path.iterdir()
            assert len(list(folder.iterdir())) == 1
            assert all(each.status is Status.ESTABLISHED for each in worker.connections.values())

    run(program)


class Named(MemoryStore):
    """A store that says what it is told."""

    def __init__(self, good: list[bool]) -> None:
        super().__init__()
        self.good, self.told = good, []  # type: ignore[var-annotated]

    def open(self, name: str) -> None:
        self.told.append(f"open {name}")
        if not self.good.pop(0):
            raise OSError("no such place")

    async def close(self) -> None:
        self.told.append("close")
        raise OSError("it is gone already")


def test_a_store_is_opened_with_the_first_session_and_closed_with_the_worker(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Named([False, True])

    def handler(connection: TcpConnection, request: Request) -> str:
        request.session().set("n", 1)
        return "kept"

    async def program() -> None:
        async with serving(handler, sessions=Sessions(store, name="sid")) as worker:
            assert store.told == []
            async with connected(worker) as peer:
                for expected in (500, 200, 200):
                    ask(peer)
                    assert (await answer(peer))[0] == expected
                assert store.told == ["open sid", "open sid"]
        assert store.told[2:] == ["close"]
        assert "the store of sessions of worker none cannot be closed" in caplog.text

    run(program)


def test_a_store_is_closed_behind_the_last_session() -> None:
    class Late(Slow):
        told: list[str] = []  # noqa: RUF012

        async def write(self, key: str, text: str, lifetime: float) -> None:  # type: ignore[override]
            await super().write(key, text, lifetime)
            self.told.append("kept")

        async def close(self) -> None:
            self.told.append("close")

    async def handler(connection: TcpConnection, request: Request) -> None:
        (await request.session()).set("n", 1)
        connection.send("kept beside")

    async def program() -> None:
        store = Late()
        async with serving(handler, sessions=Sessions(store)) as worker, connected(worker) as peer:
            ask(peer)
            await answer(peer)
        assert store.told == ["kept", "close"]

    run(program)
