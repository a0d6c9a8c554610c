"""`conformance diff`, as users start it."""

import json
from pathlib import Path

import pytest

from conformance import cli
from conformance.differential.command import chosen
from conformance.differential.grammar import FAMILIES
from tests.conformance.differential.origin import origin
from tests.conformance.servers import serving

ZOO = Path(__file__).parents[3] / "fixtures" / "zoo" / "target.toml"


def running(folder: Path, name: str, url: str) -> str:
    path = folder / f"{name}.toml"
    path.write_text(f'[target]\nname = "{name}"\nlanguage = "Python"\n[endpoints]\nhttp = "{url}"\n')
    return str(path)


def test_families() -> None:
    assert chosen([]) == list(FAMILIES)
    assert chosen(["http/c*", "http/host"]) == ["http/host", "http/coding", "http/chunks", "http/connection"]
    assert chosen(["nothing"]) == []


def test_two_that_disagree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(origin()) as one, serving(origin(forgiving=True)) as other:
        files = [running(tmp_path, "strict", one.url), running(tmp_path, "forgiving", other.url)]
        options = ["--only", "http/request-line", "--examples", "40", "--json", str(tmp_path / "diff.json")]
        assert cli.main(["diff", *files, *options, "--replays", str(tmp_path / "replays")]) == 1
    said = capsys.readouterr().out
    assert "strict and forgiving: 1 families, seed 0" in said
    assert "refused 400, ended" in said
    written = json.loads((tmp_path / "diff.json").read_text())
    assert written["examples"] == {"http/request-line": 40}
    assert all(Path(each["replay"]).exists() for each in written["disagreements"])


def test_two_that_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(origin()) as one, serving(origin()) as other:
        files = [running(tmp_path, "one", one.url), running(tmp_path, "other", other.url)]
        assert cli.main(["diff", *files, "--only", "http/host", "--examples", "20"]) == 0
    assert "no disagreement in 20 examples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["a.toml", "b.toml", "c.toml"], "two targets are compared, not 3"),
        (["a.toml", "b.toml", "--only", "nothing"], "families are http/request-line, "),
        (["a.toml", "b.toml", "--json", "no/such/file"], "there is no folder no/such"),
        (["a.toml", "b.toml"], "a.toml"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str) -> None:
    assert cli.main(["diff", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_a_target_without_the_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text.toml"
    path.write_text('[target]\nname = "t"\nlanguage = "C"\n[endpoints]\ntext = "tcp://127.0.0.1:9"\n')
    assert cli.main(["diff", str(path), str(path)]) == 3
    assert "t offers no 'http' service" in capsys.readouterr().err
