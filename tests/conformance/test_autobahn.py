"""Each of the Autobahn testsuite's 517 cases is judged by cases of ours."""

from collections import Counter

import pytest

from conformance import cli, session
from conformance.autobahn import COUNTS, below, expanded, table

COMPRESSION = frozenset({12, 13})
"""Groups that belong to the cases of permessage-deflate, `websocket/deflate/…`."""


def group(key: str) -> int:
    return int(key.split(".")[0])


def test_all_517_are_there() -> None:
    assert Counter(map(group, table())) == COUNTS
    assert len(table()) == sum(COUNTS.values()) == 517


def test_every_one_is_judged_by_cases_that_exist() -> None:
    known = session.load_cases()
    compression = any(name.startswith("websocket/deflate/") for name in known)
    unknown = {
        name
        for key, ours in table().items()
        for name in ours
        if name not in known and (compression or group(key) not in COMPRESSION)
    }
    assert not unknown
    assert all(table().values())


def test_ranges() -> None:
    assert expanded("6.5.1-3") == ["6.5.1", "6.5.2", "6.5.3"]
    assert expanded("2.10") == ["2.10"]
    assert list(below("6.4")) == ["6.4.1", "6.4.2", "6.4.3", "6.4.4"]
    assert list(below("10")) == ["10.1.1"]
    assert not below("6.40")


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "autobahn:6.4.1"]) == 0
    assert "websocket/utf-8/fast-in-every-fragment" in capsys.readouterr().out
    assert cli.main(["explain", "autobahn:7"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 37
    assert cli.main(["explain", "autobahn:8.1"]) == 2
    assert "did you mean 'autobahn:" in capsys.readouterr().err
