"""What a master does about processes that are busy, that have done enough, or that are to go gently."""

import os
import signal

import pytest

from .service import Make, alive, eventually, gone, new_child


def test_a_blocked_process_is_reported_with_its_stack_and_not_harmed(service: Make) -> None:
    end = "\nrun_all(stop_timeout=1.0, busy_report=0.2)\n"
    running = service(end=end).started()
    before = running.children()
    with running.tell("block 1.5") as client:
        eventually(lambda: "has not answered for" in running.err, "the report")
        eventually(lambda: "in answer" in running.err, "the stack")
        assert client.recv(100) == b"blocked\n"
    assert running.children() == before
    assert running.err.count("has not answered for") == 1


def test_a_process_that_is_blocked_for_too_long_is_replaced(service: Make) -> None:
    end = "\nrun_all(stop_timeout=1.0, busy_report=0.2, busy_timeout=0.6)\n"
    running = service(end=end).started()
    before = running.children()
    with running.tell("block 0.3") as client:
        assert client.recv(100) == b"blocked\n"
    assert running.children() == before
    with running.tell("hang") as client:
        new_child(running, before)
        assert client.recv(100) == b""
    assert "it is killed" in running.err


def test_enough_messages_bring_a_successor_and_lose_nothing(service: Make) -> None:
    extra = "from refworker import Quota\nworker.count = 1\nworker.quota = Quota(max_requests=10, jitter=0)\n"
    running = service(extra=extra).started()
    (before,) = running.children()
    for number in range(30):
        assert running.say(f"word{number}") == f"word{number}"
    eventually(lambda: not alive(before), "the end of the first process")
    assert "messages served" in running.err
    assert running.say("hello") == "hello"
    assert "exit with status" not in running.err


def test_enough_memory_brings_a_successor(service: Make) -> None:
    extra = (
        "eaten = []\nfrom refworker import Quota\nworker.count = 1\n"
        "worker.quota = Quota(max_memory=200 << 20)\n"
        "COMMANDS['eat'] = lambda c: (eaten.append(b'x' * (250 << 20)), c.send('eaten'))[1]\n"
    )
    running = service(extra=extra).started()
    (before,) = running.children()
    assert running.say("eat") == "eaten"
    eventually(lambda: not alive(before), "the end of the first process")
    assert "bytes of memory held" in running.err


def test_a_graceful_stop_lets_a_long_request_finish(service: Make) -> None:
    end = "\nrun_all(stop_timeout=0.2, graceful_timeout=8.0)\n"
    extra = (
        "@worker.on_message\nasync def slow(c, m):\n"
        "    import asyncio\n    await asyncio.sleep(1.0)\n    c.send(m)\n"
    )
    running = service(extra=extra, end=end).started()
    running.children()
    with running.tell("patience") as client:
        eventually(running.counted, "the request")
        assert running.command("stop", "-g").returncode == 0
        assert client.makefile().read() == "patience\n"
    assert running.wait() == 0
    assert gone(running)


def test_a_fast_stop_overtakes_a_graceful_one(service: Make) -> None:
    end = "\nrun_all(stop_timeout=0.3, graceful_timeout=60.0)\n"
    extra = "@worker.on_message\nasync def slow(c, m):\n    import asyncio\n    await asyncio.sleep(100)\n"
    running = service(extra=extra, end=end).started()
    running.children()
    with running.tell("for ever"):
        eventually(running.counted, "the request")
        assert running.master
        running.master.send_signal(signal.SIGQUIT)
        eventually(lambda: "gracefully stopping" in running.err, "the graceful stop")
        assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert gone(running)
    assert "SIGKILL" not in running.err


def test_a_second_interrupt_kills(service: Make) -> None:
    end = "\nrun_all(stop_timeout=60.0)\n"
    running = service(end=end).started()
    running.children()
    with running.tell("hang"):
        eventually(lambda: "busy" in {each["state"] for each in running.status()["processes"]}, "busy")
        assert running.master
        running.master.send_signal(signal.SIGINT)
        eventually(lambda: "stopping" in running.err, "the stop")
        running.master.send_signal(signal.SIGINT)
        assert running.wait() == 0
    assert gone(running)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT])
def test_a_signal_to_one_process_replaces_that_one(service: Make, number: signal.Signals) -> None:
    running = service(extra="worker.on_worker_reload = lambda w: print('reload', flush=True)\n").started()
    before = running.children()
    os.kill(min(before), number)
    new_child(running, before)
    assert running.out.count("reload") == (number != signal.SIGQUIT)
    assert "exit with status" not in running.err


def test_a_callback_may_reload_the_service(service: Make) -> None:
    running = service().started()
    before = running.children()
    running.tell("reload_service").close()
    eventually(lambda: not any(map(alive, before)), "the end of the old processes")
    assert running.say("hello") == "hello"
