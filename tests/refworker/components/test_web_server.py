import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from refworker.components.web_server import WebServer
from refworker.connection import TcpConnection
from refworker.protocols.http import Request
from tests.refworker.asking import answer, ask
from tests.refworker.peers import connected, run

ADDRESS = "http://127.0.0.1:0"


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
        (tmp_path / name / "404.html").write_text(f"nothing in {name}")
    return tmp_path


def serving(roots: Path, **options: Any) -> WebServer:
    web = WebServer(ADDRESS, **options)
    web.add_root("One.example", roots / "one")
    web.add_root("two.example", {"root": roots / "two", "not_found": "404.html", "headers": {"X-Two": "2"}})
    return web


async def asked(
    web: WebServer, target: str, host: str, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    async with connected(web) as peer:
        peer.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return await answer(peer)


@pytest.mark.parametrize(
    ("host", "unknown", "status", "body"),
    [
        ("one.example", "first", 200, b"one"),
        ("two.example", "first", 200, b"two"),
        ("TWO.Example:8080", "first", 200, b"two"),
        ("three.example", "first", 200, b"one"),
        ("127.0.0.1", "Two.example", 200, b"two"),
        ("[::1]:80", "", 421, b"no such site here\n"),
    ],
)
def test_hosts(roots: Path, host: str, unknown: str, status: int, body: bytes) -> None:
    async def program() -> None:
        async with serving(roots, unknown=unknown) as web:
            found, _, text = await asked(web, "/", host)
            assert (found, text) == (status, body)

    run(program)


def test_each_site_has_its_own_pages_and_fields(roots: Path) -> None:
    async def program() -> None:
        async with serving(roots) as web:
            status, fields, body = await asked(web, "/x", "two.example")
            assert (status, fields["x-two"], body) == (404, "2", b"nothing in two")
            status, fields, body = await asked(web, "/x", "one.example")
            assert (status, "x-two" in fields, body) == (404, False, b"there is nothing here\n")

    run(program)


@pytest.mark.parametrize("late", [False, True])
def test_a_handler_gets_what_is_no_file(roots: Path, late: bool) -> None:
    def handler(connection: TcpConnection, request: Request) -> dict[str, str]:
        return {"you asked for": request.path}

    async def program() -> None:
        web = serving(roots) if late else serving(roots, on_message=handler)
        if late:
            web.on_message(handler)
        async with web:
            assert (await asked(web, "/", "one.example"))[2] == b"one"
            assert (await asked(web, "/x", "one.example"))[2] == b'{"you asked for":"/x"}'
            assert (await asked(web, "/", "one.example", "POST"))[2] == b'{"you asked for":"/"}'

    run(program)


def test_other_callbacks_are_as_for_every_worker(roots: Path) -> None:
    told: list[str] = []

    async def program() -> None:
        web = serving(roots, on_worker_start=lambda worker: told.append("start"))
        web.on_close = lambda connection: told.append("close")
        async with web, connected(web) as peer:
            ask(peer)
            assert (await answer(peer))[2] == b"one"
        assert told == ["start", "close"]

    run(program)


def test_a_root_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WebServer(ADDRESS).add_root("x", tmp_path / "missing")
    with pytest.raises(TypeError):
        WebServer(ADDRESS).add_root("x", {"root": tmp_path, "unknown": 1})


def test_no_root_is_an_error() -> None:
    async def program() -> None:
        with pytest.raises(FileNotFoundError, match="has no root"):
            async with WebServer(ADDRESS, name="web"):
                pass

    run(program)


def test_no_root_fails_at_once_with_one_line(tmp_path: Path) -> None:
    program = tmp_path / "site.py"
    program.write_text(
        "from refworker import run_all\nfrom refworker.components.web_server import WebServer\n"
        f"WebServer({ADDRESS!r}, name='web')\nrun_all(pid_file={str(tmp_path / 'pid')!r})\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(program), "start"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "has no root" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 30
