"""`RedisStore` on a Redis server as Debian has it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from refworker.connection import TcpConnection
from refworker.protocols.http import Request
from refworker.sessions.manager import Sessions
from refworker.sessions.redis_store import RedisStore
from tests.refworker.asking import answer, ask, serving
from tests.refworker.peers import DEADLINE, connected, run
from tests.refworker.sessions.redis_server import RedisServer

pytestmark = pytest.mark.whole

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
LONG = 60.0
TIMEOUT = 0.3


async def gone(store: RedisStore, key: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while await store.read(key):
            await asyncio.sleep(0.005)


def test_what_is_written_is_read_until_it_is_over(redis_server: RedisServer) -> None:
    async def program() -> None:
        store = RedisStore(redis_server.url)
        assert await store.read(KEY) == ""
        await store.write(KEY, '"é"', LONG)
        await store.write(OTHER, "2", 0.02)
        await gone(store, OTHER)
        await store.update_timestamp(OTHER, LONG)
        await store.gc()
        assert (await store.read(KEY), await store.read(OTHER)) == ('"é"', "")
        await store.update_timestamp(KEY, 0.02)
        await gone(store, KEY)
        await store.write(KEY, "3", 0.5)
        await store.update_timestamp(KEY, LONG)
        assert await store._client.pttl(f"session_{KEY}") > 1000 * LONG / 2
        for _ in range(2):
            await store.destroy(KEY)
            assert await store.read(KEY) == ""
        await store.close()

    run(program)


def test_another_prefix_is_another_place(redis_server: RedisServer) -> None:
    async def program() -> None:
        one, two = RedisStore(redis_server.url), RedisStore(redis_server.url, prefix="app:")
        await one.write(KEY, "1", LONG)
        assert (await two.read(KEY), await one._client.keys()) == ("", [f"session_{KEY}"])
        await one.close()
        await two.close()

    run(program)


async def visit(connection: TcpConnection, request: Request) -> str:
    """Counts; `/new` changes the id, `/old` keeps the old one beside it, `/out` ends the session."""
    if request.path == "/plain":
        return "plain"
    session = await request.session()
    if request.path == "/out":
        session.flush()
        return "out"
    session.set("n", session.get("n", 0) + 1)
    if request.path in ("/new", "/old"):
        await request.session_regenerate_id(delete_old=request.path == "/new")
    return str(session.get("n"))


def cookie_of(fields: dict[str, str]) -> str:
    return f"Cookie: {fields['set-cookie'].partition(';')[0]}"


class Browser:
    """Keeps its cookie."""

    def __init__(self, peer: Any) -> None:
        self.peer, self.cookies = peer, [""]

    async def get(self, path: str = "/", cookie: int = -1) -> tuple[int, bytes]:
        """Status and body, with the last cookie, or an earlier one."""
        ask(self.peer, path, *filter(None, [self.cookies[cookie]]))
        status, fields, body = await answer(self.peer)
        if "set-cookie" in fields and cookie == -1:
            self.cookies.append(cookie_of(fields))
        return status, body


def test_a_visit_from_login_to_logout(redis_server: RedisServer) -> None:
    async def program() -> None:
        sessions = Sessions(RedisStore(redis_server.url))
        async with serving(visit, sessions=sessions) as worker, connected(worker) as peer:
            browser = Browser(peer)
            for path in ("/", "/old", "/new", "/"):
                await browser.get(path)
            assert await browser.get() == (200, b"5")
            first, second = 1, 2
            assert (await browser.get(cookie=first))[1] == b"2"  # stands beside, as it was
            assert (await browser.get(cookie=second))[1] == b"1"  # is unknown: another session
            assert await browser.get("/out") == (200, b"out")
            assert await browser.get() == (200, b"1")
            keys = await sessions.store._client.keys()  # type: ignore[attr-defined]
            ids = {cookie.partition("=")[2] for cookie in browser.cookies}
            assert len(ids & {key.removeprefix("session_") for key in keys}) == 2

    run(program)


def test_a_server_that_is_gone_is_an_error_until_it_is_back(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> None:
        sessions = Sessions(RedisStore(redis_server.url, timeout=DEADLINE))
        async with serving(visit, sessions=sessions) as worker, connected(worker) as peer:
            browser = Browser(peer)
            assert await browser.get() == (200, b"1")
            redis_server.stop()
            for _ in range(2):
                assert (await browser.get())[0] == 500
                assert await browser.get("/plain") == (200, b"plain")
            assert str(redis_server.path) in caplog.text
            redis_server.start()
            for n in (b"1", b"2"):
                assert await browser.get() == (200, n)

    run(program)


def test_a_server_that_is_silent_is_given_up_soon_and_holds_up_nobody_else(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> None:
        sessions = Sessions(RedisStore(redis_server.url, timeout=TIMEOUT))
        async with (
            serving(visit, sessions=sessions) as worker,
            connected(worker) as peer,
            connected(worker) as other,
        ):
            browser = Browser(peer)
            assert await browser.get() == (200, b"1")
            redis_server.freeze()
            began = monotonic()
            refused = asyncio.create_task(browser.get())
            assert await Browser(other).get("/plain") == (200, b"plain")
            assert not refused.done()
            assert (await refused)[0] == 500
            assert monotonic() - began >= TIMEOUT
            redis_server.thaw()
            assert await browser.get() == (200, b"2")
            assert "Timeout" in caplog.text

    run(program)


def test_the_suite_finds_nothing_wrong(redis_server: RedisServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "conformance.cli", "run", "--only", "http/session/*"]
    environment = {**os.environ, "SESSION_REDIS": redis_server.url}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    async def program() -> None:
        store = RedisStore(redis_server.url)
        assert await store._client.keys("session_*"), "the sessions were somewhere else"
        await store.close()

    run(program)
