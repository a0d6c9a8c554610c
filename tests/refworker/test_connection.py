import asyncio
import logging
from typing import Any

import pytest

from refworker.connection import TcpConnection
from refworker.status import SEND_FAIL, Status, statistics
from refworker.worker import Worker
from tests.refworker.peers import connected, run, until

HOST = "127.0.0.1"
MEBIBYTE = 2**20


def echo(connection: TcpConnection, message: Any) -> None:
    connection.send(message)


# -- messages -----------------------------------------------------------------------------------------


def test_the_replies_to_one_chunk_leave_in_order() -> None:
    async def program() -> None:
        async with Worker(f"text://{HOST}:0", on_message=echo) as worker, connected(worker) as peer:
            peer.send(b"a\r\nb\n\nc")
            await peer.expect(b"a\nb\n\n")
            peer.send(b"d\n")
            await peer.expect(b"cd\n")

    run(program)


def test_messages_wait_for_a_slow_handler_and_stay_in_order() -> None:
    async def program() -> None:
        gate = asyncio.Event()

        async def slow(connection: TcpConnection, message: bytes) -> None:
            if message == b"wait":
                await gate.wait()
            connection.send(message)

        async with Worker(f"text://{HOST}:0", on_message=slow) as worker, connected(worker) as peer:
            peer.send(b"wait\nsecond\n")
            await until(lambda: any(each._stalled for each in worker.connections.values()))
            peer.send(b"third\n")
            gate.set()
            await peer.expect(b"wait\nsecond\nthird\n")

    run(program)


def test_a_paused_connection_delivers_nothing_until_it_is_resumed() -> None:
    async def program() -> None:
        seen: list[bytes] = []

        def pause(connection: TcpConnection, message: bytes) -> None:
            seen.append(message)
            if message == b"pause":
                connection.pause_recv()
                connection.pause_recv()

        async with Worker(f"text://{HOST}:0", on_message=pause) as worker, connected(worker) as peer:
            peer.send(b"a\npause\nb\n")
            await until(lambda: b"pause" in seen)
            peer.send(b"c\nd\n")
            (connection,) = worker.connections.values()
            await until(lambda: connection._backlog)
            assert seen == [b"a", b"pause"]
            connection.resume_recv()
            await until(lambda: len(seen) == 5)
            connection.resume_recv()
            assert seen == [b"a", b"pause", b"b", b"c", b"d"]

    run(program)


def test_pausing_and_resuming_within_one_handler_changes_nothing() -> None:
    async def program() -> None:
        def blink(connection: TcpConnection, message: bytes) -> None:
            connection.pause_recv()
            connection.resume_recv()
            connection.send(message)

        async with Worker(f"text://{HOST}:0", on_message=blink) as worker, connected(worker) as peer:
            peer.send(b"1\n2\n3\n")
            await peer.expect(b"1\n2\n3\n")

    run(program)


