"""Tasks: identities and order of replies, errors for what is no right request, and anything in between."""

from conformance.case import Violation, case
from conformance.cases.conversation import conversations, play
from conformance.cases.tasks import LARGEST, Json, answers, client, request
from conformance.exploration import explore
from conformance.strategies import splits
from conformance.target.view import Target
from conformance.wire.clock import clock

ANSWERED = {"answered": "pass"}
REFUSED = {"refused": "pass"}

LONG = 1.0
"""Seconds of a task that others have to overtake: far more than a few exchanges take."""

MANY = 500
"""Requests in one pipeline."""

IDENTITIES: list[Json] = [
    *("a", "✓", "", 0, -1, 1.5, LARGEST, True, False, None),
    *([], {}, [1, {"b": None}], {"a": {"b": []}}),
]


# --- identities and order ----------------------------------------------------------------------------------


@case("task/id/any-type", service="task", requirements=("TASK-002",), accept=ANSWERED)
def test_id_any_type(target: Target) -> str:
    """The `id` comes back as it was, whatever JSON value it is, also 0, "", false and null."""
    with client(target) as caller:
        for identity in IDENTITIES:
            caller.exchange("add", {"a": 1, "b": 2}, 3, id=identity)
    return "answered"


@case("task/id/in-errors", service="task", requirements=("TASK-002",), accept=ANSWERED)
def test_id_in_errors(target: Target) -> str:
    """An error reply carries the `id` too, also where the function is unknown or the arguments are wrong."""
    with client(target) as caller:
        for identity in IDENTITIES:
            for function, args in (("fail", {"message": "no"}), ("unheard-of", {}), ("echo", {"values": 1})):
                caller.call(function, args, id=identity)
                caller.expect_error(id=identity)
    return "answered"


@case("task/id/none", service="task", requirements=("TASK-002",), accept=ANSWERED)
def test_id_none(target: Target) -> str:
    """A request without `id` gets a reply without, also right behind one with an `id`."""
    with client(target) as caller:
        caller.exchange("echo", {"value": 1}, 1, id="named")
        caller.exchange("echo", {"value": 2}, 2)
        caller.call("fail", {"message": "no"}, id="named")
        caller.expect_error(id="named")
        caller.call("fail", {"message": "no"})
        caller.expect_error()
    return "answered"


@case(
    "task/id/beyond-2-53",
    service="task",
    requirements=("TASK-002",),
    accept={"answered": "pass", "rounded": "info"},
)
def test_id_beyond(target: Target) -> str:
    """An integer `id` beyond 2^53 comes back whole, or rounded as RFC 8259 (section 6) warns."""
    large = 2**63 - 1
    with client(target) as caller:
        caller.call("echo", {"value": "large"}, id=large)
        reply = caller.reply()
    if answers(reply, "large", {"id": large}):
        return "answered"
    if isinstance(reply.get("id"), int | float) and float(reply["id"]) == float(large):
        return "rounded"
    raise Violation("wrong-answer", f"the id {large} was due, {reply} came")


