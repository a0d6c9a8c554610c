import asyncio
import json
import logging
from typing import Any

import pytest

from refworker.status import statistics
from refworker.tasks import conversation
from tests.refworker.peers import Peer, connected, run, until
from tests.refworker.tasks.services import Gates, line, said, worker

HELLO = b'{"hello":{}}\n'


async def ask(peer: Peer, **fields: Any) -> dict[str, Any]:
    peer.send(line(**fields))
    return await said(peer)


# -- order --------------------------------------------------------------------------------------------


def test_requests_without_id_run_and_are_answered_in_order() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, connected(tasks) as peer:
            for name in ("a", "b"):
                peer.send(line(function="wait", args=[name]))
            peer.send(line(function="add", args=[1, 2]))
            await until(lambda: gates.begun)
            gates.let("b")
            gates.let("a")
            assert [await said(peer) for _ in range(3)] == [{"result": "a"}, {"result": "b"}, {"result": 3}]
            assert gates.begun == ["a", "b"]

    run(program)


def test_requests_with_id_run_side_by_side_and_are_answered_as_they_end() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, connected(tasks) as peer:
            for name in ("a", "b", "c"):
                peer.send(line(function="wait", args=[name], id=name))
            await until(lambda: len(gates.begun) == 3)
            for name in ("b", "c", "a"):
                gates.let(name)
                assert await said(peer) == {"id": name, "result": name}

    run(program)


def test_the_two_kinds_do_not_disturb_each_other() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, connected(tasks) as peer:
            peer.send(line(function="wait", args=["a"]))
            peer.send(line(function="add", args=[1, 1]))
            peer.send(b"no json\n")
            assert await ask(peer, function="add", args=[2, 2], id=None) == {"id": None, "result": 4}
            gates.let("a")
            assert await said(peer) == {"result": "a"}
            assert await said(peer) == {"result": 2}
            assert (await said(peer))["error"]["type"] == "InvalidRequest"

    run(program)


# -- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        ({"function": "nope"}, "UnknownFunction", "unknown function 'nope'; there are: add, "),
        ({"function": "add", "args": [1]}, "InvalidArguments", "add: missing a required argument: 'b'"),
        ({"function": "add", "args": {"a": 1, "c": 2}}, "InvalidArguments", "missing a required argument"),
        (
            {"function": "echo", "args": {"value": 1, "c": 2}},
            "InvalidArguments",
            "unexpected keyword argument 'c'",
        ),
        ({"function": "echo", "args": [1, 2]}, "InvalidArguments", "too many positional arguments"),
        ({"function": "add", "args": [1, "2"]}, "TypeError", "unsupported operand"),
        ({"function": "fail", "args": ["no such user"]}, "LookupError", "no such user"),
        ({"function": "plain_fail"}, "KeyError", "'x'"),
        ({"function": "unsendable"}, "InvalidResult", "unsendable: JSON cannot carry the result"),
        ({"function": "length", "args": [5]}, "TypeError", "has no len"),
        ({"function": "cancelled"}, "CancelledError", ""),
        ({"args": []}, "InvalidRequest", "a request is"),
    ],
)
def test_every_error_is_a_reply_and_the_connection_stays(
    request_: dict[str, Any], kind: str, words: str
) -> None:
    async def program() -> None:
        tasks = worker()
        tasks.register("plain_fail", lambda: {}["x"])
        tasks.register("unsendable", lambda: {1, 2})
        tasks.register("length", len)
        tasks.register("cancelled", cancelled)
        async with tasks, connected(tasks) as peer:
            for identity in ({}, {"id": 5}):
                reply = await ask(peer, **request_, **identity)
                assert reply == {**identity, "error": {"type": kind, "message": reply["error"]["message"]}}
                assert words in reply["error"]["message"]
            assert await ask(peer, function="echo", args=["fine"]) == {"result": "fine"}

    run(program)


async def cancelled() -> None:
    raise asyncio.CancelledError


def test_what_a_function_raises_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        async with worker() as tasks, connected(tasks) as peer:
            await ask(peer, function="fail", args=["no such user"])

    run(program)
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == "task fail failed"
    assert record.exc_info
    assert isinstance(record.exc_info[1], LookupError)


