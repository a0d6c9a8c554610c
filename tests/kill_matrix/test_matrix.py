from tests.kill_matrix.matrix import Ending, Judgement, Matrix, Mutant
from tests.kill_matrix.page import page

KILLED, PASSED = Ending("fail", "wrong-answer", 0.5), Ending("pass", "echoed", 0.1)


def mutant(name: str, *sections: str) -> Mutant:
    return Mutant(name, sections or ("text/*",), "TEXT-001", f"Does {name} <wrong>.")


def judged(name: str, **cases: Ending) -> Judgement:
    return Judgement(mutant(name), 1, cases)


def test_a_complete_matrix_has_no_problems() -> None:
    matrix = Matrix(frozenset({"a", "b"}), [judged("one", a=KILLED, b=PASSED), judged("two", b=KILLED)])
    assert matrix.problems() == []


def test_a_server_that_got_away_is_named_with_what_it_does() -> None:
    matrix = Matrix(frozenset({"a"}), [judged("one", a=KILLED), judged("two", a=PASSED)])
    assert matrix.problems() == ["two: not caught. Does two <wrong>. (TEXT-001)"]


def test_a_case_that_catches_nothing_is_named() -> None:
    matrix = Matrix(frozenset({"a", "b"}), [judged("one", a=KILLED, b=PASSED)])
    assert matrix.problems() == ["b: no faulty server fails it, so it proves nothing"]


def test_a_weak_verdict_is_a_catch_and_an_unfit_service_is_not() -> None:
    weak, unfit = Ending("weak", "dropped", 0.1), Ending("fail", "unfit", 0.1)
    assert judged("one", a=weak, b=unfit).kills == {"a"}


def test_fitness_catches_a_server_but_covers_no_case() -> None:
    unfit = Judgement(mutant("one"), 3, {"a": Ending("fail", "unfit", 0.1)})
    assert Matrix(frozenset({"a"}), [unfit]).problems() == [
        "a: no faulty server fails it, so it proves nothing"
    ]


def test_a_degenerate_server_gets_no_pass() -> None:
    silent = Judgement(mutant("silent", "*"), 3, {"a": PASSED, "b": KILLED})
    assert silent.problem() == "silent: degenerate, and yet passed a"


def test_a_suite_that_broke_is_a_problem() -> None:
    assert "ended with status 5: boom" in Judgement(mutant("one"), 5, {}, "boom\n").problem()


def test_a_catch_that_was_seen_once_stays_and_one_that_is_missed_is_noticed() -> None:
    first, second = judged("one", a=KILLED, b=PASSED), judged("one", a=PASSED, b=KILLED)
    known = {"one": ["a", "b"]}
    assert first.missed(known) == {("one", "b")}
    assert second.joined(first).kills == {"a", "b"}
    assert not second.joined(first).missed(known)
    assert not second.missed({})


def test_only_what_leaves_a_gap_is_judged_again() -> None:
    known = {"one": ["a"], "two": ["a", "b"], "three": ["b"]}
    one, two = judged("one", a=KILLED), judged("two", a=PASSED, b=KILLED)
    away = judged("three", b=PASSED)
    assert Matrix(frozenset(), [one, two]).hiding(known) == []
    assert Matrix(frozenset(), [one, two, away]).hiding(known) == [away]
    assert Matrix(frozenset(), [two]).hiding(known) == [two]


def test_the_selection_repeats_every_catch_where_it_is_quickest() -> None:
    slow, quick = Ending("fail", "fin", 9.0), Ending("fail", "fin", 0.1)
    servers = [judged("one", a=slow, b=KILLED), judged("two", a=quick), judged("three", a=slow)]
    matrix = Matrix(frozenset({"a", "b"}), servers)
    assert matrix.selection() == {"one": ["b"], "two": ["a"], "three": ["a"]}


def test_a_catch_that_came_by_luck_is_replaced_by_the_next() -> None:
    matrix = Matrix(frozenset("a"), [judged("one", a=KILLED), judged("two", a=Ending("fail", "fin", 9.0))])
    assert matrix.selection() == {"one": ["a"], "two": ["a"]}
    matrix.forget({("one", "a")})
    assert matrix.selection() == {"two": ["a"]}
    assert matrix.problems() == ["one: not caught. Does one <wrong>. (TEXT-001)"]


def test_the_page_shows_catches_and_gaps_and_escapes_both() -> None:
    shown = page(Matrix(frozenset({"a", "b"}), [judged("one", a=KILLED), judged("two", a=PASSED)]))
    assert "Does one &lt;wrong&gt;." in shown
    assert "2 gaps" in shown
    assert '<span class="gap">nothing</span>' in shown
