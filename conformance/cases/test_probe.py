"""Connections from inside: callbacks, ids, statuses, limits and methods, through the probe (contract, section
5).

Every case asks the connection to do something and reads two accounts of it: the bytes on the wire, and the
target's own log of callbacks. Neither may miss what the other has.
"""

from collections.abc import Callable
from typing import Any

from conformance.case import Violation, case
from conformance.cases.probing import Control, act, control, parsed, probe, verb
from conformance.cases.tasks import same
from conformance.target.view import Target
from conformance.wire import text
from conformance.wire.peer import Peer

CONTROL = ("endpoint.probe.control",)
AS_ASKED = {"as-asked": "pass"}

ESTABLISHED, CLOSED = 2, 16
SEND_FAIL = 2

BULK, PIECES = 100_000, 300
"""30 MB in messages that are taken one by one: no kernel buffer holds so many, and no limit lets all pass."""

LIMIT = 1000
"""Bytes of a send buffer that is full at once, when the kernel takes no more."""

SMALL_BUFFER = 4096
"""What this side's kernel keeps for a peer that does not read."""

PAUSE = 0.4
"""Seconds; long beside any round trip of a machine that is quiet enough to judge."""


def check(right: object, due: str, came: object) -> None:
    """Raise Violation `wrong-answer` unless it is right."""
    if not right:
        raise Violation("wrong-answer", f"{due} was due, {came!r} came")


# --- life --------------------------------------------------------------------------------------------------


def fin(peer: Peer) -> None:
    """The client's FIN."""
    peer.finish()


def reset(peer: Peer) -> None:
    """The client's reset."""
    peer.reset()


def closed(peer: Peer) -> None:
    """The connection's own close."""
    peer.send(verb("close"))


def ended(peer: Peer) -> None:
    """The connection's own end."""
    peer.send(verb("end"))


def destroyed(peer: Peer) -> None:
    """The connection's own destroy."""
    peer.send(verb("destroy"))


def oversize(peer: Peer) -> None:
    """A message over the limit."""
    act(peer, "set", max_package_size=100)
    peer.send(b"x" * 101 + b"\n")


def one_life(target: Target, how: Callable[[Peer], None]) -> str:
    """One connect, then messages, then one close, with the status that belongs to it."""
    with probe(target) as (service, peer):
        me = act(peer, "info")["id"]
        how(peer)
        service.until(me, "close")
        log = service.events(me)
    names = [event.callback for event in log]
    check(names[0] == "connect", "connect as the first callback", names)
    check(names[-1] == "close", "close as the last callback", names)
    check(names.count("connect") == names.count("close") == 1, "one connect and one close", names)
    check(log[-1].detail == CLOSED, f"status {CLOSED} in the close callback", log[-1].detail)
    return "as-asked"


def life_case(name: str, how: Callable[[Peer], None]) -> Callable[[Target], str]:
    """The case of one ending."""

    def test(target: Target) -> str:
        return one_life(target, how)

    test.__doc__ = f"{(how.__doc__ or '').rstrip('.')}: one connect, one close, in this order."
    test.__name__ = f"test_life_{name}"
    register = case(
        f"probe/life/{name}", service="probe.text", requirements=("TCP-004",), accept=AS_ASKED, needs=CONTROL
    )
    return register(test)


test_life_fin = life_case("fin", fin)
test_life_reset = life_case("reset", reset)
test_life_close = life_case("close", closed)
test_life_end = life_case("end", ended)
test_life_destroy = life_case("destroy", destroyed)
test_life_oversize = life_case("oversize", oversize)


@case("probe/id/increasing", service="probe.text", requirements=("TCP-003",), accept=AS_ASKED, needs=CONTROL)
def test_ids_increase(target: Target) -> str:
    """Ids are positive integers that increase from one connection to the next and never come again."""
    ids: list[Any] = []
    with control(target), target.connect() as first:
        ids.append(act(first, "info")["id"])
        for _ in range(3):
            with target.connect() as peer:
                ids.append(act(peer, "info")["id"])
    check(all(type(each) is int and each > 0 for each in ids), "positive integers", ids)
    check(ids == sorted(set(ids)), "ids that increase", ids)
    return "as-asked"


@case("probe/id/overwritten", service="probe.text", requirements=("TCP-003",), accept=AS_ASKED, needs=CONTROL)
def test_id_overwritten(target: Target) -> str:
    """An application that overwrites the id of a connection loses no connection by it."""
    with control(target) as service:
        before = service.ask("counters")["connections"]
        with target.connect() as peer:
            mine = act(peer, "info")["id"]
            check(act(peer, "set", id=mine + 1000)["id"] == mine + 1000, "the new id", mine)
            peer.send(verb("close"))
            peer.ending()
        service.until(mine + 1000, "close")
        after = service.ask("counters")["connections"]
    check(after == before, f"{before} connections", after)
    return "as-asked"


