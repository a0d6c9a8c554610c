import pickle

import pytest

from refworker.tasks import errors
from refworker.tasks.errors import TaskError, TaskFailed, TaskTimeout, TaskUnreachable

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TaskError)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_names_its_type_and_survives_a_pickle(kind: type[TaskError]) -> None:
    problem = pickle.loads(pickle.dumps(kind("what happened")))
    assert (type(problem), problem.type, problem.message) == (kind, kind.__name__, "what happened")
    assert str(problem) == "what happened"


def test_a_remote_error_has_the_remote_type() -> None:
    problem = TaskFailed("no such user", "KeyError")
    assert (problem.type, problem.message) == ("KeyError", "no such user")
    assert "KeyError" in problem.__notes__[0]


def test_an_unreachable_host_is_a_kind_of_time_out() -> None:
    assert issubclass(TaskUnreachable, TaskTimeout)
