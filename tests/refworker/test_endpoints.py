import asyncio
import socket
from typing import Any

import pytest

from refworker.client import AsyncTcpConnection
from refworker.connection import TcpConnection
from refworker.status import Status
from refworker.worker import Worker
from tests.refworker.peers import connected, run, until


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


async def met_from(host: str, worker: Worker) -> tuple[TcpConnection, tuple[Any, ...]]:
    """The connection of a client that comes from `host`, and the client's own name for its end."""
    met: list[TcpConnection] = []
    worker.on_connect = met.append
    _, writer = await asyncio.open_connection(host, worker.port)
    await until(lambda: met)
    name: tuple[Any, ...] = writer.get_extra_info("sockname")
    writer.transport.abort()
    return met[0], name


@ipv6
def test_a_dual_listener_reports_plain_ipv4() -> None:
    async def program() -> None:
        async with Worker("text://[::]:0") as worker:
            four, name = await met_from("127.0.0.1", worker)
            assert four.get_remote_address() == f"127.0.0.1:{name[1]}"
            assert four.get_local_address() == f"127.0.0.1:{worker.port}"
            assert (four.get_remote_ip(), four.is_ipv4(), four.is_ipv6()) == ("127.0.0.1", True, False)
            six, name = await met_from("::1", worker)
            assert six.get_remote_address() == f"[::1]:{name[1]}"
            assert six.get_local_address() == f"[::1]:{worker.port}"
            assert (six.get_remote_ip(), six.is_ipv4(), six.is_ipv6()) == ("::1", False, True)

    run(program)


@ipv6
def test_a_listener_for_ipv6_alone() -> None:
    async def program() -> None:
        async with Worker("text://[::]:0", v6_only=True) as worker:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", worker.port)
            six, _ = await met_from("::1", worker)
            assert six.is_ipv6()

    run(program)


def test_what_json_says_of_a_connection() -> None:
    async def program() -> None:
        async with Worker("text://127.0.0.1:0") as worker, connected(worker) as peer:
            await until(lambda: worker.connections)
            (one,) = worker.connections.values()
            await until(lambda: one.status is Status.ESTABLISHED)
            here, (ip, port) = worker.port, peer.address()
            assert one.to_dict() == {
                "id": one.id,
                "status": 2,
                "transport": "tcp",
                "get_remote_ip": ip,
                "remote_port": port,
                "get_remote_address": f"{ip}:{port}",
                "get_local_ip": "127.0.0.1",
                "get_local_port": here,
                "get_local_address": f"127.0.0.1:{here}",
                "is_ipv4": True,
                "is_ipv6": False,
            }
            one.send(one.to_dict())
            one.close()
            await peer.expect(b'{"id":%d,"status":2,"transport":"tcp"' % one.id)

    run(program)


def test_addresses_and_counters_stay_readable_after_the_end() -> None:
    async def program() -> None:
        log: list[object] = []
        worker = Worker("text://127.0.0.1:0", on_message=lambda connection, message: connection.send("ok"))
        worker.on_close = lambda connection: log.append((connection.get_status(False), connection.to_dict()))
        async with worker, connected(worker) as peer:
            peer.send(b"info\n")
            await peer.expect(b"ok\n")
            (one,) = worker.connections.values()
            assert (one.bytes_read, one.bytes_written) == (5, 3)
            peer.finish()
            await until(lambda: log)
            status, view = log[0]  # type: ignore[misc]
            assert status == "CLOSED"
            assert view["get_remote_address"] == "{}:{}".format(*peer.address())
            assert one.bytes_written == 3

    run(program)


def test_an_outgoing_connection_has_a_view_before_it_stands() -> None:
    one = AsyncTcpConnection("unix:///nowhere.sock")
    assert (one.get_status(), one.get_status(False), one.transport) == (0, "INITIAL", "unix")
    view = one.to_dict()
    assert (view["get_remote_address"], view["is_ipv4"], view["is_ipv6"]) == ("", False, False)


def test_ids_are_never_given_twice_and_worker_connections_knows_the_first() -> None:
    async def program() -> None:
        async with Worker("text://127.0.0.1:0") as worker:
            async with connected(worker):
                await until(lambda: worker.connections)
                (first,) = worker.connections.values()
                original, first.id = first.id, 999
                assert worker.connections == {original: first}
            await until(lambda: not worker.connections)
            async with connected(worker):
                await until(lambda: worker.connections)
                assert next(iter(worker.connections)) > original

    run(program)
