import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refworker.components.tree import Tree, is_folder, names_of

SECRET = b"secret"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with files and links, beside what nobody may see."""
    place = tmp_path_factory.mktemp("place")
    for folder in ("web", "web/sub", "web/.git", "web-secret"):
        (place / folder).mkdir()
    for name in ("web/a.txt", "web/sub/b.txt", "web/%2e%2e"):
        (place / name).write_bytes(b"public")
    for name in ("secret.txt", "web-secret/s.txt", "web/.hidden", "web/.git/config"):
        (place / name).write_bytes(SECRET)
    for link, target in (
        ("web/out", "../secret.txt"),
        ("web/up", ".."),
        ("web/root", "/"),
        ("web/in", "a.txt"),
        ("web/sub/in", "../sub"),
        ("web/loop", "loop"),
        ("web/absolute", str(place / "web" / "a.txt")),
    ):
        (place / link).symlink_to(target)
    os.mkfifo(place / "web/pipe")
    return place


def content(tree: Tree, names: list[str]) -> bytes:
    with open(tree.open(names), "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", [""]),
        ("/a", ["a"]),
        ("/a/b.txt", ["a", "b.txt"]),
        ("/a/", ["a", ""]),
        ("/a%20b/%C3%A9", ["a b", "é"]),
        ("/a...b/c..", ["a...b", "c.."]),
        ("/.well-known/x", [".well-known", "x"]),
        ("/%252e%252e", ["%2e%2e"]),
        ("", None),
        ("*", None),
        ("a", None),
        ("//", None),
        ("//a", None),
        ("/a//b", None),
        ("/..", None),
        ("/../a", None),
        ("/a/../b", None),
        ("/./a", None),
        ("/a/.", None),
        ("/%2e%2e/a", None),
        ("/%2E./a", None),
        ("/..%2fa", None),
        ("/a%2Fb", None),
        ("/..%5ca", None),
        ("/a\\b", None),
        ("/a%00.txt", None),
        ("/%c0%ae%c0%ae/a", None),
        ("/%e0%80%ae/a", None),
        ("/%ff", None),
        ("/.hidden", None),
        ("/.git/config", None),
        ("/%2ehidden", None),
    ],
)
def test_names(path: str, expected: list[str] | None) -> None:
    assert names_of(path) == expected


def test_hidden_names_where_they_are_shown() -> None:
    assert names_of("/.hidden", hidden=True) == [".hidden"]
    assert names_of("/..", hidden=True) is None


@pytest.mark.parametrize("names", [["a.txt"], ["sub", "b.txt"], ["%2e%2e"]])
def test_what_is_inside_is_opened(place: Path, names: list[str]) -> None:
    assert content(Tree(place / "web"), names) == b"public"


def test_the_root_itself(place: Path) -> None:
    descriptor = Tree(place / "web").open([])
    assert is_folder(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize(
    "path",
    [
        *("out", "up/secret.txt", "root/etc/passwd", "in", "sub/in/b.txt"),
        *("loop", "absolute", "missing", "a.txt/b"),
    ],
)
def test_no_link_is_followed(place: Path, path: str) -> None:
    with pytest.raises(OSError, match=r"\[Errno|leads out"):
        Tree(place / "web").open(path.split("/"))


@pytest.mark.parametrize("names", [["in"], ["sub", "in", "b.txt"], ["absolute"]])
def test_links_that_stay_inside_where_they_are_followed(place: Path, names: list[str]) -> None:
    assert content(Tree(place / "web", follow_links=True), names) == b"public"


@pytest.mark.parametrize(
    "names", [["out"], ["up", "secret.txt"], ["up", "web", "a.txt", "x"], ["root", "etc"], ["loop"]]
)
def test_links_that_lead_out_are_never_followed(place: Path, names: list[str]) -> None:
    with pytest.raises(OSError, match=r"\[Errno|leads out"):
        Tree(place / "web", follow_links=True).open(names)


def test_the_root_may_be_a_link(place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place / "web")
    assert content(Tree(tmp_path / "link"), ["a.txt"]) == b"public"


def test_a_root_that_is_no_folder(place: Path) -> None:
    for root in (place / "missing", place / "secret.txt"):
        with pytest.raises(OSError, match=r"\[Errno|leads out"):
            Tree(root)


def test_descriptors_are_closed(place: Path) -> None:
    tree, before = Tree(place / "web"), len(os.listdir("/dev/fd"))
    for names in (["sub", "b.txt"], ["sub", "missing"], ["out"]):
        try:
            os.close(tree.open(names))
        except OSError:
            pass
    assert len(os.listdir("/dev/fd")) == before


PIECES = (
    *(".", "..", "/", "//", "\\", "%2e", "%2e%2e", "%2f", "%5c", "%00", "%c0%ae", "%252e"),
    *("etc", "passwd", "web", "web-secret", "s.txt", "secret.txt", ".git", "config"),
    *("up", "out", "root", "in", "sub", "a.txt"),
)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=8), st.booleans(), st.booleans())
def test_nothing_leads_to_a_secret(place: Path, pieces: list[str], follow_links: bool, slashes: bool) -> None:
    names = names_of("/" + ("/" if slashes else "").join(pieces))
    if names is None:
        return
    try:
        descriptor = Tree(place / "web", follow_links).open([name for name in names if name])
    except OSError:
        return
    real = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    try:
        assert real.is_relative_to(place / "web")
        assert is_folder(descriptor) or os.read(descriptor, 100) == b"public"
    finally:
        os.close(descriptor)
