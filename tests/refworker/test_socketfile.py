import os
import socket
import stat
from pathlib import Path

import pytest

from refworker.address import parse_address
from refworker.connection import TcpConnection
from refworker.listener import listen
from refworker.socketfile import SocketFile, file_of
from refworker.worker import Worker
from tests.refworker.peers import run, until


def listener_at(path: Path, **options: object) -> socket.socket:
    return listen(parse_address(f"unix://{path}"), 1, **options)


def test_who_has_made_a_file_removes_it(tmp_path: Path) -> None:
    with listener_at(tmp_path / "a.sock") as listener:
        file = file_of(listener)
        assert file
        file.remove()
        file.remove()
    assert not (tmp_path / "a.sock").exists()


def test_another_process_leaves_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listener_at(tmp_path / "a.sock") as listener:
        file = file_of(listener)
        assert file
        monkeypatch.setattr(os, "getpid", lambda: 1)
        file.remove()
    assert (tmp_path / "a.sock").exists()


def test_what_somebody_has_put_in_its_place_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with listener_at(path):
        file = SocketFile(str(path))
        path.rename(tmp_path / "b.sock")
        path.touch()
        file.remove()
    assert path.exists()


def test_a_port_has_no_file() -> None:
    with listen(parse_address("tcp://127.0.0.1:0"), 1) as listener:
        assert file_of(listener) is None


def test_the_file_has_the_permissions_that_were_asked_for(tmp_path: Path) -> None:
    with listener_at(tmp_path / "a.sock", socket_mode=0o620):
        assert stat.S_IMODE((tmp_path / "a.sock").stat().st_mode) == 0o620


@pytest.mark.parametrize(
    ("address", "options", "cure"),
    [
        ("unix:///x.sock", {"reuse_port": True}, "leave it out"),
        ("unix:///x.sock", {"socket_mode": 0o1777}, "0o000 to 0o777, not 0o1777"),
        ("tcp://127.0.0.1:1", {"socket_mode": 0o600}, "a port has no permissions"),
    ],
)
def test_options_that_do_not_go_together(address: str, options: dict[str, int], cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        Worker(address, **options)


def test_the_file_is_there_as_long_as_the_worker(tmp_path: Path) -> None:
    async def program() -> None:
        async with Worker(f"unix://{tmp_path}/a.sock"):
            assert (tmp_path / "a.sock").is_socket()
        assert not (tmp_path / "a.sock").exists()

    run(program)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", ""),
        ("client.sock", "{}/client.sock"),
        ("na\udcffme", "{}/na\N{REPLACEMENT CHARACTER}me"),
        ("\0abstract", "@{}/abstract"),
    ],
)
def test_names_of_unix_clients(tmp_path: Path, name: str, shown: str) -> None:
    async def program() -> None:
        met: list[TcpConnection] = []
        address = f"text://{tmp_path}/a.sock"
        async with Worker(address, transport="unix", on_connect=met.append, on_message=answer):
            with socket.socket(socket.AF_UNIX) as client:
                if name:
                    client.bind(
                        name[0] + f"{tmp_path}/{name[1:]}" if name[0] == "\0" else f"{tmp_path}/{name}"
                    )
                client.setblocking(False)
                client.connect(f"{tmp_path}/a.sock")
                await until(lambda: met)
                (one,) = met
                assert one.get_remote_address() == shown.format(tmp_path)
                assert (one.get_remote_ip(), one.get_remote_port()) == ("", 0)
                assert one.get_local_address() == f"{tmp_path}/a.sock"
                assert (one.transport, one.is_ipv4(), one.is_ipv6()) == ("unix", False, False)
                one.send(one.to_dict())  # JSON can carry every name
                assert one.bytes_written > 100

    def answer(connection: TcpConnection, message: bytes) -> None:
        connection.send(message)

    run(program)
