"""A client of a datagram service: what comes is kept apart, and checked against what was asked.

Theory: a datagram socket has neither order nor end, and a network may lose what it carries. What it may not
do is invent: everything that comes has to be an answer to something sent, from the address that was asked, as
often as it was asked and no more. So a `Datagrams` counts what it has asked and what it has heard. Where an
answer is missing it asks again, and whatever comes later for the first try is still right.
"""

import select
import socket
import sys
from collections import Counter
from types import TracebackType

from conformance.outcomes import Inconclusive, Violation
from conformance.target.calibration import Calibration
from conformance.wire.address import Address
from conformance.wire.clock import clock, ready
from conformance.wire.render import excerpt
from conformance.wire.transcript import Transcript

LARGEST = 65507
"""Bytes that a datagram can carry over IPv4: 65535, less the headers of IP and UDP."""

SPACE = 65536

TRIES = 3
"""How often something is asked before silence counts: one loss is the network's right, three are a habit."""

BUFFER = 4 * 1024 * 1024
"""Bytes that the kernel is asked to keep for us, so that it is not us who lose something."""


class Datagrams:
    """A socket that sends datagrams to the target; a context manager that closes it.

    `asked` and `heard` count datagrams by their bytes; `retries` counts what had to be asked again.
    """

    def __init__(
        self, address: Address, calibration: Calibration, transcript: Transcript, service: str = "?"
    ) -> None:
        self.address = address
        self.calibration = calibration
        self.transcript = transcript
        self.number = transcript.new_peer(f"{service} {address.url}")
        self.asked: Counter[bytes] = Counter()
        self.heard: Counter[bytes] = Counter()
        self.retries = 0
        self._expected: Counter[bytes] = Counter()
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        family, kind, number, _, there = found[0]
        self._there = there
        self._socket = socket.socket(family, kind, number)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.setblocking(False)

    def __enter__(self) -> "Datagrams":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket: what still comes for it is answered by the kernel, port unreachable."""
        if self._socket.fileno() >= 0:
            self.transcript.add(self.number, "close")
            self._socket.close()

    def vanish(self) -> None:
        """From now on answers bounce, and the target's kernel hears of an unreachable port, as from a sender
        whose socket is closed, and without a race against the answer: the socket takes nothing any more but
        from itself. On Linux, where what is connected may still send elsewhere; others have `close`.
        """
        if sys.platform == "linux":
            self._socket.connect(self._there)  # gives it its name
            self._socket.connect(self._socket.getsockname())

    # --- out ---------------------------------------------------------------------------------------------

    def send(self, *datagrams: bytes) -> None:
        """Each of these as a datagram of its own."""
        for datagram in datagrams:
            self.transcript.add(self.number, "send", datagram)
            self.asked[datagram] += 1
            self._send(datagram)

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._there)
        except BlockingIOError:
            ready(self._socket, select.POLLOUT, self.calibration.deadline)
            self._socket.sendto(datagram, self._there)

    # --- in ----------------------------------------------------------------------------------------------

    def ask(self, *datagrams: bytes) -> None:
        """Send these, and hear the echo of each, in whatever order; what is lost is asked again.

        Raises Violation `no-answer`, or what `hear` raises.
        """
        due = Counter(datagrams)
        due.update({each: self.heard[each] for each in due})
        missing = due - self.heard
        for attempt in range(TRIES):
            self.retries += missing.total() if attempt else 0
            self.send(*missing.elements())
            for datagram in () if attempt else datagrams:
                self.transcript.add(self.number, "expect", datagram)
            limit = clock() + self.calibration.deadline / TRIES
            while (missing := due - self.heard) and self.hear(limit - clock()):
                pass
            if not missing:
                return
        raise Violation("no-answer", f"{TRIES} times asked, never answered: {self._named(missing)}")

    def expect(self, answer: bytes) -> None:
        """One more of these comes, or has come among the others. Raises Violation as `ask`."""
        self.transcript.add(self.number, "expect", answer)
        self._expected[answer] += 1
        limit = clock() + self.calibration.deadline
        while self.heard[answer] < self._expected[answer]:
            if not self.hear(limit - clock()):
                raise Violation("no-answer", f"{excerpt(answer)} was due, nothing came")

    def silent(self) -> None:
        """Nothing comes that is not due, for a calibrated time.

        Raises Violation as `hear`; Inconclusive on a machine too noisy to tell.
        """
        if self.calibration.noisy:
            raise Inconclusive(
                f"silence tells nothing at a round trip of {self.calibration.round_trip:.2f} s"
            )
        self.transcript.add(self.number, "silent", note=f"{self.calibration.quiet:.3f}")
        limit = clock() + self.calibration.quiet
        while self.hear(limit - clock()):
            pass

    def hear(self, seconds: float) -> bool:
        """Take one datagram; whether one came within the time.

        Raises Violation `other-source` for one that is not from the address that was asked, `wrong-answer`
        for one that nobody asked for, `answered-twice` for one too many.
        """
        if not ready(self._socket, select.POLLIN, seconds):
            return False
        datagram, source = self._socket.recvfrom(SPACE)
        self.transcript.add(self.number, "receive", datagram, note="datagram")
        if source[:2] != self._there[:2]:
            raise Violation("other-source", f"{self.address.authority} was asked, {source[:2]} answers")
        self.heard[datagram] += 1
        if not self.asked[datagram]:
            raise Violation("wrong-answer", self._never_asked(datagram))
        if self.heard[datagram] > self.asked[datagram]:
            times = f"sent {self.asked[datagram]} times, answered {self.heard[datagram]} times"
            raise Violation("answered-twice", f"{excerpt(datagram)} was {times}")
        return True

    def _never_asked(self, datagram: bytes) -> str:
        due = self._named(self.asked - self.heard)
        return f"a datagram of {len(datagram)} bytes came, {excerpt(datagram)}; due was {due}"

    def _named(self, datagrams: Counter[bytes]) -> str:
        """The first of these, and how many more there are."""
        names = [f"{excerpt(each)} ({len(each)} bytes)" for each in datagrams]
        more = f" and {datagrams.total() - 1} more" if datagrams.total() > 1 else ""
        return f"{names[0]}{more}" if names else "nothing"
