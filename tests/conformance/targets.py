"""Target files for tests: a small echo server, started by the suite."""

from pathlib import Path

from conformance.target.file import TargetSpec, load

SERVER = Path(__file__).with_name("five_minutes.py")


def write_target(folder: Path, *, start: str = "", extra: str = "", server: Path = SERVER) -> Path:
    """A target file for a server script that takes its port as an argument."""
    path = folder / "target.toml"
    argv = start or f'["{{python}}", "{server}", "{{port.text}}"]'
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


def spec(folder: Path, *, start: str = "", extra: str = "", server: Path = SERVER) -> TargetSpec:
    """The same, read."""
    return load(write_target(folder, start=start, extra=extra, server=server))
