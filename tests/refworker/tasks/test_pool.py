import asyncio

import pytest

from refworker.connection import TcpConnection
from refworker.status import statistics
from refworker.tasks import Dispatcher, TaskConnectionLost, TaskTimeout, TaskUnreachable, link, wire
from refworker.worker import Worker
from tests.refworker.peers import run, until
from tests.refworker.tasks.services import HOST, Gates, address, worker


def scripted(*answers: bytes) -> Worker:
    """A task worker that greets, and then gives these answers, one for each chunk of requests."""
    script = list(answers)

    def play(connection: TcpConnection, chunk: bytes) -> None:
        if chunk == wire.HELLO:
            connection.send(wire.hello(10, 1, []))
        elif answer := script.pop(0):
            connection.send(answer)
        else:
            connection.close()

    return Worker(f"tcp://{HOST}:0", on_message=play)


def at(server: Worker) -> str:
    return f"text://{HOST}:{server.port}"


# -- connections --------------------------------------------------------------------------------------


def test_a_thousand_calls_need_few_sockets() -> None:
    async def program() -> None:
        most = 0

        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            calls = [asyncio.create_task(dispatcher.call("echo", n)) for n in range(1000)]
            while not all(call.done() for call in calls):
                most = max(most, len(tasks.connections))
                await asyncio.sleep(0)
            assert [call.result() for call in calls] == list(range(1000))
        assert 1 <= most <= 4

    run(program)


def test_the_pool_never_exceeds_its_limit() -> None:
    async def program() -> None:
        gates = Gates()
        async with (
            worker(gates, slots=2) as tasks,
            Dispatcher(address(tasks), max_connections=1) as dispatcher,
        ):
            calls = [asyncio.create_task(dispatcher.call("wait", "a")) for _ in range(6)]
            await until(lambda: len(gates.begun) == 2)
            assert len(dispatcher._pool._waiting) == 4
            gates.let("a")
            await asyncio.gather(*calls)
            assert len(tasks.connections) == 1

    run(program)


def test_an_idle_connection_is_given_back() -> None:
    async def program() -> None:
        async with worker(slots=1) as tasks:
            idle = Dispatcher(address(tasks), idle_timeout=0.02)
            async with idle, Dispatcher(address(tasks)) as other:
                assert await idle.call("echo", 1) == 1
                assert await other.call("echo", 2) == 2  # the only slot changes hands
                await until(lambda: not idle._pool.hosts[0].links)

    run(program)


def test_a_connection_at_work_is_not_idle() -> None:
    async def program() -> None:
        gates = Gates()
        async with (
            worker(gates) as tasks,
            Dispatcher(address(tasks), idle_timeout=0.01) as dispatcher,
        ):
            call = asyncio.create_task(dispatcher.call("wait", "a"))
            await until(lambda: gates.begun)
            await asyncio.sleep(0.05)  # several sweeps; there is nothing to poll for
            gates.let("a")
            assert await call == "a"

    run(program)


def test_a_connection_that_hangs_in_abandoned_calls_is_given_up() -> None:
    async def program() -> None:
        gates = Gates()
        async with (
            worker(gates, slots=2) as tasks,
            Dispatcher(address(tasks), idle_timeout=0.02, max_connections=1) as dispatcher,
        ):
            for _ in range(2):
                with pytest.raises(TaskTimeout):
                    await dispatcher.using(timeout=0.2).call("wait", "a")  # long enough to be taken on
            assert dispatcher._pool.hosts[0].load == 2  # the process is still at it
            assert await dispatcher.call("echo", 1) == 1
            assert dispatcher._pool.hosts[0].load == 0
            gates.let("a")

    run(program)


def test_a_process_that_does_not_greet_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def program() -> None:
        monkeypatch.setattr(link, "LATE", 0.02)
        silent: list[TcpConnection] = []

        def play(connection: TcpConnection, message: bytes) -> None:
            if silent:
                connection.send(wire.hello(1, 1, []) if message == wire.HELLO else b'{"id":1,"result":1}\n')
            else:
                silent.append(connection)

        async with (
            Worker(f"tcp://{HOST}:0", on_message=play) as server,
            Dispatcher(at(server), idle_timeout=0.04) as dispatcher,
        ):
            assert await dispatcher.call("f") == 1

    run(program)


