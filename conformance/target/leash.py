"""Run a command that ends with the suite: `python leash.py PARENT COMMAND...` becomes the command.

A test process that is killed cannot stop its targets any more. On Linux the kernel can: with
PR_SET_PDEATHSIG (prctl(2)), which survives the exec below, a target gets SIGTERM when its parent dies.
`PARENT` is that parent's pid: if it is another one by now, the parent died before the request.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel, then become the command; status 127 when there is no such command."""
    parent, *command = sys.argv[1:]
    hold(int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as problem:
        print(f"cannot run {command[0]!r}: {problem.strerror}", file=sys.stderr)
        sys.exit(127)


def hold(parent: int) -> None:
    """Have this process end with its parent; at once where another process than `parent` is that by now."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        sys.exit("the suite has gone")


if __name__ == "__main__":
    main()