def test_a_wrong_request_is_the_clients_business_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        async with worker() as tasks, connected(tasks) as peer:
            await ask(peer, function="add", args=[1])

    run(program)
    assert not caplog.records


def test_a_decorated_function_refuses_wrong_arguments_by_its_own_signature() -> None:
    def function(a: int) -> int:
        return a

    with pytest.raises(conversation.Refusal, match=r"missing a required argument: 'a'; it takes \(a: int\)"):
        conversation.check_arguments("f", function, {})
    conversation.check_arguments("f", function, {"a": 1})
    conversation.check_arguments("f", dict.fromkeys, [1])


# -- hello and goodbye --------------------------------------------------------------------------------


def test_a_hello_is_answered() -> None:
    async def program() -> None:
        async with worker(slots=3) as tasks, connected(tasks) as peer:
            greeting = (await ask(peer, hello={}))["hello"]
            assert greeting["concurrency"] == 3
            assert greeting["pid"] > 0
            assert greeting["functions"] == ["add", "echo", "fail"]

    run(program)


def test_a_worker_that_stops_answers_what_has_begun_and_says_goodbye() -> None:
    async def program() -> None:
        gates = Gates()
        tasks = worker(gates)
        async with tasks, connected(tasks) as peer:
            await ask(peer, hello={})
            peer.send(line(function="wait", args=["a"], id=1))
            await until(lambda: gates.begun)
            stop = asyncio.create_task(tasks.stop())
            await until(lambda: tasks._socket is None)
            peer.send(line(function="echo", args=[2], id=2))
            gates.let("a")
            assert await peer.rest() == b'{"id":1,"result":"a"}\n{"goodbye":{}}\n'
            peer.finish()
            await stop

    run(program)


def test_a_client_without_hello_hears_no_goodbye() -> None:
    async def program() -> None:
        tasks = worker()
        async with tasks, connected(tasks) as peer:
            await ask(peer, function="echo", args=[1])
            stop = asyncio.create_task(tasks.stop())
            assert await peer.rest() == b""
            peer.finish()
            await stop

    run(program)


# -- flow ---------------------------------------------------------------------------------------------


def test_a_fin_waits_for_the_replies_that_are_owed() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates) as tasks, connected(tasks) as peer:
            peer.send(line(function="wait", args=["a"], id=1) + line(function="wait", args=["b"]))
            peer.finish()
            await until(lambda: len(gates.begun) == 2)
            gates.let("b")
            gates.let("a")
            replies = [json.loads(each) for each in (await peer.rest()).splitlines()]
            assert sorted(replies, key=str) == [{"id": 1, "result": "a"}, {"result": "b"}]
            await until(lambda: not tasks.connections)

    run(program)


def test_no_more_requests_run_than_the_concurrency_allows() -> None:
    async def program() -> None:
        gates = Gates()
        async with worker(gates, slots=2) as tasks, connected(tasks) as peer:
            for name in ("a", "b", "c", "d"):
                peer.send(line(function="wait", args=[name], id=name))
            await until(lambda: len(gates.begun) == 2)
            gates.let("b")
            assert await said(peer) == {"id": "b", "result": "b"}
            await until(lambda: len(gates.begun) == 3)
            assert gates.begun == ["a", "b", "c"]
            for name in ("a", "c", "d"):
                gates.let(name)
            assert sorted([(await said(peer))["id"] for _ in range(3)]) == ["a", "c", "d"]

    run(program)


def test_a_client_that_does_not_read_gets_every_reply_in_the_end() -> None:
    async def program() -> None:
        big, refused = "x" * 300_000, statistics.send_fail
        async with worker() as tasks, connected(tasks, 2**20, 4096) as peer:
            for number in range(40):
                peer.send(line(function="echo", args=[big], id=number))
            await until(lambda: statistics.send_fail > refused)  # the buffer was full, and said so
            seen = [await said(peer) for _ in range(40)]
            assert sorted(reply["id"] for reply in seen) == list(range(40))
            assert all(reply["result"] == big for reply in seen)

    run(program)
