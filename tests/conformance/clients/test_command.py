"""The client's command: it is told where to go, started, watched, started again, and ended."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.clients.command import VARIABLE, Command, command
from conformance.outcomes import TargetDown
from conformance.target.family import is_living
from conformance.target.process import wait_until

URL = "ws://127.0.0.1:9"


@contextmanager
def running(*arguments: str) -> Iterator[Command]:
    made = Command(command([sys.executable, *arguments]), URL)
    try:
        made.start()
        yield made
    finally:
        made.stop()
    assert not made.folder.path.exists()


def test_it_is_told_where_to_go_in_the_environment_and_by_its_arguments() -> None:
    program = f"import os, sys; print(os.environ['{VARIABLE}'], *sys.argv[1:])"
    with running("-c", program, "--url={url}") as client:
        assert wait_until(lambda: bool(client.trouble()), 10)
        assert client.trouble() == f"it exited with status 0; it printed: {URL} --url={URL}"
        assert client.farewell()


def test_it_is_ended_with_its_children_and_started_again(tmp_path: Path) -> None:
    program = (
        f"import os, pathlib, time; pathlib.Path('{tmp_path}', str(os.getpid())).touch(); time.sleep(60)"
    )
    with running("-c", program) as client:
        assert wait_until(lambda: len(list(tmp_path.iterdir())) == 1, 10)
        assert client.trouble() == ""
        client.restart()
        assert wait_until(lambda: len(list(tmp_path.iterdir())) == 2, 10)
    assert not [path for path in tmp_path.iterdir() if is_living(int(path.name))]


def test_before_it_is_started_it_has_no_trouble() -> None:
    client = Command(command(["x"]), URL)
    assert (client.trouble(), client.farewell()) == ("", True)
    client.stop()


def test_a_placeholder_that_nobody_knows() -> None:
    client = Command(command(["x", "{place}"]), URL)
    with pytest.raises(TargetDown, match=r"unknown \{place\}.*\{url\}"):
        client.start()
    client.stop()
