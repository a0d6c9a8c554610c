"""What reload and graceful reload have in common: new code, and what becomes of those who are in the middle.

Every function takes the name of the command, so that each rule can be a case of both. Old processes begin to
leave some time after the command has returned, when the new ones are there; `leaving` waits for that moment
by what everybody can see of it, the end of idle connections.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from time import monotonic

from conformance.cases.patience import left
from conformance.cases.processes import STOP, run, settled
from conformance.cases.tasks import Client, client, companions, one_of_each, send_mails
from conformance.cases.under_load import RENEWAL, reloaded, renewed
from conformance.outcomes import Violation
from conformance.target.fitness import FITNESS
from conformance.target.process import wait_until
from conformance.target.view import Target
from conformance.wire import websocket
from conformance.wire.peer import Peer
from conformance.wire.websocket import Opcode

CLIENTS = 6
"""Connections at once, so that most processes have some of them."""

BEGUN = 1.0
"""Seconds after which old processes of a server that closes no idle connections are taken to be leaving."""

GLANCE = 0.05
"""Seconds in which what is already there is seen."""

GOING_AWAY = 1001
"""RFC 6455, section 7.4.1."""


def command(target: Target, name: str) -> None:
    """Run one of the target's commands. Raises Violation `wrong-status`."""
    if status := run(target, name, RENEWAL):
        raise Violation("wrong-status", f"`{name}` of a running service ended with status {status}")


# --- new code ----------------------------------------------------------------------------------------------


def edit(target: Target, version: str) -> str:
    """Change the code: the file that `version` answers from. The new text."""
    Path(target.copy.folder.lookup("version")).write_text(version, encoding="utf-8")
    return version


def says(target: Target) -> str:
    """What `version` answers over a new connection."""
    with client(target, "task") as caller:
        return str(caller.ask("version"))


def runs(target: Target, version: str) -> None:
    """Every process answers with this version, and does so at once. Raises Violation `old-code`."""
    seen = set(_versions(target))
    if seen != {version}:
        raise Violation("old-code", f"the code is {version!r}, the processes answer {sorted(seen)}")


def _versions(target: Target) -> Iterator[str]:
    """The answers of all task processes where their number is declared, else over some connections."""
    if "task" not in target.workers:
        yield from (says(target) for _ in range(CLIENTS))
        return
    with ExitStack() as stack:
        for caller, _myself in one_of_each(target, stack).values():
            yield str(caller.ask("version"))


def new_code(target: Target, name: str) -> None:
    """An edit takes effect with the reload, in every process."""
    version = edit(target, "version 2, ✓\n")
    reloaded(target, name)
    runs(target, version)


def again_meanwhile(target: Target, name: str) -> None:
    """A reload that is asked for while another one goes on is not lost. Raises Violation `old-code`."""
    with client(target, "task") as caller:
        caller.usable()
        caller.call(
            "sleep", {"seconds": 1.0}, id=1
        )  # somebody to wait for, so that the first one takes a while
        edit(target, "version 2\n")
        command(target, name)
        version = edit(target, "version 3\n")
        command(target, name)
    if not wait_until(lambda: says(target) == version, 2 * RENEWAL, poll=0.1):
        raise Violation("old-code", f"{2 * RENEWAL:g} s after the second `{name}` there is {says(target)!r}")
    settled(target)
    if not wait_until(lambda: set(_versions(target)) == {version}, RENEWAL, poll=0.3):
        runs(target, version)


def broken_code(target: Target, name: str) -> None:
    """New code that cannot be loaded leaves the service up, and once it is put right a reload works."""
    settled(target)
    runs(target, says(target))  # every process has loaded what is about to be broken
    Path(target.copy.folder.lookup("version")).unlink()
    _up(target, target.process.launch(name))  # whether it waits, and what it says, is its own affair
    version = edit(target, "version 2, put right\n")
    target.process.launch(name)
    if not wait_until(lambda: says(target) == version, RENEWAL, poll=0.1):
        raise Violation("old-code", f"the code was put right, `{name}` ran, and there is {says(target)!r}")


def _up(target: Target, begun: Popen[bytes]) -> None:
    """Somebody answers, again and again, until a while after a command has ended. Raises Violation `down`."""

    def down() -> bool:
        try:
            says(target)
        except Violation as violation:
            raise Violation("down", f"with code that cannot be loaded: {violation}") from violation
        return False

    wait_until(lambda: down() or begun.poll() is not None, RENEWAL, poll=0.05)
    wait_until(down, BEGUN, poll=0.05)


# --- those in the middle -----------------------------------------------------------------------------------


@contextmanager
def waiting(target: Target, service: str | None = None, count: int = CLIENTS) -> Iterator[list[Peer]]:
    """Clients that have exchanged something, and are idle."""
    name = service or target.case.service
    with ExitStack() as stack:
        peers = [stack.enter_context(target.connect(name)) for _ in range(count)]
        for peer in peers:
            FITNESS[name].opening(peer)
            FITNESS[name].exchange(peer)
        yield peers


def leaving(idlers: list[Peer], within: float = BEGUN) -> None:
    """Wait until the old processes leave: all idle connections are closed, or a while is over."""
    limit = within
    for peer in idlers:
        peer.rest(within=limit)
        limit = within if peer.ended else 0.0