@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_closes_its_own_connection_only(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> None:
        def fail(connection: TcpConnection, message: bytes) -> None:
            connection.send(message)
            if message == b"fail":
                raise ValueError("on purpose")

        async def fail_later(connection: TcpConnection, message: bytes) -> None:
            await asyncio.sleep(0)
            fail(connection, message)

        worker = Worker(f"text://{HOST}:0", on_message=fail_later if is_async else fail)
        async with worker, connected(worker) as bad, connected(worker) as good:
            bad.send(b"fail\nnever\n")
            assert await bad.rest() == b"fail\n"
            good.send(b"well\n")
            await good.expect(b"well\n")

    run(program)
    assert "on purpose" in caplog.text


def test_a_broken_protocol_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        async with Worker(f"frame://{HOST}:0", on_message=echo) as worker, connected(worker) as peer:
            peer.send(b"\0\0\0\x05x\0\0\0\0")
            assert await peer.rest() == b"\0\0\0\x05x"

    with caplog.at_level(logging.WARNING):
        run(program)
    assert "length 0 is impossible" in caplog.text


def test_the_limit_of_a_connection_is_its_own() -> None:
    async def program() -> None:
        def limit(connection: TcpConnection, message: bytes) -> None:
            connection.max_package_size = 3
            connection.send(message)

        async with Worker(f"text://{HOST}:0", on_message=limit) as worker, connected(worker) as peer:
            peer.send(b"longer\n")
            await peer.expect(b"longer\n")
            peer.send(b"abc\nabcd\n")
            assert await peer.rest() == b"abc\n"

    run(program)


# -- sending ------------------------------------------------------------------------------------------


def test_only_what_cannot_be_sent_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        results: list[bool | None] = []

        def strange(connection: TcpConnection, message: bytes) -> None:
            results.append(connection.send(object()))
            connection.send(message)

        async with Worker(f"text://{HOST}:0", on_message=strange) as worker, connected(worker) as peer:
            peer.send(b"x\n")
            await peer.expect(b"x\n")
        assert results == [False]

    run(program)
    assert "cannot send object" in caplog.text


def test_scalars_are_sent_as_text_and_raw_bytes_as_they_are() -> None:
    async def program() -> None:
        def scalars(connection: TcpConnection, message: bytes) -> None:
            for value in (123, 1.5, "ü", {"a": [1]}, b"bytes"):
                connection.send(value)
            connection.send("raw", raw=True)

        async with Worker(f"text://{HOST}:0", on_message=scalars) as worker, connected(worker) as peer:
            peer.send(b"x\n")
            await peer.expect('123\n1.5\nü\n{"a":[1]}\nbytes\nraw'.encode())

    run(program)


def test_a_full_send_buffer_refuses_whole_messages_and_drains() -> None:
    """FLOW-001 to FLOW-004, FLOW-006: one taken, five refused and reported, and an end to the congestion."""

    async def program() -> None:
        log: list[Any] = []
        before = statistics.send_fail

        def flood(connection: TcpConnection, message: bytes) -> None:
            connection.max_send_buffer_size = 1000
            log.extend(connection.send(b"x" * 3 * MEBIBYTE) for _ in range(6))

        async with Worker(f"text://{HOST}:0", on_message=flood) as worker:
            worker.on_buffer_full = lambda connection: log.append("full")
            worker.on_buffer_drain = lambda connection: log.append("drain")
            worker.on_error = lambda connection, code, reason: log.append((code, reason))
            async with connected(worker, limit=1024, receive_buffer=4096) as peer:
                peer.send(b"go\n")
                await until(lambda: log[-1:] == [False])
                refusal = (SEND_FAIL, "send buffer full and drop package")
                assert log == ["full", None, *[refusal, False] * 5]
                await peer.expect(b"x" * 3 * MEBIBYTE + b"\n")
                await until(lambda: log[-1] == "drain")
        assert statistics.send_fail == before + 5

    run(program)


def test_a_sum_of_small_messages_in_one_handler_is_bounded_too() -> None:
    async def program() -> None:
        results: list[bool | None] = []

        def flood(connection: TcpConnection, message: bytes) -> None:
            results.extend(connection.send(b"x" * 1000) for _ in range(20_000))

        worker = Worker(f"text://{HOST}:0", on_message=flood)
        async with worker, connected(worker, limit=1024, receive_buffer=4096) as peer:
            peer.send(b"go\n")
            await until(lambda: len(results) == 20_000)
            assert False in results
            await peer.expect((b"x" * 1000 + b"\n") * (len(results) - results.count(False)))

    run(program)


@pytest.mark.parametrize("size", [50, 250, 1000, 5000])
def test_pausing_a_reader_that_is_too_slow_loses_nothing(size: int) -> None:
    """The manual's recipe: no message between the full buffer and the pause is refused."""

    async def program() -> None:
        worker = Worker(f"text://{HOST}:0", on_message=echo)
        worker.on_buffer_full = TcpConnection.pause_recv
        worker.on_buffer_drain = TcpConnection.resume_recv
        worker.on_connect = lambda connection: setattr(connection, "max_send_buffer_size", 20_000)
        async with worker, connected(worker, limit=1024, receive_buffer=4096) as peer:
            lines = b"".join(b"%06d" % number + b"x" * size + b"\n" for number in range(8 * MEBIBYTE // size))
            peer.send(lines)
            await until(lambda: any(each._stalled for each in worker.connections.values()))
            await peer.expect(lines)

    run(program)


def test_byte_counters_and_addresses_are_the_sockets_own() -> None:
    async def program() -> None:
        closed = asyncio.get_running_loop().create_future()

        def gone(connection: TcpConnection) -> None:
            closed.set_result((connection.bytes_read, connection.bytes_written, connection.get_remote_port()))

        worker = Worker(f"text://{HOST}:0", on_message=echo, on_close=gone)
        async with worker, connected(worker) as peer:
            peer.send(b"ok\r\n")
            await peer.expect(b"ok\n")
            (connection,) = worker.connections.values()
            host, port = peer.address()
            assert connection.get_remote_address() == f"{host}:{port}"
            assert connection.get_local_address() == f"{HOST}:{worker.port}"
            assert (connection.get_remote_ip(), connection.get_local_ip()) == (HOST, HOST)
            peer.finish()
            assert await peer.rest() == b""
            assert await closed == (4, 3, port)

    run(program)


# -- closing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "arguments", "answer"),
    [
        ("close", {}, b"x\n"),
        ("close", {"data": "last"}, b"x\nlast\n"),
        ("close", {"data": ""}, b"x\n\n"),
        ("close", {"data": "raw", "raw": True}, b"x\nraw"),
        ("end", {"data": "last"}, b"x\nlast\n"),
    ],
)
def test_last_words_are_said_and_nothing_is_delivered_afterwards(
    method: str, arguments: dict[str, Any], answer: bytes
) -> None:
    async def program() -> None:
        seen: list[Any] = []

        def handle(connection: TcpConnection, message: bytes) -> None:
            seen.append(message)
            connection.send(message)
            getattr(connection, method)(**arguments)
            seen.append((connection.send("refused"), connection.status))
            connection.close("twice")

        worker = Worker(f"text://{HOST}:0", on_message=handle)
        worker.on_close = lambda connection: seen.append(connection.status)
        async with worker, connected(worker) as peer:
            peer.send(b"x\nafter\n")
            assert await peer.rest() == answer
            peer.send(b"later\n")
            peer.finish()
            await until(lambda: Status.CLOSED in seen)
        ending = Status.ENDING if method == "end" else Status.CLOSING
        assert seen == [b"x", (False, ending), Status.CLOSED]

    run(program)


def test_destroy_closes_before_it_returns() -> None:
    async def program() -> None:
        log: list[str] = []

        def handle(connection: TcpConnection, message: bytes) -> None:
            connection.send(b"x" * 8 * MEBIBYTE)
            connection.destroy()
            log.append("after")
            connection.destroy()

        worker = Worker(
            f"text://{HOST}:0", on_message=handle, on_close=lambda connection: log.append("closed")
        )
        async with worker, connected(worker, receive_buffer=4096) as peer:
            peer.send(b"x\n")
            await until(lambda: log)
            assert log == ["closed", "after"]
            assert not worker.connections

    run(program)


def test_everything_queued_arrives_though_the_peer_goes_on_sending() -> None:
    async def program() -> None:
        def handle(connection: TcpConnection, message: bytes) -> None:
            connection.send(b"x" * 5 * MEBIBYTE)
            connection.close()

        worker = Worker(f"text://{HOST}:0", on_message=handle)
        async with worker, connected(worker, receive_buffer=4096) as peer:
            peer.send(b"go\n")
            await until(lambda: any(each.status is Status.CLOSING for each in worker.connections.values()))
            peer.send(b"more\n" * 1000)
            assert await peer.rest() == b"x" * 5 * MEBIBYTE + b"\n"

    run(program)


def test_what_came_before_the_peers_fin_is_answered() -> None:
    async def program() -> None:
        async def slow(connection: TcpConnection, message: bytes) -> None:
            await asyncio.sleep(0.001)
            connection.send(message)

        async with Worker(f"text://{HOST}:0", on_message=slow) as worker, connected(worker) as peer:
            peer.send(b"x\ny\npartial")
            peer.finish()
            assert await peer.rest() == b"x\ny\n"

    run(program)


def test_a_held_connection_outlives_the_peers_fin_until_its_reply_is_sent() -> None:
    async def program() -> None:
        held: list[TcpConnection] = []

        def owe(connection: TcpConnection, message: bytes) -> None:
            connection.hold()
            held.append(connection)

        async with Worker(f"text://{HOST}:0", on_message=owe) as worker, connected(worker) as peer:
            peer.send(b"x\n")
            peer.finish()
            await until(lambda: held and held[0]._eof)
            assert held[0].status is Status.ESTABLISHED
            held[0].send("owed")
            held[0].release()
            assert await peer.rest() == b"owed\n"

    run(program)


def test_a_peer_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TcpConnection, "close_timeout", 0.05)

    async def program() -> None:
        closed = asyncio.Event()

        def handle(connection: TcpConnection, message: bytes) -> None:
            connection.send(b"x" * 8 * MEBIBYTE)
            connection.close()

        worker = Worker(f"text://{HOST}:0", on_message=handle, on_close=lambda connection: closed.set())
        async with worker, connected(worker, limit=1024, receive_buffer=4096) as peer:
            peer.send(b"x\n")
            await closed.wait()

    run(program)


def test_one_birth_and_one_death_however_it_ends() -> None:
    async def program() -> None:
        log: list[str] = []
        worker = Worker(f"text://{HOST}:0", on_message=lambda connection, message: connection.close())
        worker.on_connect = lambda connection: log.append("connect")
        worker.on_close = lambda connection: log.append(f"close {connection.real_id in worker.connections}")
        async with worker:
            for end in ("fin", "reset", "close"):
                async with connected(worker) as peer:
                    await until(lambda: log[-1:] == ["connect"])
                    if end == "fin":
                        peer.finish()
                    elif end == "close":
                        peer.send(b"x\n")
                    else:
                        peer.writer.transport.abort()
                    if end != "reset":
                        await peer.rest()
                await until(lambda: log[-1] != "connect")
        assert log == ["connect", "close True"] * 3

    run(program)


def test_last_words_to_a_peer_that_is_gone_are_nobodys_error() -> None:
    async def program() -> None:
        async with Worker(f"text://{HOST}:0", on_message=echo) as worker:
            async with connected(worker):
                await until(lambda: worker.connections)
                (connection,) = worker.connections.values()
            connection.close(b"last", raw=True)
            await until(lambda: not worker.connections)

    run(program)


def test_a_handshake_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TcpConnection, "handshake_timeout", 0.05)

    async def program() -> None:
        async with Worker(f"websocket://{HOST}:0", on_message=echo) as worker, connected(worker) as peer:
            peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
            assert (await peer.rest()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")

    run(program)
