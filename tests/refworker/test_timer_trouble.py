"""Timers whose callbacks fail, and timers beside other loops, threads and tasks."""

import asyncio
import contextvars
import gc
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from refworker import timer
from refworker.timer import Timer

from .faketime import Clock, Ticks

# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("make", [Timer.repeat, Timer.delay])
def test_a_failing_run_is_logged_and_all_timers_live_on(
    clock: Clock, make: Callable[..., int], is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> None:
        ticks = Ticks(clock)

        def fail() -> None:
            ticks()
            raise ValueError("on purpose")

        async def fail_later() -> None:
            await asyncio.sleep(0)
            fail()

        timer_id = make(1, fail_later if is_async else fail)
        other = Ticks(clock)
        Timer.repeat(1, other)
        await asyncio.sleep(2.5)
        assert other.at == [1000, 2000]
        assert len(ticks.at) == len(caplog.records) == (2 if make == Timer.repeat else 1)
        assert all(entry.getMessage() == f"timer {timer_id} failed" for entry in caplog.records)

    clock.run(program)
    assert "ValueError: on purpose" in caplog.text


def test_a_run_that_ends_the_process_leaves_the_other_timers_alone(clock: Clock) -> None:
    def leave() -> None:
        raise SystemExit(3)

    async def program() -> None:
        ticks = Ticks(clock)
        Timer.delay(1, leave)
        Timer.delay(1, ticks)
        Timer.repeat(1, ticks)
        raise_again = asyncio.get_running_loop().create_task(asyncio.sleep(2.5))
        clock.now += 1
        with pytest.raises(SystemExit):
            timer.schedule()._round()  # by hand: asyncio would leave its loop
        await raise_again
        assert ticks.at == [1000, 1000, 2000, 3000]

    clock.run(program)


def test_an_async_run_that_ends_the_process_is_no_failure(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        await asyncio.sleep(0)
        raise SystemExit(3)

    async def program() -> None:
        Timer.delay(1, leave)
        await asyncio.sleep(3)

    with pytest.raises(SystemExit):
        clock.run(program)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "interval", [-0.001, math.nan, math.inf, 10**400], ids=["negative", "nan", "inf", "huge"]
)
def test_an_impossible_interval_is_refused(clock: Clock, interval: float) -> None:
    async def program() -> None:
        for make in (Timer.add, Timer.delay, Timer.repeat):
            with pytest.raises(ValueError, match="seconds from 0 up"):
                make(interval, print)
        assert Timer.count() == 0

    clock.run(program)


def test_what_cannot_be_called_or_counted_is_refused(clock: Clock) -> None:
    async def program() -> None:
        with pytest.raises(TypeError, match="calls a function, not str"):
            Timer.add(1, "print")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="real number"):
            Timer.add("1", print)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="not iterable"):
            Timer.add(1, print, 5)  # type: ignore[arg-type]
        assert Timer.count() == 0

    clock.run(program)


def test_without_a_running_loop_there_are_no_timers() -> None:
    for make in (Timer.add, Timer.delay, Timer.repeat):
        with pytest.raises(RuntimeError, match="running event loop; add it in on_worker_start"):
            make(1, print)
    assert (Timer.delete(1), Timer.count()) == (False, 0)
    Timer.delete_all()


# -- loops, tasks, contexts ------------------------------------------------------------------------


def test_a_new_loop_begins_without_timers(clock: Clock) -> None:
    ids: list[int] = []

    async def first() -> None:
        ids.append(Timer.repeat(1, print))

    async def second() -> None:
        assert Timer.delete(ids[0]) is False
        assert Timer.count() == 0
        assert Timer.add(1, print) > ids[0]
        assert len(timer._schedules) == 1

    for program in (first, second):
        clock.run(program)


def test_each_thread_with_a_loop_has_its_own(clock: Clock) -> None:
    async def program() -> None:
        timer_id = Timer.repeat(1, print)
        answers: list[Any] = []

        async def other() -> None:
            answers.append((Timer.count(), Timer.delete(timer_id)))

        thread = threading.Thread(target=lambda: asyncio.run(other()))
        thread.start()
        thread.join()
        assert answers == [(0, False)]
        assert Timer.count() == 1

    clock.run(program)


@pytest.mark.parametrize("make", [Timer.delay, Timer.repeat])
def test_an_async_run_is_kept_until_its_end(clock: Clock, make: Callable[..., int]) -> None:
    async def program() -> None:
        waits: list[weakref.ref[asyncio.Future[None]]] = []
        ended: list[str] = []

        async def wait() -> None:
            future = asyncio.get_running_loop().create_future()
            waits.append(weakref.ref(future))
            await future  # which nobody else knows
            ended.append("end")

        timer_id = make(1, wait)
        await asyncio.sleep(1.5)
        Timer.delete(timer_id)
        gc.collect()
        future = waits[0]()
        assert future, "the run was collected in the middle"
        future.set_result(None)
        await asyncio.sleep(0.1)
        assert ended == ["end"]

    clock.run(program)


def test_each_timer_runs_in_the_context_of_its_making(clock: Clock) -> None:
    variable = contextvars.ContextVar[str]("variable")

    async def program() -> None:
        seen: list[str] = []

        async def make(word: str) -> None:
            variable.set(word)
            Timer.delay(1, lambda: seen.append(variable.get()))

        await asyncio.gather(make("a"), make("b"))
        await asyncio.sleep(2)
        assert seen == ["a", "b"]

    clock.run(program)


def test_sleep_suspends_the_caller_only(clock: Clock) -> None:
    async def program() -> None:
        seen: list[str] = []

        async def sleeper() -> None:
            await Timer.sleep(0.01)
            seen.append("slept")

        running = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        seen.append("served")
        await running
        assert seen == ["served", "slept"]

    clock.run(program)
