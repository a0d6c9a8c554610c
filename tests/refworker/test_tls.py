import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from refworker.address import AddressError
from refworker.client import AsyncTcpConnection
from refworker.connection import TcpConnection
from refworker.status import CONNECT_FAIL, Status
from refworker.supervisor.check import look_at
from refworker.supervisor.report import connection_row
from refworker.tls import TlsError, hardened
from refworker.worker import Worker
from tests.refworker.certificates import folder, self_signed, together
from tests.refworker.peers import DEADLINE, Peer, run, until

HOST = "127.0.0.1"
CERT, KEY = self_signed("localhost")
OURS = {"ssl": {"local_cert": CERT, "local_pk": KEY}}
TRUSTED = {"ssl": {"cafile": CERT}}


def echo(connection: TcpConnection, message: Any) -> None:
    connection.send(message)


def secure(scheme: str = "text", **options: Any) -> Worker:
    options = {"on_message": echo, "context": OURS, "transport": "ssl", **options}
    return Worker(f"{scheme}://{HOST}:0", **options)


def trusting(**settings: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(CERT))
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@asynccontextmanager
async def visitor(
    worker: Worker, context: ssl.SSLContext | None = None, name: str = ""
) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection(
        HOST, worker.port, ssl=context or trusting(), server_hostname=name or HOST
    )
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


