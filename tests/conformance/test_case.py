"""The decorator: metadata are frozen, and contradictions are refused where they are written."""

from collections.abc import Iterator
from typing import Any

import pytest

from conformance.case import REGISTRY, Case, case

GOOD: dict[str, Any] = {"service": "text", "requirements": ("TEXT-001",), "accept": {"echoed": "pass"}}


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def define(name: str = "example/a/b", **changes: object) -> Case:
    @case(name, **{**GOOD, **changes})
    def test_example() -> str:
        """A title.

        More.
        """
        return "echoed"

    return REGISTRY[name]


def test_metadata() -> None:
    entry = define(needs=("process", "pid_file", "stop", "limits.max_package_size", "workers.task"))
    assert (entry.section, entry.title, entry.fresh) == ("example", "A title.", False)
    with pytest.raises(AttributeError):
        entry.id = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "example/two"}, "section/topic"),
        ({"name": "example//b"}, "section/topic"),
        ({"service": "telnet"}, "unknown service 'telnet'"),
        ({"requirements": ()}, "no requirement"),
        ({"accept": {}}, "no outcome"),
        ({"accept": {"x": "fine"}}, "accepted as one of"),
        ({"needs": ("reboot",)}, "unknown need"),
    ],
)
def test_contradictions(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        define(**changes)


def test_an_id_is_unique() -> None:
    define()
    with pytest.raises(ValueError, match="defined twice"):
        define()


def test_a_case_needs_a_title() -> None:
    with pytest.raises(ValueError, match="no docstring"):

        @case("example/a/b", **GOOD)
        def test_example() -> str:
            return "echoed"


def test_some_are_about_clients() -> None:
    assert define(service="websocket-client").judges_clients
    assert not define("example/a/c").judges_clients


def test_another_service_does_instead() -> None:
    flexible, strict = define(instead=("http", "frame")), define("example/a/c")
    assert flexible.on({"text", "http"}).service == "text"
    assert flexible.on({"frame", "http"}).service == "http"
    assert flexible.on({"udp"}) == flexible
    assert strict.on({"http"}) == strict
