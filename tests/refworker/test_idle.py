"""Idle timeouts, pings and log-ins: the wheel in a time of its own, the rest on real connections."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from refworker import idle
from refworker.connection import TcpConnection
from refworker.idle import Wheel, watch_of
from refworker.worker import Worker
from tests.refworker.faketime import Clock
from tests.refworker.peers import connected, run, until

HOST = "127.0.0.1"


def echo(connection: TcpConnection, message: Any) -> None:
    connection.send(message)


# -- the wheel ----------------------------------------------------------------------------------------


def test_nothing_is_given_before_it_is_due_and_nothing_a_step_later() -> None:
    wheel: Wheel[float] = Wheel(10.0, 0.5)
    due = [0.1, 0.5, 0.75, 3.0, 9.9, 10.0]
    for each in due:
        wheel.put(each, each)
    seen: list[float] = []
    for tick in range(45):
        now = tick * 0.25
        given = wheel.turn(now)
        assert all(each <= now < each + 1.0 for each in given)
        seen += given
    assert sorted(seen) == due
    assert not len(wheel)


def test_an_item_that_is_put_again_moves_and_one_that_is_removed_never_comes() -> None:
    wheel: Wheel[str] = Wheel(10.0, 0.5)
    wheel.put("moved", 1.0)
    wheel.put("moved", 5.0)
    wheel.put("removed", 1.0)
    wheel.remove("removed")
    wheel.remove("removed")
    assert wheel.turn(4.9) == []
    assert wheel.turn(5.0) == ["moved"]


def test_a_wheel_that_has_stood_for_long_gives_everything_once() -> None:
    wheel: Wheel[int] = Wheel(10.0, 0.5)
    for number in range(20):
        wheel.put(number, number / 2)
    assert sorted(wheel.turn(1000.0)) == list(range(20))
    assert wheel.turn(2000.0) == []


def test_what_is_due_beyond_the_reach_comes_when_that_is_over() -> None:
    wheel: Wheel[str] = Wheel(2.0, 0.5)
    wheel.put("far", 100.0)
    assert wheel.turn(1.0) == []
    assert wheel.turn(3.0) == ["far"]


def test_what_is_due_already_comes_with_the_next_step() -> None:
    wheel: Wheel[str] = Wheel(2.0, 0.5)
    wheel.turn(10.0)
    wheel.put("late", 3.0)
    assert wheel.turn(10.0) == []
    assert wheel.turn(10.5) == ["late"]


# -- the watch: a client that takes notes, and no socket at all ----------------------------------------


class Client:
    """What the watch sees of a connection."""

    def __init__(self) -> None:
        self.heard = 0.0
        self.busy = self.unread = False
        self.looks = 0
        self.log: list[str] = []

    def is_busy(self) -> bool:
        self.looks += 1
        return self.busy

    def has_unread(self) -> bool:
        return self.unread

    def close(self) -> None:
        self.log.append("closed")

    def ping(self) -> None:
        self.log.append("ping")


def in_its_own_time(program: Callable[[Clock], Coroutine[Any, Any, None]]) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(idle, "monotonic", clock)
        clock.run(lambda: program(clock))


def test_the_silent_are_closed_and_who_speaks_stays() -> None:
    async def program(clock: Clock) -> None:
        watch = watch_of(55.0, None, None, "bytes")
        assert watch
        silent, talker = Client(), Client()
        watch.begin(silent)
        watch.begin(talker)
        await asyncio.sleep(30)
        talker.heard = clock.now
        await asyncio.sleep(24.9)
        assert silent.log == []
        await asyncio.sleep(1.2)
        assert silent.log == ["closed"]
        await asyncio.sleep(28.8)
        assert talker.log == []
        await asyncio.sleep(1.2)
        assert talker.log == ["closed"]

    in_its_own_time(program)


def test_a_look_at_each_connection_costs_once_a_timeout_however_much_it_says() -> None:
    async def program(clock: Clock) -> None:
        watch = watch_of(50.0, None, None, "bytes")
        assert watch
        crowd = [Client() for _ in range(100)]
        for client in crowd:
            watch.begin(client)
        for _ in range(500):
            await asyncio.sleep(1)
            for client in crowd:
                client.heard = clock.now
        assert all(client.looks <= 11 for client in crowd)
        assert not any(client.log for client in crowd)

    in_its_own_time(program)


def test_a_connection_that_waits_for_us_is_not_idle() -> None:
    async def program(clock: Clock) -> None:
        watch = watch_of(10.0, None, None, "bytes")
        assert watch
        client = Client()
        client.busy = True
        watch.begin(client)
        await asyncio.sleep(35)
        assert client.log == []
        client.busy = False
        await asyncio.sleep(21)
        assert client.log == ["closed"]

    in_its_own_time(program)


def test_bytes_that_nobody_has_read_yet_are_waited_for() -> None:
    async def program(clock: Clock) -> None:
        watch = watch_of(10.0, None, None, "bytes")
        assert watch
        client = Client()
        client.unread = True
        watch.begin(client)
        await asyncio.sleep(12)
        assert client.log == []
        client.heard, client.unread = clock.now, False
        await asyncio.sleep(9)
        assert client.log == []
        await asyncio.sleep(2)
        assert client.log == ["closed"]

    in_its_own_time(program)


def test_pings_ask_the_silent_and_a_pong_answers() -> None:
    async def program(clock: Clock) -> None:
        watch = watch_of(None, 25.0, None, "bytes")
        assert watch
        dead, living = Client(), Client()
        watch.begin(dead)
        watch.begin(living)
        for _ in range(8):
            await asyncio.sleep(13)
            if "ping" in living.log[-1:]:
                living.heard = clock.now
                living.log.append("pong")
        assert dead.log == ["ping", "closed"]
        assert living.log.count("ping") == living.log.count("pong") >= 2
        assert "closed" not in living.log

    in_its_own_time(program)


def test_who_does_not_confirm_is_closed_in_time_and_who_does_is_not() -> None:
    async def program(clock: Clock) -> None:
        watch = watch_of(None, None, 30.0, "bytes")
        assert watch
        stranger, member, gone = Client(), Client(), Client()
        for client in (stranger, member, gone):
            watch.begin(client)
        await asyncio.sleep(29.9)
        watch.confirm(member)
        watch.end(gone)
        assert stranger.log == []
        await asyncio.sleep(1.2)
        assert (stranger.log, member.log, gone.log) == (["closed"], [], [])

    in_its_own_time(program)


@pytest.mark.parametrize("name", ["idle_timeout", "ping_interval", "auth_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_timeout_is_a_number_of_seconds(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is a number of seconds above 0"):
        Worker(f"websocket://{HOST}:0", **{name: seconds})


def test_other_options_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="'bytes' or 'messages', not 'words'"):
        Worker(f"text://{HOST}:0", life="words")
    with pytest.raises(ValueError, match="has no Ping, as WebSockets have; use idle_timeout"):
        Worker(f"text://{HOST}:0", ping_interval=25)


# -- on real connections ------------------------------------------------------------------------------


def test_a_silent_client_is_closed_once() -> None:
    async def program() -> None:
        closed: list[int] = []
        worker = Worker(f"text://{HOST}:0", on_message=echo, idle_timeout=0.1)
        worker.on_close = lambda connection: closed.append(connection.id)
        async with worker, connected(worker) as peer:
            peer.send(b"a\n")
            await peer.expect(b"a\n")
            assert await peer.rest() == b""
            peer.finish()
            await until(lambda: closed)
            assert len(closed) == 1

    run(program)


@pytest.mark.parametrize(("life", "noted"), [("bytes", True), ("messages", False)])
def test_half_a_message_is_a_sign_of_life_where_bytes_are(life: str, noted: bool) -> None:
    async def program() -> None:
        worker = Worker(f"text://{HOST}:0", on_message=echo, idle_timeout=60, life=life)
        async with worker, connected(worker) as peer:
            await until(lambda: worker.connections)
            (connection,) = worker.connections.values()
            await until(lambda: connection.heard)
            begun = connection.heard
            peer.send(b"half")
            await until(lambda: connection.bytes_read == 4)
            assert (connection.heard > begun) is noted
            peer.send(b"\n")
            await peer.expect(b"half\n")
            assert connection.heard > begun

    run(program)


def test_a_websocket_is_pinged_and_a_pong_keeps_it() -> None:
    async def program() -> None:
        handshake = (
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        worker = Worker(f"websocket://{HOST}:0", ping_interval=0.1)
        async with worker, connected(worker) as peer:
            peer.send(handshake)
            await peer.reader.readuntil(b"\r\n\r\n")
            for _ in range(3):
                await peer.expect(b"\x89\x00")
                peer.send(b"\x8a\x80\0\0\0\0")
            await peer.expect(b"\x89\x00\x88\x02\x03\xe8")

    run(program)


def test_confirm_ends_the_time_for_it() -> None:
    async def program() -> None:
        worker = Worker(f"text://{HOST}:0", auth_timeout=0.1)
        worker.on_message = lambda connection, message: connection.confirm()
        async with worker, connected(worker) as member, connected(worker) as stranger:
            member.send(b"it is me\n")
            assert await stranger.rest() == b""
            (connection,) = (each for each in worker.connections.values() if each.confirmed)
            assert connection.status.name == "ESTABLISHED"

    run(program)
