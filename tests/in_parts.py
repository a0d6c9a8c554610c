"""`python -m tests.in_parts [-n PROCESSES] [PYTEST'S WORDS] [PATH…]`: quick tests, in several processes.

Each process is a plain pytest with a share of the files, by default of all unit and property tests. Workers
of pytest-xdist would import every file each, and tell each other of every test, which costs more than such
tests do. Exit status: pytest's, the highest; 5 where no process had a test.
"""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path

from tests.side_by_side import run, show

ROOT = Path(__file__).parent
USUAL = (ROOT / "refworker", ROOT / "conformance", ROOT / "kill_matrix", *ROOT.glob("test_*.py"))
"""Other folders have an environment of their own."""

NO_TESTS = 5
"""Pytest's exit status where nothing was selected."""


def main(arguments: Sequence[str]) -> int:
    """Deal the files, run a pytest for each share, and show how each went."""
    parser = argparse.ArgumentParser(prog="python -m tests.in_parts", add_help=False)
    parser.add_argument("-n", type=int, default=4, metavar="PROCESSES")
    options, words = parser.parse_known_args(arguments)
    paths = [word for word in words if Path(word.partition("::")[0]).exists()]
    words = [word for word in words if word not in paths]
    shares = dealt([each for path in paths or map(str, USUAL) for each in files(path)], options.n)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.n) as pool:
        commands = [command(words, share, Path(folder, f"share-{n}")) for n, share in enumerate(shares)]
        found = [show(*done.result()) for done in as_completed([pool.submit(run, each) for each in commands])]
    return max((status for status in found if status != NO_TESTS), default=NO_TESTS)


def files(path: str) -> list[str]:
    """The files with tests in a folder; anything else, such as `FILE::TEST`, is itself."""
    return sorted(map(str, Path(path).rglob("test_*.py"))) if Path(path).is_dir() else [path]


def dealt(names: Sequence[str], count: int) -> list[list[str]]:
    """Shares of about the same size: the longest file first, and each to whom has least."""
    sizes = {name: Path(name.partition("::")[0]).stat().st_size for name in names}
    shares: list[list[str]] = [[] for _ in range(count)]
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        min(shares, key=lambda share: sum(map(sizes.__getitem__, share))).append(name)
    return [share for share in shares if share]


def command(words: Sequence[str], share: Sequence[str], listed: Path) -> str:
    """Pytest with these files, which stand in a file of their own: hundreds of them are no line to read."""
    listed.write_text("".join(f"{name}\n" for name in sorted(share)), "utf-8")
    return shlex.join([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words, f"@{listed}"])


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
    sys.exit(130)
