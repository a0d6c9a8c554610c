"""More places to listen at, opened by a process that serves already: the probe's `listen`."""

import socket

from conformance.case import Unsupported, Violation, case
from conformance.cases.probing import Control, act, control, verb
from conformance.cases.test_probe import AS_ASKED, CONTROL
from conformance.target.view import Target
from conformance.wire.address import Address
from conformance.wire.datagram import TRIES
from conformance.wire.peer import Peer

NO_PROTOCOLS = ("a-b://127.0.0.1:0", "../x://127.0.0.1:0", "nope://127.0.0.1:0", "127.0.0.1:0")
"""Schemes that no protocol can have or has, and none at all."""


def visit(target: Target, url: str) -> Peer:
    """A connection to a place that was opened by `listen`."""
    return Peer(Address.parse(url), target.calibration, target.transcript, "probe.text")


def opened(service: Control, address: str) -> int:
    """The port that the target listens on now. Raises Violation `wrong-answer`."""
    result = service.ask("listen", address=address)
    if not isinstance(result, dict) or not isinstance(result.get("port"), int):
        raise Violation("wrong-answer", f'{{"port": …}} was due, {result} came')
    return int(result["port"])


def refused(service: Control, address: str) -> None:
    """There is an error, and no listener. Raises Violation `accepted`."""
    if "error" not in (reply := service.answer("listen", address=address)):
        raise Violation("accepted", f"listen on {address}: an error was due, {reply} came")


def echoes(peer: Peer) -> None:
    """A line comes back."""
    peer.send(b"a line\n")
    peer.expect(b"a line\n")


def has_ipv6() -> bool:
    """Whether this machine has the address ::1."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@case(
    "probe/listen/both-families",
    service="probe.text",
    requirements=("TCP-007", "FAQ-013"),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_both_families(target: Target) -> str:
    """A listener on `[::]` serves IPv4 as well, and reports plain addresses of both families."""
    if not has_ipv6():
        raise Unsupported("this machine has no IPv6")
    with control(target) as service:
        port = opened(service, "text://[::]:0")
    for host, ip in (("127.0.0.1", "127.0.0.1"), ("[::1]", "::1")):
        with visit(target, f"tcp://{host}:{port}") as peer:
            echoes(peer)
            if (seen := act(peer, "info").get("remote_ip")) != ip:
                raise Violation("wrong-address", f"remote_ip {ip} was due, {seen!r} came")
    return "as-asked"


@case(
    "probe/listen/no-protocol",
    service="probe.text",
    requirements=("CUSTOM-002",),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_no_protocol(target: Target) -> str:
    """An address without a protocol, or with one that does not exist, is an error; the next one is not."""
    with control(target) as service:
        for address in NO_PROTOCOLS:
            refused(service, address)
        port = opened(service, "text://127.0.0.1:0")
    with visit(target, f"tcp://127.0.0.1:{port}") as peer:
        echoes(peer)
    return "as-asked"


@case(
    "probe/listen/datagrams",
    service="probe.text",
    requirements=("UDP-003",),
    accept=AS_ASKED,
    needs=CONTROL,
)
def test_datagrams(target: Target) -> str:
    """A `close` of one datagram's connection sends its last words, and ends nothing else."""
    with control(target) as service:
        port = opened(service, "udp://127.0.0.1:0")
    for words in (b"bye", b"bye again"):
        with socket.socket(type=socket.SOCK_DGRAM) as visitor:
            visitor.connect(("127.0.0.1", port))
            visitor.settimeout(target.calibration.deadline / TRIES)
            answered(visitor, b"hello", b"hello")
            answered(visitor, verb("close", data=words.decode()).rstrip(b"\n"), words)
            answered(visitor, b"still there", b"still there")
    return "as-asked"


def answered(visitor: socket.socket, datagram: bytes, due: bytes) -> None:
    """What is due comes back; a datagram may be lost on its way. Raises Violation."""
    for _ in range(TRIES):
        try:
            visitor.send(datagram)
            came = visitor.recv(65536)
        except OSError:  # too late, or nobody listens any more
            continue
        if came != due:
            raise Violation("wrong-answer", f"{due!r} was due, {came!r} came")
        return
    raise Violation("no-answer", f"{due!r} was due for {datagram!r}, {TRIES} times asked")


@case("probe/listen/taken", service="probe.text", requirements=("LIFE-108",), accept=AS_ASKED, needs=CONTROL)
def test_taken(target: Target) -> str:
    """A port that is taken is an error, and whoever has it serves on."""
    with control(target) as service:
        port = opened(service, "text://127.0.0.1:0")
        with visit(target, f"tcp://127.0.0.1:{port}") as before:
            refused(service, f"text://127.0.0.1:{port}")
            echoes(before)
        with visit(target, f"tcp://127.0.0.1:{port}") as after:
            echoes(after)
    return "as-asked"
