import pytest

from refworker.protocols.websocket.extensions import Extension, read_extensions


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([""], []),
        (["a"], [Extension("a")]),
        (["a, b", "c"], [Extension("a"), Extension("b"), Extension("c")]),
        ([" a ,, b\t"], [Extension("a"), Extension("b")]),
        (["a; x; y=1"], [Extension("a", (("x", None), ("y", "1")))]),
        (["a;x = 1 ;y"], [Extension("a", (("x", "1"), ("y", None)))]),
        (['a; x="1"'], [Extension("a", (("x", "1"),))]),
        ([r'a; x="1\0"'], [Extension("a", (("x", "10"),))]),
    ],
)
def test_what_is_offered_comes_in_order(values: list[str], expected: list[Extension]) -> None:
    assert read_extensions(values) == expected


@pytest.mark.parametrize(
    "value", ["a;", "a; ", "a b", "a; x=", "a; =1", 'a; x="', 'a; x=""', "a; x=ü", '"a"']
)
def test_a_field_that_is_not_well_formed_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is no extension"):
        read_extensions(["good", value])


def test_it_is_written_as_it_is_read() -> None:
    extension = Extension("a", (("x", None), ("y", "1")))
    assert str(extension) == "a; x; y=1"
    assert read_extensions([str(extension)]) == [extension]
