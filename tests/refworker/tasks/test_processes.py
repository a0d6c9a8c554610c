"""Task workers as they are used: in processes of their own."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from refworker.tasks import Dispatcher, TaskConnectionLost
from tests.refworker.peers import run, until
from tests.refworker.tasks.services import service


def test_a_slow_task_does_not_hold_up_a_fast_one(tmp_path: Path) -> None:
    async def program() -> None:
        async with service(tmp_path, 2, "plain") as tasks, Dispatcher(tasks.address) as dispatcher:
            slow = asyncio.create_task(dispatcher.call("until_exists", str(tmp_path / "go")))
            await until(lambda: dispatcher._pool.hosts[0].load)
            fast = {await dispatcher.call("who") for _ in range(20)}
            (tmp_path / "go").touch()
            assert fast | {await slow} == tasks.pids
            assert await slow not in fast

    run(program)


def test_plain_functions_use_every_process_at_once(tmp_path: Path) -> None:
    async def program() -> None:
        async with service(tmp_path, 3, "plain") as tasks, Dispatcher(tasks.address) as dispatcher:
            calls = [
                asyncio.create_task(dispatcher.call("until_exists", str(tmp_path / "go"))) for _ in range(5)
            ]
            host = dispatcher._pool.hosts  # the fourth connection waits in the listening queue
            await until(lambda: host and host[0].load == 3)
            (tmp_path / "go").touch()
            assert set(await asyncio.gather(*calls)) == tasks.pids

    run(program)


def test_a_killed_process_costs_the_calls_that_it_had(tmp_path: Path) -> None:
    async def program() -> None:
        async with service(tmp_path, 2, "async") as tasks, Dispatcher(tasks.address) as dispatcher:
            victim = await dispatcher.call("who")
            long = asyncio.create_task(dispatcher.call("nap", 20))
            await until(lambda: dispatcher._pool.hosts[0].load)
            assert await dispatcher.call("who") == victim  # so the nap has arrived there, too
            os.kill(victim, signal.SIGKILL)
            with pytest.raises(TaskConnectionLost):
                await long
            assert await dispatcher.call("who") != victim

    run(program)


def test_a_call_that_may_be_repeated_survives_the_death_of_its_process(tmp_path: Path) -> None:
    async def program() -> None:
        async with service(tmp_path, 2, "async") as tasks, Dispatcher(tasks.address, retries=3) as dispatcher:
            assert await dispatcher.call("crash_once", str(tmp_path / "crashed")) == "done"

    run(program)


def test_many_calls_and_a_stop_in_between_lose_nothing_that_was_not_begun(tmp_path: Path) -> None:
    async def program() -> None:
        async with service(tmp_path, 2, "async") as tasks, Dispatcher(tasks.address) as dispatcher:
            done = 0
            async for outcome in dispatcher.map("nap", [0.005] * 1000, return_exceptions=True):
                done += 1
                assert outcome.error is None, outcome.error
                if done == 300:
                    os.kill(min(tasks.pids), signal.SIGTERM)  # this process stops in good order
            assert done == 1000

    run(program)


def test_several_clients_share_the_slots(tmp_path: Path) -> None:
    async def program() -> None:
        async with service(tmp_path, 1, "plain") as tasks:
            clients = [Dispatcher(tasks.address, idle_timeout=0.05) for _ in range(4)]
            results = await asyncio.gather(*(client.call("who") for client in clients))
            assert set(results) == tasks.pids
            for client in clients:
                await client.close()

    run(program)
