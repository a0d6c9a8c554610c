"""Conversations of several clients with a task service, and a model of what each of them is owed.

A conversation is a list of `Step`s. Playing it keeps an `Account` for each client: every request adds a debt,
every reply has to pay one. At the end all debts are paid, and nothing else has come. Replies without `id` pay
in the order of their requests where the service promises that order; replies with `id` pay in any order.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance.cases.tasks import LARGEST, Client, Json, Reply, answers, client, refuses, request
from conformance.outcomes import Violation
from conformance.target.view import Target

CLIENTS = 3

FAILURE = object()
"""Stands for the result of a request that has to be answered by an error."""

CALLS: tuple[tuple[Json, Json, Any], ...] = (
    ("add", {"a": 20, "b": 22}, 42),
    ("sleep", {"seconds": 0}, 0),
    ("sleep", {"seconds": 0.01}, 0.01),
    ("fail", {"message": "as asked"}, FAILURE),
    ("unheard-of", {}, FAILURE),
    ("echo", {}, FAILURE),
    ("add", {"a": 1, "b": 2, "c": 3}, FAILURE),
)
"""Function, args, result: what a conversation asks for beside echoes."""

MALFORMED = (b"{", b"nonsense", b"[]", b'"echo"', b"null", b'{"function": "echo",}')
"""Messages that are no request, and are owed an error all the same."""


@dataclass(frozen=True)
class Step:
    """One client sends some requests in one segment; then it reads as many replies as `reads`, if owed."""

    number: int
    requests: Sequence["Owed"]
    reads: int


@dataclass(frozen=True)
class Owed:
    """A message, and what has to come back for it."""

    message: bytes
    result: Any
    identity: Reply
    malformed: bool = False

    def paid_by(self, reply: Reply) -> bool:
        """Whether this reply is the one."""
        if self.malformed:
            return refuses(reply, {}) or refuses(reply, {"id": None})
        if self.result is FAILURE:
            return refuses(reply, self.identity)
        return answers(reply, self.result, self.identity)


@dataclass
class Account:
    """What one client is still owed, oldest first."""

    client: Client
    ordered: bool
    debts: list[Owed] = field(default_factory=list)

    def ask(self, requests: Sequence[Owed]) -> None:
        """Send, and write the debts down."""
        self.debts += requests
        self.client.send(*(owed.message for owed in requests))

    def receive(self) -> None:
        """Read one reply; it pays a debt, or it is wrong."""
        reply = self.client.reply()
        paid = next((owed for owed in self._due() if owed.paid_by(reply)), None)
        if paid is None:
            raise Violation("wrong-answer", f"nobody asked for {reply!r:.200}; owed are {self.debts!r:.400}")
        self.debts.remove(paid)

    def settle(self) -> None:
        """Everything owed comes, and nothing more before the reply to one last request."""
        while self.debts:
            self.receive()
        self.client.usable()

    def _due(self) -> list[Owed]:
        """Debts that the next reply may pay: in an ordered service only the oldest without identity."""
        nameless = [owed for owed in self.debts if not owed.identity]
        named = [owed for owed in self.debts if owed.identity]
        return named + (nameless[:1] if self.ordered else nameless)


def play(target: Target, steps: Sequence[Step], *, ordered: bool) -> None:
    """Hold the conversation. Raises Violation for a reply that is wrong, missing or one too many."""
    with ExitStack() as stack:
        accounts = [Account(stack.enter_context(client(target)), ordered) for _ in range(CLIENTS)]
        for step in steps:
            account = accounts[step.number]
            account.ask(step.requests)
            for _ in range(min(step.reads, len(account.debts))):
                account.receive()
        for account in accounts:
            account.settle()


# --- what conversations are made of -----------------------------------------------------------------------


def values() -> SearchStrategy[Json]:
    """Any JSON value, small."""
    numbers = st.integers(-LARGEST, LARGEST) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    )


def identities() -> SearchStrategy[Reply]:
    """No identity, or any; small numbers often, so that some stand twice."""
    return st.just({}) | st.fixed_dictionaries({"id": st.integers(0, 3) | values()})


@st.composite
def _asked(draw: st.DrawFn) -> Owed:
    """A well-formed request, right or wrong."""
    echoes = values().map(lambda value: ("echo", {"value": value}, value))
    function, args, result = draw(echoes | st.sampled_from(CALLS))
    identity = draw(identities())
    return Owed(request(function, args, **identity), result, identity)


def requests() -> SearchStrategy[Owed]:
    """Requests of every kind."""
    broken = st.sampled_from(MALFORMED).map(lambda message: Owed(message, FAILURE, {}, malformed=True))
    return _asked() | broken


def conversations() -> SearchStrategy[list[Step]]:
    """Up to twelve steps of three clients."""
    sent = st.lists(requests(), min_size=1, max_size=5)
    return st.lists(st.builds(Step, st.integers(0, CLIENTS - 1), sent, st.integers(0, 5)), max_size=12)
