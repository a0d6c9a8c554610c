"""The grammar of conversations, held against the model: right ones end in a Close, others in any way."""

import hypothesis
from hypothesis import given, settings

from conformance.cases.grammar import almost_right_conversations, concluded, right_conversations
from conformance.model.rfc6455 import run
from conformance.wire.websocket import Opcode, close_payload, encode

LIMIT = 1 << 30
NORMAL = encode(Opcode.CLOSE, close_payload(1000))

quietly = settings(max_examples=60, deadline=None, database=None, derandomize=True)


@quietly
@given(right_conversations())
def test_what_is_right_ends_with_a_close(stream: bytes) -> None:
    assert run(stream, LIMIT).end.how == "closed"


def test_what_is_almost_right_ends_in_every_way() -> None:
    endings = set()

    @hypothesis.seed(0)
    @settings(quietly, max_examples=300)
    @given(almost_right_conversations())
    def collect(stream: bytes) -> None:
        end = run(stream, LIMIT).end
        endings.add((end.how, *sorted(code or 0 for code in end.codes)[:1]))

    collect()
    assert {how for how, *_ in endings} >= {"closed", "failed", "failing"}
    assert {("failed", 1002), ("failed", 1007)} <= endings


def test_a_close_where_it_can_be_one() -> None:
    begun = encode(Opcode.TEXT, b"begun", fin=False)
    assert concluded(begun) == begun + NORMAL
    assert concluded(begun[:-1]) == begun[:-1]
    assert concluded(encode(3)) == encode(3)
    assert concluded(NORMAL) == NORMAL
