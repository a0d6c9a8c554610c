from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from refworker.tasks import Dispatcher, Outcome, TaskFailed, TaskInvalid
from tests.refworker.peers import run
from tests.refworker.tasks.services import Gates, address, worker


async def everything(outcomes: AsyncIterator[Outcome]) -> list[Any]:
    return [outcome.result async for outcome in outcomes]


async def slow_rows(gates: Gates) -> AsyncIterator[Any]:
    """Two rows; the second one comes only when a test says so."""
    yield [1]
    await gates.wait("row")
    yield [2]


def test_every_row_has_an_outcome_whatever_its_form() -> None:
    async def program() -> None:
        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            rows = [{"value": 1}, [2], (3,), "four", 5.5, {"value": {"six": 6}}]
            outcomes = [outcome async for outcome in dispatcher.map("echo", rows)]
            assert [outcome.row for outcome in outcomes] == rows
            assert [outcome.result for outcome in outcomes] == [1, 2, 3, "four", 5.5, {"six": 6}]

    run(program)


def test_no_rows_give_no_outcomes() -> None:
    async def program() -> None:
        async with Dispatcher("text://127.0.0.1:1") as dispatcher:
            assert [outcome async for outcome in dispatcher.map("echo", [])] == []

    run(program)


def test_outcomes_come_in_the_order_of_completion() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, Dispatcher(address(tasks)) as dispatcher:
            outcomes = dispatcher.map("wait", ["a", "b", "c"])
            for name in ("c", "a", "b"):
                gates.let(name)
                assert (await anext(outcomes)).result == name

    run(program)


def test_never_more_rows_are_under_way_than_the_window_has() -> None:
    async def program() -> None:
        taken = finished = 0

        def rows() -> Iterator[int]:
            nonlocal taken
            for number in range(100):
                taken += 1
                assert taken - finished <= 7
                yield number

        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            async for _ in dispatcher.map("echo", rows(), window=7):
                finished += 1
        assert (taken, finished) == (100, 100)

    run(program)


def test_failures_are_outcomes_and_do_not_stop_the_rest() -> None:
    async def program() -> None:
        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            rows: list[Any] = [[1, 2], [1], [{5}, 1], [3, 4]]
            found = {}
            async for outcome in dispatcher.map("add", rows, return_exceptions=True):
                found[rows.index(outcome.row)] = outcome
            assert (found[0].result, found[3].result) == (3, 7)
            assert isinstance(found[1].error, TaskFailed)
            assert isinstance(found[2].error, TaskInvalid)

    run(program)


def test_the_first_failure_is_raised_and_gives_up_the_rest() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, Dispatcher(address(tasks)) as dispatcher:
            with pytest.raises(TaskFailed, match="missing a required argument"):
                await everything(dispatcher.map("wait", [["never"], []]))
            gates.let("never")
            assert await dispatcher.call("echo", 1) == 1

    run(program)


def test_outcomes_do_not_wait_for_slow_rows() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            outcomes = dispatcher.map("echo", slow_rows(gates))
            assert (await anext(outcomes)).result == 1
            gates.let("row")
            assert (await anext(outcomes)).result == 2
            with pytest.raises(StopAsyncIteration):
                await anext(outcomes)

    run(program)


def test_what_the_rows_raise_is_raised() -> None:
    def rows() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    async def program() -> None:
        async with worker() as tasks, Dispatcher(address(tasks)) as dispatcher:
            with pytest.raises(OSError, match="the file is gone"):
                await everything(dispatcher.map("echo", rows()))

    run(program)


def test_a_window_has_room_for_one_row_at_least() -> None:
    async def program() -> None:
        async with Dispatcher("text://127.0.0.1:1") as dispatcher:
            with pytest.raises(ValueError, match="at least 1, not 0"):
                await anext(dispatcher.map("echo", [1], window=0))

    run(program)
