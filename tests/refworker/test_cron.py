import asyncio
import importlib
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from refworker import Timer, cron

from .faketime import Clock

module: Any = importlib.import_module("refworker.cron")
"""The name `refworker.cron` means the function, for users."""

BERLIN = "Europe/Berlin"


class World(Clock):
    """A clock on the wall as well, which can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0
        self.set("2026-01-01 12:00:20")

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self.now + self.ahead

    def set(self, text: str, zone: str = "UTC") -> None:
        """Set the clock on the wall."""
        self.ahead = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() - self.now

    def shown(self, zone: str = "UTC") -> str:
        """What it shows."""
        return datetime.fromtimestamp(round(self.wall(), 3), ZoneInfo(zone)).strftime("%d %H:%M:%S")

    async def until(self, text: str, zone: str = "UTC") -> None:
        """Wait for a time on the wall."""
        end = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
        await asyncio.sleep(end - self.wall())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(module, "now", world.wall)
    return world


@pytest.fixture
def local_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system whose own time is that of Berlin."""
    monkeypatch.setenv("TZ", BERLIN)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def runs(
    world: World, expression: str, story: Callable[[], Coroutine[Any, Any, None]], **options: Any
) -> list[str]:
    """When a job ran during a story, by the clock on the wall."""
    seen: list[str] = []
    zone = options.get("timezone", "UTC")

    async def program() -> None:
        cron(expression, lambda: seen.append(world.shown(zone)), **{"timezone": "UTC", **options})
        await story()

    world.run(program)
    return seen


# -- times -----------------------------------------------------------------------------------------


def test_a_job_runs_at_its_times(world: World) -> None:
    async def story() -> None:
        await world.until("2026-01-03 00:00:00")

    assert runs(world, "*/15 13,22 * * *", story) == [
        f"0{day} {hour}:{minute}:00"
        for day in (1, 2)
        for hour in (13, 22)
        for minute in ("00", "15", "30", "45")
    ]


def test_seconds_come_first_where_there_are_six_fields(world: World) -> None:
    async def story() -> None:
        await world.until("2026-01-01 12:01:10")

    assert runs(world, "*/20 * * * * *", story) == ["01 12:00:40", "01 12:01:00"]


def test_a_job_that_never_runs_early_runs_once_a_minute(world: World) -> None:
    async def story() -> None:
        for _ in range(100):  # a clock that goes ahead of the system's own by and by, and back again
            await asyncio.sleep(3)
            world.ahead += 0.25
        for _ in range(100):
            await asyncio.sleep(3)
            world.ahead -= 0.25

    seen = runs(world, "* * * * *", story)
    assert [text[3:8] for text in seen] == [f"12:{minute:02}" for minute in range(1, 11)]


def test_a_job_is_a_timer(world: World) -> None:
    async def program() -> None:
        seen: list[str] = []
        job = cron("* * * * *", lambda: seen.append(world.shown()), timezone=UTC)
        assert Timer.count() == 1
        await world.until("2026-01-01 12:02:30")
        assert Timer.delete(job)
        await world.until("2026-01-01 12:10:00")
        assert seen == ["01 12:01:00", "01 12:02:00"]

    world.run(program)


def test_an_async_job_does_not_overlap_itself_and_the_loop_rests_meanwhile(world: World) -> None:
    async def program() -> None:
        seen: list[str] = []

        async def slow() -> None:
            seen.append(world.shown())
            await asyncio.sleep(90)

        cron("* * * * *", slow, timezone=UTC)
        await world.until("2026-01-01 12:05:30")
        assert seen == ["01 12:01:00", "01 12:03:00", "01 12:05:00"]

    world.run(program)


def test_times_during_a_job_s_own_run_are_left_out(world: World) -> None:
    async def program() -> None:
        seen: list[str] = []

        def slow() -> None:
            seen.append(world.shown())
            world.now += 150

        cron("* * * * *", slow, timezone=UTC)
        await world.until("2026-01-01 12:05:00")
        assert seen == ["01 12:01:00", "01 12:04:00"]

    world.run(program)


def test_a_failing_job_is_logged_and_lives_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        def fail() -> None:
            raise ValueError("on purpose")

        cron("* * * * *", fail, timezone=UTC)
        await world.until("2026-01-01 12:02:30")

    world.run(program)
    assert caplog.text.count("ValueError: on purpose") == 2


# -- a clock that is set ---------------------------------------------------------------------------


def test_a_clock_set_forward_is_followed_within_a_minute(world: World) -> None:
    async def story() -> None:
        await asyncio.sleep(10)
        world.set("2026-01-01 17:58:30")
        await world.until("2026-01-01 18:30:00")

    assert runs(world, "0 18 * * *", story) == ["01 18:00:00"]


@pytest.mark.parametrize(("then", "made_up"), [("14:59:00", ["01 14:59:40"]), ("15:01:00", [])])
def test_a_run_that_was_jumped_over_is_made_up_once_unless_it_is_much_too_late(
    world: World, then: str, made_up: list[str]
) -> None:
    async def story() -> None:
        world.set(f"2026-01-01 {then}")
        await world.until("2026-01-02 00:00:00")

    assert runs(world, "1 12 * * *", story) == made_up


def test_many_that_were_jumped_over_are_one(world: World) -> None:
    async def story() -> None:
        world.set("2026-01-01 13:10:00")
        await world.until("2026-01-01 13:12:30")

    assert runs(world, "* * * * *", story) == ["01 13:10:40", "01 13:11:00", "01 13:12:00"]


