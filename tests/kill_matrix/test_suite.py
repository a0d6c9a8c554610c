from pathlib import Path

import conformance.cases.test_http_static
import conformance.cases.test_lifecycle_reload
import conformance.cases.test_load
import conformance.cases.test_relay
import conformance.cases.test_text
import conformance.cases.test_unix  # noqa: F401  the cases are registered
from conformance.case import REGISTRY
from conformance.target.file import load
from tests.kill_matrix.suite import TRAFFIC, lean

ZOO = load(Path(__file__).parents[2] / "fixtures" / "zoo" / "target.toml")


def test_a_copy_has_only_the_services_that_its_cases_speak_to() -> None:
    spec = lean(ZOO, [REGISTRY["text/framing/any-split"], REGISTRY["unix/framing/any-split"]])
    assert list(spec.endpoints) == ["text", "unix"]
    assert spec.process
    assert "PORT_TEXT" in spec.process.env
    assert "UNIX_PATH" in spec.process.env
    assert "PORT_FRAME" not in spec.process.env
    assert "STATIC_DIR" not in spec.process.env
    assert "PID_FILE" in spec.process.env
    assert spec.process.workers == {"text": 2}
    assert not spec.process.commands


def test_a_relay_has_its_task_workers() -> None:
    spec = lean(ZOO, [REGISTRY["relay/ping/while-tasks-block"]])
    assert set(spec.endpoints) == {"relay", "task"}


def test_a_web_server_has_its_files() -> None:
    spec = lean(ZOO, [REGISTRY["http/static/links"]])
    assert set(spec.endpoints) == {"http"}
    assert spec.process
    assert "STATIC_DIR" in spec.process.env


def test_commands_are_carried_out_under_traffic() -> None:
    spec = lean(ZOO, [REGISTRY["lifecycle/reload/new-code"]])
    assert set(spec.endpoints) == TRAFFIC
    assert spec.process
    assert ZOO.process
    assert spec.process.commands == ZOO.process.commands


def test_a_section_that_nobody_has_looked_at_gets_everything() -> None:
    spec = lean(ZOO, [REGISTRY["load/text/beside-a-talker"]])
    assert spec.endpoints == ZOO.endpoints
