"""Free ports for copies of a target, also when several test processes ask at once.

Ports come from below the range that the kernel hands to outgoing connections, so that no client of the suite
can take one between the moment it is found free and the moment the target listens on it.
"""

import random
import socket

LOWEST, HIGHEST = 20_000, 32_000

_handed_out: set[int] = set()
_random = random.Random()  # its own, seeded by the system: test processes must not walk in step


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, never the same twice in this process."""
    for _attempt in range(1_000):
        port = _random.randrange(LOWEST, HIGHEST)
        if port not in _handed_out and _is_free(port):
            _handed_out.add(port)
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
