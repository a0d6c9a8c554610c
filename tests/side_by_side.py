"""`python -m tests.side_by_side COMMAND…`: runs that mostly wait, at the same time.

Each command is one argument, in the words of a shell, and is said again above its output, which is shown
whole when the command has ended. Exit status: the highest of theirs, 1 for one that a signal ended; 2 without
a command.
"""

import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress


def main(commands: list[str]) -> int:
    """Run them, show how each went, and give the exit status of all."""
    if not commands:
        print("side_by_side: a command is missing", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(len(commands)) as pool:
        runs = [pool.submit(run, command) for command in commands]
        return max(show(*each.result()) for each in as_completed(runs))


def run(command: str) -> tuple[str, int, str]:
    """The command, its exit status, and all that it said."""
    words = shlex.split(command)
    try:
        done = subprocess.run(words, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as problem:
        return command, 1, f"{words[0]}: {problem.strerror}\n"
    return command, done.returncode, done.stdout


def show(command: str, status: int, said: str) -> int:
    """Print it; the status, where a signal counts as 1."""
    print(f"$ {command}\n{said}", flush=True)
    return status if status >= 0 else 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
    sys.exit(130)
