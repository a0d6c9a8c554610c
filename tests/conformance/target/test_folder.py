"""Placeholders, ports and the files behind them."""

import shutil
import socket
import sys
from pathlib import Path

import pytest

from conformance.target import ports
from conformance.target.fill import UnknownPlaceholder, fill
from conformance.target.folder import Folder
from conformance.target.ports import HIGHEST, LOWEST, claim_port


def test_fill() -> None:
    values = {"port.text": "1", "dir": "/d"}
    assert fill("{dir}/{port.text}/{port.text}", values.__getitem__) == "/d/1/1"
    assert fill('{"json": {}} {} {A} {1}', values.__getitem__) == '{"json": {}} {} {A} {1}'
    with pytest.raises(UnknownPlaceholder, match=r"unknown \{nope\}; use \{port\.NAME\}"):
        fill("{nope}", values.__getitem__)


def test_a_folder_knows_more_where_it_is_told_so() -> None:
    folder = Folder(url="ws://h:1")
    assert folder.lookup("url") == "ws://h:1"
    folder.remove()


def test_a_folder_makes_what_is_asked_for() -> None:
    folder = Folder()
    assert list(folder.path.iterdir()) == []
    assert folder.lookup("dir") == str(folder.path)
    assert folder.lookup("python") == sys.executable
    assert Path(folder.lookup("version")).read_text() == "version 1\n"
    assert Path(folder.lookup("outbox")).read_bytes() == b""
    assert Path(folder.lookup("static"), "hello.txt").exists()
    assert folder.lookup("port.text") == folder.lookup("port.text") != folder.lookup("port.frame")
    assert list(folder.temporary.iterdir()) == []
    folder.remove()
    assert not folder.path.exists()
    assert not folder.temporary.exists()


def test_an_unknown_name_is_a_key_error() -> None:
    folder = Folder()
    with pytest.raises(KeyError):
        folder.lookup("nope")
    folder.remove()


@pytest.mark.skipif(not shutil.which("openssl"), reason="certificates are made by the openssl command")
def test_certificate_and_key_belong_together() -> None:
    folder = Folder()
    assert "PRIVATE KEY" in Path(folder.lookup("key")).read_text()
    assert "CERTIFICATE" in Path(folder.lookup("cert")).read_text()
    folder.remove()


@pytest.mark.skipif(not shutil.which("openssl"), reason="certificates are made by the openssl command")
def test_all_copies_of_a_process_have_one_certificate_each_in_its_own_folder() -> None:
    one, other = Folder(), Folder()
    assert Path(one.lookup("cert")).read_bytes() == Path(other.lookup("cert")).read_bytes()
    assert Path(one.lookup("cert")).parent == one.path
    assert Path(other.lookup("key")).parent == other.path
    one.remove()
    other.remove()


def test_a_port_is_handed_out_once_until_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder()
    port = int(folder.lookup("port.text"))
    assert LOWEST <= port < HIGHEST
    monkeypatch.setattr(ports, "LOWEST", port)
    monkeypatch.setattr(ports, "HIGHEST", port + 1)
    with pytest.raises(OSError, match="no free port"):
        claim_port()
    folder.remove()
    again, claim = claim_port()
    claim.close()
    assert again == port


def test_a_port_in_use_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(ports, "LOWEST", port)
        monkeypatch.setattr(ports, "HIGHEST", port + 1)
        with pytest.raises(OSError, match="no free port"):
            claim_port()
