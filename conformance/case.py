r"""What a case is, and how to write one.

A case is a pytest test function in `conformance/cases/test_<section>.py`. It talks to the target over sockets
and *names* what it saw; its metadata says which names are right:

    @case(
        "text/framing/split-delimiter",            # section/topic/what-is-checked; never changes its meaning
        service="text",                            # the service of the contract it talks to
        requirements=("TEXT-002",),                # ids of the catalogue, requirements/text.toml
        accept={"echoed": "pass"},                 # outcome -> pass, weak or info
    )
    def test_split_delimiter(target: Target) -> str:
        '''The line feed arrives in a segment of its own.'''
        with target.connect() as peer:
            peer.send(b"hello", b"\n")             # two segments, each a write of its own
            peer.expect(b"hello\n")                # or Violation: no-answer, wrong-answer, fin, reset
        return "echoed"

Returning an outcome that is not in `accept`, and raising `Violation(outcome, detail)` with any name at all,
breaks the requirements: *fail* for a MUST, *weak* for a SHOULD, *info* for a MAY, as the catalogue says.

Never sleep and never choose a time: `peer.silent()`, `peer.expect()` and `peer.ending()` wait as long as the
calibration of this target asks. Do not check that the server lives on: a canary does so after every case.

`needs` names what the target has to offer besides the service, or the case is *unsupported*: `"process"`,
`"pid_file"`, a command (`"stop"`, `"reload"`), `"limits.max_package_size"`, `"workers.task"`,
`"endpoint.task"`. With `fresh=True` the case gets a copy of the target started for it alone, which it may
stop, kill or ruin; otherwise all cases of one test process share a copy. With `explores=True` it is a
property: it calls `explore` (`conformance.exploration`), and `--fuzz` gives it more time. `instead` names
services that do as well where the target lacks the case's own: it is then about the first that is there.

Cases about clients, which connect to the suite (`conformance serve`), stand in `conformance/clients/cases/`;
their `service` is one of `CLIENTS`, and their functions get a `Client` instead of a target.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from conformance.contract import CLIENTS, COMMANDS, SERVICES
from conformance.outcomes import Inconclusive, Unsupported, Violation

__all__ = ["REGISTRY", "Case", "Inconclusive", "Unsupported", "Violation", "case"]

GRADES = frozenset({"pass", "weak", "info"})

CaseFunction = TypeVar("CaseFunction", bound=Callable[..., object])


@dataclass(frozen=True)
class Case:
    """The frozen metadata of one case; `title` is the first line of its docstring."""

    id: str
    service: str
    requirements: tuple[str, ...]
    accept: Mapping[str, str]
    needs: tuple[str, ...] = ()
    fresh: bool = False
    explores: bool = False
    instead: tuple[str, ...] = ()
    title: str = ""
    module: str = ""

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(f"case {self.id!r}: {problem}")

    @property
    def section(self) -> str:
        """The first part of the id: `text` for `text/framing/whole-line`."""
        return self.id.split("/")[0]

    @property
    def judges_clients(self) -> bool:
        """Whether the suite is the server in this case."""
        return self.service in CLIENTS

    def on(self, offered: Container[str]) -> "Case":
        """This case on a target that offers these services."""
        there = [service for service in (self.service, *self.instead) if service in offered]
        return replace(self, service=there[0]) if there else self


REGISTRY: dict[str, Case] = {}
"""Every case whose module was imported, by id, in the order of definition."""


def case(
    id: str,  # noqa: A002  the word of the contract, and of every report
    *,
    service: str,
    requirements: tuple[str, ...],
    accept: Mapping[str, str],
    needs: tuple[str, ...] = (),
    fresh: bool = False,
    explores: bool = False,
    instead: tuple[str, ...] = (),
) -> Callable[[CaseFunction], CaseFunction]:
    """Make a test function a case. Raises ValueError for metadata that contradicts the contract."""

    def register(function: CaseFunction) -> CaseFunction:
        title = (function.__doc__ or "").strip().split("\n")[0]
        entry = Case(
            id=id,
            service=service,
            requirements=requirements,
            accept=MappingProxyType(dict(accept)),
            needs=needs,
            fresh=fresh,
            explores=explores,
            instead=instead,
            title=title,
            module=function.__module__,
        )
        if id in REGISTRY:
            raise ValueError(f"case {id!r}: defined twice")
        REGISTRY[id] = entry
        function.__case__ = entry  # type: ignore[attr-defined]
        return function

    return register


def _problems(entry: Case) -> list[str]:
    """What is wrong with the metadata, most important first."""
    checks = {
        "the id is not section/topic/what-is-checked": entry.id.count("/") != 2 or "" in entry.id.split("/"),
        f"unknown service {entry.service!r}": not {entry.service, *entry.instead}.issubset(
            (*SERVICES, *CLIENTS)
        ),
        "names no requirement": not entry.requirements,
        "accepts no outcome": not entry.accept,
        f"an outcome is accepted as one of {sorted(GRADES)}": not GRADES.issuperset(entry.accept.values()),
        f"unknown need in {entry.needs!r}": not all(map(_is_need, entry.needs)),
        "has no docstring": not entry.title,
    }
    return [problem for problem, present in checks.items() if present]


def _is_need(need: str) -> bool:
    kind, _, name = need.partition(".")
    return need in {"process", "pid_file", *COMMANDS} or (
        kind in {"limits", "workers", "endpoint"} and bool(name)
    )
