import shlex
import sys

import pytest

from tests.side_by_side import main


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_what_each_says_stands_together(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [python(f"print({name!r}); print({name!r})") for name in ("one", "two")]
    assert main(commands) == 0
    printed = capsys.readouterr().out
    for command, name in zip(commands, ("one", "two"), strict=True):
        assert f"$ {command}\n{name}\n{name}\n" in printed


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 1),
    ],
)
def test_the_worst_decides(ends: str, status: int) -> None:
    assert main([python("pass"), python(ends), python("pass")]) == status


def test_a_command_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-command --option"]) == 1
    assert "no-such-command: No such file" in capsys.readouterr().out


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "missing" in capsys.readouterr().err
