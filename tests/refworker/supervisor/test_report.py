import pytest

from refworker.supervisor.agenda import Agenda
from refworker.supervisor.channel import Message
from refworker.supervisor.report import PATIENCE, Inquiry
from refworker.supervisor.states import ChildState

from .test_agenda import Clock


class Process:
    """A child as far as an inquiry knows it."""

    def __init__(self, reads: bool = True) -> None:
        self.reads = reads
        self.state = ChildState.READY
        self.questions: list[str] = []

    def send(self, message: Message) -> bool:
        """Take the question, or not."""
        assert message["do"] == "status"
        self.questions.append(message["id"])
        return self.reads


class Scene:
    """An inquiry among three processes, one of which reads nothing, with a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.agenda = Agenda(self.clock)
        self.quick, self.slow, self.deaf = Process(), Process(), Process(reads=False)
        self.inquiry = Inquiry("status", lambda: [self.quick, self.slow, self.deaf], self.agenda)
        self.reports: list[dict] = []

    def answer(self, process: Process, number: int) -> None:
        """One process answers one question, with its number as its status."""
        self.inquiry.answered(process, answer(number))  # type: ignore[arg-type]

    def wait(self) -> None:
        """Let the time for answers pass."""
        self.clock.now += PATIENCE
        self.agenda.run_due()


def answer(number: int) -> Message:
    """What a process says to the question of that number."""
    return {"id": f"status {number}"}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_it_is_over_when_all_that_read_have_answered(scene: Scene) -> None:
    scene.inquiry.ask(scene.reports.append)
    scene.answer(scene.quick, 1)
    assert scene.reports == []
    scene.answer(scene.slow, 1)
    assert scene.reports == [{scene.quick: answer(1), scene.slow: answer(1)}]
    scene.wait()
    assert len(scene.reports) == 1


def test_who_does_not_answer_in_time_is_missing(scene: Scene) -> None:
    scene.inquiry.ask(scene.reports.append)
    scene.answer(scene.quick, 1)
    scene.wait()
    assert scene.reports == [{scene.quick: answer(1)}]


def test_a_late_answer_is_not_taken_for_the_next_one(scene: Scene) -> None:
    scene.inquiry.ask(scene.reports.append)
    scene.wait()
    scene.answer(scene.slow, 1)
    scene.inquiry.ask(scene.reports.append)
    scene.answer(scene.slow, 1)
    scene.wait()
    assert scene.reports == [{}, {}]


def test_who_asks_meanwhile_shares_the_answers(scene: Scene) -> None:
    scene.inquiry.ask(scene.reports.append)
    scene.answer(scene.quick, 1)
    scene.inquiry.ask(scene.reports.append)
    scene.answer(scene.slow, 1)
    assert scene.quick.questions == ["status 1"]
    assert scene.reports == [{scene.quick: answer(1), scene.slow: answer(1)}] * 2


def test_nobody_waits_for_a_process_that_has_ended(scene: Scene) -> None:
    scene.inquiry.ask(scene.reports.append)
    scene.answer(scene.quick, 1)
    scene.inquiry.forget(scene.slow)  # type: ignore[arg-type]
    assert scene.reports == [{scene.quick: answer(1)}]


def test_nobody_to_ask_is_answered_at_once() -> None:
    reports: list[dict] = []
    Inquiry("status", list, Agenda()).ask(reports.append)
    assert reports == [{}]
