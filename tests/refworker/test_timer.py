import asyncio
import contextvars
import gc
import math
import threading
import time
import weakref
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import uvloop

from refworker import timer
from refworker.timer import Timer

from .faketime import Clock

START = 1000.0


class Ticks:
    """Notes when it is called, in milliseconds since the start, and takes a while each time."""

    def __init__(self, clock: Clock, *lasting: float) -> None:
        self.clock, self.lasting = clock, iter(lasting)
        self.at: list[int] = []

    def __call__(self, *_: object) -> None:
        self.at.append(round((self.clock.now - START) * 1000))
        self.clock.now += next(self.lasting, 0)

    async def until(self, count: int) -> list[int]:
        """Wait for so many calls."""
        while len(self.at) < count:
            await asyncio.sleep(0.001)
        return self.at[:count]


@pytest.fixture
def clock() -> Clock:
    return Clock()


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
def test_in_real_time_no_timer_is_early_or_out_of_order(
    make: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def program() -> None:
        seen: list[tuple[float, bool]] = []
        done = asyncio.Event()

        def tick(due: float) -> None:
            seen.append((due, time.monotonic() >= due))

        for tenths in (9, 1, 8, 2, 7, 3, 6, 4, 5):  # of a millisecond
            delay = 0.02 + tenths / 10_000
            Timer.delay(delay, tick, [time.monotonic() + delay])
        Timer.delay(0.03, done.set)
        await done.wait()
        assert [in_time for _, in_time in seen] == [True] * 9
        assert seen == sorted(seen)

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
