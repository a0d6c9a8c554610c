"""The files behind `{static}`."""

from pathlib import Path

from conformance.target.site import FILES, HIDDEN, LAST_MODIFIED, LINKS, OUTSIDE, SECRET, fill_site


def test_the_folder_has_its_files_and_nothing_secret_but_what_is_hidden(tmp_path: Path) -> None:
    static = fill_site(tmp_path)
    assert {name: (static / name).read_bytes() for name in FILES} == FILES
    assert SECRET not in FILES.values()
    assert {(static / name).read_bytes() for name in HIDDEN} == {SECRET}


def test_what_lies_beside_it_is_reached_by_links_only(tmp_path: Path) -> None:
    static = fill_site(tmp_path)
    assert {(tmp_path / name).read_bytes() for name in OUTSIDE} == {SECRET}
    for name in LINKS:
        assert not (static / name).resolve().is_relative_to(static)
        assert (static / name).exists()


def test_all_are_of_one_second(tmp_path: Path) -> None:
    static = fill_site(tmp_path)
    assert len({(static / name).stat().st_mtime for name in FILES}) == 1
    assert LAST_MODIFIED == "Thu, 29 Feb 2024 12:34:56 GMT"