# --- what it says of itself --------------------------------------------------------------------------------


@case("probe/info/addresses", service="probe.text", requirements=("TCP-006",), accept=AS_ASKED, needs=CONTROL)
def test_info_addresses(target: Target) -> str:
    """A connection knows both its ends as the client does."""
    address = target.endpoint()
    with target.connect() as peer:
        info = act(peer, "info")
        own = peer.local_port
    due = {
        "remote_ip": "127.0.0.1",
        "remote_port": own,
        "remote_address": f"127.0.0.1:{own}",
        "local_ip": address.host,
        "local_port": address.port,
        "local_address": f"{address.host}:{address.port}",
    }
    came = {name: info.get(name) for name in due}
    check(came == due, repr(due), came)
    return "as-asked"


@case("probe/info/status", service="probe.text", requirements=("TCP-005",), accept=AS_ASKED, needs=CONTROL)
def test_info_status(target: Target) -> str:
    """A connection that exchanges messages is ESTABLISHED: 2."""
    with target.connect() as peer:
        status = act(peer, "info")["status"]
    check(same(status, ESTABLISHED), "status 2", status)
    return "as-asked"


@case("probe/info/counters", service="probe.text", requirements=("TCP-008",), accept=AS_ASKED, needs=CONTROL)
def test_info_counters(target: Target) -> str:
    """Bytes are counted with their framing, received and written ones apart."""
    with target.connect() as peer:
        peer.send(verb("info"))
        line = text.read(peer)
        first, asked = parsed(line), len(verb("info"))
        peer.send(b"abc\n")
        peer.expect(b"abc\n")
        second = act(peer, "info")
    for info, due in ((first, [asked, 0]), (second, [2 * asked + 4, len(line) + 5])):
        check(same([info["bytes_read"], info["bytes_written"]], due), f"bytes read and written {due}", info)
    return "as-asked"


# --- sending -----------------------------------------------------------------------------------------------

VALUES: tuple[tuple[Any, bytes], ...] = ((123, b"123"), (-1, b"-1"), (1.5, b"1.5"), ("käse", "käse".encode()))


@case("probe/send/scalars", service="probe.text", requirements=("TCP-009",), accept=AS_ASKED, needs=CONTROL)
def test_send_scalars(target: Target) -> str:
    """Numbers and strings are sent in their text form, lists and objects as JSON."""
    with target.connect() as peer:
        for value, spelled in VALUES:
            peer.send(verb("send", value=value))
            peer.expect(spelled + b"\n")
            accepted(parsed(text.read(peer)), 1)
        for value in ([1, "two", None], {"a": [True]}):
            check(same(act(peer, "send", value=value), value), repr(value), "something else")
            accepted(parsed(text.read(peer)), 1)
    return "as-asked"


def accepted(answers: Any, count: int) -> None:
    """So many return values, none of them a refusal."""
    fine = (
        isinstance(answers, list) and len(answers) == count and all(each in (True, None) for each in answers)
    )
    check(fine, f"{count} times true or null", answers)


@case("probe/send/in-order", service="probe.text", requirements=("FLOW-001",), accept=AS_ASKED, needs=CONTROL)
def test_send_in_order(target: Target) -> str:
    """What is accepted is said to be, and comes, each message once."""
    with target.connect() as peer:
        peer.send(verb("send", value="one", n=3))
        peer.expect(b"one\none\none\n")
        accepted(parsed(text.read(peer)), 3)
    return "as-asked"


def flood(service: Control, peer: Peer) -> tuple[int, int, Any]:
    """Ask for far more than fits while nobody reads; then read all: messages that came, errors in the log,
    and the list of return values, if it was not refused itself.
    """
    me = act(peer, "set", max_send_buffer_size=LIMIT)["id"]
    peer.send(verb("send", value="x" * BULK, n=PIECES))
    service.until(me, "error")
    peer.send(verb("close", data="[]"))
    came = peer.rest().split(b"\n")
    whole = came.count(b"x" * BULK)
    rest = [line for line in came if line not in (b"x" * BULK, b"")]
    check(rest[-1:] == [b"[]"], "the last words", rest)
    check(len(rest) <= 2, "whole messages, the return values, and the last words", len(rest))
    errors = [event for event in service.events(me) if event.callback == "error"]
    check(all(event.detail[0] == SEND_FAIL for event in errors), "error code 2", errors[:2])
    return whole, len(errors), parsed(rest[0]) if len(rest) == 2 else None


