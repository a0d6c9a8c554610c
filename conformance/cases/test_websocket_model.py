"""WebSocket: conversations from a grammar, held against a model of RFC 6455 (WS-012 to WS-036).

The model (`conformance.model.rfc6455`) says for any bytes what a server may answer. What it leaves open, an
answer may choose; whatever else comes is a counterexample, and is made small.
"""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.case import Violation, case
from conformance.cases.abreast import worst
from conformance.cases.dialogue import replies
from conformance.cases.grammar import almost_right_conversations, right_conversations
from conformance.exploration import explore
from conformance.model.rfc6455 import GRADES, Run, Seen, judged, runs
from conformance.strategies import splits
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode

UPHELD = {"upheld": "pass", **dict.fromkeys(GRADES[1:], "weak")}
"""The answers are what the model has first, or what the RFC allows as well (7.1.7, 10.7)."""

ANY_SIZE = 1 << 30
"""The limit of a target that does not say its own: nothing that is sent whole comes near it."""

EXAMPLES = 120


def heard(peer: Peer, expected: list[Run]) -> Seen:
    """All that comes back, to the end; or to silence, where the model lets a server wait."""
    waits = any(each.end.how in {"open", "failing"} for each in expected)
    found: list[tuple[int, bytes]] = []
    try:
        for message in replies(peer, peer.calibration.quiet if waits else None):
            found.append(message)
            if message[0] == Opcode.CLOSE:
                peer.ending()
                break
    except Violation as violation:
        if peer.waiting or violation.outcome not in {"fin", "reset", "no-answer"}:
            raise
    return seen(found, bool(peer.ended))


def seen(found: list[tuple[int, bytes]], ended: bool) -> Seen:
    """The answers by kind. A server's own pings are nobody's business."""
    return Seen(
        tuple((int(opcode), body) for opcode, body in found if opcode in {Opcode.TEXT, Opcode.BINARY}),
        tuple(body for opcode, body in found if opcode == Opcode.PONG),
        next((body for opcode, body in found if opcode == Opcode.CLOSE), None),
        ended,
    )


def answers(target: Target, segments: list[bytes]) -> tuple[Seen, str]:
    """What the target answers, and how well it fits. Raises Violation `wrong-answer` where it does not."""
    stream = b"".join(segments)
    expected = runs(stream, target.limits.get("max_package_size", ANY_SIZE))
    with target.connect() as peer:
        websocket.upgrade(peer)
        peer.send(*segments)
        answer = heard(peer, expected)
    grade = judged(answer, expected)
    if grade is None:
        raise Violation("wrong-answer", f"{expected[0]} was due, {answer} came")
    return answer, grade


def hold(target: Target, conversations: SearchStrategy[bytes]) -> str:
    """Every conversation, cut anywhere, is answered as the model has it; the worst of the grades."""
    grades = {"nothing": GRADES[0]}

    def check(segments: list[bytes]) -> None:
        grades[b"".join(segments).hex(" ")[:80]] = answers(target, segments)[1]

    explore(target, conversations.flatmap(splits), check, examples=EXAMPLES)
    return worst(grades, GRADES)


@case(
    "websocket/model/right",
    service="websocket",
    requirements=("WS-016", "WS-017", "WS-022", "WS-025", "WS-026", "WS-028", "WS-031"),
    accept=UPHELD,
    explores=True,
)
def test_right(target: Target) -> str:
    """Conversations that are right: messages in fragments, pings, pongs and a Close, in any segments."""
    return hold(target, right_conversations())


@case(
    "websocket/model/almost-right",
    service="websocket",
    requirements=(
        *("WS-012", "WS-013", "WS-014", "WS-015", "WS-019", "WS-023", "WS-024"),
        *("WS-029", "WS-030", "WS-031", "WS-033", "WS-035"),
    ),
    accept=UPHELD,
    explores=True,
)
def test_almost_right(target: Target) -> str:
    """Conversations in which something may be wrong: what came before it is answered, and then it fails."""
    return hold(target, almost_right_conversations())


@case(
    "websocket/model/segments",
    service="websocket",
    requirements=("WS-016",),
    accept=UPHELD,
    explores=True,
)
def test_segments(target: Target) -> str:
    """The same bytes in one segment and in several: the same messages, and the same Close."""
    grades = {"nothing": GRADES[0]}

    def check(segments: list[bytes]) -> None:
        stream = b"".join(segments)
        whole, first = answers(target, [stream])
        pieces, second = answers(target, segments)
        if "unanswered" not in {first, second} and _essence(whole) != _essence(pieces):
            raise Violation("wrong-answer", f"whole: {_essence(whole)}, in pieces: {_essence(pieces)}")
        grades[stream.hex(" ")[:80]] = max(first, second, key=GRADES.index)

    several = st.one_of(right_conversations(), almost_right_conversations()).filter(
        lambda data: len(data) > 1
    )
    explore(target, several.flatmap(splits), check, examples=EXAMPLES // 2)
    return worst(grades, GRADES)


def _essence(answer: Seen) -> tuple[object, ...]:
    """What must not depend on segments: which pongs stand for which pings may."""
    return answer.messages, answer.code, answer.ended
