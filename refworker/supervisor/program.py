"""The program that this process runs, so that it can be run again: for a check, and in place of itself.

A reload brings new code by executing the program anew (execve(2)): the process stays, with its pid, its
children and whatever descriptors it keeps, and everything else is new, the interpreter and this package
included. What must not change over that is handed over in a file without a name (`bequeath`, `inherit`).
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

HERITAGE = "REFWORKER_HERITAGE"
"""Environment variable with the number of the descriptor of what a former self hands over."""

SAME_SECOND = 1.0
"""Seconds within which a source file may change without its compiled form being taken for stale: Python
compares whole seconds and sizes.
"""


def start_folder() -> str:
    """Where the program was started, as the shell calls it: a link that is turned to a new release later
    leads to that one.
    """
    here, named = os.getcwd(), os.environ.get("PWD", "")
    with contextlib.suppress(OSError):
        if os.path.isabs(named) and os.path.samefile(here, named):
            return named
    return here


FOLDER = start_folder()
"""Noted when this module is loaded: the program may go elsewhere later."""


def command_line() -> list[str]:
    """The interpreter, its options, and the program with its arguments."""
    return [sys.executable, *sys.orig_argv[1:]]


def execute(heritage: Mapping[str, Any], descriptors: Iterable[int]) -> NoReturn:
    """Become the program as it is now. Raises OSError where that is impossible, with nothing changed."""
    forget_compiled()
    with tempfile.TemporaryFile() as will:
        will.write(json.dumps(heritage).encode())
        will.flush()
        kept = [*descriptors, will.fileno()]
        try:
            set_inheritable(kept, True)
            os.chdir(FOLDER)
            environment = os.environ | {HERITAGE: str(will.fileno())}
            os.execve(sys.executable, command_line(), environment)
        finally:
            set_inheritable(kept, False)


def inherit() -> dict[str, Any] | None:
    """What a former self has handed over, once; None in a program that was started."""
    number = os.environ.pop(HERITAGE, None)
    if number is None:
        return None
    with open(int(number), "rb") as will:
        will.seek(0)
        heritage: dict[str, Any] = json.load(will)
    set_inheritable(heritage["descriptors"], False)
    return heritage


def set_inheritable(descriptors: Iterable[int], wanted: bool) -> None:
    """Keep descriptors over an execve, or not."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, wanted)


def forget_compiled() -> None:
    """Remove compiled files that may hide a change of their source: a file that is edited in the second in
    which it was compiled looks the same to Python (LIFE-065).
    """
    for module in tuple(sys.modules.values()):
        source, compiled = getattr(module, "__file__", None), getattr(module, "__cached__", None)
        if source and compiled:
            with contextlib.suppress(OSError):
                if os.stat(compiled).st_mtime - int(os.stat(source).st_mtime) <= SAME_SECOND:
                    Path(compiled).unlink()