def test_what_has_run_does_not_run_again_when_the_clock_is_set_back(world: World) -> None:
    async def story() -> None:
        await world.until("2026-01-01 12:03:30")
        world.set("2026-01-01 12:01:45")
        await world.until("2026-01-01 12:05:30")

    minutes = ["01 12:01:00", "01 12:02:00", "01 12:03:00", "01 12:04:00", "01 12:05:00"]
    assert runs(world, "* * * * *", story) == minutes


def test_a_clock_that_was_wrong_by_far_is_forgotten(world: World) -> None:
    async def story() -> None:
        world.set("2036-01-01 12:00:30")
        await world.until("2036-01-01 12:02:30")
        world.set("2026-01-01 12:00:30")
        await world.until("2026-01-01 12:03:30")

    seen = runs(world, "* * * * *", story)
    assert seen == ["01 12:02:00", "01 12:02:00", "01 12:03:00"]


# -- daylight saving -------------------------------------------------------------------------------

SPRING, AUTUMN = (
    ("2026-03-28 12:00:00", "2026-03-30 12:00:00"),
    ("2026-10-24 12:00:00", "2026-10-26 12:00:00"),
)


@pytest.mark.parametrize("timezone", [BERLIN, ZoneInfo(BERLIN), None])
@pytest.mark.parametrize(
    ("days", "seen"),
    [(SPRING, ["29 03:00:00", "30 02:30:00"]), (AUTUMN, ["25 02:30:00", "26 02:30:00"])],
)
@pytest.mark.usefixtures("local_berlin")
def test_a_time_of_the_day_comes_once_a_day(
    world: World, timezone: Any, days: tuple[str, str], seen: list[str]
) -> None:
    async def program() -> None:
        got: list[str] = []
        cron("30 2 * * *", lambda: got.append(world.shown(BERLIN)), timezone=timezone)
        await world.until(days[1], BERLIN)
        assert got == seen

    world.set(days[0], BERLIN)
    world.run(program)


@pytest.mark.parametrize("timezone", [BERLIN, None])
@pytest.mark.usefixtures("local_berlin")
def test_what_comes_every_hour_comes_in_both_of_two_equal_ones(world: World, timezone: str | None) -> None:
    async def program() -> None:
        got: list[str] = []
        cron("30 * * * *", lambda: got.append(world.shown(BERLIN)), timezone=timezone)
        await asyncio.sleep(4 * 3600)
        assert got == ["25 01:30:00", "25 02:30:00", "25 02:30:00", "25 03:30:00"]

    world.set("2026-10-25 01:00:00", BERLIN)
    world.run(program)


@pytest.mark.usefixtures("local_berlin")
def test_a_job_that_is_made_in_the_second_of_two_equal_hours_waits_for_the_next_day(world: World) -> None:
    async def program() -> None:
        got: list[str] = []
        await asyncio.sleep(3600)
        cron("30 2 * * *", lambda: got.append(world.shown(BERLIN)), timezone=BERLIN)
        await world.until("2026-10-26 12:00:00", BERLIN)
        assert got == ["26 02:30:00"]

    world.set("2026-10-25 02:10:00", BERLIN)
    world.run(program)


@pytest.mark.usefixtures("local_berlin")
@pytest.mark.parametrize(("start", "end"), [SPRING, AUTUMN])
def test_the_local_zone_is_the_named_one(start: str, end: str) -> None:
    zone, named = module.LocalZone(), ZoneInfo(BERLIN)
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    while moment < datetime.fromisoformat(end).replace(tzinfo=UTC):
        ours, theirs = moment.astimezone(zone), moment.astimezone(named)
        assert (ours.replace(tzinfo=None), ours.fold) == (theirs.replace(tzinfo=None), theirs.fold)
        assert ours.utcoffset() == theirs.utcoffset()
        assert ours.astimezone(UTC) == moment
        moment += timedelta(minutes=15)
    assert ours.tzname() == "local"
    assert ours.dst() is None


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("61 * * * *", "'61 .*': Bad minute"),
        ("* * *", "Wrong number of fields"),
        ("", "Wrong number of fields"),
        ("* * 31 2 *", "Bad day-of-month"),
        ("* * */20 * 1L", "no time in the next 50 years"),
    ],
)
def test_a_bad_expression_is_named_with_the_reason(world: World, expression: str, message: str) -> None:
    async def program() -> None:
        with pytest.raises(ValueError, match=message):
            cron(expression, print)
        assert Timer.count() == 0

    world.run(program)


@pytest.mark.parametrize("name", ["Nowhere/Land", "", "/etc", "a\0b", "../x"])
def test_an_unknown_time_zone_is_named(world: World, name: str) -> None:
    async def program() -> None:
        with pytest.raises(ValueError, match="unknown time zone"):
            cron("* * * * *", print, timezone=name)

    world.run(program)


def test_what_cannot_be_called_is_refused(world: World) -> None:
    async def program() -> None:
        with pytest.raises(TypeError, match="calls a function, not str"):
            cron("* * * * *", "print")  # type: ignore[arg-type]

    world.run(program)


def test_outside_an_event_loop_there_is_no_cron() -> None:
    with pytest.raises(RuntimeError, match="needs a running event loop"):
        cron("* * * * *", print)


def test_without_the_package_the_message_names_the_cure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def program() -> None:
        monkeypatch.setitem(sys.modules, "cronsim", None)
        with pytest.raises(ImportError, match=r"pip install 'refworker\[cron\]'"):
            cron("* * * * *", print)

    world.run(program)
