"""The same streams to two targets, side by side; what they disagree about is made small.

Most streams end their connections by themselves, since the sentinel behind them says `close`; a target that
waits for more is given a while. That while is short, so a disagreement counts only when it shows again with
all the time that an answer may take, and nothing else going on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from conformance.differential.behaviour import Behaviour, agree, behaviour
from conformance.differential.grammar import SENTINEL, Example, octets
from conformance.differential.shrinking import odd_ones, plainest, smallest
from conformance.target.calibration import Calibration
from conformance.wire.address import Address
from conformance.wire.clock import clock
from conformance.wire.peer import Peer, watch
from conformance.wire.transcript import Transcript

ABREAST = 24
"""Streams at a time; each has a connection to either target."""

A_WHILE = 0.4
"""Seconds for whoever waits, at least."""

ROUNDS = 40
"""Rounds of candidates for making one disagreement smaller: a number, for the time depends on the machine."""

MOST = 10
"""Disagreements of a family that are looked into; after those, one knows that the targets are strangers."""

Pair = tuple[Behaviour, Behaviour]


@dataclass(frozen=True)
class Side:
    """A target of a contest."""

    name: str
    address: Address
    calibration: Calibration = field(default_factory=Calibration)


@dataclass(frozen=True)
class Disagreement:
    """A stream as small as it could be made, what each target made of it, and the conversation."""

    family: str
    stream: bytes
    behaviours: Pair
    transcript: Transcript


@dataclass
class Contest:
    """Two targets, and how many seconds a silent one is given at first. `unsteady` counts what they disagreed
    about once, and not again.
    """

    sides: tuple[Side, Side]
    a_while: float = A_WHILE
    unsteady: int = 0

    def disagreements(self, family: str, examples: Iterable[Example]) -> Iterator[Disagreement]:
        """What they do not agree about, each thing once, and not more than `MOST`."""
        found: dict[bytes, Disagreement] = {}
        causes: list[Cause] = []
        for example, pair in self._differing(examples):
            if len(found) < MOST and not any(cause.explains(example, pair) for cause in causes):
                plain = plainest(example, self._alike(pair))
                causes.append(Cause(odd_ones(plain), kinds(pair)))
                settled = self._settled(family, plain, pair)
                if settled and settled.stream not in found:
                    found[settled.stream] = settled
                    yield settled

    def play(self, streams: Sequence[bytes], patient: bool = False) -> tuple[list[Pair], Transcript]:
        """What the targets make of each stream; `patient`: with all the time that an answer may take."""
        transcript = Transcript()
        peers = [self._peer(side, transcript) for side in self.sides for _ in streams]
        try:
            for peer, stream in zip(peers, (*streams, *streams), strict=True):
                peer.send(stream + SENTINEL)
            watch(peers, self._while(patient), clock)
            seen = list(map(behaviour, peers))
        finally:
            for peer in peers:
                peer.close()
        return list(zip(seen[: len(streams)], seen[len(streams) :], strict=True)), transcript

    def _peer(self, side: Side, transcript: Transcript) -> Peer:
        return Peer(side.address, side.calibration, transcript, "http")

    def _while(self, patient: bool) -> float:
        if patient:
            return max(side.calibration.deadline for side in self.sides)
        return max(self.a_while, *(side.calibration.quiet for side in self.sides))

    def _differing(self, examples: Iterable[Example]) -> Iterator[tuple[Example, Pair]]:
        """The examples that the targets do not agree about at first sight."""
        rest = iter(examples)
        while batch := list(islice(rest, ABREAST)):
            pairs, _ = self.play([octets(example) for example in batch])
            yield from (each for each in zip(batch, pairs, strict=True) if not agree(*each[1]))

    def _alike(self, pair: Pair) -> "Alike":
        return Alike(self, kinds(pair))

    def _settled(self, family: str, example: Example, pair: Pair) -> Disagreement | None:
        """The smallest that shows it still, or the first one where that does not last; None for neither."""
        for candidate in (smallest(example, self._alike(pair)), example):
            pairs, transcript = self.play([octets(candidate)], patient=True)
            if not agree(*pairs[0]):
                return Disagreement(family, octets(candidate), pairs[0], transcript)
        self.unsteady += 1
        return None


@dataclass(frozen=True)
class Cause:
    """The odd pieces that make two targets disagree, and how they then answer."""

    odd: frozenset[tuple[str, bytes]]
    kinds: object

    def explains(self, example: Example, pair: Pair) -> bool:
        """Whether a disagreement about an example that holds them all is this one again."""
        return bool(self.odd) and self.odd <= odd_ones(example) and kinds(pair) == self.kinds


def kinds(pair: Pair) -> object:
    """How two targets answer, without what they say."""
    return [([answer.kind for answer in each.answers], each.ending) for each in pair]


@dataclass
class Alike:
    """A test for candidates, many at once: do the targets disagree in the same way? Later it says no."""

    contest: Contest
    kinds: object
    rounds: int = ROUNDS

    def __call__(self, candidates: Sequence[Example]) -> list[bool]:
        """For each candidate whether it shows the same."""
        self.rounds -= 1
        if self.rounds < 0:
            return [False] * len(candidates)
        pairs, _ = self.contest.play([octets(candidate) for candidate in candidates])
        return [not agree(*pair) and kinds(pair) == self.kinds for pair in pairs]
