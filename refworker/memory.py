"""Memory that is freed and soon wanted again.

glibc gives a block above 128 KiB back to the system as soon as it is freed, and takes it anew, page by page,
for the next one: a message of 1 MiB then costs more in page faults than in everything else. So that limit is
raised once, before processes are forked, and a process keeps some of what it has freed.
"""

import ctypes
import os

KEEP = 16 * 1024 * 1024
"""Bytes at the end of the heap that a process may keep though nothing is in them."""

LARGEST = 4 * 1024 * 1024
"""Bytes of a block that is still taken from the heap."""

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of mallopt(3)
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory() -> bool:
    """Let this process, and those that it forks, keep what they free; whether that could be had: not with
    another C library, and not where the environment says how it is to be (mallopt(3)).
    """
    if any(name in os.environ for name in VARIABLES):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST) and mallopt(TRIM_THRESHOLD, KEEP))
