"""What is shown and written of a disagreement."""

import json
from pathlib import Path

import pytest

from conformance import replay
from conformance.differential import report
from conformance.differential.contest import Contest, Disagreement, Side
from tests.conformance.differential.origin import origin
from tests.conformance.differential.test_contest import BARE
from tests.conformance.servers import QUICK, serving

FILES = (Path("strict.toml"), Path("forgiving.toml"))


@pytest.fixture(scope="module")
def found() -> Disagreement:
    with serving(origin()) as one, serving(origin(forgiving=True)) as other:
        contest = Contest((Side("strict", one, QUICK), Side("forgiving", other, QUICK)))
        return next(contest.disagreements("http/any", [BARE]))


def summary(*found: Disagreement) -> report.Summary:
    places = [Path("replay.json") for _ in found]
    return report.Summary(("strict", "forgiving"), FILES, 7, {"http/any": 3}, 1.5, found, places, 0)


def test_a_page(found: Disagreement) -> None:
    page = report.page(summary(found), 0)
    assert page[0] == "1. http/any: 3 bytes"
    assert [line.strip() for line in page[1:3]] == [r"\n", r"\r\n"]
    assert page[3].split(maxsplit=1) == ["strict", "refused 400, ended"]
    assert page[4].split()[:2] == ["forgiving", "served"]
    assert "replay.json" in page[-2]


def test_the_last_line(found: Disagreement) -> None:
    assert report.closing(summary()) == "no disagreement in 3 examples, after 1.5 s"
    assert report.closing(summary(found)) == "1 disagreement in 3 examples, after 1.5 s"


def test_the_file(found: Disagreement, tmp_path: Path) -> None:
    report.write(tmp_path / "diff.json", summary(found))
    written = json.loads((tmp_path / "diff.json").read_text())
    assert (written["targets"], written["seed"]) == (["strict", "forgiving"], 7)
    row = written["disagreements"][0]
    assert bytes.fromhex(row["bytes"]) == b"\n\r\n"
    assert [each["answers"][0]["kind"] for each in row["behaviours"]] == ["refused", "served"]


def test_the_replay_file_compares_again(found: Disagreement, tmp_path: Path) -> None:
    path = report.save(tmp_path, 1, found, FILES)
    story, said = replay.load(path), list[str]()
    for place in story["connections"].values():
        assert Path(place.pop("target")).name in {"strict.toml", "forgiving.toml"}
    with serving(origin()) as one, serving(origin(forgiving=True)) as other:
        for place, address in zip(story["connections"].values(), (one, other), strict=True):
            place["url"] = address.url
        assert replay.play(story, {}, said.append)
        assert not replay.play(story, {"http": one.url}, said.append)
    assert "now: disagree (reproduced)" in said
    assert said[-1] == "now: agree"
    assert (tmp_path / "send_again.py").exists()