@case("task/order/without-id", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_order_without_id(target: Target) -> str:
    """Replies without `id` keep the order of the requests, also behind a slow one."""
    with client(target) as caller:
        caller.send(request("sleep", {"seconds": 0.2}), *(request("echo", {"value": n}) for n in range(5)))
        caller.expect(0.2)
        for value in range(5):
            caller.expect(value)
    return "answered"


@case(
    "task/order/slow-one-with-id",
    service="task",
    requirements=("TASK-002",),
    accept={"overtook": "pass", "in-order": "info"},
)
def test_order_slow_one_with_id(target: Target) -> str:
    """With ids, a fast request behind a slow one may be answered first; each reply carries its own `id`."""
    with client(target) as caller:
        caller.send(request("sleep", {"seconds": 0.2}, id="slow"), request("echo", {"value": 1}, id="fast"))
        replies = [caller.reply(), caller.reply()]
        caller.usable()
    orders = {"overtook": [(1, "fast"), (0.2, "slow")], "in-order": [(0.2, "slow"), (1, "fast")]}
    for outcome, due in orders.items():
        if all(answers(r, result, {"id": name}) for r, (result, name) in zip(replies, due, strict=True)):
            return outcome
    raise Violation("wrong-answer", f"0.2 for `slow` and 1 for `fast` were due, {replies} came")


@case("task/order/as-they-come", service="task", requirements=("TASK-002",), accept=ANSWERED)
def test_order_as_they_come(target: Target) -> str:
    """A reply that is ready leaves at once: it does not wait for a slow request behind it."""
    with client(target) as caller:
        started = clock.exactly()
        caller.send(request("echo", {"value": 1}, id=1), request("sleep", {"seconds": LONG}, id=2))
        caller.expect(1, id=1)
        if (taken := clock.exactly() - started) > LONG / 2:
            raise Violation("late", f"the first reply took {taken:.1f} s, and the second request {LONG:g} s")
        caller.expect(LONG, id=2)
    return "answered"


@case("task/order/pipelined-with-id", service="task", requirements=("TASK-002",), accept=ANSWERED)
def test_pipelined_with_id(target: Target) -> str:
    """Five hundred requests in one segment: each is answered once, by its own result."""
    with client(target) as caller:
        caller.send(*(request("echo", {"value": f"value {n}"}, id=n) for n in range(MANY)))
        replies = [caller.reply() for _ in range(MANY)]
        caller.usable()
    if {reply.get("id"): reply.get("result") for reply in replies} != {n: f"value {n}" for n in range(MANY)}:
        raise Violation("wrong-answer", f"not every one of {MANY} requests got its own reply, once")
    return "answered"


@case("task/order/pipelined-without-id", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_pipelined_without_id(target: Target) -> str:
    """Five hundred requests without `id` in one segment: five hundred replies in that order."""
    with client(target) as caller:
        caller.send(*(request("echo", {"value": number}) for number in range(MANY)))
        for number in range(MANY):
            caller.expect(number)
        caller.usable()
    return "answered"


@case("task/order/any-split", service="task", requirements=("TASK-001",), accept=ANSWERED, explores=True)
def test_any_split(target: Target) -> str:
    """However the requests are cut into segments, the replies are the same."""
    stream = b"".join(request("echo", {"value": f"{n} ✓"}) + b"\r\n" for n in range(3))

    def check(segments: list[bytes]) -> None:
        with client(target) as caller:
            caller.peer.send(*segments)
            for number in range(3):
                caller.expect(f"{number} ✓")

    explore(target, splits(stream), check, examples=20)
    return "answered"


@case(
    "task/conversation/any",
    service="task",
    requirements=("TASK-001", "TASK-002"),
    accept=ANSWERED,
    explores=True,
)
def test_any_conversation(target: Target) -> str:
    """Whatever three clients ask, in whatever order: each gets what it is owed, once, and nothing else."""
    explore(target, conversations(), lambda steps: play(target, steps, ordered=True))
    return "answered"


# --- errors ------------------------------------------------------------------------------------------------


def refused(target: Target, *messages: bytes) -> str:
    """Each message is no request: an error comes for it, and the connection stays usable."""
    with client(target) as caller:
        for message in messages:
            caller.send(message)
            caller.expect_refusal()
            caller.usable()
    return "refused"


@case("task/errors/malformed-json", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_malformed_json(target: Target) -> str:
    """A line that is no JSON, also an empty one, gets an error reply, and the connection goes on."""
    quoted = (b'{"function": "echo",}', b"{'function': 'worker'}", b'{"function": "worker"')
    return refused(target, b"{", b"nonsense", b"", b"\xff\xfe", b"{}{}", *quoted)


@case("task/errors/not-a-number", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_not_a_number(target: Target) -> str:
    """NaN and Infinity are no JSON (RFC 8259, section 6): an error reply, not an answer that is no JSON."""
    values = (b"NaN", b"Infinity", b"-Infinity")
    return refused(target, *(b'{"function": "echo", "args": {"value": %s}}' % value for value in values))


@case("task/errors/not-an-object", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_not_an_object(target: Target) -> str:
    """JSON that is no object gets an error reply, and the connection goes on."""
    return refused(target, b"[]", b"1", b'"echo"', b"null", b"true", b'["echo", {"value": 1}]')


@case("task/errors/nested-too-deeply", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_nested_too_deeply(target: Target) -> str:
    """A hundred thousand brackets that never close: an error reply, whatever depth a parser allows."""
    return refused(target, b"[" * 100_000, b'{"a":' * 20_000)


def mistaken(target: Target, *calls: tuple[object, object]) -> str:
    """Each call is wrong: an error comes for it with the request's id, and the connection stays usable."""
    with client(target) as caller:
        for number, (function, args) in enumerate(calls):
            caller.call(function, args, id=number)
            caller.expect_error(id=number)
            caller.usable()
    return "refused"


@case("task/errors/unknown-function", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_unknown_function(target: Target) -> str:
    """A function that is not in the contract gets an error reply, also one that the language knows."""
    names = ("unheard-of", "", "Echo", "eval", "exit", "__init__", "constructor", "toString", "system")
    return mistaken(target, *((name, {}) for name in names))


@case("task/errors/function-is-no-name", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_function_is_no_name(target: Target) -> str:
    """A function that is missing or no text gets an error reply."""
    with client(target) as caller:
        caller.send(b'{"args": {"value": 1}, "id": "missing"}')
        caller.expect_error(id="missing")
    return mistaken(target, *((name, {"value": 1}) for name in (None, 5, True, [], ["echo"], {"echo": 1})))


@case("task/errors/unknown-argument", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_unknown_argument(target: Target) -> str:
    """An argument that the function does not have gets an error reply."""
    return mistaken(
        target,
        ("echo", {"value": 1, "other": 2}),
        ("worker", {"value": 1}),
        ("add", {"a": 1, "b": 2, "c": 3}),
        ("sleep", {"seconds": 0, "self": 1}),
    )


@case("task/errors/missing-argument", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_missing_argument(target: Target) -> str:
    """An argument that is missing gets an error reply."""
    return mistaken(target, ("echo", {}), ("echo", None), ("add", {"a": 1}), ("fail", {}), ("sleep", {}))


@case("task/errors/wrong-argument", service="task", requirements=("TASK-001",), accept=REFUSED)
def test_wrong_argument(target: Target) -> str:
    """Arguments that are no object, or of a kind that the function cannot use, get an error reply."""
    return mistaken(
        target,
        *(("echo", args) for args in ("value", 5, True)),
        ("add", {"a": 1, "b": [2]}),
        ("add", {"a": {}, "b": 2}),
        ("sleep", {"seconds": "a while"}),
    )