def in_flight(target: Target, name: str, function: str, seconds: float) -> None:
    """A request that takes a while when the command comes is answered; its connection ends after that."""
    with client(target) as caller:
        caller.usable()
        caller.call(function, {"seconds": seconds}, id=1)
        command(target, name)
        answered(caller, seconds)


def answered(caller: Client, seconds: float) -> None:
    """The request with the id 1, which takes that long, is answered. Raises Violation."""
    reply = caller.reply(within=seconds + caller.peer.calibration.deadline)
    if reply != {"id": 1, "result": seconds}:
        raise Violation("wrong-answer", f"the result {seconds:g} was due, {reply!r:.100} came")


def half_sent(target: Target, name: str) -> None:
    """Half a line, sent before the command, is completed after it, and answered."""
    with ExitStack() as stack:
        halves = [stack.enter_context(target.connect()) for _ in range(CLIENTS)]
        for number, peer in enumerate(halves):
            peer.send(b"first\n")
            peer.expect(b"first\n")
            peer.send(b"half %d and" % number)
        with waiting(target) as idlers:
            command(target, name)
            leaving(idlers)
            for number, peer in enumerate(halves):
                peer.send(b" half\n")
                peer.expect(b"half %d and half\n" % number)


def pending_output(target: Target, name: str) -> None:
    """A long answer that is still being read when the command comes arrives whole, and then the end."""
    line = b"x" * min(900_000, target.limits["max_package_size"]) + b"\n"
    with target.connect(receive_buffer=4096) as reader, waiting(target) as idlers:
        reader.send(line)
        first = reader.receive(1)
        command(target, name)
        leaving(idlers)
        rest = reader.exactly(len(line) - 1, within=STOP)
    if first + rest != line:
        raise Violation("wrong-answer", "the answer is not the line that was sent")


def idlers_end(target: Target, name: str) -> str:
    """How idle connections end: `fin`, unless some of them end otherwise."""
    with waiting(target) as idlers:
        command(target, name)
        since = monotonic()
        endings = {str(peer.ending(within=_left(since))) for peer in idlers}
    return ", ".join(sorted(endings))


def _left(since: float) -> float:
    """What is left of the time, and a glance at least: who waits for several does so at once."""
    return max(GLANCE, left(since, RENEWAL))


def told(target: Target, name: str) -> str:
    """What idle WebSocket clients are told before they see the end: `going-away`, or something else."""
    with waiting(target, "websocket") as idlers:
        command(target, name)
        since = monotonic()
        return ", ".join(sorted({farewell(peer, _left(since)) for peer in idlers}))


def farewell(peer: Peer, within: float = RENEWAL) -> str:
    """The Close frame's code in a word, or how the connection ended without one."""
    try:
        frame = websocket.read(peer, within=within)
    except Violation as ending:
        return ending.outcome
    if frame.opcode is not Opcode.CLOSE:
        raise Violation("unexpected-bytes", f"nobody asked for {frame.payload!r:.80}")
    return "going-away" if frame.close_code == GOING_AWAY else f"code-{frame.close_code}"


def stuck(target: Target, name: str, within: float = RENEWAL) -> None:
    """A process that hangs is killed by the deadline, and the reload goes on."""
    before = settled(target)
    with ExitStack() as stack:
        hang(target, stack)
        command(target, name)
        renewed(target, before, within)


def hang(target: Target, stack: ExitStack) -> None:
    """One task process hangs, and does so now. Raises Violation `does-not-hang`."""
    one, other = companions(target, stack)
    one.call("hang")

    def silent() -> bool:
        other.call("echo", {"value": 1})  # it may still overtake what is to block the process
        try:
            other.reply(within=other.peer.calibration.quiet)
        except Violation:
            return True
        return False

    if not wait_until(silent, STOP):
        raise Violation("does-not-hang", "the process of a task that hangs serves on")


def mails(target: Target, name: str) -> int:
    """Mails that are accepted are in the outbox once, the others not twice; how many were not accepted."""
    addresses = [[f"{number}.{place}@example.org" for place in range(30)] for number in range(CLIENTS)]
    with ExitStack() as stack:
        callers = [stack.enter_context(client(target)) for _ in addresses]
        for caller, names in zip(callers, addresses, strict=True):
            send_mails(caller, names)
        command(target, name)
        accepted = {address for caller in callers for address in _accepted(caller, len(addresses[0]))}
    _once(target, accepted)
    return sum(map(len, addresses)) - len(accepted)


def _accepted(caller: Client, count: int) -> Iterator[str]:
    """The mails that this client's replies accept, until they stop coming."""
    for _ in range(count):
        try:
            reply = caller.reply()
        except Violation as ending:
            if ending.outcome in {"fin", "reset"}:
                return
            raise
        if "result" in reply:
            yield str(reply["id"])


def _once(target: Target, accepted: set[str]) -> None:
    lines = Path(target.copy.folder.lookup("outbox")).read_text(encoding="utf-8").splitlines()
    sent = [address for line in lines for address in [line.split('"to"')[1].split('"')[1]]]
    if lost := accepted - set(sent):
        raise Violation("lost", f"{len(lost)} accepted mails are not in the outbox: {sorted(lost)[:5]}")
    if len(sent) > len(set(sent)):
        raise Violation("repeated", f"{len(sent) - len(set(sent))} mails stand in the outbox twice")
