"""Target files for tests: the echo server of the suite's README, put right, and started by the suite."""

import re
from importlib.resources import files
from pathlib import Path

from conformance.target.file import TargetSpec, load

README = (files("conformance") / "README.md").read_text(encoding="utf-8")
MISTAKE, CURE = 'line.strip() + b"\\n"', 'line.rstrip(b"\\r\\n") + b"\\n"'


def block(language: str) -> str:
    """The first code block of the README in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def echo_server(folder: Path) -> Path:
    """Write the README's server into a folder, without its mistake."""
    server = folder / "echo.py"
    assert MISTAKE in block("python")
    server.write_text(block("python").replace(MISTAKE, CURE), encoding="utf-8")
    return server


def write_target(folder: Path, *, start: str = "", extra: str = "", server: Path | None = None) -> Path:
    """A target file for a server script that takes its port as an argument."""
    path = folder / "target.toml"
    argv = start or f'["{{python}}", "{server or echo_server(folder)}", "{{port.text}}"]'
    path.write_text(
        f"""
[target]
name = "five minutes"

[process]
start = {argv}
ready_timeout = 10
{extra}

[endpoints]
text = "tcp://127.0.0.1:{{port.text}}"
""",
        encoding="utf-8",
    )
    return path


def spec(folder: Path, *, start: str = "", extra: str = "", server: Path | None = None) -> TargetSpec:
    """The same, read."""
    return load(write_target(folder, start=start, extra=extra, server=server))
