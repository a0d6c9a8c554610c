"""A connection's whole life, whatever is in it: no callback missing or twice, no promised byte lost.

A life is a list of segments, then an ending. Each segment holds lines that are echoed, lines that have the
connection send something several times, and pauses; the client reads what it is owed after a segment, or
leaves it for the end. The model is short: every line is one message, in order; `connect` comes before all of
them and `close` after all of them, once each; and whatever was promised comes before the FIN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.cases.probing import Event, act, parsed, probe, verb
from conformance.cases.test_probe import AS_ASKED, CONTROL
from conformance.exploration import explore
from conformance.target.view import Target
from conformance.wire import text
from conformance.wire.peer import Peer
from conformance.wire.render import excerpt

LAST = "the last words"

BESIDE = frozenset({"buffer_full", "buffer_drain"})
"""Callbacks that depend on how fast the client reads."""


@dataclass(frozen=True)
class Line:
    """What is sent, and the lines that are owed for it; None stands for the list of what `send` returned."""

    sent: bytes
    owed: tuple[bytes | None, ...] = ()


@dataclass(frozen=True)
class Segment:
    """Lines that leave in one write, and whether all answers are read before the next one."""

    lines: Sequence[Line]
    reads: bool


@dataclass(frozen=True)
class Life:
    """Segments, then an ending; `behind` are lines that come in the same segment as the ending's verb."""

    segments: Sequence[Segment]
    ending: str
    behind: Sequence[Line]


def echoed(message: bytes) -> Line:
    """A line that comes back."""
    return Line(message + b"\n", (message,))


def sends(value: str, n: int) -> Line:
    """A line that has the connection send a value n times."""
    return Line(verb("send", value=value, n=n), (*[value.encode()] * n, None))


echoes = st.sampled_from([b"", b"a line", b"x" * 5000]).map(echoed)
lines = echoes | st.builds(sends, st.sampled_from(["one", ""]), st.integers(0, 3))
lines |= st.just(Line(verb("pause", seconds=0.02)))
segments = st.builds(Segment, st.lists(lines, min_size=1, max_size=4), st.booleans())
endings = st.sampled_from(["fin", "reset", "close", "end", "destroy"])
lives = st.builds(Life, st.lists(segments, max_size=4), endings, st.lists(echoes, max_size=2))


@case(
    "probe/life/any",
    service="probe.text",
    requirements=("TCP-004", "TCP-010", "TCP-012", "TCP-014", "TCP-016", "TCP-017", "FLOW-007"),
    accept=AS_ASKED,
    needs=CONTROL,
    explores=True,
)
def test_any_life(target: Target) -> str:
    """Lives of echoes, sends, pauses and every ending: each callback once and in order, each answer read."""
    explore(target, lives, lambda life: lived(target, life))
    return "as-asked"


def lived(target: Target, life: Life) -> None:
    """Live it, and compare both accounts with the model. Raises Violation."""
    with probe(target) as (service, peer):
        me = act(peer, "info")["id"]
        sent, owed = [verb("info")], list[bytes | None]()
        for segment in life.segments:
            peer.send(b"".join(line.sent for line in segment.lines))
            sent += [line.sent for line in segment.lines]
            owed += [answer for line in segment.lines for answer in line.owed]
            if segment.reads:
                paid(peer, owed)
        sent += ENDINGS[life.ending](peer, life.behind, owed)
        log = service.until(me, "close")
    told(log, sent, whole=life.ending != "reset")


def by_fin(peer: Peer, behind: Sequence[Line], owed: list[bytes | None]) -> list[bytes]:
    """The client's FIN, right behind its last lines: they are answered all the same."""
    if behind:
        peer.send(b"".join(line.sent for line in behind))
    peer.finish()
    paid(peer, owed + [answer for line in behind for answer in line.owed])
    over(peer)
    return [line.sent for line in behind]


def by_reset(peer: Peer, behind: Sequence[Line], owed: list[bytes | None]) -> list[bytes]:
    """The client's reset: what it has not read is its own loss."""
    peer.reset()
    return []


def by_word(do: str) -> "Ending":
    """The connection's own ending, with last words: nothing behind it is delivered."""

    def end(peer: Peer, behind: Sequence[Line], owed: list[bytes | None]) -> list[bytes]:
        word = verb(do, data=LAST)
        peer.send(word + b"".join(line.sent for line in behind))
        paid(peer, [*owed, LAST.encode()])
        over(peer)
        return [word]

    return end


def by_destroy(peer: Peer, behind: Sequence[Line], owed: list[bytes | None]) -> list[bytes]:
    """The connection's own destroy: answers may be lost, callbacks may not."""
    word = verb("destroy")
    peer.send(word + b"".join(line.sent for line in behind))
    return [word]


Ending = Callable[[Peer, Sequence[Line], list[bytes | None]], list[bytes]]
"""Ends a life; the lines that are still to be delivered."""

ENDINGS: dict[str, Ending] = {
    "fin": by_fin,
    "reset": by_reset,
    "close": by_word("close"),
    "end": by_word("end"),
    "destroy": by_destroy,
}


def paid(peer: Peer, owed: list[bytes | None]) -> None:
    """Read everything that is owed; afterwards nothing is. Raises Violation."""
    while owed:
        due, came = owed.pop(0), text.read(peer)
        if due is None:
            accepted(parsed(came))
        elif came != due:
            raise Violation("wrong-answer", f"{excerpt(due)} was due, {excerpt(came)} came")


def accepted(returned: object) -> None:
    """What `send` has returned is true or null, each time. Raises Violation."""
    if not isinstance(returned, list) or any(value not in (True, None) for value in returned):
        raise Violation("wrong-answer", f"a list of true or null was due, {returned} came")


def over(peer: Peer) -> None:
    """Nothing more, and FIN. Raises Violation."""
    if (ending := peer.ending()) != "fin":
        raise Violation(ending, "everything was answered, and then FIN was due")
    peer.close()


def told(log: Sequence[Event], sent: Sequence[bytes], whole: bool) -> None:
    """The log is `connect`, a message for each line, `close`. Of a life that was reset the last may miss, and
    an answer that could not be sent any more is an error.
    """
    beside = BESIDE if whole else BESIDE | {"error"}
    names = [event.callback for event in log if event.callback not in beside]
    messages = [event.detail for event in log if event.callback == "message"]
    due = [line.decode().rstrip("\n") for line in sent]
    if names != ["connect", *["message"] * len(messages), "close"]:
        raise Violation("wrong-callbacks", f"connect, {len(due)} messages and close were due, {names} came")
    if messages != (due if whole else due[: len(messages)]):
        raise Violation("wrong-messages", f"{due} were due, {messages} came")
