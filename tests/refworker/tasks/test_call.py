import asyncio

import pytest

from refworker.tasks import TaskBusy, TaskFailed
from refworker.tasks.call import Call
from tests.refworker.peers import run


def call() -> Call:
    return Call(1, "f", b"", 1.0, 0, asyncio.get_running_loop().create_future())


def test_a_reply_is_a_result_or_an_error() -> None:
    async def program() -> None:
        good, bad, odd = call(), call(), call()
        good.settle({"id": 1, "result": None})
        bad.settle({"id": 1, "error": {"type": "KeyError", "message": "'x'"}})
        odd.settle({"id": 1})
        assert await good.future is None
        with pytest.raises(TaskFailed, match="'x'"):
            await bad.future
        with pytest.raises(TaskFailed, match="neither result nor error"):
            await odd.future

    run(program)


def test_only_the_first_end_counts() -> None:
    async def program() -> None:
        done = call()
        done.settle({"id": 1, "result": 1})
        done.settle({"id": 1, "result": 2})
        done.fail(TaskBusy("too late"))
        assert await done.future == 1

    run(program)
