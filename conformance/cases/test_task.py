"""Tasks: JSON requests over the text protocol, and the functions of the contract's section 3.

Numbers of processes are what the target file declares. Times are only compared with times that the case
itself asked for (`sleep`, `block`): a reply came before a slower one, or it did not.
"""

from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from conformance.case import Unsupported, Violation, case
from conformance.cases.conversation import conversations, play, values
from conformance.cases.tasks import (
    LARGEST,
    Client,
    Json,
    accepted,
    answers,
    client,
    companions,
    delivered,
    in_less_than,
    one_of_each,
    request,
    send_mails,
)
from conformance.exploration import explore
from conformance.strategies import garbage, splits
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.wire.peer import Peer

ANSWERED = {"answered": "pass"}
REFUSED = {"refused": "pass"}
UNHARMED = {"unharmed": "pass"}
GONE = {"fin": "pass", "reset": "pass"}
"""A process that dies with unread input sends a reset."""

LONG = 1.0
"""Seconds of a task that others have to overtake: far more than a few exchanges take."""

MANY = 500
"""Requests in one pipeline."""

EVERY_TYPE: list[Json] = [
    *(None, True, False, 0, 1, -1, 0.5, -2.5e-3, 1e21, "", "plain", 'quote " backslash \\ slash /'),
    *("tab\tline\nnul\0", "naïve Straße 世界 😀 \u2028", [], [[]], [1, "a", None, [True, {"b": []}]]),
    *({}, {"": {"nested": {"deep": [{}]}}}),
]

# --- functions ---------------------------------------------------------------------------------------------


