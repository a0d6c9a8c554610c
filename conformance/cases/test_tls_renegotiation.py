"""Renegotiation of TLS 1.2: asked for by the `openssl` command, since Python's own TLS cannot begin one."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from conformance.case import Unsupported, Violation, case
from conformance.cases.secure import exchange
from conformance.outcomes import Observation
from conformance.target.view import Target
from conformance.wire.clock import ready

ASKED = 10
"""Handshakes asked for in one connection; a server that allows a few sets a limit below that."""

RENEGOTIATE = b"R\n"
"""What the interactive `openssl s_client` takes for it (openssl-s_client(1), connected commands)."""

BEGUN = b"RENEGOTIATING\n"
"""What it says when it has begun; a line that comes too early is taken for a part of the command."""


class Asker:
    """A connection of `openssl s_client`, which prints what it receives, and what it does."""

    def __init__(self, process: "subprocess.Popen[bytes]", patience: float) -> None:
        self.process, self.patience = process, patience
        self.heard = b""

    def echoed(self, line: bytes) -> bool:
        """Send a line; whether it comes back, before the deadline and before the end."""
        return self.prints(line, line)

    def renegotiated(self, number: int) -> bool:
        """Ask for a new handshake; whether the connection goes on after it."""
        return self.prints(RENEGOTIATE, BEGUN) and self.echoed(b"again %d\n" % number)

    def prints(self, line: bytes, answer: bytes) -> bool:
        """Whether it prints this, by the deadline, after a line of input."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except OSError:
            return False
        while answer not in self.heard:
            if not ready(self.process.stdout, select.POLLIN, self.patience):
                return False
            if not (piece := os.read(self.process.stdout.fileno(), 65536)):
                return False
            self.heard += piece
        self.heard = b""
        return True


@contextmanager
def asker(target: Target) -> Iterator[Asker]:
    """A TLS 1.2 connection that can renegotiate. Raises Unsupported without the command."""
    command = ["openssl", "s_client", "-tls1_2", "-connect", target.endpoint().authority]
    try:
        process = subprocess.Popen(  # unbuffered: what it does not read any more is nobody's to write
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as problem:
        raise Unsupported(f"the openssl command is missing: {problem}") from problem
    with process:
        try:
            yield Asker(process, target.calibration.deadline)
        finally:
            process.kill()


@case(
    "tls/handshake/renegotiation",
    service="tls",
    requirements=("TLS-010",),
    accept={"refused": "pass", "unlimited": "weak"},
)
def test_renegotiation(target: Target) -> str:
    """A client that asks for handshake after handshake is refused in the end, and harms nobody."""
    with target.connect() as neighbour, asker(target) as client:
        if not client.echoed(b"before\n"):
            raise Violation(
                "no-answer", "a line over TLS 1.2 was sent with `openssl s_client`, and none came"
            )
        done = 0
        while done < ASKED and client.renegotiated(done):
            done += 1
        exchange(neighbour, b"a line of its own\n")
    return Observation("unlimited" if done == ASKED else "refused", f"{done} handshakes more")
