"""What HTTP cases share: families of requests side by side, and how each of them was answered, by name.

Behind every stream of a family goes one more request, `BEHIND`: where the stream was understood it is
answered last, and where it was refused it must not be answered at all, for then the server has lost its place
in the stream, and somebody else's bytes become a request (RFC 9112, sections 2.2, 6.3 and 11.2). So no answer
has to be waited for in vain: a conversation is over with the answer to `BEHIND`, or with its connection.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.cases.abreast import ABREAST, Segments, batches, blamed, opened_abreast, send_abreast, worst
from conformance.outcomes import Violation
from conformance.target.view import Target
from conformance.wire.clock import clock
from conformance.wire.http_requests import Text, request
from conformance.wire.http_responses import Response, read
from conformance.wire.peer import Peer

REFLECT = "/reflect"
MARK = "behind-all-of-it"
BEHIND = request("GET", f"{REFLECT}?{MARK}")

ANSWERED = {"answered": "pass"}
REFUSED = {"refused-400": "pass", "refused-otherwise": "weak", "closed": "weak"}
"""A refusal that MUST be 400. Another status tells less, and an end without a word tells nothing."""

NO_SUCH = (404, 405, 501)
"""What an application answers to a request that it has read, and cannot do anything with."""

LENIENT = {**REFUSED, "answered": "weak"}
"""Requests that are wrong, and that a server may repair as long as it keeps its place in the stream."""

OUT_OF_PATIENCE = 408
"""The server has waited for more of the request: so it has not refused it."""

TOO_LARGE = dict.fromkeys(("refused-413", "refused-400", "refused-otherwise"), "pass")
TOO_LARGE |= {"closed": "weak", "waits": "info", "waits-beyond-limit": "weak"}
"""Announcements of more than any server takes; one without a limit may wait for it, any other should not."""

Stream = bytes | Segments


@dataclass(frozen=True)
class Answers:
    """All responses of a connection, in order, and how it ended: `fin`, `reset` or `open`.

    `behind` says whether the last of them is the answer to `BEHIND`; then the connection was left alone.
    """

    responses: tuple[Response, ...]
    ending: str = "open"
    behind: bool = False

    @property
    def own(self) -> tuple[Response, ...]:
        """The responses to the stream itself."""
        return self.responses[:-1] if self.behind else self.responses

    def __str__(self) -> str:
        return ", ".join([*map(str, self.responses), "" if self.behind else self.ending]).strip(", ")


Judge = Callable[[Answers], str]


def answers(peer: Peer, method: str = "GET", within: float | None = None) -> Answers:
    """Read until `BEHIND` is answered, or the connection ends, or nothing more comes.

    `method` is that of the first request, the others are GET. Raises Violation for what is no response, or
    half of one. Where the end is announced already, it is not waited for as long.
    """
    responses: list[Response] = []
    while not _is_over(responses):
        patience = peer.calibration.quiet if responses and responses[-1].closes else within
        try:
            responses.append(read(peer, "GET" if responses else method, patience))
        except Violation as ending:
            if peer.waiting or ending.outcome not in {"fin", "reset", "no-answer"}:
                raise
            return Answers(tuple(responses), peer.ended or "open")
    return Answers(tuple(responses), behind=True)


def _is_over(responses: Sequence[Response]) -> bool:
    """The answer to `BEHIND`, and no refusal that quotes it."""
    return bool(responses) and responses[-1].status < 400 and MARK.encode() in responses[-1].body


# --- judges ----------------------------------------------------------------------------------------------


def refusal(*statuses: int) -> Judge:
    """How a stream was refused: `refused-STATUS` for one of these, or `refused-otherwise`, and then the end;
    `closed` for an end without a word. Else `answered`, `answered-behind`, `left-open`, or `no-answer`, to
    which a 408 comes late.
    """

    def judge(seen: Answers) -> str:
        if not seen.responses:
            return "no-answer" if seen.ending == "open" else "closed"
        if _was_read(seen):
            return "answered"
        if seen.responses[1:]:
            return "answered-behind"
        if seen.ending == "open" and not seen.responses[0].closes:
            return "left-open"
        status = seen.responses[0].status
        if status == OUT_OF_PATIENCE:
            return "no-answer"
        return f"refused-{status}" if status in statuses else "refused-otherwise"

    return judge


def _was_read(seen: Answers) -> bool:
    """Whether the stream was taken for a request: success, or no such resource and the connection goes on."""
    status = seen.responses[0].status
    return status < 400 or (status in NO_SUCH and seen.behind)


def answered(*checks: Callable[[Response], None], otherwise: Judge | None = None) -> Judge:
    """`answered`: one response 200 for each check, which it passes, and then the one to `BEHIND`.

    `otherwise` names what is no answer; without it that is the Violation `not-answered`.
    """

    def judge(seen: Answers) -> str:
        if otherwise and not (seen.responses and seen.responses[0].status == 200):
            return otherwise(seen)
        if [each.status for each in seen.own] != [200] * len(checks) or not seen.behind:
            raise Violation("not-answered", f"{len(checks)} times 200 and the one behind were due: {seen}")
        for check, response in zip(checks, seen.own, strict=True):
            check(response)
        return "answered"

    return judge


def too_large(target: Target) -> Judge:
    """A refusal by 413 or 400, or `waits`; `waits-beyond-limit` from a target that declares a limit."""

    def judge(seen: Answers) -> str:
        outcome = refusal(413, 400)(seen)
        waits = "waits-beyond-limit" if "max_package_size" in target.limits else "waits"
        return waits if outcome == "no-answer" else outcome

    return judge


def says(body: bytes) -> Callable[[Response], None]:
    """A check that the body is this."""

    def check(response: Response) -> None:
        if response.body != body:
            raise Violation("wrong-answer", f"{body!r:.80} was due, {response} came")

    return check


def reflects(**facts: Any) -> Callable[[Response], None]:
    """A check that `/reflect` saw this: `method`, `target`, `path`, `query`, `version`, `length`, ..."""

    def check(response: Response) -> None:
        seen = {name: response.json.get(name) for name in facts}
        if seen != facts:
            raise Violation("misread", f"{facts} was due, the server saw {seen}")

    return check


def seen_values(response: Response, name: str) -> list[str]:
    """The values that the application saw of a field, by its name in lower case, from `/reflect`."""
    return [value for each, value in response.json["headers"] if each == name]


# --- families --------------------------------------------------------------------------------------------


def family(
    target: Target,
    streams: Mapping[str, Stream],
    judge: Judge | Mapping[str, Judge],
    accept: Iterable[str],
    methods: Mapping[str, str] | None = None,
) -> str:
    """Send each stream with `BEHIND` on a connection of its own; the worst outcome, in the order of `accept`.

    Raises Violation, with the name of the stream, for an outcome that is not accepted. Streams that are not
    answered at all share one deadline. `judge` is one for all, or each has its own; `methods` are those of
    the first requests, where they are not GET.
    """
    ranks, outcomes = list(accept), {}
    judges = judge if isinstance(judge, Mapping) else dict.fromkeys(streams, judge)
    for batch in batches(streams, ABREAST):
        with opened_abreast(target, batch, upgraded=False) as peers:
            send_abreast(target, peers, {name: with_behind(streams[name]) for name in batch})
            limit = clock() + target.calibration.deadline
            for name, peer in peers.items():
                with blamed(name, peer):
                    seen = answers(peer, (methods or {}).get(name, "GET"), max(0.0, limit - clock()))
                    outcomes[name] = _accepted(judges[name](seen), ranks, seen)
                peer.close()
                limit = clock() + target.calibration.deadline if seen.responses else limit
    return worst(outcomes, ranks)


def with_behind(stream: Stream) -> list[bytes]:
    """The segments of a stream, and `BEHIND` in the last of them."""
    segments = [stream] if isinstance(stream, bytes) else list(stream)
    return [*segments[:-1], segments[-1] + BEHIND]


def _accepted(outcome: str, ranks: Sequence[str], seen: Answers) -> str:
    if outcome not in ranks:
        raise Violation(outcome, f"{' or '.join(ranks)} was due: {seen}")
    return outcome


def all_refused(
    target: Target,
    streams: Mapping[str, Stream],
    accept: Iterable[str] = REFUSED,
    statuses: Sequence[int] = (400,),
) -> str:
    """Each stream is refused, with one of these statuses; the worst outcome of `accept`."""
    return family(target, streams, refusal(*statuses), accept)


def all_answered(target: Target, streams: Mapping[str, Stream], *checks: Callable[[Response], None]) -> str:
    """Each stream is answered by responses that pass these checks, and by nothing else."""
    return family(target, streams, answered(*checks), ANSWERED)


def reflected(*fields: Text, **options: Any) -> bytes:
    """A GET for `/reflect` with these field lines; options of `request`."""
    return request("GET", REFLECT, *fields, **options)
