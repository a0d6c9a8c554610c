"""The request ledger: every request of live traffic, and the one way in which it ended.

Theory: a client that has sent a request ends up in exactly one of the situations of `ENDINGS`, whatever the
server is doing meanwhile, and a promise such as "a graceful reload loses nothing" is an invariant over all of
them. Traffic tells a `Story` for each request (times, bytes, how the stream ended); `classify` says which
situation that is; a `Rule` forbids some of them. Nothing here knows a socket or a clock.

One situation is nobody's fault. A server may close an idle connection whenever it likes, and a request may be
on its way at that very moment (RFC 9112, section 9.3.1): the client sees its connection end, without a byte,
right after it has sent. It cannot tell that from a request that was read and thrown away, and has to send it
again. Such a request has *raced*. The first request on a connection never races with anything: nobody closes
a connection as idle that has not been used yet. Only a server that goes away altogether may do so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from conformance.outcomes import Inconclusive, Violation
from conformance.wire.render import excerpt

ENDINGS = {
    "answered": "its answer came; by whom it does not say",
    "answered-by-old": "its answer came, from a process or code of before",
    "answered-by-new": "its answer came, from a new process or new code",
    "raced": "an idle connection was closed while it was on its way; clients send it again",
    "failed": "an error came instead of its answer, in the form of the protocol",
    "refused": "no connection could be had",
    "reset-before-any-byte": "the connection was reset, without a byte of an answer",
    "reset-mid-reply": "the connection was reset in the middle of the answer",
    "closed-mid-reply": "the answer stopped in the middle, by an orderly end or for ever",
    "duplicated": "its answer came more than once",
    "wrong": "what came is not the answer that was due",
    "lost": "the connection ended, or stayed silent until the deadline, without a byte of an answer",
}
"""Every way in which a request can end, in the order of reports."""

ANSWERED = frozenset({"answered", "answered-by-old", "answered-by-new"})
BROKEN = frozenset({"failed", "reset-before-any-byte", "reset-mid-reply", "closed-mid-reply", "lost"})
MAD = frozenset({"duplicated", "wrong"})
"""What no command, and no crash either, is an excuse for."""

SHOWN = 6
"""Offending requests in the detail of a failure."""

KEPT = 600
"""Requests of a ledger that travel into reports."""

KEPT_BYTES = 48

How = Literal["", "fin", "reset", "refused", "silence"]


@dataclass
class Story:
    """What happened to one request, as its client saw it; times in seconds since the traffic began.

    `place` counts the requests on its connection from 0; `takes` is how long the answer takes by the
    request's own words. `copies` counts right answers, `failed`
    tells that they were errors, `wrong` holds an answer that was not due, `partial`
    the bytes of an answer that did not get ready. `how` says how the wait ended when it was not by an answer.
    """

    lane: int
    service: str
    asked: str
    request: bytes
    sent_at: float
    place: int = 0
    takes: float = 0.0
    copies: int = 0
    failed: bool = False
    by: str = ""
    wrong: bytes | None = None
    partial: bytes = b""
    how: How = ""
    ended_at: float = 0.0


def classify(story: Story, moment: float, old: frozenset[str] = frozenset(), leaving: float = -1.0) -> str:
    """The one ending of a request.

    `moment` is how far (seconds) the end of a connection and a request on its way may lie apart for a race;
    `old` are the names of those who answered before. From `leaving` on (negative: never) the whole service
    goes away, and a first request may race too.
    """
    if story.how == "refused":
        return "refused"
    if story.wrong is not None:
        return "wrong"
    if story.copies:
        return "duplicated" if story.copies > 1 else _answered(story, old)
    if story.partial:
        return "reset-mid-reply" if story.how == "reset" else "closed-mid-reply"
    if _raced(story, moment, leaving):
        return "raced"
    return "reset-before-any-byte" if story.how == "reset" else "lost"


def _answered(story: Story, old: frozenset[str]) -> str:
    if story.failed:
        return "failed"
    if not story.by or not old:
        return "answered"
    return "answered-by-old" if story.by in old else "answered-by-new"


def _raced(story: Story, moment: float, leaving: float) -> bool:
    """Whether the connection ended while the request was on its way, on a connection that was idle before."""
    may = story.place > 0 or 0 <= leaving <= story.sent_at + moment
    return may and story.how in {"fin", "reset"} and story.ended_at - story.sent_at <= moment


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: a story, and its ending."""

    ending: str
    story: Story

    def __str__(self) -> str:
        story, came = self.story, self.story.wrong or self.story.partial
        seen = f", {excerpt(came)} came" if came else ""
        how = {"": "", "silence": "silent until the deadline", "fin": "FIN"}.get(story.how, story.how)
        return (
            f"{self.ending}: {story.service} client {story.lane}, {story.asked}, "
            f"request {story.place + 1} of its connection, sent at {story.sent_at:.3f} s "
            f"{excerpt(story.request)}; at {story.ended_at:.3f} s {how or 'answer'}{seen}"
        )


@dataclass(frozen=True)
class Mark:
    """Something that was done to the target meanwhile: when, and what."""

    at: float
    what: str


