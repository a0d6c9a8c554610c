"""Outgoing connections of the target, to a listener of ours, through the probe (contract, section 5).

The suite is the server here: it sees what a client does with its connection, and the target's log says what
its application heard of it.
"""

import json
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from conformance.case import Violation, case
from conformance.cases.probing import Control, Event, control
from conformance.cases.test_probe import AS_ASKED, check
from conformance.target.view import Target
from conformance.wire.clock import ready

SERVICE = "probe.control"
CONNECT_FAIL = 1
HOST = "127.0.0.1"


class Caller:
    """A connection that the target has opened to us."""

    def __init__(self, sock: socket.socket, address: tuple[str, int], deadline: float) -> None:
        self.sock, self.address, self.deadline = sock, address, deadline

    def expect(self, data: bytes) -> None:
        """These bytes come next. Raises Violation `wrong-answer`, `no-answer` or `fin`."""
        seen = b""
        while len(seen) < len(data):
            seen += self._received(data, seen)
        check(seen == data, repr(data), seen)

    def asks_for_tunnel(self, authority: str) -> None:
        """A request for a tunnel comes (RFC 9110 section 9.3.6), with whatever fields besides Host."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._received(b"\0", b"")
        line, *fields = head.decode("latin-1").split("\r\n")
        check(line == f"CONNECT {authority} HTTP/1.1", f"CONNECT {authority}", line)
        hosts = [field for field in fields if field.lower().replace(" ", "") == f"host:{authority}"]
        check(len(hosts) == 1, f"one Host: {authority}", fields)

    def _received(self, data: bytes, seen: bytes) -> bytes:
        if not (more := self._piece(len(data) - len(seen))):
            raise Violation("no-answer" if more is None else "fin", f"{data!r} was due, {seen!r} came")
        return more

    def _piece(self, size: int) -> bytes | None:
        """What comes next, empty at the end; None where nothing comes."""
        if not ready(self.sock, select.POLLIN, self.deadline):
            return None
        try:
            return self.sock.recv(size)
        except OSError:
            return None


class Listener:
    """A listener of ours; what connects to it is the target's."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.sock = socket.create_server((HOST, 0))
        self.port: int = self.sock.getsockname()[1]

    @contextmanager
    def caller(self) -> Iterator[Caller]:
        """The next connection. Raises Violation `no-connection`."""
        if not ready(self.sock, select.POLLIN, self.deadline):
            raise Violation("no-connection", "the target did not connect")
        sock, address = self.sock.accept()
        with sock:
            sock.settimeout(self.deadline)
            yield Caller(sock, address, self.deadline)


@contextmanager
def listening(target: Target) -> Iterator[tuple[Control, Listener]]:
    """The control service, and a listener."""
    listener = Listener(target.calibration.deadline)
    with listener.sock, control(target) as service:
        yield service, listener


def opened(service: Control, port: int, scheme: str = "text", **more: Any) -> int:
    """Have the target connect to a port of ours; the id of its connection."""
    result = service.ask("client", address=f"{scheme}://{HOST}:{port}", **more)
    check(isinstance(result, dict) and type(result.get("id")) is int, "an id", result)
    number: int = result["id"]
    return number


def details(log: list[Event], callback: str) -> list[Any]:
    """What belongs to the callbacks of this name."""
    return [event.detail for event in log if event.callback == callback]


def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        number: int = sock.getsockname()[1]
        return number


@case("client/connect/success", service=SERVICE, requirements=("CLIENT-003",), accept=AS_ASKED)
def test_success(target: Target) -> str:
    """A connection that stands says so once, and knows whom it has reached."""
    with listening(target) as (service, listener):
        me = opened(service, listener.port)
        with listener.caller():
            log = service.until(me, "connect")
    check(
        details(log, "connect") == [f"{HOST}:{listener.port}"], "our address, once", details(log, "connect")
    )
    return "as-asked"


@case("client/early/in-order", service=SERVICE, requirements=("CLIENT-005",), accept=AS_ASKED)
def test_early(target: Target) -> str:
    """What is sent before the connection stands comes first, in order, then what is sent when it does."""
    with listening(target) as (service, listener):
        opened(service, listener.port, send=["one", "two"], options={"greeting": "three"})
        with listener.caller() as caller:
            caller.expect(b"one\ntwo\nthree\n")
    return "as-asked"


