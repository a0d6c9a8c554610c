import pytest

from conformance.exchange import assembled, graded, in_fragments, naming, settle, worst_of
from conformance.outcomes import Violation
from conformance.wire.websocket import Frame, Opcode, encode

TEXT, BINARY, PING, PONG, MORE = (
    Opcode.TEXT,
    Opcode.BINARY,
    Opcode.PING,
    Opcode.PONG,
    Opcode.CONTINUATION,
)


def test_the_first_frame_has_the_type_and_the_bits_and_the_last_one_the_end() -> None:
    frames = in_fragments(encode, BINARY, [b"a", b"b", b"c"], rsv=4)
    assert [frame[0] for frame in frames] == [0x42, 0x00, 0x80]
    assert in_fragments(encode, TEXT, [b"a"]) == [encode(TEXT, b"a")]


def test_messages_are_put_together_with_control_frames_between() -> None:
    frames = [Frame(TEXT, b"a", fin=False), Frame(PING, b"p"), Frame(MORE, b"b"), Frame(BINARY, b"c")]
    assert list(assembled(frames)) == [(PING, b"p"), (TEXT, b"ab"), (BINARY, b"c")]
    shouted = assembled(frames, lambda first, body: body.upper())
    assert [body for _, body in shouted] == [b"p", b"AB", b"C"]


@pytest.mark.parametrize("frames", [[Frame(MORE, b"")], [Frame(TEXT, b"", fin=False), Frame(TEXT, b"")]])
def test_fragments_out_of_sequence_are_a_violation(frames: list[Frame]) -> None:
    with pytest.raises(Violation, match="out of sequence"):
        list(assembled(frames))


def test_a_pong_pays_for_the_pings_before_it() -> None:
    settle(iter([(PONG, b"2"), (TEXT, b"a")]), [(TEXT, b"a")], [b"1", b"2"])


@pytest.mark.parametrize(
    ("came", "problem"),
    [((TEXT, b"b"), "is not the next answer"), ((PONG, b"x"), "answers no ping"), ((PING, b"1"), "is not")],
)
def test_what_nobody_is_owed_is_a_violation(came: tuple[Opcode, bytes], problem: str) -> None:
    with pytest.raises(Violation, match=problem):
        settle(iter([came]), [(TEXT, b"a")], [b"1"])


def test_endings_are_graded() -> None:
    assert [graded(code, (1002, 1007)) for code in (1007, 1008, 1000, None)] == [
        *("failed", "other-code", "no-error", "no-error")
    ]
    assert worst_of(["failed", "dropped", "other-code"]) == "dropped"


def test_a_violation_names_its_example_and_stays_what_it_is() -> None:
    class Special(Violation):
        pass

    with pytest.raises(Special) as violation, naming("the third"):
        raise Special("reset", "nothing came")
    assert violation.value.detail == "the third: nothing came"
