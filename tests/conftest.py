"""Examples are the same in every run, and a busy machine is no failure. How many there are to a property:
`TEST_EXAMPLES`; one Python tries all of them, another one need only show that it does the same.
"""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("TEST_EXAMPLES", "100")),
)
settings.load_profile("deterministic")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whoever runs only the whole ones need not import files in which there is none."""
    if config.option.markexpr != "whole" or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text("utf-8")
    return None if "whole" in text or "service" in text else True


def pytest_itemcollected(item: pytest.Item) -> None:
    """Who asks for a service starts a master with its processes: one Python is enough for that, too."""
    if "service" in getattr(item, "fixturenames", ()):
        item.add_marker("whole")


def pytest_collection_finish() -> None:
    """Thousands of tests are objects that stay: nobody need look through them for garbage again and again."""
    gc.collect()
    gc.freeze()