class ByHand:
    """A client that seals its own records."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting().wrap_bio(self.incoming, self.outgoing, server_hostname=HOST)

    @classmethod
    async def shaken(cls, worker: Worker) -> "ByHand":
        """Connected, the handshake done."""
        client = cls(*await asyncio.open_connection(HOST, worker.port))
        while True:
            try:
                client.tls.do_handshake()
                client.writer.write(client.outgoing.read())
                return client
            except ssl.SSLWantReadError:
                client.writer.write(client.outgoing.read())
                client.incoming.write(await client.reader.read(65536))

    def sealed(self, data: bytes) -> bytes:
        """A record."""
        self.tls.write(data)
        return self.outgoing.read()

    async def rest(self) -> bytes:
        """The plaintext of all that comes until the end."""
        async with asyncio.timeout(DEADLINE):
            self.incoming.write(await self.reader.read())
        self.writer.close()
        records = []
        with suppress(ssl.SSLZeroReturnError, ssl.SSLWantReadError):
            while record := self.tls.read():
                records.append(record)
        return b"".join(records)


def test_messages_go_there_and_back_whatever_the_records() -> None:
    async def program() -> None:
        async with secure() as worker, visitor(worker) as peer:
            peer.send(b"one\ntwo\nthr")
            await peer.expect(b"one\ntwo\n")
            peer.send(b"ee\n" + b"x" * 30_000)
            await peer.expect(b"three\n")
            peer.send(b"\n")
            await peer.expect(b"x" * 30_000 + b"\n")

    run(program)


def test_three_megabytes_go_there_and_back() -> None:
    async def program() -> None:
        async with secure("tcp") as worker, visitor(worker) as peer:
            data = bytes(range(256)) * 12_000
            peer.send(data)
            await peer.expect(data)

    run(program)


@pytest.mark.parametrize("scheme", ["tcp", "text", "frame", "websocket", "ssl", "tls", "wss"])
def test_every_protocol_runs_over_tls_and_clients_verify(scheme: str) -> None:
    async def program() -> None:
        got: list[Any] = []
        transport = "" if scheme in ("ssl", "tls", "wss") else "ssl"
        async with secure(scheme, transport=transport) as worker:
            connection = AsyncTcpConnection(
                f"{scheme.replace('websocket', 'ws')}://{HOST}:{worker.port}",
                transport=transport,
                context=TRUSTED,
                on_message=lambda _, message: got.append(message),
                on_connect=lambda connection: connection.send(b"second"),
            )
            connection.send(b"first")
            connection.connect()
            await until(lambda: b"".join(got) == b"firstsecond")
            connection.close()
            await until(lambda: connection.status is Status.CLOSED and not worker.connections)

    run(program)


def test_last_words_are_followed_by_close_notify() -> None:
    async def program() -> None:
        async with secure(on_message=lambda connection, _: connection.close("bye")) as worker:
            context = trusting()
            context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a missing close_notify is an error
            async with visitor(worker, context) as peer:
                peer.send(b"x\nunread\n")
                assert await peer.rest() == b"bye\n"

    run(program)


def test_what_came_before_close_notify_is_answered_also_later() -> None:
    async def later(connection: TcpConnection, message: bytes) -> None:
        await asyncio.sleep(0.01)
        connection.send(message)

    async def program() -> None:
        async with secure(on_message=later) as worker:
            client = await ByHand.shaken(worker)
            client.writer.write(client.sealed(b"one\ntwo\n"))
            with pytest.raises(ssl.SSLWantReadError):
                client.tls.unwrap()
            client.writer.write(client.outgoing.read())
            client.writer.write_eof()
            assert await client.rest() == b"one\ntwo\n"

    run(program)


def test_a_stop_waits_for_the_rest_of_a_record() -> None:
    async def program() -> None:
        worker = secure(stop_timeout=DEADLINE)
        async with worker:
            client = await ByHand.shaken(worker)
            record = client.sealed(b"in two halves\n")
            (connection,) = worker.connections.values()
            connection.first_word_timeout = 0  # type: ignore[misc]
            client.writer.write(record[:10])
            await until(lambda: connection._transport and connection._transport.get_extra_info("half_record"))
            connection.leave()
            client.writer.write(record[10:])
            assert await client.rest() == b"in two halves\n"

    run(program)


def test_a_slow_reader_costs_one_send_buffer() -> None:
    async def program() -> None:
        told: list[str] = []
        async with secure("tcp") as worker:
            worker.on_buffer_full = lambda connection: (told.append("full"), connection.pause_recv())[1]
            worker.on_buffer_drain = lambda connection: (told.append("drain"), connection.resume_recv())[1]
            async with visitor(worker) as peer:
                peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
                data = b"x" * 24_000_000
                peer.send(data)
                await until(lambda: "full" in told)
                (connection,) = worker.connections.values()
                assert connection.get_send_buffer_queue_size() < 3_000_000
                assert connection.get_recv_buffer_queue_size() < 1_000_000
                peer.reader._transport.resume_reading()  # type: ignore[attr-defined]
                await peer.expect(data)
                await until(lambda: connection.get_send_buffer_queue_size() == 0)
                assert connection.bytes_read == connection.bytes_written == len(data)
                assert "drain" in told

    run(program)


@pytest.mark.parametrize("nonsense", [b"hello plain\n", b"\x16\x03\x01\x00\x05hello", b""])
def test_a_broken_handshake_is_one_line_and_harms_nobody(
    nonsense: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> None:
        events: list[str] = []
        async with secure() as worker:
            worker.on_connect = lambda _: events.append("connect")
            worker.on_close = lambda _: events.append("close")
            async with visitor(worker) as peer:
                reader, writer = await asyncio.open_connection(HOST, worker.port)
                writer.write(nonsense)
                writer.write_eof()
                await reader.read()
                writer.close()
                await until(lambda: len(worker.connections) == 1)
                peer.send(b"still here\n")
                await peer.expect(b"still here\n")
        assert events == ["connect", "close"]

    run(program)
    (line,) = [record for record in caplog.records if "handshake" in record.getMessage()]
    assert not line.exc_info


def test_a_silent_client_is_dropped() -> None:
    async def program() -> None:
        async with secure() as worker:
            worker.ssl_handshake_timeout = 0.05
            reader, writer = await asyncio.open_connection(HOST, worker.port)
            assert await asyncio.wait_for(reader.read(), DEADLINE) == b""
            writer.close()
            await until(lambda: not worker.connections)

    run(program)


def test_a_stop_waits_for_no_handshake() -> None:
    async def program() -> None:
        worker = secure(stop_timeout=DEADLINE)
        async with worker:
            _, writer = await asyncio.open_connection(HOST, worker.port)
            writer.write(b"\x16\x03\x01")
            await until(lambda: worker.connections)
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < DEADLINE / 2
        writer.close()

    run(program)


def test_sni_chooses_the_certificate() -> None:
    async def shown(worker: Worker, name: str) -> bytes:
        context = trusting(check_hostname=False, verify_mode=ssl.CERT_NONE)
        async with visitor(worker, context, name) as peer:
            der: bytes = peer.writer.get_extra_info("ssl_object").getpeercert(True)
            return der

    def der(name: str) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self_signed(name)[0].read_text())

    async def program() -> None:
        names = {"one.test": together("one.test"), "two.test": together("two.test")}
        ours = {"ssl": {**OURS["ssl"], "SNI_enabled": True, "SNI_server_certs": names}}
        async with secure(context=ours) as worker:
            for name, expected in (
                ("one.test", "one.test"),
                ("TWO.test", "two.test"),
                ("other", "localhost"),
            ):
                assert await shown(worker, name) == der(expected)
            assert await shown(worker, HOST) == der("localhost")

    run(program)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(version: ssl.TLSVersion) -> None:
    async def program() -> None:
        pinned = trusting(minimum_version=version, maximum_version=version)
        async with secure() as worker, visitor(worker, pinned) as peer:
            peer.send(b"x\n")
            await peer.expect(b"x\n")

    run(program)


def test_a_ready_context_is_used_as_it_is() -> None:
    async def program() -> None:
        context = hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(*self_signed("localhost", "secret"), "secret")
        blind = trusting(check_hostname=False, verify_mode=ssl.CERT_NONE)
        async with secure(context=None, ssl_context=context) as worker, visitor(worker, blind) as peer:
            peer.send(b"x\n")
            await peer.expect(b"x\n")

    run(program)


@pytest.mark.parametrize("shown", [True, False])
def test_clients_may_have_to_show_a_certificate(shown: bool) -> None:
    async def program() -> None:
        mutual = {"ssl": {**OURS["ssl"], "verify_peer": True, "cafile": CERT}}
        async with secure(context=mutual) as worker:
            context = trusting()
            if shown:
                context.load_cert_chain(CERT, KEY)
            async with visitor(worker, context) as peer:
                peer.send(b"x\n")
                if shown:
                    await peer.expect(b"x\n")
                else:
                    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
                        await peer.rest()

    run(program)


ACCEPTED = [
    {"cafile": CERT},
    {"cafile": CERT, "peer_name": "localhost"},
    {"cafile": CERT, "peer_name": "other", "verify_peer_name": False},
    {"verify_peer": False},
    {"allow_self_signed": True},
]
REFUSED = [
    ({}, "self-signed certificate"),
    ({"cafile": self_signed("one.test")[0]}, "certificate refused"),
    ({"cafile": CERT, "peer_name": "other"}, "mismatch"),
]


async def attempt(worker: Worker, options: dict[str, Any]) -> list[Any]:
    """What a client is told."""
    events: list[Any] = []
    connection = AsyncTcpConnection(f"text://{HOST}:{worker.port}", transport="ssl", context={"ssl": options})
    connection.on_connect = lambda connection: (events.append("connect"), connection.close())[1]
    connection.on_error = lambda _, code, reason: events.append((code, reason))
    connection.on_close = lambda _: events.append("close")
    connection.connect()
    await until(lambda: "close" in events)
    return events


@pytest.mark.parametrize("options", ACCEPTED)
def test_certificates_that_a_client_accepts(options: dict[str, Any]) -> None:
    async def program() -> None:
        async with secure() as worker:
            assert await attempt(worker, options) == ["connect", "close"]

    run(program)


@pytest.mark.parametrize(("options", "cause"), REFUSED)
def test_certificates_that_a_client_refuses(options: dict[str, Any], cause: str) -> None:
    async def program() -> None:
        async with secure() as worker:
            (code, reason), end = await attempt(worker, options)
            assert code == CONNECT_FAIL
            assert end == "close"
            assert cause in reason

    run(program)


def test_a_server_without_tls_is_an_error_for_its_client() -> None:
    async def program() -> None:
        plain = Worker(f"text://{HOST}:0", on_connect=lambda connection: connection.send("hello there"))
        async with plain as worker:
            (code, reason), end = await attempt(worker, {})
            assert (code, end) == (CONNECT_FAIL, "close")
            assert "no TLS with" in reason

    run(program)


def test_an_attempt_may_be_given_up_and_begun_anew() -> None:
    async def program() -> None:
        events: list[str] = []
        silent = Worker(f"tcp://{HOST}:0")
        async with silent, secure() as worker:
            connection = AsyncTcpConnection(f"ssl://{HOST}:{silent.port}", context=TRUSTED)
            connection.on_connect = lambda _: events.append("connect")
            connection.on_error = lambda *_: events.append("error")
            connection.on_close = lambda _: events.append("close")
            connection.connect()
            await until(lambda: silent.connections)
            connection.destroy()
            connection._target = AsyncTcpConnection(f"ssl://{HOST}:{worker.port}")._target
            connection.connect()
            await until(lambda: "connect" in events)
            assert events == ["close", "connect"]
            connection.close()
            await until(lambda: len(events) == 3)

    run(program)


def test_the_default_port_of_tls_is_443() -> None:
    assert AsyncTcpConnection("wss://host")._there() == "host:443"


EMPTY = folder() / "empty.pem"
EMPTY.write_text("nothing\n")
UNUSABLE = [
    ({}, "'local_cert' is missing"),
    ({"local_cert": Path("/nowhere.pem")}, "'local_cert': /nowhere.pem: No such file"),
    ({"local_cert": EMPTY}, "no PEM certificate there"),
    ({"local_cert": CERT}, "'local_cert'.*'local_pk'"),
    ({"local_cert": CERT, "local_pk": "/nowhere.key"}, "'local_pk': /nowhere.key: No such file"),
    ({"local_cert": CERT, "local_pk": self_signed("one.test")[1]}, "is another certificate's"),
    (dict(zip(("local_cert", "local_pk"), self_signed("localhost", "secret"), strict=True)), "'passphrase'"),
    ({**OURS["ssl"], "verify_peer": True, "cafile": EMPTY}, "'cafile'"),
    ({**OURS["ssl"], "SNI_enabled": True, "SNI_server_certs": {"a": "/no"}}, "SNI_server_certs.*/no"),
]


@pytest.mark.parametrize(("options", "cause"), UNUSABLE)
def test_an_unusable_certificate_is_an_error_at_the_start(options: dict[str, Any], cause: str) -> None:
    worker = secure(context={"ssl": options})
    with pytest.raises(TlsError, match=f"cannot listen on text://.*{cause}"):
        worker.bind()


def test_a_reload_looks_at_the_certificate_though_the_address_is_bound() -> None:
    worker = secure(context={"ssl": {"local_cert": "/nowhere.pem"}})
    with pytest.raises(TlsError, match=r"/nowhere\.pem"):
        look_at([worker], [worker.address])


def test_lists_of_connections_say_ssl() -> None:
    async def program() -> None:
        async with secure() as worker, visitor(worker) as peer:
            peer.send(b"x\n")
            await peer.expect(b"x\n")
            (connection,) = worker.connections.values()
            row = connection_row(connection)
            assert (row["transport"], row["protocol"], row["bytes_read"]) == ("ssl", "Text", 2)

    run(program)


def test_a_passphrase_opens_the_key() -> None:
    cert, key = self_signed("localhost", "secret")
    worker = secure(context={"ssl": {"local_cert": cert, "local_pk": key, "passphrase": "secret"}})
    worker.bind()
    worker.release()


def test_options_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(AddressError, match="transport='ssl'"):
        Worker("text://127.0.0.1:0", context=OURS)
    with pytest.raises(ValueError, match=r"'local_crt'; known are local_cert"):
        Worker("ssl://127.0.0.1:0", context={"ssl": {"local_crt": "x"}})
    with pytest.raises(ValueError, match="leave one of them out"):
        Worker("ssl://127.0.0.1:0", context=OURS, ssl_context=ssl.create_default_context())
