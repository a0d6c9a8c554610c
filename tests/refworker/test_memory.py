import os
import subprocess
import sys

PROGRAM = """
import resource
from refworker.memory import keep_freed_memory
print(keep_freed_memory())
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
block = bytearray(1 << 20)
del block
before = faults()
for _ in range(20):
    block = bytearray(1 << 20)
    del block
print(faults() - before)
"""


def told(**environment: str) -> tuple[str, int]:
    """What the call says, and how many pages twenty blocks of 1 MiB take anew."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said, pages = done.stdout.split()
    return said, int(pages)


def test_large_blocks_are_kept_for_the_next_ones() -> None:
    said, pages = told()
    assert said == "True"
    assert pages < 300


def test_the_environment_has_the_last_word() -> None:
    said, pages = told(MALLOC_MMAP_THRESHOLD_="131072")
    assert said == "False"
    assert pages > 4000
