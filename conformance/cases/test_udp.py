"""UDP: each datagram goes back to its sender, whole, once, and from where it was sent to (UDP).

A network may lose datagrams and change their order, and nothing else. So a `Datagrams` asks again where an
answer is missing, in whatever order the others come, and lets nothing pass that was not asked for. Where only
a few are on their way at a time no kernel has a reason to drop any: there it is counted how many had to be
asked again, since of several processes some may be deaf.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from hypothesis import strategies as st

from conformance.case import Violation, case
from conformance.cases.under_load import reloaded
from conformance.exploration import explore
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire.clock import clock
from conformance.wire.datagram import LARGEST, Datagrams

ECHOED = {"echoed": "pass"}
UNHARMED = {"unharmed": "pass"}

BURST = 24
"""Datagrams at once: so few that every kernel keeps them, so many that a server finds several waiting."""

CROWD = 300
"""Senders; more than any table that somebody set to a handful."""

TRICKLE = 300
"""Datagrams one after another."""

SPARE = 3
"""So many may get lost in a case that counts: somebody else may fill a buffer of this kernel."""

WINDOW = 64
"""Datagrams without an answer at one time: the smallest buffer of a socket has room for more."""

GARBAGE = (
    b"\xff\xfe\xfd", b"\xc3", b"\xed\xa0\x80", b"\0", b"\0\0\0\0", b"\0\0\0\3", b"\x7f\xff\xff\xffabc",
    b"\xff" * 16, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x81\x85\0\0\0\0hello", b'{"function": "crash"}',
    b'{"', b"%s%n%d", b"N" * 40, b"quit\n", b"\r\n.\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
)  # fmt: skip
"""What somebody may stumble over who looks into datagrams."""


def exchange(target: Target, *datagrams: bytes) -> str:
    """All of these from one new socket; their echoes come, and then nothing more."""
    with target.datagrams() as sender:
        sender.ask(*datagrams)
        sender.silent()
    return "echoed"


def counted(*senders: Datagrams) -> Observation:
    """Next to nothing had to be asked again. Raises Violation `loses-datagrams`."""
    again = sum(sender.retries for sender in senders)
    summary = f"{again} of {sum(sender.asked.total() for sender in senders) - again} had to be asked again"
    if again > SPARE:
        raise Violation("loses-datagrams", summary)
    return Observation("echoed", summary)


def distinct(target: Target, count: int, size: int = 24) -> list[bytes]:
    """Datagrams that nobody mistakes for each other."""
    return [b"%d %s" % (number, target.random.randbytes(size)) for number in range(count)]


@contextmanager
def several(target: Target, count: int) -> Iterator[Sequence[Datagrams]]:
    """This many senders at the same time."""
    with ExitStack() as stack:
        yield [stack.enter_context(target.datagrams()) for _ in range(count)]


# --- sizes and bytes ---------------------------------------------------------------------------------------


@case("udp/size/empty", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_empty(target: Target) -> str:
    """A datagram without a byte is a message as any other."""
    return exchange(target, b"")


@case("udp/size/empty-among-others", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_empty_among_others(target: Target) -> str:
    """Empty datagrams between others are each answered, and end nothing."""
    return exchange(target, b"before", b"", b"between", b"", b"", b"after")


@case("udp/size/one-byte", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_one_byte(target: Target) -> str:
    """One byte, of every value, each a datagram."""
    with target.datagrams() as sender:
        for value in range(256):
            sender.ask(bytes([value]))
        sender.silent()
    return "echoed"


@case("udp/size/ethernet-frame", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_ethernet_frame(target: Target) -> str:
    """1472 bytes fill one Ethernet frame; 1473 need two, and are still one datagram."""
    return exchange(target, *map(target.random.randbytes, (1471, 1472, 1473)))


@case("udp/size/pages", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_pages(target: Target) -> str:
    """Around the sizes that buffers are made of: 2048, 4096, 8192, 9216, 16384 and 32768 bytes."""
    sizes = [size + more for size in (2048, 4096, 8192, 9216, 16384, 32768) for more in (-1, 0, 1)]
    with target.datagrams() as sender:
        for size in sizes:
            sender.ask(target.random.randbytes(size))
        sender.silent()
    return "echoed"


@case("udp/size/largest", service="udp", requirements=("UDP-001", "UDP-002"), accept=ECHOED)
def test_largest(target: Target) -> str:
    """65507 bytes, the most that a datagram carries, and one byte less."""
    return exchange(target, target.random.randbytes(LARGEST - 1), target.random.randbytes(LARGEST))


@case("udp/size/short-after-long", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_short_after_long(target: Target) -> str:
    """A short datagram after a long one has nothing of it left at its end."""
    with target.datagrams() as sender:
        for size in (2000, 3, 1000, 1, 500, 0, 9):
            sender.ask(target.random.randbytes(size))
        sender.silent()
    return "echoed"


@case("udp/bytes/all-values", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_all_values(target: Target) -> str:
    """All byte values pass unchanged, in either order."""
    return exchange(target, bytes(range(256)), bytes(range(255, -1, -1)))


@case("udp/bytes/line-ends", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_line_ends(target: Target) -> str:
    """Line ends and blanks, at the beginning, inside and at the end, are bytes as any other."""
    return exchange(
        target, b"\n", b"\r\n", b"a\nb\nc", b"a\r\n", b" blank ", b"\n\n", b"\ttab\v\f", b"two\n\nlines\n"
    )


@case("udp/bytes/zeros", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_zeros(target: Target) -> str:
    """Zero bytes end nothing."""
    return exchange(target, b"\0", b"before\0after", b"\0\0\0", b"end\0", bytes(1000))


@case("udp/bytes/any", service="udp", requirements=("UDP-001",), accept=ECHOED, explores=True)
def test_any(target: Target) -> str:
    """Whatever datagrams, a few at a time, each comes back."""

    def check(datagrams: list[bytes]) -> None:
        with target.datagrams() as sender:
            sender.ask(*datagrams)

    explore(target, st.lists(st.binary(max_size=300), min_size=1, max_size=8), check)
    return "echoed"


# --- boundaries --------------------------------------------------------------------------------------------


@case("udp/burst/each-its-own", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_each_its_own(target: Target) -> str:
    """Datagrams sent at once are answered each by a datagram of its own, none merged and none split."""
    return exchange(target, *distinct(target, BURST))


@case("udp/burst/many-sizes", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_many_sizes(target: Target) -> str:
    """Long, short and empty ones in one burst keep their boundaries."""
    sizes = (0, 1500, 1, 3000, 2, 0, 700, 9000, 16, 1)
    return exchange(target, *map(target.random.randbytes, sizes))


@case("udp/burst/equal-datagrams", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_equal_datagrams(target: Target) -> str:
    """Equal datagrams are answered as often as they were sent."""
    return exchange(target, *([b"the same again"] * 10))


@case("udp/burst/one-after-another", service="udp", requirements=("FAQ-012",), accept=ECHOED)
def test_one_after_another(target: Target) -> str:
    """Of datagrams that are sent one after another, each after the answer to the last, none is lost."""
    with target.datagrams() as sender:
        for datagram in distinct(target, TRICKLE):
            sender.ask(datagram)
        sender.silent()
    return counted(sender)


# --- senders -----------------------------------------------------------------------------------------------


@case("udp/sender/two-in-turns", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_two_in_turns(target: Target) -> str:
    """Two senders in turns: each hears its own answers, and none of the other's."""
    with target.datagrams() as first, target.datagrams() as second:
        for datagram in distinct(target, 10):
            first.ask(b"first " + datagram)
            second.ask(b"second " + datagram)
        first.silent()
        second.silent()
    return counted(first, second)


