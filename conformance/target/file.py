"""Read a target file: TOML in, a frozen `TargetSpec` out, and one line of advice for every mistake.

The tables and keys are data (`SHAPE`), so that the check of names, the check of types and the advice stay in
one place. Placeholders are filled per copy of the target, see `fill.py`; here they are only looked at.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from conformance.contract import COMMANDS, LIMITS, SERVICES, TIME_LIMITS
from conformance.target.fill import UnknownPlaceholder, fill, rehearsal
from conformance.wire.address import Address


class TargetFileError(Exception):
    """One line: file, key, cause and cure."""


@dataclass(frozen=True)
class ProcessSpec:
    """How a target is started; every string may hold placeholders. `cwd` is relative to `base`."""

    start: tuple[str, ...]
    daemon: bool = False
    base: Path = Path()
    cwd: str = "."
    env: Mapping[str, str] = field(default_factory=dict)
    ready_timeout: float = 10.0
    pid_file: str | None = None
    workers: Mapping[str, int] = field(default_factory=dict)
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetSpec:
    """A target as its file (or the command line) describes it, placeholders not yet filled.

    `limits` are sizes and numbers, `time_limits` seconds; the file has both in one table.
    """

    name: str
    endpoints: Mapping[str, str]
    language: str = ""
    homepage: str = ""
    process: ProcessSpec | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    time_limits: Mapping[str, float] = field(default_factory=dict)
    deviations: Mapping[str, str] = field(default_factory=dict)


STRING, WHOLE, NUMBER, YES_NO = "a string", "a whole number", "a number", "true or false"
STRINGS, TABLE = "a list of strings", "a table"

CHECKS = {
    STRING: lambda value: isinstance(value, str),
    WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value > 0,
    YES_NO: lambda value: isinstance(value, bool),
    STRINGS: lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    TABLE: lambda value: isinstance(value, dict),
}

ANY = "*"
"""Stands for every key of a table whose keys are not fixed."""

SHAPE: dict[str, dict[str, str]] = {
    "": dict.fromkeys(("target", "process", "endpoints", "limits", "deviations"), TABLE),
    "target": {"name": STRING, "language": STRING, "homepage": STRING},
    "process": {
        "start": STRINGS,
        "daemon": YES_NO,
        "cwd": STRING,
        "env": TABLE,
        "ready_timeout": NUMBER,
        "pid_file": STRING,
        "workers": TABLE,
        "commands": TABLE,
    },
    "process.env": {ANY: STRING},
    "process.workers": dict.fromkeys(SERVICES, WHOLE),
    "process.commands": dict.fromkeys(COMMANDS, STRINGS),
    "endpoints": dict.fromkeys(SERVICES, STRING),
    "limits": dict.fromkeys(LIMITS, WHOLE) | dict.fromkeys(TIME_LIMITS, NUMBER),
    "deviations": {ANY: STRING},
}


CLIENT_SHAPE: dict[str, dict[str, str]] = {
    "": dict.fromkeys(("client", "process", "deviations"), TABLE),
    "client": SHAPE["target"],
    "process": {"start": STRINGS, "cwd": STRING, "env": TABLE},
    "process.env": {ANY: STRING},
    "deviations": {ANY: STRING},
}
"""The shape of a client file: `conformance serve` starts what it names."""


def load(path: Path) -> TargetSpec:
    """Read and check a target file. Raises TargetFileError."""
    return _load(path, SHAPE, _build)


def load_client(path: Path) -> TargetSpec:
    """Read and check a client file: a target without endpoints. Raises TargetFileError."""
    return _load(path, CLIENT_SHAPE, _build_client)


def _load(
    path: Path, shape: dict[str, dict[str, str]], build: Callable[[Mapping[str, Any], Path], TargetSpec]
) -> TargetSpec:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise TargetFileError(f"{path}: {problem.strerror}; give the path of a target file") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise TargetFileError(f"{path}: not valid TOML: {problem}; correct that line") from problem
    try:
        _check_shape(document, shape)
        return build(document, path)
    except _Mistake as mistake:
        raise TargetFileError(f"{path}: {mistake}") from mistake


def read_endpoints(options: Iterable[str]) -> dict[str, str]:
    """URL by service, from `SERVICE=URL` as the command line has it. Raises TargetFileError."""
    endpoints = {}
    for text in options:
        service, _, url = text.partition("=")
        if not url:
            raise TargetFileError(f"--endpoint: {text!r} is not SERVICE=URL; write text=tcp://127.0.0.1:9000")
        endpoints[service] = url
    return endpoints


def from_endpoints(endpoints: Mapping[str, str]) -> TargetSpec:
    """A target that is running already, by the endpoints of the command line. Raises TargetFileError."""
    try:
        _check_shape({"endpoints": dict(endpoints)}, SHAPE)
        _check_endpoints(endpoints)
    except _Mistake as mistake:
        raise TargetFileError(f"--endpoint: {mistake}") from mistake
    return TargetSpec(name=", ".join(endpoints.values()), endpoints=dict(endpoints))


class _Mistake(Exception):
    """Key, cause and cure, without the file."""


def _check_shape(document: Mapping[str, Any], shape: Mapping[str, Mapping[str, str]]) -> None:
    """Every table that the document has: known keys, right types."""
    for table, keys in shape.items():
        for key, value in _table(document, table).items():
            where = f"{table}.{key}" if table else key
            wanted = keys.get(ANY) or keys.get(key)
            if wanted is None:
                raise _Mistake(f"{where}: unknown key; {_nearest(key, keys)}")
            if not CHECKS[wanted](value):
                raise _Mistake(f"{where}: {value!r} is not {wanted}; write {wanted}")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The table at a dotted name; empty where it is missing."""
    for part in filter(None, name.split(".")):
        document = document.get(part, {})
    return document