@case("task/echo/every-json-type", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_echo_every_json_type(target: Target) -> str:
    """`echo` gives every kind of JSON value back: null, booleans, numbers, text, lists, objects."""
    with client(target) as caller:
        for value in EVERY_TYPE:
            caller.exchange("echo", {"value": value}, value)
    return "answered"


@case("task/echo/any-value", service="task", requirements=("TASK-001",), accept=ANSWERED, explores=True)
def test_echo_any_value(target: Target) -> str:
    """`echo` gives any JSON value back, whatever it is nested in."""

    def check(value: object) -> None:
        with client(target) as caller:
            caller.exchange("echo", {"value": value}, value, id=value)

    explore(target, values(), check)
    return "answered"


@case("task/echo/exact-integers", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_echo_exact_integers(target: Target) -> str:
    """Integers up to 2^53 - 1 on both sides of zero keep every digit."""
    with client(target) as caller:
        for value in (2**31, -(2**31) - 1, 2**32 + 1, LARGEST, -LARGEST):
            caller.exchange("echo", {"value": value}, value, id=value)
    return "answered"


@case("task/echo/long-text", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_echo_long_text(target: Target) -> str:
    """A request of a hundred kilobytes, far more than one segment, is one line and gets one."""
    value = "long ✓ " * 10_000
    with client(target) as caller:
        caller.exchange("echo", {"value": value}, value, id=1)
    return "answered"


@case("task/add/numbers", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_add(target: Target) -> str:
    """`add` adds numbers: small, negative, broken and large ones."""
    with client(target) as caller:
        for one, other in ((2, 3), (-7, 7), (0.5, 0.25), (2**40, 2**40 + 1), (LARGEST - 1, 1)):
            caller.exchange("add", {"a": one, "b": other}, one + other)
    return "answered"


@case("task/worker/names-itself", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_worker_names_itself(target: Target) -> str:
    """`worker`, called without `args`, says pid, id, name and the master's pid, the same each time."""
    with client(target) as caller:
        myself = caller.ask("worker")
        kinds = {"pid": int, "id": int, "name": str, "master": int}
        if not all(isinstance(myself.get(key), kind) for key, kind in kinds.items()):
            raise Violation("wrong-answer", f"pid, id, name and master were due, {myself} came")
        caller.exchange("worker", {}, myself)
    return "answered"


@case(
    "task/version/exact-text", service="task", requirements=("LIFE-065",), accept=ANSWERED, needs=("process",)
)
def test_version(target: Target) -> str:
    """`version` is the exact text of the version file, its line end included."""
    with client(target) as caller:
        caller.exchange("version", {}, version_file(target).read_text(encoding="utf-8"))
    return "answered"


@case(
    "task/version/as-it-was-loaded",
    service="task",
    requirements=("LIFE-065",),
    accept=ANSWERED,
    needs=("process",),
    fresh=True,
)
def test_version_as_loaded(target: Target) -> str:
    """A version file that changes later changes no answer: the running code has not changed."""
    with client(target) as caller:
        loaded = caller.ask("version")
        version_file(target).write_text("another version\n", encoding="utf-8")
        caller.exchange("version", {}, loaded)
    return "answered"


def version_file(target: Target) -> Path:
    """The file behind `{version}`."""
    return Path(target.copy.folder.lookup("version"))


@case("task/fail/keeps-the-message", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_fail(target: Target) -> str:
    """`fail` is an error reply with exactly the message; the connection and the process go on."""
    with client(target) as caller:
        before = caller.ask("worker")
        for message in ("no such customer", "", "Straße 世界 😀"):
            caller.call("fail", {"message": message}, id=message)
            caller.expect_error(message, id=message)
        caller.exchange("worker", {}, before)
    return "answered"


@case("task/counters/messages", service="task", requirements=("LIFE-093",), accept=ANSWERED)
def test_counters_messages(target: Target) -> str:
    """`counters` counts the messages of its process: five more requests, at least five more messages."""
    with client(target) as caller:
        before = counters(caller)["messages"]
        for _ in range(5):
            caller.usable()
        after = counters(caller)["messages"]
    if after < before + 5:
        raise Violation("wrong-answer", f"{before} messages, five requests later {after}")
    return "answered"


@case("task/counters/connections", service="task", requirements=("LIFE-093",), accept=ANSWERED)
def test_counters_connections(target: Target) -> str:
    """`counters` counts open connections: one less when another connection of the process has closed."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        before = counters(one)["connections"]
        other.peer.close()
        deadline = target.calibration.deadline
        if before < 2 or not wait_until(lambda: counters(one)["connections"] == before - 1, deadline):
            raise Violation("wrong-answer", f"{before} connections, and not one less after a close")
    return "answered"


def counters(caller: Client) -> dict[str, int]:
    """The counters of a process; Violation `wrong-answer` where one is missing."""
    result = caller.ask("counters")
    names = ("connections", "messages", "buffer_full", "buffer_drain", "send_fail")
    if not isinstance(result, dict) or not all(isinstance(result.get(name), int) for name in names):
        raise Violation("wrong-answer", f"{', '.join(names)} were due, {result} came")
    return result


# --- mail --------------------------------------------------------------------------------------------------


@case("task/mail/one-line", service="task", requirements=("TASK-016",), accept=ANSWERED, needs=("process",))
def test_mail_one_line(target: Target) -> str:
    """An accepted mail is one more line of JSON in the outbox, there already when the reply comes."""
    addresses = ["single@example.org"]
    with client(target) as caller:
        send_mails(caller, addresses)
        caller.expect({"accepted": addresses[0]}, id=addresses[0])
        delivered(target, addresses)
    return "answered"


@case(
    "task/mail/each-exactly-once",
    service="task",
    requirements=("TASK-016",),
    accept=ANSWERED,
    needs=("process", "workers.task"),
)
def test_mail_each_exactly_once(target: Target) -> str:
    """Mails that all processes accept at the same time are whole lines, each of them once."""
    with ExitStack() as stack:
        callers = [caller for caller, _ in one_of_each(target, stack).values()]
        lists = [[f"{place}-{number}@example.org" for place in range(40)] for number in range(len(callers))]
        for caller, addresses in zip(callers, lists, strict=True):
            send_mails(caller, addresses)
        for caller, addresses in zip(callers, lists, strict=True):
            accepted(caller, addresses)
    delivered(target, [address for addresses in lists for address in addresses])
    return "answered"


# --- identities and order ----------------------------------------------------------------------------------

IDENTITIES = [
    "a",
    "",
    0,
    -1,
    1.5,
    LARGEST,
    True,
    False,
    None,
    [],
    {},
    [1, {"b": None}],
    {"a": {"b": []}},
    "✓",
]


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
        started = monotonic()
        caller.send(request("echo", {"value": 1}, id=1), request("sleep", {"seconds": LONG}, id=2))
        caller.expect(1, id=1)
        if monotonic() - started >= LONG:
            raise Violation(
                "late", f"the first reply came after the {LONG:g} s that the second request takes"
            )
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


# --- slow tasks, and tasks that break ----------------------------------------------------------------------


@case("task/sleep/takes-its-time", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_sleep(target: Target) -> str:
    """`sleep` answers with the seconds, and not before they are over."""
    with client(target) as caller:
        started = monotonic()
        caller.exchange("sleep", {"seconds": 0.25}, 0.25)
        if (taken := monotonic() - started) < 0.25:
            raise Violation("too-early", f"the reply came after {taken:.3f} s")
    return "answered"


@case("task/sleep/others-are-served", service="task", requirements=("TASK-017",), accept=ANSWERED)
def test_sleep_others_are_served(target: Target) -> str:
    """While more connections than processes wait for `sleep`, just as many others are answered."""
    count = 3 * target.workers.get("task", 4)
    with ExitStack() as stack:
        sleepers = [stack.enter_context(client(target)) for _ in range(count)]
        for sleeper in sleepers:
            sleeper.call("sleep", {"seconds": LONG})
        with in_less_than(LONG, "sleep"):
            for _ in range(count):
                stack.enter_context(client(target)).usable()
        with in_less_than(2 * LONG, "sleep"):
            for sleeper in sleepers:
                sleeper.expect(LONG)
    return "answered"


@case(
    "task/block/a-free-process-serves",
    service="task",
    requirements=("TASK-017",),
    accept=ANSWERED,
    needs=("workers.task",),
)
def test_block(target: Target) -> str:
    """While all processes but one are in `block`, new connections are answered at once."""
    if target.workers["task"] < 2:
        raise Unsupported("one process alone cannot serve while it blocks")
    with ExitStack() as stack:
        for _ in range(target.workers["task"] - 1):
            caller = stack.enter_context(client(target))
            caller.usable()
            caller.call("block", {"seconds": LONG})
            caller.peer.silent()  # by now it blocks, and takes no connection any more
        with in_less_than(LONG / 2, "block"):
            for _ in range(10):
                with client(target) as other:
                    other.usable()
    return "answered"


@case("task/block/its-own-reply", service="task", requirements=("TASK-001",), accept=ANSWERED)
def test_block_reply(target: Target) -> str:
    """`block` answers with the seconds; what came meanwhile on the same process is answered after it."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("block", {"seconds": 0.2}, id=1)
        other.call("echo", {"value": "meanwhile"}, id=2)
        one.expect(0.2, id=1)
        other.expect("meanwhile", id=2)
    return "answered"


@case(
    "task/throw/contained",
    service="task",
    requirements=("TCP-019",),
    accept={"error": "pass", "closed": "pass"},
)
def test_throw(target: Target) -> str:
    """`throw` ends in an error reply or a closed connection; another one of the same process lives on."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("throw", {}, id=1)
        outcome = "closed" if ends(one) else "error"
        other.usable()
    return outcome


def ends(caller: Client) -> bool:
    """Whether the connection ends next; otherwise an error comes and it stays usable."""
    try:
        caller.expect_error(id=1)
    except Violation as violation:
        if violation.outcome in GONE:
            return True
        raise
    caller.usable()
    return False


@case("task/crash/ends-without-reply", service="task", requirements=("TASK-006",), accept=GONE, fresh=True)
def test_crash(target: Target) -> str:
    """`crash` ends the connection, and the others of that process, without any reply."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("crash", {}, id=1)
        endings = [one.peer.ending(), other.peer.ending()]
    return "open" if "open" in endings else endings[0]


@case(
    "task/crash/others-unharmed",
    service="task",
    requirements=("TASK-006",),
    accept=UNHARMED,
    needs=("workers.task",),
    fresh=True,
)
def test_crash_others_unharmed(target: Target) -> str:
    """After a `crash`, connections to the other processes go on, and new ones are served as before."""
    with ExitStack() as stack:
        callers = [stack.enter_context(client(target)) for _ in range(4 * target.workers["task"])]
        pids = [caller.ask("worker")["pid"] for caller in callers]
        callers[0].call("crash")
        callers[0].peer.ending()
        for caller, pid in zip(callers, pids, strict=True):
            if pid != pids[0]:
                caller.usable()
        for _ in range(20):
            stack.enter_context(client(target)).usable()
    return "unharmed"


# --- limits, leaving, and anything at all ------------------------------------------------------------------


@case(
    "task/limit/oversize",
    service="task",
    requirements=("TEXT-005",),
    accept=GONE,
    needs=("limits.max_package_size",),
)
def test_oversize(target: Target) -> str:
    """A request over the limit closes its connection, unanswered; another one of the process goes on."""
    with ExitStack() as stack:
        one, other = companions(target, stack)
        one.call("echo", {"value": "x" * target.limits["max_package_size"]})
        ending = one.peer.ending()
        other.usable()
    return ending


@case("task/leaving/fin-after-requests", service="task", requirements=("TCP-017",), accept={"fin": "pass"})
def test_fin_after_requests(target: Target) -> str:
    """A client that sends requests and then FIN gets every reply, also a slow one, and an orderly end."""
    with client(target) as caller:
        caller.send(request("echo", {"value": 1}), request("sleep", {"seconds": 0.2}))
        caller.peer.send(b'{"function')
        caller.peer.finish()
        caller.expect(1)
        caller.expect(0.2)
        return caller.peer.ending()


@case("task/leaving/in-mid-request", service="task", requirements=("TCP-018",), accept=UNHARMED)
def test_leaving(target: Target) -> str:
    """Clients that leave, with FIN or a reset, in mid-request or before the reply: nobody else notices."""
    with ExitStack() as stack:
        bystanders = companions(target, stack)
        for leave in (Peer.reset, Peer.close) * 4:
            for message in (request("sleep", {"seconds": 0.05}), request("worker"), b""):
                with client(target) as leaver:
                    leaver.send(message)
                    leaver.peer.send(b'{"function": "ec')
                    leave(leaver.peer)
        for bystander in bystanders:
            bystander.exchange("sleep", {"seconds": 0.1}, 0.1)
            bystander.usable()
    return "unharmed"


@case("task/robustness/garbage", service="task", requirements=("TCP-018",), accept=UNHARMED, explores=True)
def test_garbage(target: Target) -> str:
    """Bytes without any plan, then a reset: other connections are served as before."""
    with ExitStack() as stack:
        bystanders = companions(target, stack)

        def check(data: bytes) -> None:
            with client(target) as stranger:
                stranger.peer.send(data + b"\n" + data)
                stranger.peer.reset()
            for bystander in bystanders:
                bystander.usable()

        explore(target, garbage(), check)
    return "unharmed"