@case("udp/sender/all-at-once", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_all_at_once(target: Target) -> str:
    """Forty senders ask before anybody listens: every answer goes to who asked for it."""
    with several(target, 40) as senders:
        for sender, datagram in zip(senders, distinct(target, len(senders)), strict=True):
            sender.send(datagram)
        for sender in senders:
            sender.ask(*sender.asked)
        senders[-1].silent()
        for sender in senders:
            sender.hear(0)
    return "echoed"


@case("udp/sender/crowd", service="udp", requirements=("FAQ-012",), accept=ECHOED)
def test_crowd(target: Target) -> str:
    """Three hundred senders, all of them still there: the last is answered as the first, and so is the first
    again.
    """
    with several(target, CROWD) as senders:
        for sender, datagram in zip(senders, distinct(target, CROWD), strict=True):
            sender.ask(datagram)
        senders[0].ask(b"and the first again")
    return counted(*senders)


@case("udp/sender/listening-address", service="udp", requirements=("UDP-001",), accept=ECHOED)
def test_listening_address(target: Target) -> str:
    """Answers come from the address and port that was asked, whoever asks."""
    with several(target, 5) as senders:
        for sender in senders:
            sender.ask(b"where from?")
    return "echoed"


@case("udp/sender/nothing-unasked", service="udp", requirements=("UDP-001",), accept={"silent": "pass"})
def test_nothing_unasked(target: Target) -> str:
    """An answer is all: no greeting, no second copy, no reminder."""
    with target.datagrams() as sender:
        sender.ask(b"only this")
        sender.silent()
        sender.silent()
        sender.ask(b"and this")
        sender.silent()
    return "silent"


# --- trouble -----------------------------------------------------------------------------------------------


@case("udp/trouble/garbage", service="udp", requirements=("UDP-006",), accept=UNHARMED)
def test_garbage(target: Target) -> str:
    """Broken text, other protocols' headers and half a JSON: each is answered, and the next sender too."""
    with target.datagrams() as sender, target.datagrams() as other:
        for datagram in GARBAGE:
            sender.ask(datagram)
            for question in (b"all well?", b"really?"):
                other.ask(question)
    counted(sender, other)
    return "unharmed"


@case("udp/trouble/idle-after-garbage", service="udp", requirements=("UDP-006",), accept=UNHARMED)
def test_idle_after_garbage(target: Target) -> str:
    """Garbage from a sender who does not listen; when all is quiet again, others are answered."""
    with target.datagrams() as careless, target.datagrams() as other:
        careless.send(*GARBAGE)
        other.silent()
        for datagram in distinct(target, 30):
            other.ask(datagram)
    counted(other)
    return "unharmed"


@case("udp/trouble/sender-gone", service="udp", requirements=("FAQ-012",), accept=UNHARMED)
def test_sender_gone(target: Target) -> str:
    """Senders ask and are gone, so that the answers bounce: everybody else is answered."""
    with several(target, 4) as others:  # before the port of one who goes is free for anybody
        for datagram in distinct(target, 10):
            with target.datagrams() as gone:
                gone.vanish()
                gone.send(*([datagram] * 3))
            for other in others:
                other.ask(b"all well?")
    counted(*others)
    return "unharmed"


@case("udp/trouble/sender-that-never-listens", service="udp", requirements=("FAQ-012",), accept=UNHARMED)
def test_sender_that_never_listens(target: Target) -> str:
    """A sender whose answers fill its own buffers keeps no answer from anybody else."""
    with target.datagrams() as careless, target.datagrams() as other:
        for _ in range(8):
            careless.send(*([bytes(8000)] * 4))
            other.ask(b"all well?")
    counted(other)
    return "unharmed"


# --- new processes -----------------------------------------------------------------------------------------


@contextmanager
def trickle(target: Target) -> Iterator[None]:
    """A datagram in every calibrated gap for as long as the block takes. No more than `WINDOW` are ever
    without an answer, so few that no kernel drops any, however long the target has to wait for its turn.

    Raises Violation `loses-datagrams`, or what was heard besides.
    """
    over, trouble = threading.Event(), list[Violation]()

    def run() -> None:
        try:
            with target.datagrams() as sender:
                flow(sender, over)
        except Violation as violation:
            trouble.append(violation)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    for violation in trouble:
        raise violation


def flow(sender: Datagrams, over: threading.Event) -> None:
    """Ask until it is over, and then wait for the last answers."""
    calibration, number, heard = sender.calibration, 0, 0
    while not over.is_set():
        if number - heard < WINDOW:
            sender.send(b"number %d" % (number := number + 1))
        limit = clock() + calibration.gap
        while sender.hear(limit - clock()):
            heard += 1
    while (lost := sender.asked - sender.heard) and sender.hear(calibration.deadline):
        pass
    if lost.total() > SPARE:
        raise Violation("loses-datagrams", f"{lost.total()} of {number} were not answered")


@case(
    "udp/reload/nothing-lost",
    service="udp",
    requirements=("LIFE-062",),
    accept={"answered": "pass"},
    needs=("process", "reload"),
    fresh=True,
)
def test_reload(target: Target) -> str:
    """Datagrams that come in the middle of a reload are answered by the old or the new processes."""
    with trickle(target):
        reloaded(target)
    return "answered"


@case(
    "udp/reload-graceful/nothing-lost",
    service="udp",
    requirements=("LIFE-062",),
    accept={"answered": "pass"},
    needs=("process", "reload_graceful"),
    fresh=True,
)
def test_reload_graceful(target: Target) -> str:
    """As in a reload, with all the time that the old processes may take."""
    with trickle(target):
        reloaded(target, "reload_graceful")
    return "answered"
