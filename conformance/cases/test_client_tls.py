"""Outgoing connections over TLS, to listeners of ours that deserve no trust: through the probe."""

import socket
import ssl
from collections.abc import Callable

from conformance.case import Violation, case
from conformance.cases.test_client import SERVICE, listening, never_stood, opened
from conformance.cases.test_probe import AS_ASKED, check
from conformance.target.view import Target

SECRET = "for nobody else"

Host = Callable[[socket.socket], bytes]
"""Receives a connection; what it has learnt from it."""


def betrayed(target: Target, host: Host) -> str:
    """A connection to this host is an error with code 1, then one close, never a connect; and it learns
    nothing. Raises Violation.
    """
    with listening(target) as (service, listener):
        me = opened(service, listener.port, "ssl", send=[SECRET])
        with listener.caller() as caller:
            learnt = host(caller.sock)
        log = service.until(me, "close")
    never_stood(log)
    check(SECRET.encode() not in learnt, "nothing of what was to be sent", learnt)
    return "as-asked"


@case("client/tls/wrong-certificate", service=SERVICE, requirements=("TLS-006", "TLS-007"), accept=AS_ASKED)
def test_wrong_certificate(target: Target) -> str:
    """A certificate that nobody vouches for is refused, unless somebody asked for less."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = target.copy.folder
    context.load_cert_chain(folder.lookup("cert"), folder.lookup("key"))

    def impostor(sock: socket.socket) -> bytes:
        try:
            with context.wrap_socket(sock, server_side=True) as secured:
                return secured.recv(4096)
        except TimeoutError as problem:
            raise Violation(
                "no-answer", "the target neither believed a certificate nor refused it"
            ) from problem
        except OSError:  # the alert
            return b""

    return betrayed(target, impostor)


@case("client/tls/no-tls", service=SERVICE, requirements=("TLS-006",), accept=AS_ASKED)
def test_no_tls(target: Target) -> str:
    """A server that speaks something else is no peer."""

    def stranger(sock: socket.socket) -> bytes:
        sock.sendall(b"220 no TLS here\r\n" * 20)
        return everything(sock)

    return betrayed(target, stranger)


@case("client/tls/broken-off", service=SERVICE, requirements=("TLS-006",), accept=AS_ASKED)
def test_broken_off(target: Target) -> str:
    """A server that leaves in mid-handshake is no peer either."""
    return betrayed(target, lambda sock: sock.recv(4096))


def everything(sock: socket.socket) -> bytes:
    """All bytes until the end."""
    learnt = b""
    try:
        while piece := sock.recv(4096):
            learnt += piece
    except ConnectionError:
        pass
    return learnt
