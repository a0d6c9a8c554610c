"""The rules of the house, read from the syntax trees: who may import whom, and how long a file may be.

A floor imports from itself and from those below it. Floor 0, the protocols, is pure: what cannot reach a
socket, a clock or the operating system can be tested without them.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"__version__", "protocols"}),
    frozenset(
        {
            "address",
            "answering",
            "callbacks",
            "client",
            "closing",
            "connection",
            "cron",
            "dial",
            "endpoints",
            "files",
            "idle",
            "listener",
            "manners",
            "memory",
            "pipe",
            "quota",
            "sender",
            "serving",
            "sessions",
            "socketfile",
            "status",
            "switch",
            "taking",
            "timer",
            "tls",
            "tls_layer",
            "udp",
            "uploads",
        }
    ),
    frozenset({"worker"}),
    frozenset({"supervisor"}),
    frozenset({"tasks"}),
    frozenset({"components"}),
    frozenset({"__init__"}),
    frozenset({"__main__", "examples", "probe", "testee", "testee_http"}),
)
"""From the ground up: the modules of `refworker`. The package gathers the names of all floors for users; the
floors themselves read nothing of it but the version. What stands nowhere here fails.
"""

IMPURE = frozenset({"asyncio", "os", "random", "selectors", "socket", "ssl", "threading", "time"})
GUARDED = frozenset({"uvloop", "aiosmtpd", "cronsim", "redis", "setproctitle", "websockets"})
"""Third-party modules that `refworker` may import where they are wanted, never merely by being imported
itself.
"""

PROGRAMS = frozenset({"refworker.examples.mail_sink"})
"""Modules that are programs of their own, imported by nobody: they may import those outright."""

LONGEST_FILE = 500
FOLDERS = ("conformance", "fixtures", "refworker", "tests")

Import = tuple[str, bool]
"""A full name, and whether its import stands inside a function, a `try` or an `if`."""


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path) -> frozenset[Import]:
    """What a file imports, also through `importlib.import_module("…")` and `__import__("…")`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = list(path.parent.relative_to(ROOT).parts)
    return frozenset(
        (name, node not in tree.body) for node in ast.walk(tree) for name in imported(node, package)
    )


def imported(node: ast.AST, package: list[str]) -> Iterator[str]:
    """The full names that one node imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


def floor_of(name: str) -> int:
    """The floor of `refworker.x.y`; what is no module of its own is a name that the package gathers."""
    part = [*name.split("."), "__init__"][1]
    found = [number for number, floor in enumerate(FLOORS) if part in floor]
    if not found and not list((ROOT / "refworker").glob(f"{part}*")):
        return floor_of("refworker.__init__")
    assert found, f"{name} stands on no floor: give it a place in FLOORS"
    return found[0]


def each(package: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", modules(package), ids=name_of)


@each("refworker")
def test_floors_import_downwards_only(path: Path) -> None:
    own = floor_of(name_of(path))
    for name, _ in imports(path):
        if name.split(".")[0] == "refworker":
            assert floor_of(name) <= own, f"{name_of(path)} imports {name}, which stands above it"


@each("refworker/protocols")
def test_floor_0_is_pure(path: Path) -> None:
    tops = {name.split(".")[0] for name, _ in imports(path)}
    assert not tops & IMPURE


@each("refworker")
def test_refworker_needs_the_standard_library_alone(path: Path) -> None:
    foreign = {
        name
        for name, guarded in imports(path)
        if (top := name.split(".")[0]) not in sys.stdlib_module_names | {"refworker"}
        and not (top in GUARDED and (guarded or name_of(path) in PROGRAMS))
    }
    assert not foreign


@each("conformance")
def test_conformance_never_imports_refworker(path: Path) -> None:
    assert "refworker" not in {name.split(".")[0] for name, _ in imports(path)}


@pytest.mark.parametrize("path", modules("refworker") + modules("conformance"), ids=name_of)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < LONGEST_FILE


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_says_what_lives_in_it(folder: str) -> None:
    assert (ROOT / folder / "README.md").exists()


def test_these_rules_see_every_way_to_import() -> None:
    code = (
        "import os.path, a\nfrom b.c import d\nfrom . import e\nfrom ..f import g\n"
        "import importlib\nimportlib.import_module('h.i')\n__import__('j')\n"
    )
    names = {name for node in ast.walk(ast.parse(code)) for name in imported(node, ["x", "y"])}
    assert names == {"os.path", "a", "b.c.d", "x.y.e", "x.f.g", "importlib", "h.i", "j"}
