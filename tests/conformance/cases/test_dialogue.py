"""The endings that WebSocket cases tell apart, shown by servers that answer once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conformance.cases.dialogue import answered, closed, fails, fragments, refuses, replies
from conformance.exchange import SENTINEL
from conformance.outcomes import Violation
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode, close_payload, encode
from tests.conformance.servers import answer_first, peer, serving


@contextmanager
def client(answer: bytes) -> Iterator[Peer]:
    with serving(answer_first(answer)) as address, peer(address) as one:
        one.send(b"?")
        yield one


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    return encode(opcode, payload, fin=fin, key=None)


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (frame(Opcode.CLOSE, close_payload(1002)), "failed"),
        (frame(Opcode.CLOSE, close_payload(1008)), "other-code"),
        (frame(Opcode.CLOSE, close_payload(1000)), "no-error"),
        (frame(Opcode.CLOSE), "no-error"),
        (b"", "dropped"),
    ],
)
def test_failing(answer: bytes, ending: str) -> None:
    with client(answer) as one:
        assert fails(one, 1002) == ending


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (frame(Opcode.TEXT, b"as if nothing had been"), "served"),
        (frame(Opcode.CLOSE, close_payload(1002)) + frame(Opcode.PONG), "unexpected-bytes"),
        (frame(Opcode.CLOSE, close_payload(1002))[:3], "fin"),
    ],
)
@pytest.mark.parametrize("judge", [lambda one: fails(one, 1002), closed])
def test_not_failing(answer: bytes, outcome: str, judge: Callable[[Peer], object]) -> None:
    with client(answer) as one, pytest.raises(Violation, match=outcome):
        judge(one)


@pytest.mark.parametrize(
    ("status", "answer"), [(400, "refused"), (426, "refused"), (501, "refused"), (302, "other-status")]
)
def test_refusing(status: int, answer: str) -> None:
    with client(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status) as one:
        assert refuses(one) == answer


def test_refusing_without_a_word() -> None:
    with client(b"") as one:
        assert refuses(one) == "dropped"


def test_answers_in_any_order_to_each_other() -> None:
    text = b"".join(
        encode(0 if index else 1, part, fin=index == 1, key=None) for index, part in enumerate((b"a", b"b"))
    )
    late_pong = frame(Opcode.TEXT, b"m") + text[:3] + frame(Opcode.PONG, b"2") + text[3:]
    with client(late_pong + frame(Opcode.TEXT, SENTINEL)) as one:
        assert answered(one, [(Opcode.TEXT, b"m"), (Opcode.TEXT, b"ab")], [b"1", b"2"]) == "echoed"


@pytest.mark.parametrize(
    "answer",
    [
        frame(Opcode.PONG, b"2") + frame(Opcode.PONG, b"1"),
        frame(Opcode.PONG, b"3"),
        frame(Opcode.TEXT, b"other"),
        frame(Opcode.BINARY, b"m"),
        frame(Opcode.TEXT, b"m") * 2,
    ],
)
def test_answers_that_are_none(answer: bytes) -> None:
    with client(answer) as one, pytest.raises(Violation, match="wrong-answer"):
        answered(one, [(Opcode.TEXT, b"m")], [b"1", b"2"])


@pytest.mark.parametrize("frames", [frame(0, b"x"), frame(1, b"x", fin=False) + frame(1, b"y")])
def test_fragments_out_of_sequence(frames: bytes) -> None:
    with client(frames) as one, pytest.raises(Violation, match=r"5\.4"):
        list(replies(one))


def test_fragments() -> None:
    assert fragments(Opcode.TEXT, [b"a", b"b"]) == [encode(1, b"a", fin=False), encode(0, b"b")]
    assert fragments(Opcode.BINARY, [b"a"]) == [encode(2, b"a")]
