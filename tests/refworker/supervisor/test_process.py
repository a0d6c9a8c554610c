"""What needs no fork; the rest is in `test_master.py`."""

import pytest

from refworker.supervisor import context, stop_all, stop_service
from refworker.supervisor.child import cause
from refworker.supervisor.process import exit_code


@pytest.mark.parametrize(
    ("code", "status"), [(None, 0), (0, 0), (3, 3), (256, 0), (-1, 255), ("a message", 1), (True, 1)]
)
def test_exit_codes_are_those_of_python(code: object, status: int) -> None:
    assert exit_code(SystemExit(code)) == status


@pytest.mark.parametrize("function", [context, stop_all, stop_service])
def test_only_a_worker_process_knows_who_it_is(function: object) -> None:
    assert callable(function)
    with pytest.raises(RuntimeError, match="no worker process"):
        function()


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit code 0"), (64000, "exit code 250"), (9, "SIGKILL"), (11 | 128, "SIGSEGV"), (40, "signal 40")],
)
def test_causes_in_words(status: int, words: str) -> None:
    assert cause(status) == words
