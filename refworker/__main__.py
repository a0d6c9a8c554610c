"""`refworker PROGRAM.py start|stop|status`: run a program that makes workers and leaves the rest to us."""

import runpy
import sys
from pathlib import Path
from typing import NoReturn

from refworker import __version__
from refworker.supervisor import run_all

USAGE = "usage: refworker PROGRAM.py start|stop|status [--json], or refworker --version"
WRONG_USAGE = 2


def main() -> NoReturn:
    """The console script. A program that calls `run_all` itself is run just the same."""
    match sys.argv[1:]:
        case ["--version"]:
            sys.exit(print(f"refworker {__version__}"))
        case ["-h" | "--help"]:
            sys.exit(print(USAGE))
        case [program, *_] if Path(program).is_file():
            run(Path(program))
        case [program, *_]:
            complain(f"no such program: {program}; {USAGE}")
        case _:
            complain(f"a program is missing; {USAGE}")


def run(program: Path) -> NoReturn:
    """Make the program the main one, and carry out the rest of the command line."""
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(program.resolve().parent))
    sys.modules["__main__"].__file__ = str(program)
    runpy.run_path(str(program), run_name="__main__")
    run_all()


def complain(text: str) -> NoReturn:
    """One line, and the exit code of wrong usage."""
    print(f"refworker: {text}", file=sys.stderr)
    sys.exit(WRONG_USAGE)


if __name__ == "__main__":
    main()
