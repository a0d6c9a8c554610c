import errno
import socket
from pathlib import Path

import pytest

from refworker.address import AddressError, parse_address
from refworker.client import AsyncTcpConnection
from refworker.listener import explained, listen, pace_of, parse
from refworker.protocols.http import Limits
from refworker.worker import Worker
from tests.refworker.peers import run, until


def test_a_stale_socket_file_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    target = parse_address(f"unix://{tmp_path}/echo.sock")
    listen(target, 1).close()
    with listen(target, 1), pytest.raises(OSError) as caught:
        listen(target, 1)
    assert caught.value.errno == errno.EADDRINUSE


def test_a_full_queue_is_a_sign_of_life(tmp_path: Path) -> None:
    target = parse_address(f"unix://{tmp_path}/echo.sock")
    with listen(target, 0), socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.connect(target.path)
        second.setblocking(False)
        second.connect_ex(target.path)
        with pytest.raises(OSError, match="in use"):
            listen(target, 1)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("file", "what stands there is no socket; choose another path"),
        ("nowhere/echo.sock", "its folder does not exist; make it first"),
        ("x" * 120, "choose a shorter path"),
    ],
)
def test_a_path_that_cannot_be_listened_on(tmp_path: Path, name: str, cure: str) -> None:
    (tmp_path / "file").touch()
    worker = Worker(f"unix://{tmp_path}/{name}")
    with pytest.raises(OSError, match=cure):
        worker.bind()


def test_an_error_without_a_cure_is_told_as_it_is() -> None:
    target = parse_address("tcp://127.0.0.1:1")
    assert (
        explained("tcp://127.0.0.1:1", target, OSError(1, "Nope"))
        == "cannot listen on tcp://127.0.0.1:1: Nope"
    )


def test_what_nobody_can_listen_on() -> None:
    with pytest.raises(AddressError, match="has no port"):
        parse("text://127.0.0.1", None, "")


def test_a_protocol_over_a_unix_socket(tmp_path: Path) -> None:
    async def program() -> None:
        answers: list[bytes] = []
        address = f"text://{tmp_path}/echo.sock"
        async with Worker(address, transport="unix", on_message=lambda c, message: c.send(message)):
            client = AsyncTcpConnection(address, transport="unix")
            client.on_message = lambda connection, message: answers.append(message)
            client.connect()
            client.send("hello")
            await until(lambda: answers == [b"hello"])
            client.close()

    run(program)


def test_a_dead_unix_socket_is_a_connect_error(tmp_path: Path) -> None:
    async def program() -> None:
        log: list[object] = []
        client = AsyncTcpConnection(f"unix://{tmp_path}/dead.sock")
        client.on_error = lambda connection, code, reason: log.append((code, reason))
        client.on_close = lambda connection: log.append("close")
        client.connect()
        await until(lambda: log[-1:] == ["close"])
        assert log == [(1, f"cannot connect to {tmp_path}/dead.sock: No such file or directory"), "close"]

    run(program)


def test_the_pace_of_a_protocol() -> None:
    limits = Limits(header_timeout=3.0)
    assert pace_of(parse_address("http://127.0.0.1:0"), limits) == 3.0
    assert pace_of(parse_address("http://127.0.0.1:0"), None) == Limits().shortest
    assert pace_of(parse_address("text://127.0.0.1:0"), None) is None
    assert pace_of(None, None) is None
