"""Task requests and replies (contract, section 3), over the text protocol or a relay's WebSocket.

    with client(target) as caller:
        caller.exchange("add", {"a": 1, "b": 2}, 3, id=7)

A request without `id` and one with `"id": null` are two things, so an identity is a dictionary: `{}` or
`{"id": ANY}`; it is given as keyword arguments.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from conformance.outcomes import Inconclusive, Violation
from conformance.target.view import Target
from conformance.wire import text, websocket
from conformance.wire.clock import clock
from conformance.wire.peer import Peer, watch
from conformance.wire.render import excerpt
from conformance.wire.websocket import Opcode

Json = Any
Reply = dict[str, Json]

LARGEST = 2**53 - 1
"""The largest integer that every JSON implementation keeps exact (RFC 8259, section 6)."""

OCCUPIED = 0.3
"""Seconds that a process is kept busy, so that another one takes the next connection."""

PATIENCE = 5.0
"""Seconds in which every process of a service has to be met once."""


def request(function: Json, args: Json = None, **identity: Json) -> bytes:
    """One request, in UTF-8 without escapes; no `args` where they are None."""
    given = {} if args is None else {"args": args}
    return json.dumps({"function": function, **given, **identity}, ensure_ascii=False).encode()


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same: 1 and 1.0 are one number, 1 and true are not.

    A fraction or exponent makes a number a double, which others may write without it (RFC 8259, section 6).
    """
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if float in (type(one), type(other)) and {type(one), type(other)} <= {int, float}:
        return float(one) == float(other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def parse(message: bytes) -> Reply:
    """A reply of the contract's form: a result or an error, never both. Raises Violation `wrong-answer`."""
    try:
        reply = json.loads(message, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise Violation("wrong-answer", f"not JSON ({problem}): {excerpt(message)}") from problem
    if not isinstance(reply, dict) or reply.keys() - {"id"} not in ({"result"}, {"error"}):
        _wrong("an object with a result or an error, and perhaps an id,", message)
    if "error" in reply and not _is_error(reply["error"]):
        _wrong("an error with type and message", message)
    return reply


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_error(error: Json) -> bool:
    return isinstance(error, dict) and all(isinstance(error.get(key), str) for key in ("type", "message"))


def _wrong(due: str, came: bytes) -> NoReturn:
    raise Violation("wrong-answer", f"{due} was due, {excerpt(came, 120)} came")


def answers(reply: Reply, result: Json, identity: Reply) -> bool:
    """Whether the reply is this result with this identity, neither more nor less."""
    return same(reply, {**identity, "result": result})


def refuses(reply: Reply, identity: Reply, message: str | None = None) -> bool:
    """Whether the reply is an error with this identity and, where one is given, this message."""
    right = message is None or reply.get("error", {}).get("message") == message
    return "error" in reply and right and same(identity_of(reply), identity)


def identity_of(reply: Reply) -> Reply:
    """The reply's `id`, as a dictionary with or without it."""
    return {"id": reply["id"]} if "id" in reply else {}


@dataclass(frozen=True)
class Client:
    """A caller of tasks on one connection; `wrap` and `unwrap` are the protocol around a JSON message."""

    peer: Peer
    wrap: Callable[[bytes], bytes]
    unwrap: Callable[[Peer, float | None], bytes]

    def send(self, *requests: bytes) -> None:
        """All the requests in one segment."""
        self.peer.send(b"".join(map(self.wrap, requests)))

    def call(self, function: Json, args: Json = None, **identity: Json) -> None:
        """Send one request."""
        self.send(request(function, args, **identity))

    def exchange(self, function: str, args: Json, result: Json, **identity: Json) -> None:
        """Send one request, and expect its result next."""
        self.call(function, args, **identity)
        self.expect(result, **identity)

    def reply(self, within: float | None = None) -> Reply:
        """The next reply, whatever it says."""
        return parse(self.unwrap(self.peer, within))

    def expect(self, result: Json, **identity: Json) -> None:
        """The next reply is this one."""
        reply = self.reply()
        if not answers(reply, result, identity):
            _wrong(_shown({**identity, "result": result}), _shown(reply).encode())

    def expect_error(self, message: str | None = None, **identity: Json) -> None:
        """The next reply is an error, with this message if one is given."""
        reply = self.reply()
        if not refuses(reply, identity, message):
            due = "an error" if message is None else f"the error {message!r}"
            _wrong(f"{due} with the identity {_shown(identity)}", _shown(reply).encode())

    def expect_refusal(self) -> None:
        """The next reply is an error to bytes that are no request; its `id` is missing or null."""
        reply = self.reply()
        if not refuses(reply, {}) and not refuses(reply, {"id": None}):
            _wrong("an error without id", _shown(reply).encode())

    def ask(self, function: str, args: Json = None) -> Json:
        """The result of one call; Violation `wrong-answer` for an error."""
        self.call(function, args)
        reply = self.reply()
        if reply.keys() != {"result"}:
            _wrong(f"the result of {function}", _shown(reply).encode())
        return reply["result"]

    def underway(self) -> None:
        """Leave time to begin with what was called. Raises Inconclusive where the reply has come by now."""
        watch([self.peer], self.peer.calibration.quiet)
        if self.peer.waiting:
            raise Inconclusive("the reply came before what was to happen meanwhile")

    def usable(self) -> None:
        """One more exchange on this connection, and nothing before its reply."""
        self.exchange("echo", {"value": "still here"}, "still here", id="usable")


def _shown(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _read_text(peer: Peer, within: float | None) -> bytes:
    """One WebSocket message, which has to be text, in one frame or several."""
    frame = websocket.read(peer, within)
    if frame.opcode is not Opcode.TEXT:
        _wrong("a text message", frame.payload)
    message = frame.payload
    while not frame.fin:
        frame = websocket.read(peer, within)
        message += frame.payload
    return message


@contextmanager
def client(target: Target, service: str | None = None) -> Iterator[Client]:
    """A new client of the `task` or the `relay` service; the case's own by default."""
    name = service or target.case.service
    with target.connect(name) as peer:
        if name == "relay":
            websocket.upgrade(peer)
            yield Client(peer, lambda message: websocket.encode(Opcode.TEXT, message), _read_text)
        else:
            yield Client(peer, text.encode, text.read)


def companions(target: Target, stack: ExitStack) -> tuple[Client, Client]:
    """Two clients of the same task process; `stack` closes them, and all that were opened to find them."""
    met: dict[int, Client] = {}
    for _ in range(target.workers.get("task", 15) + 1):
        caller = stack.enter_context(client(target, "task"))
        pid = caller.ask("worker")["pid"]
        if pid in met:
            return met[pid], caller
        met[pid] = caller
    raise Violation("too-many-processes", f"{len(met)} connections went to as many processes: {sorted(met)}")


def one_of_each(target: Target, stack: ExitStack) -> dict[int, tuple[Client, Reply]]:
    """For every process of the `task` service, by pid: a client of it, and what `worker` says there.

    Each process that has answered is kept busy, so that another one has to take the next connection. Raises
    Violation `too-few-processes`.
    """
    wanted, found = target.workers["task"], dict[int, tuple[Client, Reply]]()
    limit = clock() + PATIENCE
    while len(found) < wanted:
        if clock() > limit:
            raise Violation("too-few-processes", f"{wanted} are declared, only {sorted(found)} answer")
        caller = stack.enter_context(client(target, "task"))
        myself = caller.ask("worker")
        found.setdefault(myself["pid"], (caller, myself))
        caller.call("block", {"seconds": OCCUPIED})
    for caller, _myself in found.values():
        caller.expect(OCCUPIED)
    return found


def bystanders(target: Target, stack: ExitStack) -> list[Client]:
    """A client of every task process where their number is declared, else two of one process."""
    if "task" not in target.workers:
        return list(companions(target, stack))
    return [caller for caller, _ in one_of_each(target, stack).values()]


def processes(target: Target) -> dict[int, Reply]:
    """What every process of the `task` service says about itself, by pid. Raises Violation."""
    with ExitStack() as stack:
        return {pid: myself for pid, (_, myself) in one_of_each(target, stack).items()}


@contextmanager
def in_less_than(seconds: float, what: str) -> Iterator[None]:
    """What is done here takes no longer, but for what the machine takes: half of what is in flight is usual,
    to tell at once who waits for it. Raises Violation `held-up`.
    """
    started = clock.exactly()
    try:
        yield
    except Violation as violation:
        if violation.outcome != "no-answer":
            raise
        raise Violation("held-up", f"{what} in flight held others up: {violation.detail}") from violation
    if (taken := clock.exactly() - started) >= seconds:
        raise Violation("held-up", f"{what} in flight held others up: they took {taken:.1f} s")


# --- mail --------------------------------------------------------------------------------------------------


def send_mails(caller: Client, addresses: Sequence[str]) -> None:
    """Ask for a mail to each address, all in one segment; the address serves as `id`."""
    mails = [{"to": address, "subject": "news", "body": f"Hello {address} ✓"} for address in addresses]
    caller.send(*(request("send_mail", mail, id=mail["to"]) for mail in mails))


def accepted(caller: Client, addresses: Sequence[str]) -> None:
    """Every mail is accepted once, in whatever order. Raises Violation."""
    owed = set(addresses)
    while owed:
        reply = caller.reply()
        address = reply.get("id")
        if address not in owed or not answers(reply, {"accepted": address}, {"id": address}):
            _wrong(f"an acceptance of one of {len(owed)} mails", _shown(reply).encode())
        owed.remove(address)
    caller.usable()


def delivered(target: Target, addresses: Sequence[str]) -> None:
    """Every mail is a line of JSON in the outbox, once. Raises Violation `lost`, `repeated`, `garbled`."""
    lines = Path(target.copy.folder.lookup("outbox")).read_text(encoding="utf-8").splitlines()
    times = Counter(_addressee(line) for line in lines)
    if lost := [address for address in addresses if not times[address]]:
        raise Violation("lost", f"{len(lost)} accepted mails are not in the outbox: {', '.join(lost[:5])}")
    if repeated := [address for address in addresses if times[address] > 1]:
        raise Violation("repeated", f"{len(repeated)} mails stand there twice: {', '.join(repeated[:5])}")


def _addressee(line: str) -> str:
    """To whom a line of the outbox went. Raises Violation `garbled`."""
    try:
        return str(json.loads(line)["to"])
    except (ValueError, TypeError, KeyError) as problem:
        raise Violation("garbled", f"no mail as a line of JSON in the outbox: {line!r:.100}") from problem
