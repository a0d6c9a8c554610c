"""Endpoint URLs: what is understood, and what is said about the rest."""

import socket
from pathlib import Path

import pytest

from conformance.wire.address import Address, dial


@pytest.mark.parametrize(
    ("url", "transport", "host", "port", "path"),
    [
        ("tcp://127.0.0.1:9000", "tcp", "127.0.0.1", 9000, "/"),
        ("udp://localhost:1", "udp", "localhost", 1, "/"),
        ("tls://[::1]:443", "tls", "::1", 443, "/"),
        ("ws://127.0.0.1:80/chat", "tcp", "127.0.0.1", 80, "/chat"),
        ("wss://h:1/", "tls", "h", 1, "/"),
        ("https://h:1/a/b", "tls", "h", 1, "/a/b"),
        ("unix:///tmp/x.sock", "unix", "/tmp/x.sock", 0, "/"),
    ],
)
def test_parse(url: str, transport: str, host: str, port: int, path: str) -> None:
    assert Address.parse(url) == Address(url, transport, host, port, path)


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("127.0.0.1:9000", "no known scheme"),
        ("ftp://127.0.0.1:9000", "no known scheme"),
        ("tcp://127.0.0.1", "from 1 to 65535"),
        ("tcp://127.0.0.1:0", "from 1 to 65535"),
        ("tcp://127.0.0.1:99999", "from 1 to 65535"),
        ("unix://relative.sock", "absolute path"),
    ],
)
def test_parse_refuses(url: str, cure: str) -> None:
    with pytest.raises(ValueError, match=cure):
        Address.parse(url)


def test_authority_has_brackets_around_ipv6() -> None:
    assert Address.parse("ws://[::1]:80/").authority == "[::1]:80"
    assert Address.parse("ws://h:80/").authority == "h:80"


def test_dial_unix(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with dial(Address.parse(f"unix://{path}"), 1.0) as connection:
            assert connection.family is socket.AF_UNIX


def test_dial_sets_nodelay_and_the_receive_buffer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address.parse(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        with dial(address, 1.0, receive_buffer=4096) as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 4 * 4096


def test_dial_says_when_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        dial(Address.parse(f"unix://{tmp_path}/nobody"), 1.0)


@pytest.mark.parametrize("name", ["", "own.sock"])
def test_our_end_of_a_unix_connection_may_have_a_name(tmp_path: Path, name: str) -> None:
    own = str(tmp_path / name) if name else ""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "a.sock"))
        listener.listen()
        dial(Address.parse(f"unix://{tmp_path}/a.sock"), 1.0, name=own).close()
        accepted, there = listener.accept()
        accepted.close()
        assert there == own
