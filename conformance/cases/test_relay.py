"""The relay: a WebSocket in front of the task service, which passes requests on and never waits for them.

What a task answers is the task section's business; here it is that every reply finds its way back, when it is
ready, once, and to the client that asked.
"""

from contextlib import ExitStack

from conformance.case import Violation, case
from conformance.cases.conversation import conversations, play
from conformance.cases.tasks import (
    Client,
    Json,
    Reply,
    accepted,
    answers,
    client,
    delivered,
    in_less_than,
    refuses,
    request,
    send_mails,
)
from conformance.exploration import explore
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode

ANSWERED = {"answered": "pass"}
UNHARMED = {"unharmed": "pass"}

LONG = 1.0
"""Seconds of a task that others have to overtake."""

CROWD = 20
"""Clients, or requests of one client, at the same time."""

MAILS = [f"relayed-{number}@example.org" for number in range(200)]


def ping(caller: Client) -> None:
    """`pong` is the very next message."""
    caller.peer.send(websocket.encode(Opcode.TEXT, b"ping"))
    websocket.expect(caller.peer, Opcode.TEXT, b"pong")


# --- passed on, and back -----------------------------------------------------------------------------------


@case("relay/functions/results", service="relay", requirements=("TASK-001",), accept=ANSWERED)
def test_results(target: Target) -> str:
    """Requests with and without arguments are passed on, and their results come back, as text messages."""
    value: Json = [None, True, 0, -1.5, "Straße 世界 😀", {"": {"a": []}}]
    with client(target) as caller:
        caller.exchange("echo", {"value": value}, value, id=1)
        caller.exchange("add", {"a": 2**40, "b": -1}, 2**40 - 1, id=2)
        caller.exchange("sleep", {"seconds": 0.01}, 0.01)
        if not isinstance(caller.ask("worker").get("pid"), int):
            raise Violation("wrong-answer", "`worker` through the relay gives no pid")
    return "answered"


@case("relay/functions/long-text", service="relay", requirements=("TASK-001",), accept=ANSWERED)
def test_long_text(target: Target) -> str:
    """A request and a reply of a hundred kilobytes pass whole."""
    value = "long ✓ " * 10_000
    with client(target) as caller:
        caller.exchange("echo", {"value": value}, value, id=1)
    return "answered"


@case("relay/id/unchanged", service="relay", requirements=("TASK-002",), accept=ANSWERED)
def test_id_unchanged(target: Target) -> str:
    """The client's `id` comes back as it was, in results and in errors; where there was none, none comes."""
    identities: list[Json] = ["a", "", 0, 1.5, False, None, [], {"a": [1]}]
    with client(target) as caller:
        for identity in identities:
            caller.exchange("add", {"a": 1, "b": 2}, 3, id=identity)
            caller.call("fail", {"message": "no"}, id=identity)
            caller.expect_error("no", id=identity)
        caller.exchange("echo", {"value": 1}, 1)
        caller.call("fail", {"message": "no"})
        caller.expect_error("no")
    return "answered"


@case("relay/errors/from-the-task", service="relay", requirements=("TASK-001",), accept=ANSWERED)
def test_errors_from_the_task(target: Target) -> str:
    """A failed task, an unknown function and wrong arguments come back as errors; the connection goes on."""
    calls: tuple[tuple[str, Json], ...] = (
        ("fail", {"message": "no"}),
        ("unheard-of", {}),
        ("echo", {"values": 1}),
        ("add", {"a": 1}),
    )
    with client(target) as caller:
        for function, args in calls:
            caller.call(function, args, id=function)
            caller.expect_error(id=function)
            ping(caller)
    return "answered"


@case("relay/errors/no-request", service="relay", requirements=("TASK-001",), accept=ANSWERED)
def test_no_request(target: Target) -> str:
    """A message that is no request, text or binary, gets an error; the connection goes on."""
    messages = (b"nonsense", b"{", b"", b"[]", b"1", b'"ping"', b"null", b'{"function": "echo"')
    with client(target) as caller:
        for message in messages:
            caller.send(message)
            caller.expect_refusal()
            ping(caller)
    return "answered"


@case("relay/replies/once", service="relay", requirements=("TASK-002",), accept=ANSWERED)
def test_replies_once(target: Target) -> str:
    """A reply that takes a while comes once, and nothing after it."""
    with client(target) as caller:
        caller.exchange("sleep", {"seconds": LONG / 2}, LONG / 2, id=1)
        caller.peer.silent()
        ping(caller)
    return "answered"


@case("relay/conversation/any", service="relay", requirements=("TASK-002",), accept=ANSWERED, explores=True)
def test_any_conversation(target: Target) -> str:
    """Whatever three clients ask, in whatever order: each gets what it is owed, once, and nothing else."""
    explore(target, conversations(), lambda steps: play(target, steps, ordered=False), examples=25)
    return "answered"


# --- nobody waits ------------------------------------------------------------------------------------------


