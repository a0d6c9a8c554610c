"""Who has started whom."""

from pathlib import Path


def children_of(pid: int) -> set[int]:
    """The processes directly below one."""
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except FileNotFoundError:
        return set()


def children(pid: int) -> set[int]:
    """All processes below one."""
    found = children_of(pid)
    return found.union(*map(children, found))
