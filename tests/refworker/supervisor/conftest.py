from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Makes services in the test's own folder, and ends what they leave running."""
    made: list[Service] = []

    def make(folder: Path = tmp_path, **options: Any) -> Service:
        made.append(Service(folder, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