def test_a_full_send_buffer_is_waited_for() -> None:
    async def program() -> None:
        def greet_and_stop_reading(connection: TcpConnection, line: bytes) -> None:
            if line + b"\n" == wire.HELLO:
                connection.send(wire.hello(100, 1, []), raw=True)
                connection.pause_recv()
            else:
                connection.send(wire.result(wire.parse_request(line), len(line), 100), raw=True)

        refused = statistics.send_fail
        async with (
            Worker(f"text://{HOST}:0", on_message=greet_and_stop_reading) as server,
            Dispatcher(at(server)) as dispatcher,
        ):
            calls = []
            while statistics.send_fail == refused:
                calls.append(asyncio.create_task(dispatcher.call("f", "x" * 400_000)))
                await asyncio.sleep(0)
                assert len(calls) < 100
            [connection] = server.connections.values()
            connection.resume_recv()
            assert min(await asyncio.gather(*calls)) > 400_000

    run(program)


# -- lost connections ---------------------------------------------------------------------------------


def test_a_call_that_was_written_is_lost_with_its_connection() -> None:
    async def program() -> None:
        async with scripted(b"") as server, Dispatcher(at(server)) as dispatcher:
            with pytest.raises(TaskConnectionLost, match=r"f: the connection to text://.* may have run"):
                await dispatcher.call("f")

    run(program)


def test_a_call_that_may_be_repeated_is() -> None:
    async def program() -> None:
        async with (
            scripted(b"", b"", b'{"id":1,"result":"third"}\n') as server,
            Dispatcher(at(server), retries=2) as dispatcher,
        ):
            assert await dispatcher.call("f") == "third"
        async with scripted(b"", b"") as server, Dispatcher(at(server)) as dispatcher:
            with pytest.raises(TaskConnectionLost):
                await dispatcher.using(retries=1).call("f")

    run(program)


def test_a_call_that_was_not_written_goes_to_the_next_connection() -> None:
    async def program() -> None:
        async with (
            scripted(b'{"id":1,"result":1}\n', b'{"id":2,"result":2}\n') as server,
            Dispatcher(at(server)) as dispatcher,
        ):
            assert await dispatcher.call("f") == 1
            [used] = dispatcher._pool.hosts[0].links
            call = dispatcher._pool.submit("g", [], 5.0, 0)
            used.close()
            assert await call.future == 2
            dispatcher._pool.forget(call)

    run(program)


def test_calls_that_a_parting_worker_has_not_begun_go_elsewhere() -> None:
    async def program() -> None:
        async with (
            scripted(wire.GOODBYE, b'{"id":1,"result":"begun elsewhere"}\n') as server,
            Dispatcher(at(server)) as dispatcher,
        ):
            assert await dispatcher.call("f") == "begun elsewhere"

    run(program)


def test_a_late_answer_is_for_nobody() -> None:
    async def program() -> None:
        async with (
            scripted(
                b'{"id":1,"result":0}\n',  # from here on it stands, and a call leaves at once
                b'{"hello":"again"}\n',
                b'{"id":2,"result":1}\n{"id":3,"result":2}\n',
            ) as server,
            Dispatcher(at(server)) as dispatcher,
        ):
            assert await dispatcher.call("e") == 0
            with pytest.raises(TaskTimeout):
                await dispatcher.using(timeout=0.02).call("f")
            assert await dispatcher.call("g") == 2

    run(program)


def test_closing_ends_calls_that_rest_before_they_are_repeated() -> None:
    async def program() -> None:
        async with scripted(b"") as server:
            dispatcher = Dispatcher(at(server), retries=5)
            call = asyncio.create_task(dispatcher.call("f"))
            await until(lambda: dispatcher._pool._resting)
            await dispatcher.close()
            with pytest.raises(Exception, match="closed before the answer"):
                await call

    run(program)


def test_in_a_hurry_nobody_waits_for_hosts_that_are_gone() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks:
            gone = address(tasks)
        async with Dispatcher(gone, timeout=60) as dispatcher:
            before = asyncio.create_task(dispatcher.call("echo", 1))
            await until(lambda: dispatcher._pool._waiting)
            dispatcher.hurry(0.05)
            for call in (before, dispatcher.call("echo", 2)):
                with pytest.raises(TaskUnreachable, match=r"within 0.05 s"):
                    await call

    run(program)
