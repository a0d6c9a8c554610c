"""Replay files: what is saved is what is sent again, with the suite and without it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance import replay
from conformance.verdicts import Result
from conformance.wire.transcript import Transcript
from tests.conformance.servers import Handler, echo_lines, echo_raw, peer, serving
from tests.conformance.targets import write_target

RESULT = Result("text/example/case", "fail", "MUST", ("TEXT-001",), outcome="wrong-answer", detail="why")


def conversation(handler: Handler) -> Transcript:
    """A line in two segments, of which a raw echo makes a wrong answer."""
    transcript = Transcript()
    with serving(handler) as address, peer(address, transcript) as client:
        client.send(b"a\r", b"\n", gap=0.01)
        client.exactly(2)
        transcript.add(client.number, "expect", b"a\n")
    return transcript


def saved(folder: Path, target: Path | None = None) -> dict[str, Any]:
    path = replay.save(folder, RESULT, conversation(echo_raw), target and str(target))
    assert path is not None
    return replay.load(Path(path))


def play(story: dict[str, Any], endpoints: Mapping[str, str]) -> tuple[bool, str]:
    said: list[str] = []
    return replay.play(story, endpoints, said.append), "\n".join(said)


def test_the_file(tmp_path: Path) -> None:
    story = saved(tmp_path)
    assert (story["case"], story["outcome"], story["target"]) == ("text/example/case", "wrong-answer", None)
    sends = [step for step in story["steps"] if step["do"] == "send"]
    assert [step["bytes"] for step in sends] == ["610d", "0a"]
    assert sends[1]["after"] >= 0.01


def test_it_is_reproduced_or_not(tmp_path: Path) -> None:
    story = saved(tmp_path)
    with serving(echo_raw) as address:
        reproduced, said = play(story, {"text": address.url})
    assert reproduced
    assert "now: wrong-answer (reproduced)" in said
    with serving(echo_lines) as address:
        reproduced, said = play(story, {"text": address.url})
    assert not reproduced
    assert "now: as expected" in said


def test_without_an_endpoint_the_target_is_started(tmp_path: Path) -> None:
    reproduced, said = play(saved(tmp_path, write_target(tmp_path)), {})
    assert not reproduced
    assert "61 0a" in said


def test_the_script_without_the_suite(tmp_path: Path) -> None:
    saved(tmp_path)
    with serving(echo_raw) as address:
        command = [
            sys.executable,
            "-I",
            str(tmp_path / "send_again.py"),
            str(tmp_path / "text.example.case.json"),
        ]
        done = subprocess.run(
            [*command, address.url[6:]], capture_output=True, text=True, timeout=20, check=True
        )
    assert "expect b'a\\n' -> seen b'a\\r' enough" in done.stdout


def test_nothing_to_send_is_not_saved(tmp_path: Path) -> None:
    assert replay.save(tmp_path, RESULT, Transcript(), None) is None
    partial = conversation(echo_raw)
    partial.complete = False
    assert replay.save(tmp_path, RESULT, partial, None) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "not a replay file"),
        ("[]", "not a replay file"),
        ("no JSON", "not a replay file"),
        ('{"format": 9, "steps": []}', "not of format 1"),
        ('{"format": 1, "steps": {}}', "not of format 1"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(replay.ReplayError, match=complaint):
        replay.load(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(replay.ReplayError, match="give the path"):
        replay.load(tmp_path / "none")


def test_steps_that_make_no_sense(tmp_path: Path) -> None:
    story = saved(tmp_path)
    story["steps"][0] = {"on": 7, "do": "dance", "after": 0}
    with pytest.raises(replay.ReplayError, match="no sense"):
        play(story, {"text": "tcp://127.0.0.1:9"})
    assert json.dumps(story)
