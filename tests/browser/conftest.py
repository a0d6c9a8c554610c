import os

import pytest

from tests.browser.chromium import MISSING, installed


@pytest.fixture
def browser() -> str:
    """The browser's command. Where everything has to run, a browser that is missing is a failure."""
    found = installed()
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    return found