@case("probe/send/limit", service="probe.text", requirements=("FLOW-002",), accept=AS_ASKED, needs=CONTROL)
def test_send_limit(target: Target) -> str:
    """Over the limit a message is dropped whole, with an error for each; what was accepted comes."""
    with probe(target, SMALL_BUFFER) as (service, peer):
        whole, errors, answers = flood(service, peer)
    check(0 < whole < PIECES, "some messages, not all", whole)
    refused = PIECES - whole + (answers is None)
    check(errors == refused, f"{refused} errors, one for each message that did not come", errors)
    return "as-asked"


@case("probe/send/farewell", service="probe.text", requirements=("TCP-011",), accept=AS_ASKED, needs=CONTROL)
def test_farewell(target: Target) -> str:
    """The last words are said though the buffer was full."""
    with probe(target, SMALL_BUFFER) as (service, peer):
        flood(service, peer)
    return "as-asked"


@case("probe/send/counted", service="probe.text", requirements=("FLOW-006",), accept=AS_ASKED, needs=CONTROL)
def test_send_counted(target: Target) -> str:
    """Every refused message is counted once."""
    with probe(target, SMALL_BUFFER) as (service, peer):
        before = service.ask("counters")["send_fail"]
        _, errors, _ = flood(service, peer)
        after = service.ask("counters")["send_fail"]
    check(after - before == errors, f"{errors} more", after - before)
    return "as-asked"


@case(
    "probe/buffer/full-once", service="probe.text", requirements=("FLOW-003",), accept=AS_ASKED, needs=CONTROL
)
def test_buffer_full_once(target: Target) -> str:
    """One flood fills the buffer once."""
    with probe(target, SMALL_BUFFER) as (service, peer):
        me = act(peer, "info")["id"]
        flood(service, peer)
        names = service.names(me)
    check(names.count("buffer_full") == 1, "one buffer_full", names.count("buffer_full"))
    check(
        names.index("buffer_full") < names.index("error"), "buffer_full before the first refusal", names[:4]
    )
    return "as-asked"


