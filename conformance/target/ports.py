"""Free ports for copies of a target, also when several test processes ask at once.

Ports come from below the range that the kernel hands to outgoing connections, so that no client can take one
between the moment it is found free and the moment the target listens on it. So that no other copy does, a
port is claimed first: a socket bound to a name made of its number, which the kernel gives to one process at a
time and takes back when that process ends, however it ends.
"""

import random
import socket
import sys

LOWEST, HIGHEST = 20_000, 32_000

_random = random.Random()  # its own, seeded by the system: test processes must not walk in step


def claim_port() -> tuple[int, socket.socket]:
    """A port of 127.0.0.1 that nobody listens on, and the claim to it: close that when done."""
    for _attempt in range(1_000):
        port = _random.randrange(LOWEST, HIGHEST)
        claim = _claim(port)
        if claim is not None and _is_free(port):
            return port, claim
        if claim is not None:
            claim.close()
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")


def free_port() -> int:
    """A port that is free now, for a server that starts at once."""
    port, claim = claim_port()
    claim.close()
    return port


def _claim(port: int) -> socket.socket | None:
    """Linux has names without files (unix(7), abstract); elsewhere the claim is empty, and luck decides."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            claim.bind(f"\0conformance-port-{port}")
    except OSError:
        claim.close()
        return None
    return claim


def _is_free(port: int) -> bool:
    """For streams and for datagrams: who asks may want either."""
    return all(_can_be_bound(port, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _can_be_bound(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(type=kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind is socket.SOCK_STREAM)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
