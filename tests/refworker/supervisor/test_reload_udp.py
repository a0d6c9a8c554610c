"""Datagram sockets live through a reload, beside a stream's at the same address."""

import socket
from contextlib import suppress

from conformance.target.ports import free_port
from tests.refworker.supervisor.service import PATIENCE, Make, Service

EXTRA = """
def tell(transport):
    return lambda connection, message: connection.send(transport + " " + str(os.getppid()))

for transport in ("tcp", "udp"):
    Worker("text://127.0.0.1:{port}", transport=transport, name="both", on_message=tell(transport))
"""


def free_for_both() -> int:
    """A port that is free in either way; the kernel gives none of these to outgoing connections."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as datagrams, suppress(OSError):
            datagrams.bind(("127.0.0.1", port := free_port()))
            return port


def answers(running: Service, port: int) -> None:
    """Each transport has its own service."""
    assert running.master
    for kind, name in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
        with socket.socket(type=kind) as client:
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", port))
            client.send(b"?\n")
            assert client.recv(100) == f"{name} {running.master.pid}\n".encode()


def test_both_transports_of_an_address(service: Make) -> None:
    port = free_for_both()
    running = service(extra=EXTRA.format(port=port)).started()
    answers(running, port)
    for _ in range(2):
        done = running.command("reload")
        assert done.returncode == 0, done.stderr + running.err
        answers(running, port)
    assert running.command("stop").returncode == 0
    assert running.wait() == 0
    assert "Traceback" not in running.err
