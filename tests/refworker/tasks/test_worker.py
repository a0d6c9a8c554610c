import asyncio
import functools
from typing import Any

import pytest

from refworker.address import AddressError
from refworker.tasks import Dispatcher, TaskWorker
from refworker.tasks.worker import ASYNC_SLOTS, is_async
from tests.refworker.peers import connected, run, until
from tests.refworker.tasks.services import Gates, address, line, said, worker


async def asynchronous() -> None: ...


def plain() -> None: ...


class Called:
    async def __call__(self) -> None: ...


# -- registration -------------------------------------------------------------------------------------


def test_functions_are_registered_under_their_own_name_or_another() -> None:
    tasks = TaskWorker()
    assert tasks.function(plain) is plain
    assert tasks.function("other")(plain) is plain
    assert tasks.register("third", plain) is plain
    assert tasks.functions == {"plain": plain, "other": plain, "third": plain}


def test_a_name_is_taken_once() -> None:
    tasks = TaskWorker()
    tasks.function(plain)
    with pytest.raises(ValueError, match="there is a task 'plain' already"):
        tasks.function(plain)


def test_only_functions_are_registered() -> None:
    with pytest.raises(TypeError, match="task 'x' must be a function, not int"):
        TaskWorker().register("x", 5)  # type: ignore[type-var]


@pytest.mark.parametrize("options", [{"slots": 0}, {"slots": -1}])
def test_limits_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TaskWorker(**options)


def test_tasks_speak_text_only() -> None:
    with pytest.raises(AddressError, match="text://"):
        TaskWorker("frame://127.0.0.1:9100")


# -- slots --------------------------------------------------------------------------------------------


def test_one_plain_function_makes_the_process_serve_one_client_at_a_time() -> None:
    tasks = TaskWorker()
    tasks.function(asynchronous)
    assert tasks.slots == tasks.max_connections == ASYNC_SLOTS
    tasks.function(plain)
    assert tasks.slots == tasks.max_connections == 1


def test_slots_may_be_said() -> None:
    tasks = TaskWorker(slots=7)
    tasks.function(plain)
    assert tasks.slots == tasks.max_connections == 7


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (asynchronous, True),
        (functools.partial(asynchronous), True),
        (Called(), True),
        (plain, False),
        (functools.partial(plain), False),
        (len, False),
        (TaskWorker, False),
    ],
)
def test_async_functions_are_told_from_plain_ones(function: Any, expected: bool) -> None:
    assert is_async(function) is expected


def test_a_full_process_accepts_nobody_until_a_slot_is_free() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates, slots=1) as tasks, connected(tasks) as first:
            first.send(line(function="wait", args=["a"], id=1))
            await until(lambda: gates.begun)
            async with connected(tasks) as second:
                second.send(line(hello={}))
                gates.let("a")
                assert await said(first) == {"id": 1, "result": "a"}
                assert len(tasks.connections) == 1
                first.finish()
                assert (await said(second))["hello"]["concurrency"] == 1

    run(program)


def test_functions_may_be_registered_when_the_process_starts() -> None:
    async def program() -> None:
        tasks = worker()

        @tasks.on_worker_start
        def more(started: TaskWorker) -> None:
            started.register("plain", plain)

        async with tasks, connected(tasks) as peer:
            peer.send(line(function="plain") + line(hello={}))
            assert await said(peer) == {"result": None}
            assert (await said(peer))["hello"]["concurrency"] == 1

    run(program)


def test_a_busy_client_gives_up_its_slot_when_others_wait() -> None:
    async def program() -> None:
        async with worker(slots=1, turn=0.02) as tasks:
            greedy, modest = Dispatcher(address(tasks)), Dispatcher(address(tasks))
            async with greedy, modest:
                rows = ([number] for number in range(10**9))
                flood = asyncio.create_task(count(greedy, rows))
                await until(lambda: tasks.connections)
                assert await modest.call("add", 1, 2) == 3
                before = greedy._pool.hosts[0].served
                await until(lambda: greedy._pool.hosts[0].served > before)
                flood.cancel()
                await asyncio.gather(flood, return_exceptions=True)

    run(program)


async def count(dispatcher: Dispatcher, rows: Any) -> None:
    """Without an end; any call that fails ends it."""
    async for outcome in dispatcher.map("echo", rows, window=10):
        assert outcome.result == outcome.row[0]


def test_clients_without_hello_keep_their_slot() -> None:
    async def program() -> None:
        async with worker(slots=1, turn=0.01) as tasks, connected(tasks) as first:
            first.send(line(function="echo", args=[1]))
            await said(first)
            async with connected(tasks):
                await until(tasks._somebody_waits)
                tasks._share()
                first.send(line(function="echo", args=[2]))
                assert await said(first) == {"result": 2}

    run(program)
