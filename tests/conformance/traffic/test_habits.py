"""Requests that differ, and answers that are told from others."""

import json

import pytest

from conformance.traffic.habits import EVERYDAY, Habit, everyday, topic
from conformance.traffic.speech import SPEECH

HABITS = everyday(SPEECH, ("GET /sleep", "POST /echo"))


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_requests_of_a_client_differ_by_their_keys(habit: Habit) -> None:
    asks = [topic(habit, 3).ask(number) for number in range(20)]
    assert len({ask.key for ask in asks}) == 20
    assert {ask.takes for ask in asks} == {habit.seconds}


def test_there_is_a_client_for_everything_offered() -> None:
    assert {habit.service for habit in HABITS} == {*EVERYDAY, "http"}
    assert {habit.topic for habit in everyday(["http"])} == {"hello"}
    assert not [habit for habit in everyday(SPEECH, slow=False) if habit.seconds]
    assert everyday(["udp"]) == []


def test_names_say_what_is_special() -> None:
    assert Habit("text").name == "text"
    assert Habit("task", "sleep", 0.3, fresh=True).name == "task, sleep 0.3, new connections"
    assert Habit("text", burst=2, half=0.1).name == "text, pipelined, in halves"


def reply(name: str, result: object, **more: object) -> bytes:
    return json.dumps({"id": "3.5", "result": result, **more}).encode()


@pytest.mark.parametrize(
    ("habit", "answer", "right", "by"),
    [
        (Habit("task"), reply("echo", 5), True, ""),
        (Habit("task"), reply("echo", 6), False, ""),
        (Habit("task", "sleep", 0.3), reply("sleep", 0.3), True, ""),
        (Habit("task", "version"), reply("version", "two\n"), True, "two\n"),
        (Habit("task", "worker"), reply("worker", {"pid": 7}), True, "7"),
        (Habit("task", "worker"), reply("worker", 7), False, ""),
        (Habit("task"), b'{"id": "3.5", "error": {}}', True, ""),
        (Habit("task"), b'{"error": {}}', False, ""),
        (Habit("task"), b"nonsense", False, ""),
    ],
)
def test_calls(habit: Habit, answer: bytes, right: bool, by: str) -> None:
    heard = topic(habit, 3).read(answer)
    assert (heard.right, heard.by) == (right, by)


@pytest.mark.parametrize(
    ("habit", "body", "key", "right"),
    [
        (Habit("http", "hello"), b"hello", None, True),
        (Habit("http", "hello"), b"hullo", None, False),
        (Habit("http", "sleep", 0.3), b"slept", None, True),
        (Habit("http", "echo"), b"3.5", "5", True),
        (Habit("http", "echo"), b"4.5", "5", False),
        (Habit("http", "hello"), b"HTTP 503", None, True),
        (Habit("http", "hello"), b"HTTP 404", None, False),
    ],
)
def test_routes(habit: Habit, body: bytes, key: str | None, right: bool) -> None:
    heard = topic(habit, 3).read(body)
    assert (heard.key, heard.right) == (key, right)


def test_errors_are_right_and_failed() -> None:
    assert topic(Habit("task"), 3).read(b'{"id": "3.5", "error": {}}').failed
    assert topic(Habit("http", "hello"), 3).read(b"HTTP 503").failed
    assert not topic(Habit("http", "hello"), 3).read(b"hello").failed
