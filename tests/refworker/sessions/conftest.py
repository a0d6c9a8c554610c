import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.refworker.sessions.redis_server import RedisServer, missing


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A server that runs. Where everything has to run, one that is missing is a failure."""
    if problem := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(problem)
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has to be short
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
