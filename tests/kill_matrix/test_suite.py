from pathlib import Path

import conformance.cases.test_relay
import conformance.cases.test_text
import conformance.cases.test_unix  # noqa: F401  the cases are registered
from conformance.case import REGISTRY
from conformance.target.file import load
from tests.kill_matrix.suite import lean

ZOO = load(Path(__file__).parents[2] / "fixtures" / "zoo" / "target.toml")


def test_a_copy_has_only_the_services_that_its_cases_speak_to() -> None:
    spec = lean(ZOO, [REGISTRY["text/framing/any-split"], REGISTRY["unix/framing/any-split"]])
    assert list(spec.endpoints) == ["text", "unix"]
    assert spec.process
    assert "PORT_TEXT" in spec.process.env
    assert "UNIX_PATH" in spec.process.env
    assert "PORT_FRAME" not in spec.process.env
    assert "PID_FILE" in spec.process.env
    assert spec.process.workers == {"text": 2}
    assert not spec.process.commands


def test_cases_that_need_others_besides_get_everything() -> None:
    spec = lean(ZOO, [REGISTRY["text/framing/any-split"], REGISTRY["relay/ping/while-tasks-block"]])
    assert spec.endpoints == ZOO.endpoints
    assert spec.process
    assert not spec.process.commands
