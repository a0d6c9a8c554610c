import pytest
from hypothesis import given
from hypothesis import strategies as st

from refworker.sessions.session import ID, Session, data_of


def test_values() -> None:
    session = Session("x")
    session.set("a", 1)
    session.put({"b": None, "c": [1]})
    assert (session.get("a"), session.get("x"), session.get("x", 5)) == (1, None, 5)
    assert (session.has("b"), session.exists("b"), session.exists("x")) == (False, True, False)
    assert (session.pull("a"), session.pull("a", 0)) == (1, 0)
    session.forget(["b", "nothing"])
    assert session.all() == {"c": [1]}
    session.delete("c")
    session.set("d", 1)
    session.flush()
    assert session.all() == {}


def test_all_is_a_copy() -> None:
    session = Session("x", '{"a":1}')
    session.all()["b"] = 2
    assert session.as_text() == session.kept == '{"a":1}'


def test_what_is_changed_in_its_place_is_noticed() -> None:
    session = Session("x", '{"a":[1]}')
    session.get("a").append(2)
    assert session.as_text() == '{"a":[1,2]}' != session.kept


def test_save_and_refresh_ask_whoever_keeps_it() -> None:
    seen: list[Session] = []
    session = Session("x", "", seen.append)
    session.save()
    session.refresh()
    assert seen == [session, session]
    Session("x").save()


@pytest.mark.parametrize("value", [{1, 2}, b"x", float("nan"), object()])
def test_what_json_does_not_know_is_refused(value: object) -> None:
    session = Session("x")
    session.set("a", value)
    with pytest.raises((TypeError, ValueError)):
        session.as_text()


@pytest.mark.parametrize("text", ["", "x", "[1]", '{"a":', "null"])
def test_what_is_damaged_is_nothing(text: str) -> None:
    assert data_of(text) == {}


@pytest.mark.parametrize(
    "key", ["a" * 15, "a" * 257, "../../etc/passwd", "a" * 20 + "\n", "é" * 20, "a" * 20 + "\0"]
)
def test_no_id_that_leads_elsewhere(key: str) -> None:
    assert not ID.fullmatch(key)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_what_is_kept_comes_back(data: dict[str, object]) -> None:
    session = Session("x")
    session.put(data)
    assert Session("x", session.as_text()).all() == data
