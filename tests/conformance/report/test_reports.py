"""JSON, JUnit, HTML and terminal, from the same results."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

from conformance import session
from conformance.report import html, junit, results_file, terminal
from conformance.report.evidence import HEAD, TAIL, collect, row
from conformance.report.results_file import Summary
from conformance.session import Run
from conformance.target.file import TargetSpec
from conformance.verdicts import Result
from conformance.wire.transcript import Transcript


def transcript() -> Transcript:
    log = Transcript()
    log.new_peer("text tcp://127.0.0.1:1")
    log.add(1, "send", b"<hi>\n")
    log.add(1, "receive", b"<ho>\n")
    return log


RESULTS = [
    Result("text/bytes/all-values", "pass", "MUST", ("TEXT-004",), 0.01, "echoed"),
    Result(
        "text/framing/split-delimiter",
        "fail",
        "MUST",
        ("TEXT-002",),
        0.5,
        "wrong-answer",
        "byte 1 <differs>\x00",
        "/tmp/r.json",
        collect(transcript()),
    ),
    Result("frame/length/zero", "info", "MUST", ("FRAME-003",), 0.1, "open"),
    Result("text/limit/exact", "unsupported", "MUST", ("TEXT-005",), 0, "unsupported", "needs a limit"),
]
SUMMARY = Summary(TargetSpec("mine & yours", {}, "C", "https://example.org"), 7, 12.34, RESULTS)


def test_json_is_the_contract(tmp_path: Path) -> None:
    results_file.write(tmp_path / "r.json", SUMMARY)
    written = json.loads((tmp_path / "r.json").read_text())
    assert list(written) == ["format", "suite", "target", "seed", "seconds", "totals", "cases"]
    assert written["target"] == {"name": "mine & yours", "language": "C"}
    assert (written["format"], written["seed"], written["seconds"]) == (1, 7, 12.3)
    assert (written["totals"]["pass"], written["totals"]["error"]) == (1, 0)
    assert written["cases"][1] == {
        "id": "text/framing/split-delimiter",
        "verdict": "fail",
        "level": "MUST",
        "requirements": ["TEXT-002"],
        "seconds": 0.5,
        "outcome": "wrong-answer",
        "detail": "byte 1 <differs>\x00",
        "replay": "/tmp/r.json",
    }


def test_junit_counts(tmp_path: Path) -> None:
    junit.write(tmp_path / "r.xml", SUMMARY)
    suites = ET.parse(tmp_path / "r.xml").getroot().findall("testsuite")
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in suites] == [
        ("text", "3", "1"),
        ("frame", "1", "0"),
    ]
    assert suites[0].get("skipped") == "1"
    failure = suites[0].find("testcase/failure")
    assert failure is not None
    assert "byte 1 <differs>·" in (failure.get("message") or "")


def test_html_is_one_page_of_its_own(tmp_path: Path) -> None:
    session.load_cases()
    html.write(tmp_path / "report", SUMMARY)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "mine &amp; yours" in page
    assert "Not conforming" in page
    assert "&lt;differs&gt;" in page
    assert "The line feed arrives in a segment of its own." in page
    assert "3c 68 6f 3e 0a" in page
    assert "src=" not in page
    assert "<link" not in page
    assert page.count("https://") == 1
    assert page.count('id="text"') == page.count('href="#text"') == 1


def test_terminal() -> None:
    stream = io.StringIO()
    progress = terminal.Progress(stream, len(RESULTS))
    progress.begin("mine", 7)
    for result in RESULTS:
        progress.result(result)
    progress.end(Run(RESULTS, 12.34, interrupted=False), 1, ["NO-1"])
    said = stream.getvalue()
    assert "seed 7" in said
    assert "1/4 pass         text/bytes/all-values\n" in said
    assert "2/4 fail         text/framing/split-delimiter  [wrong-answer]" in said
    assert "[needs a limit]" in said
    assert "section  pass  fail  info  unsupported" in said
    assert "TEXT-002 MUST independent of segmentation" in said
    assert "3c 68 69 3e 0a" in said
    assert "conformance replay /tmp/r.json" in said
    assert "'NO-1' names nothing" in said
    assert said.endswith("not conforming after 12.3 s\n")
    assert "\x1b" not in said


def test_an_unfit_section_is_told_once() -> None:
    stream = io.StringIO()
    progress = terminal.Progress(stream, 2)
    unfit = [Result(f"text/a/{name}", "fail", "MUST", ("TEXT-001",), 0, "unfit", "deaf") for name in "ab"]
    for result in unfit:
        progress.result(result)
    progress.end(Run(unfit, 1, interrupted=False), 3, [])
    assert stream.getvalue().count("text/a/") == 2  # once in the progress, once explained
    assert stream.getvalue().endswith("the target did not start or is unfit after 1.0 s\n")


def test_pages() -> None:
    cases = session.load_cases()
    page = terminal.case_page(cases["text/limit/exact"])
    assert "limits.max_package_size" in page
    assert "TEXT-005 MUST maximum line" in page
    assert "text/limit/exact" in terminal.requirement_page("TEXT-005", cases)
    assert "no case" in terminal.requirement_page("FRAME-005", cases)
    assert terminal.case_line(cases["text/limit/exact"]).split()[:2] == ["text/limit/exact", "MUST"]


def test_long_evidence_keeps_head_and_tail() -> None:
    log = Transcript()
    for number in range(200):
        log.add(1, "send", b"%d" % number)
    kept = collect(log)
    assert len(kept) == HEAD + 1 + TAIL
    assert row(kept[0], 8)[2:] == ("send 1", "30", "0")
    assert kept[HEAD]["note"] == f"{200 - HEAD - TAIL} events left out"
    assert row(kept[-1], 8)[4] == "199"
