import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refworker.tasks import wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def refusal(line: bytes) -> wire.Refusal:
    found = wire.parse_request(line).refusal
    assert found
    return found


@settings(deadline=None)  # a busy machine is no error
@given(JSON, JSON)
def test_any_json_value_travels_as_one_line_of_ascii(value: Any, identity: Any) -> None:
    line = wire.encode({"function": "f", "args": [value], "id": identity})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    request = wire.parse_request(line[:-1])
    assert (request.function, request.args, request.identity) == ("f", [value], {"id": identity})
    assert request.refusal is None


def test_a_lone_surrogate_survives() -> None:
    assert wire.decode(wire.encode({"value": "\ud800"})) == {"value": "\ud800"}


def test_a_missing_id_and_null_are_two_things() -> None:
    assert wire.parse_request(b'{"function":"f"}').identity == {}
    assert wire.parse_request(b'{"function":"f","id":null}').identity == {"id": None}


def test_args_may_be_missing() -> None:
    request = wire.parse_request(b'{"function":"f"}')
    assert (list(request.args), request.refusal) == ([], None)


def test_a_hello_is_a_request_without_function() -> None:
    request = wire.parse_request(b'{"hello":{}}')
    assert (request.function, request.refusal) == (None, None)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"", "InvalidRequest"),
        (b"{", "InvalidRequest"),
        (b"\xff", "InvalidRequest"),
        (b"[1]", "InvalidRequest"),
        (b"null", "InvalidRequest"),
        (b'{"function":"f","args":[NaN]}', "InvalidRequest"),
        (b'{"function":"f"} x', "InvalidRequest"),
        (b"[" * 100_000, "InvalidRequest"),
        (b'{"id":1}', "InvalidRequest"),
        (b'{"function":5}', "InvalidRequest"),
        (b'{"function":null,"hello":{}}', "InvalidRequest"),
        (b'{"function":"f","args":"x"}', "InvalidArguments"),
        (b'{"function":"f","args":null}', "InvalidArguments"),
        (b'{"function":"f","id":1e999}', "InvalidRequest"),
    ],
)
def test_a_bad_request_knows_why_in_one_line(line: bytes, kind: str) -> None:
    found = refusal(line)
    assert found.kind == kind
    assert str(found)
    assert "\n" not in str(found)
    assert len(str(found)) < 200


def test_a_bad_request_keeps_the_id_that_it_has() -> None:
    assert wire.parse_request(b'{"function":5,"id":[7]}').identity == {"id": [7]}
    assert wire.parse_request(b'{"function":"f","id":1e999}').identity == {}


def test_replies_carry_the_id_of_their_request() -> None:
    asked = wire.parse_request(b'{"function":"f","id":{"a":1}}')
    assert wire.result(asked, None, 100) == b'{"id":{"a":1},"result":null}\n'
    assert wire.error(asked, "T", "m") == b'{"id":{"a":1},"error":{"type":"T","message":"m"}}\n'
    assert wire.result(wire.parse_request(b'{"function":"f"}'), 1, 100) == b'{"result":1}\n'


def test_a_message_without_end_is_cut() -> None:
    reply = wire.decode(wire.error(wire.parse_request(b"{}"), "T", "x" * 10**6))
    assert wire.error_of(reply) == ("x" * wire.LONGEST_MESSAGE, "T")


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), {(1, 2): 3}, circle(), "x" * 100])
def test_a_result_that_cannot_be_sent_is_refused(value: Any) -> None:
    with pytest.raises(wire.Refusal, match=r"^f: ") as caught:
        wire.result(wire.parse_request(b'{"function":"f"}'), value, 50)
    assert caught.value.kind == "InvalidResult"


def test_the_answer_to_a_hello_tells_the_concurrency() -> None:
    reply = wire.decode(wire.hello(7, 42, ["add"]))
    assert reply == {"hello": {"concurrency": 7, "pid": 42, "functions": ["add"]}}
    assert wire.concurrency_of(reply) == 7


@pytest.mark.parametrize(
    "reply", [{}, {"hello": {}}, {"hello": 1}, {"hello": {"concurrency": 0}}, {"hello": {"concurrency": "1"}}]
)
def test_other_answers_to_a_hello_tell_none(reply: dict[str, Any]) -> None:
    assert wire.concurrency_of(reply) is None


def test_an_error_reply_is_told_from_a_result() -> None:
    assert wire.error_of({"id": 1, "result": None}) is None
    assert wire.error_of({"id": 1, "error": {"type": "T", "message": "m"}}) == ("m", "T")
    message, kind = wire.error_of({"id": 1}) or ("", "")
    assert kind == "InvalidReply"
    assert json.dumps({"id": 1}, separators=(",", ":")) in message