@case("client/message/both-ways", service=SERVICE, requirements=("CLIENT-001",), accept=AS_ASKED)
def test_messages(target: Target) -> str:
    """Messages of every framing go both ways over an outgoing connection."""
    framed = {"text": b"hello\n", "frame": b"\0\0\0\x09hello", "tcp": b"hello"}
    for scheme, wire in framed.items():
        with listening(target) as (service, listener):
            me = opened(service, listener.port, scheme, send=["hello"])
            with listener.caller() as caller:
                caller.expect(wire)
                caller.sock.sendall(wire)
                log = service.until(me, "message")
        check(details(log, "message") == ["hello"], "our message", details(log, "message"))
    return "as-asked"


@case("client/connect/refused", service=SERVICE, requirements=("CLIENT-004",), accept=AS_ASKED)
def test_refused(target: Target) -> str:
    """A refused connection is an error with code 1, then one close, and never a connect."""
    with control(target) as service:
        me = opened(service, unused_port(), send=["lost"])
        log = service.until(me, "close")
    never_stood(log)
    return "as-asked"


def never_stood(log: list[Event]) -> None:
    """An error with code 1 and a reason, then a close, and nothing else. Raises Violation."""
    names = [event.callback for event in log]
    check(names == ["error", "close"], "error, then close", names)
    check(log[0].detail[0] == CONNECT_FAIL, "code 1", log[0].detail)
    check(bool(log[0].detail[1]), "a reason", log[0].detail)


@case("client/close/by-peer", service=SERVICE, requirements=("TCP-004",), accept=AS_ASKED)
def test_closed_by_peer(target: Target) -> str:
    """The peer's end of an outgoing connection is one close, behind everything that came before it."""
    with listening(target) as (service, listener):
        me = opened(service, listener.port)
        with listener.caller() as caller:
            caller.sock.sendall(b"one\ntwo\n")
        log = service.until(me, "close")
    names = [event.callback for event in log]
    check(names == ["connect", "message", "message", "close"], "connect, two messages, close", names)
    return "as-asked"


@case("client/connect/never-blocks", service=SERVICE, requirements=("CLIENT-002",), accept=AS_ASKED)
def test_never_blocks(target: Target) -> str:
    """While a connection is neither taken nor refused, everybody else is served."""
    with control(target) as service, target.connect("probe.text") as other, full() as port:
        me = opened(service, port)
        other.send(b"meanwhile\n")
        other.expect(b"meanwhile\n")
        check(service.names(me) == [], "nothing yet", service.names(me))
    return "as-asked"


@contextmanager
def full() -> Iterator[int]:
    """A port whose queue takes nobody more: its kernel answers neither yes nor no."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        port: int = listener.getsockname()[1]
        for _ in range(3):
            visitor = stack.enter_context(socket.socket())
            visitor.setblocking(False)
            visitor.connect_ex((HOST, port))
        yield port


@case(
    "client/reconnect/keeps-callbacks",
    service=SERVICE,
    requirements=("CLIENT-007", "CLIENT-008"),
    accept=AS_ASKED,
)
def test_reconnect(target: Target) -> str:
    """A connection that reconnects after a delay is the same one: its callbacks hear of the new life."""
    delay = 0.3
    with listening(target) as (service, listener):
        me = opened(service, listener.port, options={"reconnect": delay})
        with listener.caller():
            service.until(me, "connect")
        with listener.caller() as caller:
            caller.sock.sendall(b"again\n")
            log = service.until(me, "message")
    names = [event.callback for event in log]
    check(names == ["connect", "close", "connect", "message"], "connect, close, connect, message", names)
    waited = log[2].time - log[1].time
    check(waited >= delay * 0.95, f"{delay} s", waited)
    return "as-asked"


@case("client/address/wrong", service=SERVICE, requirements=("CLIENT-001",), accept=AS_ASKED)
def test_wrong_address(target: Target) -> str:
    """An address that cannot be meant is an error, and the service lives on."""
    with control(target) as service:
        for address in ("bad", "ws:", "nope://127.0.0.1:1", "w-s://127.0.0.1:1", "text://127.0.0.1:99999"):
            reply = service.answer("client", address=address)
            check("error" in reply, f"an error for {address!r}", json.dumps(reply))
        service.ask("counters")
    return "as-asked"


def through(target: Target, kind: str, opening: Callable[[Caller], None], granted: bytes) -> str:
    """The proxy is asked, and grants; what comes behind its last word is the peer's first."""
    with listening(target) as (service, listener):
        me = opened(service, 9, send=["hello"], options={kind: f"{HOST}:{listener.port}"})
        with listener.caller() as caller:
            opening(caller)
            caller.sock.sendall(granted + b"first\n")
            caller.expect(b"hello\n")
            log = service.until(me, "message")
    check(details(log, "message") == ["first"], "the peer's first message", details(log, "message"))
    return "as-asked"