@dataclass(frozen=True)
class Ledger:
    """All requests of one stretch of traffic. `lanes` names the clients by number."""

    entries: Sequence[Entry]
    marks: Sequence[Mark] = ()
    lanes: Mapping[int, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many requests ended in each way; ways that did not happen are left out."""
        counted = Counter(entry.ending for entry in self.entries)
        return {ending: counted[ending] for ending in ENDINGS if counted[ending]}

    def __str__(self) -> str:
        shown = ", ".join(f"{count} {ending}" for ending, count in self.counts().items())
        return f"{len(self.entries)} requests: {shown or 'none'}"

    def at(self, what: str) -> float:
        """When the first mark of this name was set. Raises KeyError."""
        return {mark.what: mark.at for mark in reversed(self.marks)}[what]


def draw_up(
    stories: Iterable[Story],
    moment: float,
    marks: Sequence[Mark] = (),
    lanes: Mapping[int, str] | None = None,
    old: frozenset[str] = frozenset(),
    leaving: float = -1.0,
) -> Ledger:
    """The ledger of these stories, in the order in which they were sent; see `classify`."""
    ordered = sorted(stories, key=lambda story: story.sent_at)
    entries = [Entry(classify(story, moment, old, leaving), story) for story in ordered]
    return Ledger(entries, marks, lanes or {})


# --- rules -------------------------------------------------------------------------------------------------

Judged = Callable[[Story], bool]


@dataclass(frozen=True)
class Rule:
    """A promise: these endings do not occur, among all requests or those that are `judged`."""

    promise: str
    forbidden: frozenset[str]
    judged: Judged = lambda story: True

    def broken_by(self, ledger: Ledger) -> list[Entry]:
        """The offending requests, oldest first."""
        return [e for e in ledger.entries if e.ending in self.forbidden and self.judged(e.story)]


NOTHING_LOST = Rule("every request is answered, once and rightly", BROKEN | MAD | {"refused"})
NOBODY_REFUSED = Rule("nobody is refused, and no answer is wrong or comes twice", MAD | {"refused"})
NO_MADNESS = Rule("no answer is wrong or comes twice", MAD)


def sent_before(moment: float) -> Judged:
    """Requests that were on their way, or answered, by then."""
    return lambda story: story.sent_at <= moment


def uphold(ledger: Ledger, *rules: Rule, least: int = 20) -> None:
    """Every rule holds, for traffic that deserves the name.

    Raises Violation, named after the worst ending, with the offending requests; Inconclusive where fewer than
    `least` requests were answered and nothing is broken: a promise to nobody proves nothing.
    """
    for rule in rules:
        if offending := rule.broken_by(ledger):
            raise Violation(_worst(offending), "\n".join(_complaint(rule, ledger, offending)))
    answered = sum(entry.ending in ANSWERED for entry in ledger.entries)
    if answered < least:
        raise Inconclusive(
            f"only {answered} requests were answered, {least} are the least that tell anything"
        )


def _worst(entries: Iterable[Entry]) -> str:
    endings = [entry.ending for entry in entries]
    return max(endings, key=list(ENDINGS).index)


def _complaint(rule: Rule, ledger: Ledger, offending: Sequence[Entry]) -> list[str]:
    lines = [f"{rule.promise}; but of {ledger}"]
    lines += [f"at {mark.at:.3f} s {mark.what}" for mark in ledger.marks]
    lines += [str(entry) for entry in offending[:SHOWN]]
    if left := len(offending) - SHOWN:
        lines += [f"and {left} more"] if left > 0 else []
    return lines


# --- for reports -------------------------------------------------------------------------------------------


def plain(ledger: Ledger, kept: int = KEPT) -> dict[str, Any]:
    """The ledger as plain data, cut to what a picture can show."""
    return {
        "counts": ledger.counts(),
        "total": len(ledger.entries),
        "marks": [[round(mark.at, 3), mark.what] for mark in ledger.marks],
        "lanes": {str(number): name for number, name in ledger.lanes.items()},
        "entries": [_plain_entry(entry) for entry in thinned(ledger.entries, kept)],
    }


def thinned(entries: Sequence[Entry], kept: int) -> list[Entry]:
    """About `kept` entries, in their order: of every lane some of every ending, evenly spread over time."""
    groups: dict[tuple[int, str], list[int]] = {}
    for number, entry in enumerate(entries):
        groups.setdefault((entry.story.lane, entry.ending), []).append(number)
    chosen: list[int] = []
    for place, group in enumerate(sorted(groups.values(), key=len)):
        share = max(1, (kept - len(chosen)) // (len(groups) - place))
        chosen += group[:: -(-len(group) // share)]
    return [entries[number] for number in sorted(chosen)]


def _plain_entry(entry: Entry) -> dict[str, Any]:
    story = entry.story
    usual = entry.ending in ANSWERED
    return {
        "ending": entry.ending,
        "lane": story.lane,
        "from": round(story.sent_at, 4),
        "to": round(story.ended_at, 4),
        **({} if usual else {"asked": story.asked, "request": story.request[:KEPT_BYTES].hex()}),
        **({} if usual else {"came": (story.wrong or story.partial)[:KEPT_BYTES].hex(), "how": story.how}),
    }