@case(
    "probe/buffer/not-full", service="probe.text", requirements=("FLOW-003",), accept=AS_ASKED, needs=CONTROL
)
def test_buffer_not_full(target: Target) -> str:
    """A buffer below its limit is not full: no buffer_full, no refusal."""
    with probe(target) as (service, peer):
        me = act(peer, "set", max_send_buffer_size=BULK * PIECES)["id"]
        peer.send(verb("send", value="x" * BULK, n=PIECES // 2))
        peer.expect((b"x" * BULK + b"\n") * (PIECES // 2))
        accepted(parsed(text.read(peer)), PIECES // 2)
        names = service.names(me)
    check(not {"buffer_full", "error"} & set(names), "neither buffer_full nor error", names)
    return "as-asked"


@case("probe/buffer/drain", service="probe.text", requirements=("FLOW-004",), accept=AS_ASKED, needs=CONTROL)
def test_buffer_drain(target: Target) -> str:
    """A buffer that had something and is empty says so once, also when it was never full."""
    with probe(target, SMALL_BUFFER) as (service, peer):
        me = act(peer, "set", max_send_buffer_size=BULK * PIECES)["id"]
        peer.send(verb("send", value="x" * BULK, n=PIECES // 2))
        service.until(me, "message")
        check("buffer_drain" not in service.names(me), "no buffer_drain before anything is read", "one")
        peer.expect((b"x" * BULK + b"\n") * (PIECES // 2))
        accepted(parsed(text.read(peer)), PIECES // 2)
        service.until(me, "buffer_drain")
        count = service.names(me).count("buffer_drain")
    check(count == 1, "one buffer_drain", count)
    return "as-asked"


@case("probe/limit/own", service="probe.text", requirements=("FLOW-005",), accept=AS_ASKED, needs=CONTROL)
def test_limit_own(target: Target) -> str:
    """A limit that is set on one connection is this one's only."""
    with target.connect() as other, target.connect() as peer:
        changed = act(peer, "set", max_package_size=60, max_send_buffer_size=LIMIT)
        check(
            (changed["max_package_size"], changed["max_send_buffer_size"]) == (60, LIMIT),
            "the limits",
            changed,
        )
        info = act(other, "info")
        check(info["max_send_buffer_size"] != LIMIT, "the limit of the other connection", info)
        other.send(b"x" * 61 + b"\n")
        other.expect(b"x" * 61 + b"\n")
        peer.send(b"x" * 60 + b"\n")
        peer.expect(b"x" * 60 + b"\n")
        peer.send(b"x" * 61 + b"\n")
        check(peer.ending() != "open", "the end of the connection", "nothing")
    return "as-asked"


# --- closing -----------------------------------------------------------------------------------------------


@case("probe/close/data", service="probe.text", requirements=("TCP-010",), accept=AS_ASKED, needs=CONTROL)
def test_close_data(target: Target) -> str:
    """The data that close is given comes before the FIN; an empty message is one, too."""
    for data in ("bye", ""):
        with target.connect() as peer:
            peer.send(verb("close", data=data))
            peer.expect(data.encode() + b"\n")
            check(peer.ending() == "fin", "FIN", "no FIN")
    return "as-asked"


@case("probe/close/nothing", service="probe.text", requirements=("TCP-010",), accept=AS_ASKED, needs=CONTROL)
def test_close_nothing(target: Target) -> str:
    """Close without data says nothing, and what was sent before it comes."""
    with target.connect() as peer:
        peer.send(b"before\n" + verb("close"))
        peer.expect(b"before\n")
        check(peer.ending() == "fin", "FIN", "no FIN")
    return "as-asked"


@case("probe/close/behind", service="probe.text", requirements=("TCP-012",), accept=AS_ASKED, needs=CONTROL)
def test_close_behind(target: Target) -> str:
    """What stands behind the message that closed, in the same segment, reaches nobody."""
    for how in ("close", "end", "destroy"):
        with probe(target) as (service, peer):
            me = act(peer, "info")["id"]
            peer.send(b"before\n" + verb(how) + b"after\n")
            log = service.until(me, "close")
            details = [event.detail for event in log if event.callback == "message"]
            check("after" not in details, f"nothing behind {how}", details)
            check("before" in details, "what stood before it", details)
    return "as-asked"


@case("probe/end/data", service="probe.text", requirements=("TCP-014",), accept=AS_ASKED, needs=CONTROL)
def test_end_data(target: Target) -> str:
    """End says its data and FIN, and then waits for the client's own FIN."""
    with probe(target) as (service, peer):
        me = act(peer, "info")["id"]
        peer.send(verb("end", data="bye"))
        peer.expect(b"bye\n")
        check(peer.ending() == "fin", "FIN", "no FIN")
        peer.finish()
        service.until(me, "close")
    return "as-asked"


@case(
    "probe/destroy/discards", service="probe.text", requirements=("TCP-016",), accept=AS_ASKED, needs=CONTROL
)
def test_destroy_discards(target: Target) -> str:
    """Destroy ends at once: what still waits to be sent is not sent any more."""
    with probe(target, SMALL_BUFFER) as (service, peer):
        me = act(peer, "set", max_send_buffer_size=BULK * PIECES * 2)["id"]
        peer.send(verb("send", value="x" * BULK, n=PIECES) + verb("destroy"))
        service.until(me, "close")
        came = len(peer.rest())
    check(came < BULK * PIECES, f"less than {BULK * PIECES} bytes", came)
    check(peer.ended, "the end of the connection", "nothing")
    return "as-asked"


# --- receiving ---------------------------------------------------------------------------------------------


@case(
    "probe/pause/in-order", service="probe.text", requirements=("FLOW-007",), accept=AS_ASKED, needs=CONTROL
)
def test_pause_in_order(target: Target) -> str:
    """A paused connection handles nothing, not even what had come; afterwards everything, in order."""
    with probe(target) as (service, peer):
        me = act(peer, "info")["id"]
        peer.send(b"before\n" + verb("pause", seconds=PAUSE) + b"one\ntwo\n")
        peer.expect(b"before\n")
        peer.send(b"three\n")
        peer.expect(b"one\ntwo\nthree\n", within=PAUSE + peer.calibration.deadline)
        log = {event.detail: event.time for event in service.events(me) if event.callback == "message"}
    waited = log["one"] - log["before"]
    check(waited >= PAUSE * 0.95, f"{PAUSE} s without a message", waited)
    return "as-asked"


@case(
    "probe/later/from-a-timer",
    service="probe.text",
    requirements=("TCP-023",),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_later(target: Target) -> str:
    """A timer sends on the connection that set it, while others are served."""
    with target.connect() as other, target.connect() as peer:
        peer.send(verb("later", seconds=PAUSE, value="later"))
        other.send(b"meanwhile\n")
        other.expect(b"meanwhile\n")
        peer.expect(b"later\n", within=PAUSE + peer.calibration.deadline)
        other.silent()
    return "as-asked"


@case(
    "probe/throw/contained", service="probe.text", requirements=("TCP-019",), accept=AS_ASKED, needs=CONTROL
)
def test_throw_contained(target: Target) -> str:
    """An exception in a callback reaches at most the connection that it was about."""
    with target.connect() as other, target.connect() as peer:
        before = act(other, "info")["id"]
        peer.send(verb("throw"))
        peer.ending()
        other.send(b"still here\n")
        other.expect(b"still here\n")
        check(act(other, "info")["id"] == before, "the same connection", "another")
    return "as-asked"
