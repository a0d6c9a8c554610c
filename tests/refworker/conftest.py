import pytest

from .faketime import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
