import asyncio
import socket
from typing import Any

import pytest

from refworker.address import AddressError
from refworker.connection import TcpConnection
from refworker.tasks import (
    Dispatcher,
    TaskBusy,
    TaskClosed,
    TaskError,
    TaskFailed,
    TaskInvalid,
    TaskTimeout,
    TaskUnreachable,
)
from refworker.worker import Worker
from tests.refworker.peers import run, until
from tests.refworker.tasks.services import HOST, Gates, address, worker


def dead_address() -> str:
    """An address where nobody listens."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return f"text://{HOST}:{sock.getsockname()[1]}"


# -- calls --------------------------------------------------------------------------------------------


def test_results_come_back_whatever_the_form_of_the_arguments() -> None:
    async def program() -> None:
        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            assert await dispatcher.call("add", 1, 2) == 3
            assert await dispatcher.call("add", a=1, b=2) == 3
            assert await dispatcher.request("add", [1, 2]) == 3
            assert await dispatcher.request("add", {"a": 1, "b": 2}) == 3
            assert await dispatcher.call("echo", {"function": ["ä", None, 1.5, True]}) == {
                "function": ["ä", None, 1.5, True]
            }

    run(program)


def test_both_kinds_of_arguments_at_once_are_a_mistake() -> None:
    async def program() -> None:
        async with Dispatcher(dead_address()) as dispatcher:
            with pytest.raises(TypeError, match="positional or named"):
                await dispatcher.call("add", 1, b=2)

    run(program)


def test_calls_share_a_connection_and_a_fast_one_overtakes() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, Dispatcher(address(tasks)) as dispatcher:
            slow = asyncio.create_task(dispatcher.call("wait", "a"))
            await until(lambda: gates.begun)
            assert await dispatcher.call("echo", 1) == 1
            assert len(tasks.connections) == 1
            gates.let("a")
            assert await slow == "a"

    run(program)


def test_what_the_function_raises_arrives_with_type_and_message() -> None:
    async def program() -> None:
        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            with pytest.raises(TaskFailed) as caught:
                await dispatcher.call("fail", "no such user")
            assert (caught.value.type, caught.value.message) == ("LookupError", "no such user")
            with pytest.raises(TaskFailed, match="unknown function 'nope'") as caught:
                await dispatcher.call("nope")
            assert caught.value.type == "UnknownFunction"

    run(program)


@pytest.mark.parametrize("value", [{1}, float("nan"), object()])
def test_arguments_that_json_cannot_carry_are_refused_before_anything_is_sent(value: Any) -> None:
    async def program() -> None:
        async with Dispatcher(dead_address()) as dispatcher:
            with pytest.raises(TaskInvalid, match=r"^echo: JSON cannot carry the arguments: "):
                await dispatcher.call("echo", value)

    run(program)


def test_arguments_beyond_the_limit_are_refused() -> None:
    async def program() -> None:
        async with Dispatcher(dead_address(), max_package_size=100) as dispatcher:
            with pytest.raises(TaskInvalid, match="bytes; max_package_size is 100"):
                await dispatcher.call("echo", "x" * 100)

    run(program)


# -- time-outs and limits -----------------------------------------------------------------------------


def test_a_call_that_is_not_answered_in_time_ends() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, Dispatcher(address(tasks)) as dispatcher:
            assert await dispatcher.call("echo", 0) == 0  # the connection stands
            with pytest.raises(TaskTimeout, match=r"^wait: no answer within 0.01 s$"):
                await dispatcher.using(timeout=0.01).call("wait", "a")
            gates.let("a")
            assert await dispatcher.call("echo", 1) == 1

    run(program)


def test_a_call_that_gets_no_turn_in_time_says_who_was_busy() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates, slots=1) as tasks, Dispatcher(address(tasks)) as dispatcher:
            slow = asyncio.create_task(dispatcher.call("wait", "a"))
            await until(lambda: gates.begun)
            with pytest.raises(
                TaskTimeout, match=rf"no task worker was free .*{address(tasks)}: connections: 1, all busy"
            ):
                await dispatcher.using(timeout=0.01).call("echo", 1)
            gates.let("a")
            assert await slow == "a"

    run(program)


def test_a_full_service_is_not_taken_for_an_unreachable_one() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates, slots=1) as tasks, Dispatcher(address(tasks)) as first:
            slow = asyncio.create_task(first.call("wait", "a"))
            await until(lambda: gates.begun)
            async with Dispatcher(address(tasks), timeout=0.05) as second:
                with pytest.raises(TaskTimeout, match="every process is full") as caught:
                    await second.call("echo", 1)
                assert caught.value.type == "TaskTimeout"
            gates.let("a")
            assert await slow == "a"

    run(program)


def test_too_many_waiting_calls_are_refused_at_once() -> None:
    async def program() -> None:
        async with Dispatcher(dead_address(), max_waiting=2) as dispatcher:
            waiting = [asyncio.create_task(dispatcher.call("echo", 1)) for _ in range(2)]
            await until(lambda: len(dispatcher._pool._waiting) == 2)
            with pytest.raises(TaskBusy, match=r"echo: 2 calls wait already \(max_waiting\)"):
                await dispatcher.call("echo", 1)
            waiting[0].cancel()
            await asyncio.gather(waiting[0], return_exceptions=True)
            assert len(dispatcher._pool._waiting) == 1  # a cancelled call waits no more
            waiting[1].cancel()

    run(program)


def test_other_settings_share_the_connections() -> None:
    async def program() -> None:
        async with worker() as tasks, Dispatcher(address(tasks), timeout=7) as dispatcher:
            patient = dispatcher.using(timeout=60)
            assert (patient.timeout, patient.retries) == (60, 0)
            careful = patient.using(retries=3)
            assert (careful.timeout, careful.retries) == (60, 3)
            assert await careful.call("echo", 1) == await dispatcher.call("echo", 1)
            assert len(tasks.connections) == 1

    run(program)


@pytest.mark.parametrize(
    "settings", [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"retries": -1}]
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is a number"):
        Dispatcher("text://127.0.0.1:1", **settings)


@pytest.mark.parametrize(
    "wrong", ["text://127.0.0.1", "text://127.0.0.1:0", "ws://127.0.0.1:1", "127.0.0.1:1"]
)
def test_addresses_that_cannot_be_meant_are_refused(wrong: str) -> None:
    with pytest.raises(AddressError, match="write it as"):
        Dispatcher(wrong)


def test_a_dispatcher_needs_an_address() -> None:
    with pytest.raises(ValueError, match="needs an address"):
        Dispatcher()


# -- closing ------------------------------------------------------------------------------------------


def test_closing_ends_calls_in_flight_and_waiting() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates, slots=1) as tasks:
            dispatcher = Dispatcher(address(tasks))
            running = asyncio.create_task(dispatcher.call("wait", "a"))
            await until(lambda: gates.begun)
            waiting = asyncio.create_task(dispatcher.call("echo", 1))
            await until(lambda: dispatcher._pool._waiting)
            await dispatcher.close()
            for call in (running, waiting):
                with pytest.raises(TaskClosed, match="closed before the answer"):
                    await call
            with pytest.raises(TaskClosed, match="echo: the dispatcher is closed"):
                await dispatcher.call("echo", 1)
            gates.let("a")
            await until(lambda: not tasks.connections)

    run(program)


# -- hosts --------------------------------------------------------------------------------------------


def test_no_host_within_the_time_out_names_host_and_cause() -> None:
    async def program() -> None:
        dead = dead_address()
        async with Dispatcher(dead, timeout=0.1) as dispatcher:
            with pytest.raises(TaskUnreachable) as caught:
                await dispatcher.call("echo", 1)
            assert caught.value.message.startswith("echo: no task worker could be reached within 0.1 s")
            assert f"{dead}: cannot connect to" in caught.value.message
            assert "Connection refused" in caught.value.message

    run(program)


def test_a_dead_host_costs_nothing_when_another_lives() -> None:
    async def program() -> None:
        async with worker() as tasks, Dispatcher(dead_address(), address(tasks)) as dispatcher:
            results = await asyncio.gather(*(dispatcher.call("echo", n) for n in range(50)))
            assert results == list(range(50))

    run(program)


def test_a_host_that_comes_back_is_found_again() -> None:
    async def program() -> None:
        dead = dead_address()
        async with Dispatcher(dead) as dispatcher:
            call = asyncio.create_task(dispatcher.call("echo", 1))
            await until(lambda: dispatcher._pool.hosts[0].problem)
            tasks = worker()
            late = type(tasks)(dead)
            late.functions |= tasks.functions
            async with late:
                assert await call == 1
            assert not dispatcher._pool.hosts[0].problem

    run(program)


def test_calls_go_to_the_host_with_the_least_to_do() -> None:
    async def program() -> None:
        gates = Gates()
        async with (
            worker(gates) as one,
            worker(gates) as two,
            Dispatcher(address(one), address(two)) as dispatcher,
        ):
            for _ in range(4):  # both hosts get to be known
                await dispatcher.call("echo", 1)
            await until(lambda: one.connections and two.connections)
            calls = [asyncio.create_task(dispatcher.call("wait", "a")) for _ in range(10)]
            await until(lambda: len(gates.begun) == 10)
            assert [host.load for host in dispatcher._pool.hosts] == [5, 5]
            gates.let("a")
            await asyncio.gather(*calls)

    run(program)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b'{"hello":{}}', "does not answer the hello"),
        (b"huh?", "answers what is no reply"),
        (None, "closed the connection instead of answering"),
    ],
)
def test_a_server_that_is_no_task_worker_is_named(answer: bytes | None, cause: str) -> None:
    async def program() -> None:
        def stranger(connection: TcpConnection, message: bytes) -> None:
            connection.send(answer) if answer else connection.close()

        async with (
            Worker(f"text://{HOST}:0", on_message=stranger) as server,
            Dispatcher(f"text://{HOST}:{server.port}", timeout=0.2) as dispatcher,
        ):
            with pytest.raises(TaskUnreachable, match=cause):
                await dispatcher.call("echo", 1)

    run(program)


def test_every_error_is_a_task_error() -> None:
    async def program() -> None:
        async with Dispatcher(dead_address(), timeout=0.05) as dispatcher:
            with pytest.raises(TaskError):
                await dispatcher.call("echo", 1)

    run(program)
