import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import uvloop

from refworker import timer
from refworker.timer import Timer

from .faketime import START, Clock, Ticks

# -- single and repeating timers -------------------------------------------------------------------


def test_a_repeating_timer_runs_every_interval(clock: Clock) -> None:
    seen: list[tuple[str, float]] = []

    async def program() -> None:
        Timer.add(0.2, lambda *words: seen.append(("".join(words), round(clock.now - START, 6))), ["A", "B"])
        await asyncio.sleep(0.7)

    clock.run(program)
    assert seen == [("AB", 0.2), ("AB", 0.4), ("AB", 0.6)]


@pytest.mark.parametrize("make", [Timer.delay, lambda *args: Timer.add(*args, persistent=False)])
def test_a_single_timer_runs_once_and_is_gone(clock: Clock, make: Callable[..., int]) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        timer_id = make(1.5, ticks, None)
        assert Timer.count() == 1
        await asyncio.sleep(100)
        assert ticks.at == [1500]
        assert Timer.count() == 0
        assert Timer.delete(timer_id) is False

    clock.run(program)


def test_repeat_is_add(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        first, second = Timer.repeat(1, ticks, ("x",)), Timer.delay(1, ticks)
        assert second == first + 1
        await asyncio.sleep(2.5)
        assert ticks.at == [1000, 1000, 2000]

    clock.run(program)


def test_an_interval_of_zero_never_runs_at_once(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        Timer.delay(0, ticks)
        assert ticks.at == []
        await asyncio.sleep(0.001)
        assert ticks.at == [0]

    clock.run(program)


def test_a_repeating_timer_without_interval_leaves_the_loop_its_turns(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        Timer.add(0, ticks)
        await asyncio.sleep(0.0105)
        assert ticks.at == list(range(1, 11))

    clock.run(program)


def test_a_chain_of_timers_without_delay_does_not_starve_the_loop(clock: Clock) -> None:
    async def program() -> None:
        runs = 0

        def again() -> None:
            nonlocal runs
            runs += 1
            if runs < 1000:
                Timer.delay(0, again)

        Timer.delay(0, again)
        for _ in range(10):
            await asyncio.sleep(0)  # the time stands still
        assert 1 <= runs <= 10

    clock.run(program)


def test_a_timer_far_away_is_neither_early_nor_forgotten(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        Timer.delay(3 * 86400, ticks)
        Timer.delay(1e300, ticks)
        await asyncio.sleep(7 * 86400)
        assert ticks.at == [3 * 86400 * 1000]

    clock.run(program)


@pytest.mark.parametrize("interval", [Decimal("0.5"), True, 1])
def test_any_number_is_an_interval(clock: Clock, interval: Any) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        Timer.repeat(interval, ticks)
        assert (await ticks.until(2))[1] == 2000 * float(interval)

    clock.run(program)


@pytest.mark.parametrize("make", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_in_real_time_no_timer_is_early(
    make: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def program() -> None:
        seen: list[bool] = []
        done = asyncio.Event()

        def tick(due: float) -> None:
            seen.append(time.monotonic() >= due)

        for tenths in (9, 1, 8, 2, 7, 3, 6, 4, 5):  # of a millisecond
            delay = 0.02 + tenths / 10_000
            Timer.delay(delay, tick, [time.monotonic() + delay])
        Timer.delay(0.03, done.set)
        await done.wait()
        assert seen == [True] * 9

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(asyncio.wait_for(program(), 10))


# -- rhythm ----------------------------------------------------------------------------------------


def test_a_rhythm_does_not_drift(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock, *[0.007] * 100)
        Timer.repeat(0.02, ticks)
        assert await ticks.until(100) == [20 * number for number in range(1, 101)]

    clock.run(program)


def test_a_callback_longer_than_the_interval_runs_without_pause_and_without_overlap(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock, *[0.25] * 4)
        Timer.repeat(0.1, ticks)
        assert await ticks.until(4) == [100, 350, 600, 850]

    clock.run(program)


def test_missed_runs_are_made_up_once_and_the_rhythm_is_the_old_one(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock, 0.905)
        Timer.repeat(0.01, ticks)
        assert await ticks.until(4) == [10, 915, 920, 930]

    clock.run(program)


def test_what_another_callback_held_up_is_made_up_once_as_well(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        Timer.delay(0.005, Ticks(clock, 0.1))
        Timer.repeat(0.01, ticks)
        assert await ticks.until(3) == [105, 110, 120]

    clock.run(program)


def test_an_async_run_never_overlaps_the_one_before(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)

        async def slow() -> None:
            ticks()
            await asyncio.sleep(0.25)

        Timer.repeat(0.1, slow)
        assert await ticks.until(3) == [100, 400, 700]

    clock.run(program)


# -- order -----------------------------------------------------------------------------------------


def test_timers_due_together_run_in_the_order_of_their_making(clock: Clock) -> None:
    async def program() -> None:
        seen: list[int] = []
        for number in range(100):
            Timer.delay(1, seen.append, [number])
        await asyncio.sleep(2)
        assert seen == list(range(100))

    clock.run(program)


def test_overdue_timers_run_in_the_order_of_their_due_time(clock: Clock) -> None:
    async def program() -> None:
        seen: list[str] = []
        for number in (3, 1, 2):
            Timer.delay(number / 10_000, seen.append, [f"{number}"])
        clock.now += 1
        await asyncio.sleep(0.01)
        assert seen == ["1", "2", "3"]

    clock.run(program)


def test_an_old_repeating_timer_goes_before_a_young_one(clock: Clock) -> None:
    async def program() -> None:
        seen: list[str] = []
        Timer.repeat(1, seen.append, ["old"])
        await asyncio.sleep(1.5)
        Timer.delay(0.5, seen.append, ["young"])
        await asyncio.sleep(1)
        assert seen == ["old", "old", "young"]

    clock.run(program)


def test_what_a_callback_adds_runs_after_all_that_was_due(clock: Clock) -> None:
    async def program() -> None:
        seen: list[str] = []
        Timer.delay(1, lambda: Timer.delay(0, seen.append, ["added"]))
        Timer.delay(1, seen.append, ["due"])
        Timer.delay(1.01, seen.append, ["overdue"])
        asyncio.get_running_loop().call_later(0.9, lambda: setattr(clock, "now", START + 2))
        await asyncio.sleep(2.5)
        assert seen == ["due", "overdue", "added"]

    clock.run(program)


# -- deletion --------------------------------------------------------------------------------------


def test_a_timer_may_delete_itself(clock: Clock) -> None:
    async def program() -> None:
        answers: list[bool] = []

        def tick() -> None:
            answers.append(len(answers) == 2 and Timer.delete(timer_id))

        timer_id = Timer.repeat(0.1, tick)
        await asyncio.sleep(1)
        assert answers == [False, False, True]
        assert Timer.delete(timer_id) is False

    clock.run(program)


def test_a_single_timer_is_gone_within_its_own_callback(clock: Clock) -> None:
    async def program() -> None:
        answers: list[bool] = []
        timer_id = Timer.delay(1, lambda: answers.append(Timer.delete(timer_id)))
        await asyncio.sleep(2)
        assert answers == [False]

    clock.run(program)


def test_what_is_deleted_does_not_run_even_if_it_was_due_in_the_same_round(clock: Clock) -> None:
    async def program() -> None:
        seen: list[str] = []
        Timer.delay(1, lambda: seen.append(f"{[Timer.delete(single), Timer.delete(repeating)]}"))
        single = Timer.delay(1, seen.append, ["single"])
        repeating = Timer.repeat(1, seen.append, ["repeating"])
        await asyncio.sleep(3)
        assert seen == ["[True, True]"]
        assert Timer.count() == 0

    clock.run(program)


def test_an_async_run_goes_on_when_its_timer_is_deleted(clock: Clock) -> None:
    async def program() -> None:
        seen: list[str] = []

        async def tick() -> None:
            seen.append(f"{Timer.delete(timer_id)}")
            await asyncio.sleep(5)
            seen.append("end")

        timer_id = Timer.repeat(1, tick)
        await asyncio.sleep(10)
        assert seen == ["True", "end"]

    clock.run(program)


@pytest.mark.parametrize("bad", [9999, 0, -1, None, "1", [], {}, 1.0, True])
def test_what_is_no_id_deletes_nothing_and_raises_nothing(clock: Clock, bad: Any) -> None:
    async def program() -> None:
        timer_id = timer.schedule().add(print, clock.now + 1, None)
        timer.schedule().entries[1] = timer.schedule().entries.pop(timer_id)  # for 1.0 and True to find
        assert Timer.delete(bad) is False
        assert Timer.count() == 1

    clock.run(program)


def test_delete_all_deletes_every_timer_and_nothing_else(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        ids = [Timer.add(1, ticks, persistent=persistent) for persistent in (True, False, True)]
        Timer.delay(1, Timer.delete_all)
        asyncio.get_running_loop().call_later(5, ticks)
        await asyncio.sleep(10)
        assert ticks.at == [1000, 1000, 1000, 5000]
        assert Timer.count() == 0
        assert not any(map(Timer.delete, ids))

    clock.run(program)


def test_ids_are_positive_and_never_reused(clock: Clock) -> None:
    async def program() -> None:
        ids = []
        for _ in range(1000):
            ids.append(Timer.add(60, print))
            Timer.delete(ids[-1])
        assert sorted(set(ids)) == ids
        assert min(ids) > 0

    clock.run(program)


def test_what_a_deleted_timer_held_is_free_at_once(clock: Clock) -> None:
    class Thing:
        def tick(self) -> None:
            raise AssertionError

    async def program() -> None:
        thing = Thing()
        gone = weakref.ref(thing)
        timer_id = Timer.delay(3600, thing.tick)
        del thing
        assert gone()
        Timer.delete(timer_id)
        gc.collect()
        assert gone() is None

    clock.run(program)


def test_timers_that_are_made_and_deleted_do_not_pile_up(clock: Clock) -> None:
    async def program() -> None:
        ticks = Ticks(clock)
        Timer.delay(2, ticks)
        for _ in range(1000):
            Timer.delete(Timer.delay(3600, ticks))
        assert len(timer.schedule()._heap) <= timer.MANY + 3
        await asyncio.sleep(3)
        assert ticks.at == [2000]

    clock.run(program)
