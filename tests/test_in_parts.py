import re
from pathlib import Path

import pytest

from tests.in_parts import NO_TESTS, dealt, files, main


def write(folder: Path, **texts: str) -> list[str]:
    for name, text in texts.items():
        (folder / f"test_{name}.py").write_text(text)
    return files(str(folder))


def test_every_file_is_in_one_share_and_the_longest_stand_apart(tmp_path: Path) -> None:
    (tmp_path / "no_test.py").touch()
    (tmp_path / "deeper").mkdir()
    names = write(tmp_path, a="#" * 50, b="#" * 40, c="#" * 20, d="#" * 20)
    names += write(tmp_path / "deeper", e="#" * 5)
    shares = dealt(names, 2)
    assert sorted(name for share in shares for name in share) == sorted(names)
    assert [sum(Path(name).stat().st_size for name in share) for share in shares] == [70, 65]


def test_there_are_no_more_shares_than_files(tmp_path: Path) -> None:
    assert len(dealt(write(tmp_path, a="#"), 4)) == 1


whole = pytest.mark.whole  # each starts a pytest or two
GOOD = "def test_good(): pass\n"


@whole
@pytest.mark.parametrize(
    ("texts", "words", "status"),
    [
        ({"one": GOOD, "two": GOOD}, [], 0),
        ({"one": GOOD, "two": "def test_bad(): assert 0\n"}, [], 1),
        ({"one": GOOD, "two": "import no_such_module\n"}, [], 2),
        ({"one": GOOD, "two": "def test_other(): pass\n"}, ["-k", "good"], 0),
        ({"one": GOOD, "two": GOOD}, ["-k", "nobody"], NO_TESTS),
    ],
)
def test_the_worst_decides(tmp_path: Path, texts: dict[str, str], words: list[str], status: int) -> None:
    write(tmp_path, **texts)
    assert main(["-n", "2", "--noconftest", f"--rootdir={tmp_path}", *words, str(tmp_path)]) == status


@whole
def test_one_test_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [name] = write(tmp_path, one=GOOD + "def test_bad(): assert 0\n")
    assert main(["--noconftest", f"--rootdir={tmp_path}", f"{name}::test_good"]) == 0
    assert re.search("1 passed", capsys.readouterr().out)
