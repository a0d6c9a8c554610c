"""The comparison on whole servers: the right one agrees with itself, and not with a faulty one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from conformance import cli

pytestmark = pytest.mark.whole

ZOO = Path(__file__).parents[3] / "fixtures" / "zoo"


def target(folder: Path, name: str = "") -> str:
    """A target file for one server of the zoo, of which HTTP is served."""
    path = folder / f"{name or 'right'}.toml"
    start = ["{python}", str(ZOO / "main.py"), *([name] if name else []), "start"]
    lines = [
        *("[target]", f'name = "{path.stem}"', 'language = "Python"'),
        *("[process]", f"start = {json.dumps(start)}", "ready_timeout = 60", "[process.env]"),
        *('PORT_HTTP = "{port.http}"', 'PID_FILE = "{dir}/pid"', 'STATIC_DIR = "{static}"'),
        *("[endpoints]", 'http = "tcp://127.0.0.1:{port.http}"'),
    ]
    path.write_text("\n".join(lines))
    return str(path)


def compared(folder: Path, *names: str, family: str) -> list[dict[str, Any]]:
    """The disagreements of two servers, by the names of their faults."""
    written = folder / "diff.json"
    options = ["--only", family, "--examples", "40", "--json", str(written), "--replays", str(folder)]
    status = cli.main(["diff", *(target(folder, name) for name in names), *options])
    found: list[dict[str, Any]] = json.loads(written.read_text())["disagreements"]
    assert status == bool(found)
    return found


def test_the_right_server_agrees_with_itself(tmp_path: Path) -> None:
    assert compared(tmp_path, "", "", family="http/*") == []


def test_a_faulty_one_is_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(tmp_path, "", "http-chunk-size-as-python", family="http/chunks")
    bodies = [bytes.fromhex(each["bytes"]).split(b"\r\n\r\n", 1)[1] for each in found]
    assert bodies
    assert all(re.search(rb"[+ \t_-]|0x", body) for body in bodies)
    assert all(each["behaviours"][0]["answers"][0]["kind"] == "refused" for each in found)
    assert cli.main(["replay", found[0]["replay"]]) == 1
    assert "now: disagree (reproduced)" in capsys.readouterr().out
