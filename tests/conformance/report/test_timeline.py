"""The ledger's picture: valid, complete, and pointing at what went wrong; and its place in the reports."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from conformance.ledger import ENDINGS, Mark, Story, draw_up, plain
from conformance.report import html, results_file
from conformance.report.results_file import Summary
from conformance.report.timeline import timeline
from conformance.target.file import TargetSpec
from conformance.verdicts import Result

RIGHT = Story(1, "text", "text", b"1.0\n", sent_at=0.1, ended_at=0.11, copies=1)
LOST = replace(RIGHT, lane=2, request=b"<lost> & gone\n", sent_at=0.5, ended_at=0.9, copies=0, how="fin")
MARKS = tuple(Mark(0.2 * number, f"<deed {number}>") for number in range(5))
LANES = {1: "text", 2: "text, <slow>"}
LEDGER = plain(draw_up([RIGHT, LOST, replace(RIGHT, sent_at=0.3, ended_at=1.4)], 0.1, MARKS, LANES))


def picture(ledger: object = LEDGER) -> ET.Element:
    return ET.fromstring(timeline(ledger))  # type: ignore[arg-type]


def test_it_is_well_formed_and_escapes_what_others_wrote() -> None:
    shown = picture()
    assert shown.tag == "figure"
    texts = [text.text for text in shown.iter("text")]
    assert {"text", "text, <slow>", "<deed 0>", "<deed 4>", "0 s"} <= set(texts)


def test_answers_of_a_kind_are_one_path_and_others_tell_their_story() -> None:
    shown = picture()
    (answers,) = [path for path in shown.iter("path") if path.get("class") == "l-answered"]
    assert str(answers.get("d")).count("M") == 2
    (rect,) = shown.iter("rect")
    assert rect.get("class") == "l-lost"
    assert rect.findtext("title") == "lost: text, 0.500 to 0.900 s: sent <lost> & gone·; nothing came, fin"


def test_everything_lies_within_the_picture() -> None:
    shown = picture()
    svg = shown.find("svg")
    assert svg is not None
    width, height = map(float, str(svg.get("viewBox")).split()[2:])
    for text in shown.iter("text"):
        assert 0 <= float(str(text.get("x"))) <= width
        assert 0 <= float(str(text.get("y"))) <= height


def test_the_legend_counts_and_says_what_is_left_out() -> None:
    assert "2 answered" in "".join(picture().itertext())
    assert "drawn" not in timeline(LEDGER)
    many = plain(draw_up([RIGHT] * 1000, 0.1, (), {1: "text"}))
    assert "of 1000 requests drawn" in timeline(many)


def test_nothing_to_draw() -> None:
    picture(plain(draw_up([], 0.1)))


def test_every_ending_has_a_colour() -> None:
    style = (Path(html.__file__).parent / "page.html").read_text(encoding="utf-8")
    assert [ending for ending in ENDINGS if f".l-{ending}" not in style] == []


RESULT = Result("text/bytes/all-values", "fail", "MUST", ("TEXT-004",), 0.1, "lost", "why", ledger=LEDGER)
SUMMARY = Summary(TargetSpec("mine", {}), 0, 1.0, [RESULT])


def test_the_page_shows_it() -> None:
    assert '<rect class="l-lost"' in html.page(SUMMARY)


def test_json_counts_and_lists_what_was_not_answered() -> None:
    ledger = json.loads(json.dumps(results_file.document(SUMMARY)))["cases"][0]["ledger"]
    assert ledger["counts"] == {"answered": 2, "lost": 1}
    assert ledger["marks"][1] == [0.2, "<deed 1>"]
    assert [entry["ending"] for entry in ledger["unanswered"]] == ["lost"]
