import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from refworker.examples.async_task import Client
from tests.refworker.examples.processes import children_of
from tests.refworker.peers import DEADLINE
from tests.refworker.supervisor.service import eventually

PROGRAM = (sys.executable, "-m", "refworker.examples.mail_service", "start")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a service says of itself, and its process; where its mail server should be, nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings = {"SMTP_PORT": str(nobody.getsockname()[1]), "MAILERS": "2"}
        pid_file = tmp_path_factory.mktemp("service") / "pid"
        env = {**os.environ, **settings, "PORT": "0", "PID_FILE": str(pid_file)}
        with subprocess.Popen(PROGRAM, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as process:
            assert process.stdout
            try:
                said = json.loads(next(line for line in process.stdout if line.startswith(b"{")))
                yield {**said, "pid": process.pid}
            finally:
                process.terminate()


def test_task_workers_leave_the_processor_to_the_service(service: dict[str, Any]) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    expected = [own, min(own + 10, 19), min(own + 10, 19)]

    def stands() -> bool:
        """The service may be ready before its task workers are."""
        children = children_of(service["pid"])
        return sorted(os.getpriority(os.PRIO_PROCESS, pid) for pid in children) == expected

    eventually(stands, f"priorities {expected}")


def ask(service: dict[str, Any], method: str, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", service["port"], timeout=DEADLINE)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def run(program: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(DEADLINE):
            await program

    asyncio.run(limited())


def test_the_page_needs_nothing_else(service: dict[str, Any]) -> None:
    assert service["url"] == f"http://127.0.0.1:{service['port']}/"
    answer, page = ask(service, "GET", "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    for elsewhere in (b'src="', b"@import", b'href="http', b"fetch("):
        assert elsewhere not in page


def test_head_is_the_page_without_its_body(service: dict[str, Any]) -> None:
    answer, body = ask(service, "HEAD", "/?anything")
    assert (answer.status, body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 1000


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/other", 404), ("GET", "/favicon.ico", 404), ("POST", "/", 405)]
)
def test_there_is_only_the_page(service: dict[str, Any], method: str, path: str, status: int) -> None:
    answer, body = ask(service, method, path)
    assert answer.status == status
    assert body.count(b"\n") == 1


@pytest.mark.parametrize(
    ("origin", "status"), [("http://elsewhere.example", 403), ("http://127.0.0.1:{}", 101)]
)
def test_a_page_from_elsewhere_may_not_order(service: dict[str, Any], origin: str, status: int) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer, _ = ask(service, "GET", "/", Origin=origin.format(service["port"]), **handshake)
    assert answer.status == status


@pytest.mark.parametrize("message", [12.5, "how are you?", [1], {"text": "mails"}, None])
def test_whatever_is_no_order_is_sent_back(service: dict[str, Any], message: Any) -> None:
    async def program() -> None:
        client = Client(service["port"])
        client.send(message)
        assert await client.receive() == message

    run(program())


@pytest.mark.parametrize("number", [0, -1, 1_000_001, "7", 2.5, True, None])
def test_an_order_that_cannot_be_meant_is_an_error(service: dict[str, Any], number: Any) -> None:
    async def program() -> None:
        client = Client(service["port"])
        client.send({"mails": number})
        assert await client.receive() == {"error": "mails is a number from 1 to 1000000"}

    run(program())


def test_mails_that_fail_are_counted_and_the_reason_is_told(service: dict[str, Any]) -> None:
    async def program() -> None:
        client = Client(service["port"])
        client.send({"mails": 3})
        for n in (1, 2, 3):
            report = await client.receive()
            assert (report["done"], report["failed"]) == (n, n)
            assert report["problem"].startswith("ConnectionRefusedError: ")
            assert 1 <= report["sockets"] <= 3

    run(program())


@pytest.mark.parametrize(
    ("name", "text"),
    [("PORT", "http"), ("PORT", "65536"), ("SMTP_PORT", "0"), ("MAILERS", "-1"), ("PORT", "")],
)
def test_a_wrong_setting_is_a_one_line_mistake(name: str, text: str, tmp_path: Path) -> None:
    env = {**os.environ, "PID_FILE": str(tmp_path / "pid"), name: text}
    done = subprocess.run(PROGRAM, check=False, capture_output=True, text=True, timeout=DEADLINE, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mail_service: {name} is a number from ")
    assert done.stderr.count("\n") == 1