@case("relay/ping/while-tasks-sleep", service="relay", requirements=("TASK-017",), accept=ANSWERED)
def test_ping_while_tasks_sleep(target: Target) -> str:
    """`ping` is answered at once while twenty requests of the same client are in flight."""
    with client(target) as caller:
        caller.send(*(request("sleep", {"seconds": LONG}, id=number) for number in range(CROWD)))
        with in_less_than(LONG / 2, "`sleep`"):
            for _ in range(5):
                ping(caller)
        for reply in replies(caller, CROWD):
            if not answers(reply, LONG, {"id": reply.get("id")}):
                raise Violation("wrong-answer", f"the result {LONG} was due, {reply} came")
    return "answered"


def replies(caller: Client, count: int) -> list[Reply]:
    """So many replies, each with another `id` from 0 on, in whatever order. Raises Violation."""
    came = [caller.reply() for _ in range(count)]
    if (ids := sorted(str(reply.get("id")) for reply in came)) != sorted(map(str, range(count))):
        raise Violation("wrong-answer", f"the ids 0 to {count - 1} were due, once each; {ids} came")
    return came


@case(
    "relay/ping/while-tasks-block",
    service="relay",
    requirements=("TASK-017",),
    accept=ANSWERED,
    needs=("workers.task",),
)
def test_ping_while_tasks_block(target: Target) -> str:
    """`ping` is answered at once, to every client, while every task process is blocked."""
    with ExitStack() as stack:
        caller, other = (stack.enter_context(client(target)) for _ in range(2))
        count = target.workers["task"]
        caller.send(*(request("block", {"seconds": LONG}, id=number) for number in range(count)))
        with in_less_than(LONG / 2, "`block`"):
            for _ in range(5):
                ping(caller)
                ping(other)
        for _ in range(count):
            caller.reply(within=count * LONG + target.calibration.deadline)
    return "answered"


@case("relay/order/fast-overtakes-slow", service="relay", requirements=("TASK-002",), accept=ANSWERED)
def test_fast_overtakes_slow(target: Target) -> str:
    """A fast request behind a slow one is answered first, and at once."""
    with client(target) as caller:
        caller.send(request("sleep", {"seconds": LONG}, id="slow"), request("echo", {"value": 1}, id="fast"))
        with in_less_than(LONG / 2, "the request before it"):
            caller.expect(1, id="fast")
        caller.expect(LONG, id="slow")
    return "answered"


# --- many at once ------------------------------------------------------------------------------------------


@case("relay/clients/never-mixed", service="relay", requirements=("TASK-011",), accept=ANSWERED)
def test_never_mixed(target: Target) -> str:
    """Twenty clients use the same ids at the same time: each gets its own values."""
    with ExitStack() as stack:
        callers = [stack.enter_context(client(target)) for _ in range(CROWD)]
        for place, caller in enumerate(callers):
            caller.send(*(request("echo", {"value": [place, number]}, id=number) for number in range(10)))
        for place, caller in enumerate(callers):
            for reply in replies(caller, 10):
                if not answers(reply, [place, reply["id"]], {"id": reply["id"]}):
                    raise Violation("wrong-answer", f"client {place} got {reply}")
    return "answered"


@case(
    "relay/mail/two-hundred", service="relay", requirements=("TASK-011", "TASK-016"), accept=ANSWERED,
    needs=("process",),
)  # fmt: skip
def test_two_hundred_mails(target: Target) -> str:
    """Two hundred mails in one segment: all accepted, each once in the outbox."""
    with client(target) as caller:
        send_mails(caller, MAILS)
        accepted(caller, MAILS)
        ping(caller)
    delivered(target, MAILS)
    return "answered"


# --- leaving, and the death of a task process --------------------------------------------------------------


@case("relay/leaving/in-mid-request", service="relay", requirements=("TASK-011",), accept=UNHARMED)
def test_leaving(target: Target) -> str:
    """Clients that leave, with FIN or a reset, before their reply: nobody else notices, or gets it."""
    with client(target) as bystander:
        bystander.call("sleep", {"seconds": 0.3}, id="mine")
        for leave in (Peer.reset, Peer.close) * 5:
            with client(target) as leaver:
                leaver.send(request("sleep", {"seconds": 0.1}, id="mine"), request("echo", {"value": 1}))
                leave(leaver.peer)
        bystander.expect(0.3, id="mine")
        bystander.usable()
        ping(bystander)
    return "unharmed"


@case("relay/crash/error-reply", service="relay", requirements=("TASK-006",), accept=ANSWERED, fresh=True)
def test_crash(target: Target) -> str:
    """A task process that dies over a request: an error reply, not silence, and the next request works."""
    with client(target) as caller:
        caller.call("crash", {}, id="fatal")
        caller.expect_error(id="fatal")
        ping(caller)
        for _ in range(10):
            caller.usable()
    return "answered"


@case(
    "relay/crash/others-in-flight", service="relay", requirements=("TASK-006",), accept=ANSWERED, fresh=True
)
def test_crash_others_in_flight(target: Target) -> str:
    """What is in flight when a task process dies is answered once each: with its result or with an error."""
    with client(target) as caller:
        sleeps = [request("sleep", {"seconds": LONG / 2}, id=number) for number in range(1, CROWD)]
        caller.send(*sleeps, request("crash", id=0))
        for reply in replies(caller, CROWD):
            identity = {"id": reply["id"]}
            if not refuses(reply, identity) and not answers(reply, LONG / 2, identity):
                raise Violation("wrong-answer", f"{LONG / 2} or an error was due, {reply} came")
        caller.usable()
    return "answered"
