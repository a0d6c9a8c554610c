"""`refworker MODULE:WORKERS COMMAND`, or `refworker PROGRAM.py COMMAND`: for programs without a main.

WORKERS is a worker, a list of workers, or a function without arguments that gives either.
"""

import importlib
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from refworker import __version__
from refworker.supervisor import run_all
from refworker.supervisor.commands import COMMANDS
from refworker.worker import Worker

USAGE = f"usage: refworker MODULE:WORKERS|PROGRAM.py {'|'.join(COMMANDS)} [-d] [-g] [--json], or --version"
WRONG_USAGE = 2


class Unusable(Exception):
    """What was named holds no workers; the message says what is wrong."""


def main() -> NoReturn:
    """The console script. A program that calls `run_all` itself is run just the same."""
    match sys.argv[1:]:
        case ["--version"]:
            sys.exit(print(f"refworker {__version__}"))
        case ["-h" | "--help"]:
            sys.exit(print(USAGE))
        case [program, *_] if Path(program).is_file():
            run(Path(program))
        case [place, *words] if ":" in place:
            sys.path.insert(0, "")
            name_program(Path(f"{place.partition(':')[0]}.py"))
            try:
                workers = found(place)
            except Unusable as problem:
                complain(str(problem))
            run_all(workers, argv=words)
        case [program, *_]:
            complain(f"no such program: {program}; {USAGE}")
        case _:
            complain(f"a program is missing; {USAGE}")


def run(program: Path) -> NoReturn:
    """Make the program the main one, and carry out the rest of the command line."""
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(program.resolve().parent))
    name_program(program)
    runpy.run_path(str(program), run_name="__main__")
    run_all()


def name_program(path: Path) -> None:
    """After this file the service's own files are called, and beside it they lie."""
    sys.modules["__main__"].__file__ = str(path)


def found(place: str) -> list[Worker]:
    """The workers at `MODULE:WORKERS`. Raises Unusable, and whatever the module raises at its import."""
    module_name, _, attribute = place.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        if problem.name and module_name.startswith(problem.name):
            raise Unusable(f"there is no module {module_name!r} here; {USAGE}") from None
        raise
    value = getattr(module, attribute, None)
    if value is None:
        raise Unusable(f"module {module_name!r} has no {attribute!r}; name a worker, a list or a function")
    return checked(value() if callable(value) and not isinstance(value, Worker) else value, place)


def checked(value: Any, place: str) -> list[Worker]:
    """One worker or several, as a list. Raises Unusable."""
    workers = list(value) if isinstance(value, Iterable) else [value]
    if not workers or not all(isinstance(each, Worker) for each in workers):
        raise Unusable(f"{place} is neither a Worker nor a list of them")
    return workers


def complain(text: str) -> NoReturn:
    """One line, and the exit code of wrong usage."""
    print(f"refworker: {text}", file=sys.stderr)
    sys.exit(WRONG_USAGE)


if __name__ == "__main__":
    main()
