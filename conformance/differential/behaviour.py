"""What a target made of a stream: its answers, what `/reflect` says it saw, and how the connection ended."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from conformance.outcomes import Violation
from conformance.wire.http_responses import Response, read
from conformance.wire.peer import Peer

Kind = Literal["served", "redirected", "refused", "garbage"]

FACTS = ("method", "target", "path", "query", "version", "length", "sha256")
"""What `/reflect` says, and two targets must agree about; of the fields those that an example has written."""

FIELDS = ("host", "x-")
"""Fields of an example, by the beginnings of their names. Others a gateway may add."""

REFUSED = 400


@dataclass(frozen=True)
class Answer:
    """One response: its kind, its status, and in canonical JSON what the target saw of the request."""

    kind: Kind
    status: int
    saw: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What the target saw, by name; empty where it did not say."""
        return dict(json.loads(self.saw)) if self.saw else {}

    def __str__(self) -> str:
        if not self.saw:
            return f"{self.kind} {self.status}"
        request = "{method} {target}, {length} bytes".format(**self.facts)
        return f"{self.kind} {self.status} ({request})"


@dataclass(frozen=True)
class Behaviour:
    """The answers in their order, and whether the connection then `ended` or is `open`: the target waits."""

    answers: tuple[Answer, ...]
    ending: Literal["ended", "open"]

    def __str__(self) -> str:
        return ", ".join([*map(str, self.answers), self.ending])

    @property
    def plain(self) -> dict[str, Any]:
        """For a results file."""
        answers = [vars(answer) | {"saw": answer.facts} for answer in self.answers]
        return {"answers": answers, "ending": self.ending}


def behaviour(peer: Peer) -> Behaviour:
    """What has come by now: the connection was watched before (`peer.watch`)."""
    answers: list[Answer] = []
    while peer.waiting:
        try:
            answers.append(_answer(read(peer, within=0.0)))
        except Violation:
            answers.append(Answer("garbage", 0))
            break
    return Behaviour(tuple(answers), "ended" if peer.ended else "open")


def _answer(response: Response) -> Answer:
    if response.status >= REFUSED:
        return Answer("refused", response.status)
    kind: Kind = "served" if response.status < 300 else "redirected"
    return Answer(kind, response.status, _seen(response))


def _seen(response: Response) -> str:
    """The facts of a reflection; nothing of any other body, for the routes of two targets may differ."""
    try:
        said = json.loads(response.body)
        facts = {name: said[name] for name in FACTS}
        facts["fields"] = sorted([name, value] for name, value in said["headers"] if name.startswith(FIELDS))
    except (ValueError, TypeError, KeyError):
        return ""
    return json.dumps(facts, sort_keys=True)


def differences(one: Behaviour, other: Behaviour) -> dict[str, tuple[Any, Any]]:
    """The facts, by name, that two targets saw otherwise in the first request where they did; both values."""
    for mine, theirs in zip(one.answers, other.answers, strict=False):
        if mine.saw and theirs.saw and mine.saw != theirs.saw:
            pairs = {name: (mine.facts[name], theirs.facts[name]) for name in mine.facts}
            return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return {}


def agree(one: Behaviour, other: Behaviour) -> bool:
    """Whether two targets made the same of a stream. Both refuse: whatever the status, and whatever is said
    behind it, for what a refused stream goes on with is nobody's request. An end without a word is a refusal.
    """
    for mine, theirs in zip(one.answers, other.answers, strict=False):
        if mine.kind == theirs.kind == "refused":
            return True
        if (mine.kind, mine.saw) != (theirs.kind, theirs.saw):
            return False
    shorter, longer = sorted((one, other), key=lambda each: len(each.answers))
    if len(shorter.answers) == len(longer.answers):
        return one.ending == other.ending
    return longer.answers[len(shorter.answers)].kind == "refused" and shorter.ending == "ended"