def refused(target: Target, kind: str, opening: Callable[[Caller], None], refusal: bytes) -> str:
    """The proxy is asked, and refuses: a failed connection, and no byte that was meant for the peer."""
    with listening(target) as (service, listener):
        me = opened(service, 9, send=["secret"], options={kind: f"{HOST}:{listener.port}"})
        with listener.caller() as caller:
            opening(caller)
            caller.sock.sendall(refusal)
            log = service.until(me, "close")
            check(caller.sock.recv(64) == b"", "no byte for the peer", "some")
    check([event.callback for event in log] == ["error", "close"], "error, then close", log)
    return "as-asked"


def asked_for_name(caller: Caller) -> None:
    """A SOCKS5 proxy is greeted, and asked for the peer (RFC 1928)."""
    caller.expect(b"\5\1\0")
    caller.sock.sendall(b"\5\0")
    caller.expect(b"\5\1\0\3\x09127.0.0.1\0\x09")


def asked_for_tunnel(caller: Caller) -> None:
    """An HTTP proxy is asked for a tunnel to the peer."""
    caller.asks_for_tunnel("127.0.0.1:9")


@case("client/socks/refused", service=SERVICE, requirements=("CLIENT-014",), accept=AS_ASKED)
def test_socks_refused(target: Target) -> str:
    """A SOCKS5 proxy that refuses is a failed connection, and hears nothing that was meant for the peer."""
    return refused(target, "proxy_socks5", asked_for_name, b"\5\5\0\1\0\0\0\0\0\0")


@case("client/socks/through", service=SERVICE, requirements=("CLIENT-014",), accept=AS_ASKED)
def test_socks_through(target: Target) -> str:
    """Through a SOCKS5 proxy; what comes behind its last word is the peer's first."""
    return through(target, "proxy_socks5", asked_for_name, b"\5\0\0\1\x7f\0\0\1\0\x09")


@case("client/http-proxy/through", service=SERVICE, requirements=("CLIENT-012",), accept=AS_ASKED)
def test_http_proxy_through(target: Target) -> str:
    """Through an HTTP proxy with any 2xx; what comes behind its head is the peer's first."""
    for status in (b"200 OK", b"204 No Content"):
        through(target, "proxy_http", asked_for_tunnel, b"HTTP/1.1 " + status + b"\r\n\r\n")
    return "as-asked"


@case("client/http-proxy/refused", service=SERVICE, requirements=("CLIENT-012",), accept=AS_ASKED)
def test_http_proxy_refused(target: Target) -> str:
    """Anything but a 2xx is a failed connection, and nothing that was meant for the peer is said."""
    for answer in (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"220 mail ready\r\n\r\n"):
        refused(target, "proxy_http", asked_for_tunnel, answer)
    return "as-asked"


@case("client/proxy/silent", service=SERVICE, requirements=("CLIENT-013",), accept=AS_ASKED)
def test_silent_proxy(target: Target) -> str:
    """While a proxy says nothing, everybody else is served."""
    for kind in ("proxy_http", "proxy_socks5"):
        with listening(target) as (service, listener), target.connect("probe.text") as other:
            me = opened(service, 9, options={kind: f"{HOST}:{listener.port}"})
            with listener.caller():
                other.send(b"meanwhile\n")
                other.expect(b"meanwhile\n")
                check(service.names(me) == [], "nothing yet", service.names(me))
            service.until(me, "close")
    return "as-asked"


@case("client/local-address/used", service=SERVICE, requirements=("CLIENT-011",), accept=AS_ASKED)
def test_local_address(target: Target) -> str:
    """A connection leaves from the address that it is told; one that this machine lacks is an error."""
    with listening(target) as (service, listener):
        port = unused_port()
        opened(service, listener.port, options={"local_address": f"{HOST}:{port}"})
        with listener.caller() as caller:
            check(caller.address == (HOST, port), f"{HOST}:{port}", caller.address)
        lost = opened(service, listener.port, options={"local_address": "203.0.113.9:0"})
        log = service.until(lost, "close")
    check([event.callback for event in log] == ["error", "close"], "error, then close", log)
    return "as-asked"
