"""Who belongs to a copy, and who is never asked again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.target import family
from conformance.target.kin import MARK, Kin
from conformance.target.process import wait_until

pytestmark = pytest.mark.skipif(not family.available(), reason="looks into /proc")

PARENT = "import os, time; pid = os.fork(); pid and print(pid); time.sleep(100)"
BARE = "import os, sys; os.execve(sys.executable, [sys.executable, '-uc', sys.argv[1]], {})"
"""Gives up its environment, as a server does that shows a title in its place."""


ORPHAN = "import os, time; pid = os.fork(); pid and (print(pid), os._exit(0)); time.sleep(100)"


@contextmanager
def parent(mark: str, code: str = PARENT, *, bare: bool = False) -> Iterator[tuple[int, int]]:
    """A process with a child: both pids."""
    words = ["-c", BARE, code] if bare else ["-uc", code]
    environment = {**os.environ, MARK: mark}
    command = [sys.executable, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as begun:
        assert begun.stdout
        child = int(begun.stdout.readline())
        try:
            yield begun.pid, child
        finally:
            os.kill(child, 9)
            begun.kill()


def test_who_carries_the_mark_belongs_to_it_and_so_do_its_children() -> None:
    assert Kin("one").members([]) == Kin("two").members([]) == set()
    with parent("one") as one, parent("two") as two:
        for mark, pids in (("one", one), ("two", two)):
            assert Kin(mark).members([]) == Kin("nobody's").members([pids[0]]) == set(pids)
            assert Kin(mark).children(pids[0]) == [pids[1]]


def test_who_was_seen_once_is_known_without_a_mark_or_a_parent() -> None:
    kin = Kin("one")
    with parent("one", bare=True) as (pid, child):
        assert kin.members([]) == set()
        assert kin.members([pid]) == {pid, child}
        assert kin.members([]) == {pid, child}


def test_strangers_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kin, asked = Kin("one"), []
    with parent("one") as one, parent("two", ORPHAN) as (gone, stranger):
        assert wait_until(lambda: not family.is_living(gone), 10)
        assert kin.members([]) == set(one)
        carries = family.carries
        monkeypatch.setattr(
            "conformance.target.kin.carries", lambda pid, *words: asked.append(pid) or carries(pid, *words)
        )
        assert kin.members([]) == set(one)
        assert stranger not in asked


def test_a_stranger_that_a_pid_file_names_is_none_and_nor_are_its_children() -> None:
    kin = Kin("one")
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-uc', {PARENT!r}])"
    with parent("two", ORPHAN.replace("time.sleep(100)", code), bare=True) as (gone, daemon):
        assert wait_until(lambda: not family.is_living(gone), 10)
        assert wait_until(lambda: len(Kin("another").members([daemon])) == 3, 10)
        assert kin.members([]) == set()
        assert len(kin.members([daemon])) == 3
        assert len(kin.children(daemon)) == 1
        for pid in kin.members([daemon]) - {daemon}:
            os.kill(pid, 9)


def test_who_is_older_than_the_copy_is_none_of_it() -> None:
    with parent("one") as (pid, child):
        birth = family.born(child)
        assert birth
        assert Kin("one", birth + 1).members([pid]) == set()
