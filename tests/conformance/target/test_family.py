"""What processes use, asked of our own."""

import os

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
