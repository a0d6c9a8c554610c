"""The suite's own TLS client, against the standard library's server."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conformance.target.calibration import Calibration
from conformance.target.folder import Folder
from conformance.wire.address import Address
from conformance.wire.peer import Peer
from conformance.wire.tls import HANDSHAKE, RECORD, Engine, old_hello, pinned
from conformance.wire.transcript import Transcript


@pytest.fixture(scope="module")
def context() -> Iterator[ssl.SSLContext]:
    folder = Folder()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder.lookup("cert"), folder.lookup("key"))
    yield made
    folder.remove()


@contextmanager
def served(context: ssl.SSLContext, talk: Callable[[ssl.SSLSocket], None]) -> Iterator[Peer]:
    """A peer of a server that talks so, in a thread of its own."""

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted, context.wrap_socket(accepted, server_side=True) as link:
            link.settimeout(10)
            talk(link)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        address = Address.parse(f"tls://127.0.0.1:{listener.getsockname()[1]}")
        with Peer(address, Calibration(), Transcript()) as peer:
            yield peer
        thread.join()


def echo(link: ssl.SSLSocket) -> None:
    while data := link.recv(65536):
        link.sendall(data)


def test_more_than_the_kernel_holds_goes_there_and_back(context: ssl.SSLContext) -> None:
    data = bytes(range(256)) * 40_000
    with served(context, echo) as peer:
        peer.send(data)
        peer.expect(data)


def test_many_records_go_together(context: ssl.SSLContext) -> None:
    def by_record(link: ssl.SSLSocket) -> None:
        for _ in range(3):
            link.sendall(b"<" + link.recv(65536) + b">")

    pieces = [b"1", bytes(100), b"3"]
    with served(context, by_record) as peer:
        assert peer.tls
        peer.tls.send_together(pieces)
        peer.expect(b"".join(b"<" + piece + b">" for piece in pieces))


def test_a_flood_ends_when_nobody_reads(context: ssl.SSLContext) -> None:
    read = threading.Event()

    def sleeper(link: ssl.SSLSocket) -> None:
        read.wait(10)
        while link.recv(65536):
            pass

    with served(context, sleeper) as peer:
        taken = peer.flood(bytes(48 << 20))
        assert RECORD <= taken < 48 << 20
        assert taken % RECORD == 0
        read.set()
        peer.send(b"and on")
        peer.finish()
        assert peer.ending() == "fin"  # everything was sent, and read


def test_an_end_that_was_announced_and_one_that_was_not(context: ssl.SSLContext) -> None:
    with served(context, lambda link: link.unwrap().close()) as peer:
        peer.finish()
        assert peer.ending() == "fin"
        assert peer.tls
        assert peer.tls.ended
    with served(context, lambda link: link.shutdown(socket.SHUT_RDWR)) as peer:
        assert peer.ending() == "fin"
        assert peer.tls
        assert not peer.tls.ended


def test_what_comes_after_our_goodbye_is_still_read(context: ssl.SSLContext) -> None:
    def late(link: ssl.SSLSocket) -> None:
        assert link.recv(10) == b"ask"
        assert link.recv(10) == b""
        link.sendall(b"answer")

    with served(context, late) as peer:
        peer.send(b"ask")
        peer.finish()
        peer.expect(b"answer")


def handshake(context: ssl.SSLContext, client: Engine) -> ssl.SSLObject:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    flight = client.shake()
    while not client.ready:
        incoming.write(flight)
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            pass
        flight = client.shake(outgoing.read())
    incoming.write(flight)
    server.do_handshake()
    client.open(outgoing.read())
    return server


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_engine_may_be_pinned_to_a_version(context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    client = Engine("localhost", pinned(version))
    assert handshake(context, client).version() == client.version
    assert client.certificate.startswith(b"\x30")


def test_a_record_holds_16_kib(context: ssl.SSLContext) -> None:
    client = Engine("localhost")
    handshake(context, client)
    sealed = client.seal(bytes(RECORD + 1))
    first = 5 + int.from_bytes(sealed[3:5], "big")
    second = 5 + int.from_bytes(sealed[first + 3 : first + 5], "big")
    assert first + second == len(sealed)


@pytest.mark.parametrize("version", [0x0301, 0x0302])
def test_an_old_hello_is_understood_by_who_speaks_so(context: ssl.SSLContext, version: int) -> None:
    folder = Folder()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    old.load_cert_chain(folder.lookup("cert"), folder.lookup("key"))
    folder.remove()
    assert answer(old, old_hello(version))[0] == HANDSHAKE
    with pytest.raises(ssl.SSLError, match=r"(?i)unsupported.protocol"):
        answer(context, old_hello(version))


def answer(context: ssl.SSLContext, hello: bytes) -> bytes:
    """What a server says to a ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    return outgoing.read()