def _nearest(key: str, known: Mapping[str, str]) -> str:
    near = get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _build(document: Mapping[str, Any], path: Path) -> TargetSpec:
    target, endpoints = _table(document, "target"), _table(document, "endpoints")
    if not target.get("name"):
        raise _Mistake('target.name: missing; write name = "the name to show in reports"')
    if not endpoints:
        raise _Mistake('endpoints: nothing to judge; write for example text = "tcp://127.0.0.1:{port.text}"')
    process = _build_process(document["process"], path) if "process" in document else None
    _check_endpoints(endpoints)
    limits = _table(document, "limits")
    return TargetSpec(
        endpoints=endpoints,
        process=process,
        limits={name: value for name, value in limits.items() if name in LIMITS},
        time_limits={name: value for name, value in limits.items() if name in TIME_LIMITS},
        deviations=_table(document, "deviations"),
        **target,
    )


def _build_client(document: Mapping[str, Any], path: Path) -> TargetSpec:
    client, process = _table(document, "client"), _table(document, "process")
    if not client.get("name"):
        raise _Mistake('client.name: missing; write name = "the name to show in reports"')
    if not process.get("start"):
        raise _Mistake('process.start: missing; write start = ["the command", "that starts the client"]')
    started = ProcessSpec(**{**process, "start": tuple(process["start"])}, base=path.resolve().parent)
    return TargetSpec(endpoints={}, process=started, deviations=_table(document, "deviations"), **client)


def _build_process(table: Mapping[str, Any], path: Path) -> ProcessSpec:
    if not table.get("start"):
        raise _Mistake('process.start: missing; write start = ["the command", "that starts the server"]')
    for name, argv in table.get("commands", {}).items():
        if not argv:
            raise _Mistake(f"process.commands.{name}: empty; give the command or leave the key out")
    _check_placeholders("process", table)
    commands = {name: tuple(argv) for name, argv in table.get("commands", {}).items()}
    base = path.resolve().parent
    return ProcessSpec(**{**table, "start": tuple(table["start"]), "commands": commands}, base=base)


def _check_endpoints(endpoints: Mapping[str, str]) -> None:
    _check_placeholders("endpoints", endpoints)
    for service, url in endpoints.items():
        try:
            Address.parse(fill(url, rehearsal()))
        except ValueError as problem:
            raise _Mistake(f"endpoints.{service}: {problem}") from problem


def _check_placeholders(where: str, value: Any) -> None:
    """Look at every string inside `value`, however deep."""
    if isinstance(value, str):
        try:
            fill(value, rehearsal())
        except UnknownPlaceholder as problem:
            raise _Mistake(f"{where}: {problem}") from problem
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _check_placeholders(f"{where}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            _check_placeholders(where, inner)
