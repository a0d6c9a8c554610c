"""What a case sees of the target: the `target` argument of every case."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from conformance.case import Case
from conformance.outcomes import Unsupported
from conformance.target.calibration import Calibration
from conformance.target.file import TargetSpec
from conformance.target.instance import Copy
from conformance.target.process import Process
from conformance.wire.address import Address
from conformance.wire.datagram import Datagrams
from conformance.wire.peer import Peer
from conformance.wire.transcript import Transcript


def lacking(case: Case, spec: TargetSpec) -> str:
    """What the case needs and the target file does not have, in a sentence; empty when all is there."""
    if case.service not in spec.endpoints:
        return f"the target offers no {case.service!r} service"
    missing = [need for need in case.needs if not _offers(spec, need)]
    return f"the case needs {missing[0]}, which the target file does not have" if missing else ""


def _offers(spec: TargetSpec, need: str) -> bool:
    process = spec.process
    kind, _, name = need.partition(".")
    offers: Mapping[str, object] = {
        "process": process,
        "pid_file": process and process.pid_file,
        "limits": name in spec.limits or name in spec.time_limits,
        "workers": process and name in process.workers,
        "endpoint": name in spec.endpoints,
    }
    return bool(offers.get(kind, process and need in process.commands))


@dataclass(frozen=True)
class Effort:
    """How a run explores: the seed of everything random, and seconds of fuzzing for each property (or 0)."""

    seed: int = 0
    fuzz_seconds: float = 0.0


@dataclass
class Target:
    """One copy of the target during one case."""

    copy: Copy
    case: Case
    effort: Effort = field(default_factory=Effort)
    transcript: Transcript = field(default_factory=Transcript)

    @property
    def random(self) -> Random:
        """A fresh source of chance for this case: the same values for the same seed."""
        return Random(f"{self.effort.seed} {self.case.id}")

    @property
    def calibration(self) -> Calibration:
        """The waits for the case's own service."""
        return self.copy.calibration(self.case.service)

    @property
    def limits(self) -> Mapping[str, int]:
        """The limits that the target file declares, in bytes."""
        return self.copy.spec.limits

    @property
    def time_limits(self) -> Mapping[str, float]:
        """The limits of time that the target file declares, in seconds."""
        return self.copy.spec.time_limits

    @property
    def workers(self) -> Mapping[str, int]:
        """Processes by service, as the target file declares them."""
        return self.copy.spec.process.workers if self.copy.spec.process else {}

    @property
    def process(self) -> Process:
        """The processes of this copy. Raises Unsupported when the suite did not start it."""
        if self.copy.process is None:
            raise Unsupported("the target was running already")
        return self.copy.process

    def endpoint(self, service: str | None = None) -> Address:
        """Where a service listens; the case's own by default. Raises Unsupported."""
        name = service or self.case.service
        if name not in self.copy.addresses:
            raise Unsupported(f"the target offers no {name!r} service")
        return self.copy.addresses[name]

    def connect(
        self,
        service: str | None = None,
        *,
        receive_buffer: int = 0,
        name: str = "",
        context: ssl.SSLContext | None = None,
        bare: bool = False,
    ) -> Peer:
        """A new connection, recorded in the transcript. Raises Violation `refused`.

        A small `receive_buffer` (bytes) makes this side a peer that is soon full, see `Peer.flood`; `name` is
        our own on a Unix socket. `context` says how TLS is spoken; `bare` leaves it out, on a service that
        wants it.
        """
        wanted = service or self.case.service
        where, calibration = self.endpoint(wanted), self.copy.calibration(wanted)
        if bare:
            where = replace(where, url=f"tcp://{where.authority}", transport="tcp")
        return Peer(where, calibration, self.transcript, wanted, receive_buffer, name, context)

    def datagrams(self, service: str | None = None) -> Datagrams:
        """A new datagram socket, recorded in the transcript, for a service that is not a stream."""
        name = service or self.case.service
        return Datagrams(self.endpoint(name), self.copy.calibration(name), self.transcript, name)
