"""The ledger: every story has exactly one ending, rules forbid endings, reports get what matters."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.ledger import (
    ANSWERED,
    BROKEN,
    ENDINGS,
    MAD,
    NO_MADNESS,
    NOBODY_REFUSED,
    NOTHING_LOST,
    Ledger,
    Mark,
    Rule,
    Story,
    classify,
    draw_up,
    plain,
    sent_before,
    thinned,
    uphold,
)
from conformance.outcomes import Inconclusive, Violation

MOMENT = 0.15
OLD = frozenset({"1"})

PLAIN = Story(1, "text", "text", b"1.0\n", sent_at=1.0, ended_at=1.01)
RIGHT = replace(PLAIN, copies=1)


def ended(how: str, after: float = 0.01, **changes: object) -> Story:
    return replace(PLAIN, how=how, ended_at=PLAIN.sent_at + after, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("story", "ending"),
    [
        (RIGHT, "answered"),
        (replace(RIGHT, by="1"), "answered-by-old"),
        (replace(RIGHT, by="2"), "answered-by-new"),
        (replace(RIGHT, failed=True), "failed"),
        (replace(RIGHT, failed=True, copies=2), "duplicated"),
        (replace(RIGHT, copies=2), "duplicated"),
        (replace(PLAIN, wrong=b"x"), "wrong"),
        (replace(RIGHT, wrong=b"x"), "wrong"),
        (ended("refused"), "refused"),
        (ended("reset"), "reset-before-any-byte"),
        (ended("reset", partial=b"1"), "reset-mid-reply"),
        (ended("fin", partial=b"1"), "closed-mid-reply"),
        (ended("silence", partial=b"1"), "closed-mid-reply"),
        (ended("fin"), "lost"),
        (ended("silence", after=4.0), "lost"),
        (ended("fin", place=1), "raced"),
        (ended("reset", place=1), "raced"),
        (ended("fin", after=0.2, place=1), "lost"),
        (ended("reset", after=0.2, place=1), "reset-before-any-byte"),
        (ended("silence", place=1), "lost"),
    ],
)
def test_endings(story: Story, ending: str) -> None:
    assert classify(story, MOMENT, OLD) == ending


def test_a_first_request_races_only_with_a_service_that_goes_away() -> None:
    story = ended("reset")
    assert classify(story, MOMENT) == "reset-before-any-byte"
    assert classify(story, MOMENT, leaving=0.9) == "raced"
    assert classify(story, MOMENT, leaving=1.1) == "raced"
    assert classify(story, MOMENT, leaving=1.3) == "reset-before-any-byte"
    assert classify(replace(story, ended_at=1.5), MOMENT, leaving=0.9) == "reset-before-any-byte"


def test_without_names_nobody_is_old_or_new() -> None:
    assert classify(replace(RIGHT, by="2"), MOMENT) == "answered"


STORIES = st.builds(
    Story,
    lane=st.integers(1, 5),
    service=st.sampled_from(["text", "task"]),
    asked=st.just("echo"),
    request=st.binary(max_size=8),
    sent_at=st.floats(0, 10),
    place=st.integers(0, 3),
    takes=st.sampled_from([0.0, 0.3]),
    copies=st.integers(0, 3),
    failed=st.booleans(),
    by=st.sampled_from(["", "1", "2"]),
    wrong=st.none() | st.binary(max_size=4),
    partial=st.binary(max_size=4),
    how=st.sampled_from(["", "fin", "reset", "refused", "silence"]),
    ended_at=st.floats(0, 20),
)


@given(STORIES, st.floats(-1, 10))
def test_every_story_has_one_ending(story: Story, leaving: float) -> None:
    assert classify(story, MOMENT, OLD, leaving) in ENDINGS


@given(STORIES, st.floats(-1, 10))
def test_an_answer_is_right_and_whoever_got_none_is_told_so(story: Story, leaving: float) -> None:
    ending = classify(story, MOMENT, OLD, leaving)
    if ending in ANSWERED:
        assert story.copies == 1
        assert story.wrong is None
        assert not story.failed
    if ending == "raced":
        assert not story.copies
        assert not story.partial
        assert story.ended_at - story.sent_at <= MOMENT


@given(STORIES)
def test_more_patience_with_races_only_turns_broken_into_raced(story: Story) -> None:
    strict, lax = classify(story, 0.0, OLD), classify(story, 1.0, OLD)
    assert strict == lax or (strict in BROKEN and lax == "raced")


@given(st.lists(STORIES, max_size=30))
def test_the_strictest_rule_is_broken_by_all_that_is_no_answer_and_no_race(stories: list[Story]) -> None:
    drawn = draw_up(stories, MOMENT, old=OLD)
    assert sum(drawn.counts().values()) == len(stories)
    unusual = [entry for entry in drawn.entries if entry.ending not in ANSWERED | {"raced"}]
    assert NOTHING_LOST.broken_by(drawn) == unusual
    assert {e.ending for e in NO_MADNESS.broken_by(drawn)} <= MAD
    sent = [entry.story.sent_at for entry in drawn.entries]
    assert sent == sorted(sent)


@given(st.lists(STORIES, max_size=60), st.integers(1, 30))
def test_thinning_keeps_order_and_leaves_no_kind_out(stories: list[Story], kept: int) -> None:
    entries = draw_up(stories, MOMENT).entries
    chosen = thinned(entries, kept)
    kinds = {(entry.story.lane, entry.ending) for entry in entries}
    assert {(entry.story.lane, entry.ending) for entry in chosen} == kinds
    assert len(chosen) <= max(kept, len(kinds))
    assert [entry for entry in entries if any(entry is one for one in chosen)] == chosen
    if len(entries) <= kept:
        assert chosen == entries


def test_what_is_rare_is_kept_whole() -> None:
    kept = thinned(draw_up([RIGHT] * 1000 + [ended("fin")] * 5, MOMENT).entries, 50)
    assert [entry.ending for entry in kept].count("lost") == 5
    assert 40 <= len(kept) <= 50


def of(*stories: Story, marks: tuple[Mark, ...] = ()) -> Ledger:
    return draw_up([RIGHT] * 30 + list(stories), MOMENT, marks, {1: "text"})


def test_a_broken_rule_is_told_with_bytes_and_times() -> None:
    marks = (Mark(0.9, "reload"), Mark(0.95, "reload returns"))
    with pytest.raises(Violation) as violation:
        uphold(of(ended("fin"), ended("refused"), marks=marks), NOTHING_LOST)
    assert violation.value.outcome == "lost"
    story = violation.value.detail.splitlines()
    assert story[0].endswith("of 32 requests: 30 answered, 1 refused, 1 lost")
    assert story[1:3] == ["at 0.900 s reload", "at 0.950 s reload returns"]
    assert (
        "text client 1, text, request 1 of its connection, sent at 1.000 s '1.0\\n'; at 1.010 s FIN"
        in story[3]
    )


def test_only_some_offenders_are_shown() -> None:
    with pytest.raises(Violation, match="and 14 more"):
        uphold(of(*[ended("refused")] * 20), NOBODY_REFUSED)


def test_rules_judge_what_they_are_about() -> None:
    late = replace(ended("fin"), sent_at=2.0)
    uphold(of(late), NOBODY_REFUSED, Rule("before", BROKEN, sent_before(1.5)))
    with pytest.raises(Violation):
        uphold(of(late), Rule("before", BROKEN, sent_before(2.0)))


def test_silence_of_everybody_proves_nothing() -> None:
    with pytest.raises(Inconclusive, match="only 1 requests"):
        uphold(draw_up([RIGHT], MOMENT), NOTHING_LOST)


def test_marks_are_found_by_name() -> None:
    drawn = of(marks=(Mark(0.0, "stop"), Mark(2.0, "stop")))
    assert drawn.at("stop") == 0.0
    with pytest.raises(KeyError):
        drawn.at("reload")


def test_plain_data_is_small() -> None:
    data = plain(of(ended("fin", partial=b"x" * 1000), marks=(Mark(0.5, "reload"),)), kept=10)
    assert data["counts"] == {"answered": 30, "closed-mid-reply": 1}
    assert data["total"] == 31
    assert data["marks"] == [[0.5, "reload"]]
    assert data["lanes"] == {"1": "text"}
    assert len(data["entries"]) <= 10
    assert len(bytes.fromhex(data["entries"][-1]["came"])) == 48
