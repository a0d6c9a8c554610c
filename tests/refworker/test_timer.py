import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from refworker.timer import Timer


def run(program: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a program that ends by itself; a timer that never fires fails the test."""
    asyncio.run(asyncio.wait_for(program(), 10))


def test_a_repeating_timer_runs_until_it_is_deleted() -> None:
    async def program() -> None:
        runs: list[str] = []
        done = asyncio.Event()

        def tick(word: str) -> None:
            runs.append(word)
            if len(runs) == 3:
                assert Timer.delete(timer)
                done.set()

        timer = Timer.add(0.001, tick, ["x"])
        await done.wait()
        Timer.add(0.02, done.clear, persistent=False)
        while done.is_set():
            await asyncio.sleep(0)
        assert runs == ["x", "x", "x"]

    run(program)


def test_a_single_run_is_gone_within_its_own_callback() -> None:
    async def program() -> None:
        deleted = asyncio.get_running_loop().create_future()
        timer = Timer.add(0, lambda: deleted.set_result(Timer.delete(timer)), persistent=False)
        assert await deleted is False

    run(program)


def test_an_interval_of_zero_never_runs_at_once() -> None:
    async def program() -> None:
        ran = asyncio.Event()
        Timer.add(0, ran.set, None, persistent=False)
        assert not ran.is_set()
        await ran.wait()

    run(program)


def test_a_deleted_timer_does_not_run_even_if_it_was_due() -> None:
    async def program() -> None:
        runs: list[int] = []
        first = Timer.add(0.001, lambda: Timer.delete(second), persistent=False)
        second = Timer.add(0.001, runs.append, [1], persistent=False)
        await asyncio.sleep(0.01)
        assert (runs, Timer.delete(first), Timer.delete(second)) == ([], False, False)

    run(program)


def test_ids_are_positive_and_never_reused() -> None:
    async def program() -> None:
        ids = []
        for _ in range(100):
            ids.append(Timer.add(60, print))
            Timer.delete(ids[-1])
        assert len(set(ids)) == 100
        assert min(ids) > 0

    run(program)


def test_an_async_run_never_overlaps_the_one_before() -> None:
    async def program() -> None:
        running, most, runs = 0, 0, 0

        async def slow() -> None:
            nonlocal running, most, runs
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            runs += 1

        timer = Timer.add(0.001, slow)
        while runs < 3:
            await asyncio.sleep(0)
        Timer.delete(timer)
        assert most == 1

    run(program)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failing_run_is_logged_and_the_timer_lives_on(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> None:
        runs = 0

        def fail() -> None:
            nonlocal runs
            runs += 1
            raise ValueError("on purpose")

        async def fail_later() -> None:
            fail()

        timer = Timer.add(0.001, fail_later if is_async else fail)
        while runs < 2:
            await asyncio.sleep(0)
        Timer.delete(timer)

    run(program)
    assert "on purpose" in caplog.text


def test_delete_all_deletes_every_timer() -> None:
    async def program() -> None:
        ids = [Timer.add(60, print) for _ in range(3)]
        Timer.delete_all()
        assert [Timer.delete(each) for each in ids] == [False, False, False]

    run(program)


@pytest.mark.parametrize("interval", [-0.001, math.nan, math.inf])
def test_an_impossible_interval_is_refused(interval: float) -> None:
    with pytest.raises(ValueError, match="seconds from 0 up"):
        Timer.add(interval, print)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="calls a function, not str"):
        Timer.add(1, "print")  # type: ignore[arg-type]


def test_sleep_suspends_the_caller_only() -> None:
    async def program() -> None:
        order: list[str] = []

        async def sleeper() -> None:
            await Timer.sleep(0.01)
            order.append("slept")

        task = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        order.append("served")
        await task
        assert order == ["served", "slept"]

    run(program)
