"""Tasks: what each function of the contract's section 3 answers, and the mail that is sent once."""

from contextlib import ExitStack
from pathlib import Path

from conformance.case import Violation, case
from conformance.cases.conversation import values
from conformance.cases.tasks import (
    LARGEST,
    Client,
    Json,
    accepted,
    client,
    companions,
    delivered,
    one_of_each,
    send_mails,
)
from conformance.exploration import explore
from conformance.target.process import wait_until
from conformance.target.view import Target

ANSWERED = {"answered": "pass"}

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
