"""Servers and clients of the zoos as forks of the run that starts them, instead of new interpreters.

Most of what a server costs is the start of Python and its imports, twice with `leash.py` before it. A fork
has both behind it. All else is as `subprocess.Popen` makes it: a child of the run, with descriptors, a folder
and a session of its own; only that the fork, instead of calling exec(2), becomes what an interpreter would be
that runs the script. Its command line and its environment are written where /proc shows them: the suite
knows its own by that.
"""

import ctypes
import gc
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO

from conformance.target import leash

SCRIPT = "main.py"
"""What the target files of the zoos run."""

ROOM = "KILL_MATRIX_ROOM"
"""A long variable that means nothing: a fork's environment has to fit where that of its parent was."""

ROOM_SIZE = 16 * 1024

ARGUMENTS, ENVIRONMENT = slice(45, 47), slice(47, 49)
"""Where `/proc/PID/stat` has the addresses of both, counted from the state, see proc(5)."""

OUTER = subprocess.Popen


class Popen(OUTER[Any]):
    """A process as `subprocess.Popen` starts it, but a fork where it runs a script of a zoo."""

    def __init__(self, args: Sequence[str], **options: Any) -> None:
        if SCRIPT in args:
            options["preexec_fn"] = partial(become, list(args), dict(options["env"]))
        super().__init__(args, **options)


def make_room() -> None:
    """Let the processes that are started from now on have room for the environments of their forks."""
    os.environ[ROOM] = ROOM_SIZE * "x"


def fork_scripts() -> None:
    """From now on, whatever this process starts of a zoo is a fork of it."""
    subprocess.Popen = Popen  # type: ignore[misc]


def become(args: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """In the fork: run the script as an interpreter would, and end with its exit status."""
    code = 1
    try:
        forget()
        command = held(args)
        own(command, environment)
        code = ran(command[command.index(SCRIPT) :])
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        leave(code)


def held(args: Sequence[str]) -> Sequence[str]:
    """The command behind the leash, if there is one, which is put on."""
    if leash.__file__ not in args:
        return args
    _, parent, *command = args[args.index(leash.__file__) :]
    leash.hold(int(parent))
    return command


def forget() -> None:
    """Give up what the run has: descriptors, handlers, and garbage. That may not be collected here: a socket
    in it would close what has its number by now.
    """
    gc.freeze()
    gc.enable()  # `preexec_fn` has it disabled
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as Python begins
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.stdin, sys.stdout, sys.stderr = (stream(number) for number in range(3))


def stream(number: int) -> TextIO:
    """A standard stream; what is buffered in those of the run is not ours to print."""
    mode, buffering = "w" if number else "r", 1 if number == 2 else -1
    return open(number, mode, buffering, "utf-8", closefd=False)


def own(args: Sequence[str], environment: Mapping[str, str]) -> None:
    """Take over this environment; show it, and the command line, to those who look from outside."""
    os.environ.clear()  # first: libc must not point into the block that is written over
    os.environ.update({name: value for name, value in environment.items() if name != ROOM})
    fields = Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()
    show(b"".join(b"%b\0" % os.fsencode(word) for word in args), *map(int, fields[ARGUMENTS]))
    show(b"".join(b"%b=%b\0" % each for each in os.environb.items()), *map(int, fields[ENVIRONMENT]))


def show(block: bytes, start: int, end: int) -> None:
    """Write over what the kernel shows of this process, from address to address."""
    if len(block) > end - start:
        raise OSError(f"{block[:40]!r}… is {len(block)} bytes long, and finds room for {end - start}")
    ctypes.memmove(start, block.ljust(end - start, b"\0"), end - start)


def ran(argv: Sequence[str]) -> int:
    """The exit status of a script, run in the present folder."""
    forget_others(Path.cwd())
    sys.argv = list(argv)
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def forget_others(folder: Path) -> None:
    """Each zoo is a package `zoo`: one that is imported and is not that of this folder makes place."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
        if not Path(str(sys.modules[name].__file__)).is_relative_to(folder):
            del sys.modules[name]


def leave(code: int) -> NoReturn:
    """End without what the run would do at its own end."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
