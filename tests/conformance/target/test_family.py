"""What processes use, asked of our own."""

import os
import subprocess
import sys

from conformance.target import family

MUCH = 40 * 1024 * 1024
NEARLY = MUCH * 9 // 10
"""The kernel counts pages in batches."""


def test_the_peak_outlives_the_memory_until_it_is_forgotten() -> None:
    me = [os.getpid()]
    family.forget_peak(me)
    before = family.peak(me)
    block = bytearray(b"x") * MUCH
    del block
    assert family.peak(me) >= before + NEARLY
    family.forget_peak(me)
    assert family.peak(me) < before + NEARLY


def test_who_is_gone_has_no_peak() -> None:
    family.forget_peak([0])
    assert family.peak([0]) == 0


def test_who_carries_the_mark_belongs_to_it_and_so_do_its_children() -> None:
    code = "import os, time; pid = os.fork(); pid and print(pid); time.sleep(100)"
    begun = []
    for mark in ("one", "two"):
        assert family.family([], mark) == set()
        environment = {**os.environ, family.MARK: mark}
        command = [sys.executable, "-uc", code]
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
    try:
        lines = [each.stdout.readline() for each in begun if each.stdout]
        for mark, each, line in zip(("one", "two"), begun, lines, strict=True):
            members = {each.pid, int(line)}
            assert family.family([], mark) == family.family([each.pid], "nobody's") == members
            assert family.children(each.pid) == [int(line)]
    finally:
        for mark in ("one", "two"):
            for pid in family.family([], mark):
                os.kill(pid, 9)
        for each in begun:
            each.communicate()
